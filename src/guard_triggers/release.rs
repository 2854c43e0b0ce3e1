//! Drops the triggers of tables that nothing guards any more.

use super::make::{changed_here, in_order, make};
use super::present::Present;
use super::run;
use crate::pg::catalog::{self, OpenRelation};
use crate::pg::privileged::Privileged;
use crate::registry::{self, Registry};
use pgrx::pg_sys::{self, Oid};
use std::collections::HashSet;

/// What is guarded on account of a table whose registration is about to go, for `release`. All of it is locked against who
/// registers or lets go of something else that guards it: neither would see what the other does. Writers do not wait.
pub fn hold(relid: Oid) -> Vec<Oid> {
    lock(relid, pg_sys::ShareUpdateExclusiveLock);
    let Some(registry) = registry::current_even_if_off() else {
        return Vec::new();
    };
    let mut dependents = registry.dependents(relid);
    dependents.remove(&relid);
    let others = in_order(&registry, &dependents);
    for relid in &others {
        lock(*relid, pg_sys::ShareUpdateExclusiveLock);
    }
    [vec![relid], others].concat()
}

fn lock(relid: Oid, mode: u32) {
    // SAFETY: any OID can be locked; held to the end of the transaction.
    unsafe { pg_sys::LockRelationOid(relid, mode as i32) };
}

/// Drops the triggers of tables that were guarded and are no longer. What is still guarded under one of them gets a
/// trigger of its own.
pub fn release(before: &[Oid]) {
    let registry = registry::current_even_if_off();
    let present = Present::read();
    let mut gone = before.to_vec();
    gone.retain(|relid| {
        let kept = registry
            .as_ref()
            .is_some_and(|registry| registry.table(*relid).is_some());
        !kept && present.has_any(*relid) && catalog::relation_name(*relid).is_some()
    });
    // A trigger's clones are dropped before it, and writers lock a parent before its partitions.
    for relid in &gone {
        let family = registry
            .as_ref()
            .map_or_else(|| vec![*relid], |registry| registry.with_children(*relid));
        for member in family.iter().filter(|member| present.has_any(**member)) {
            lock(*member, pg_sys::AccessExclusiveLock);
        }
    }
    for relid in &gone {
        let name = catalog::display_name(*relid);
        // A clone goes with its parent's.
        if present.owns_capture(*relid) {
            run(&format!("DROP TRIGGER backstop_capture ON {name}"));
        }
        if present.truncate.contains(relid) {
            run(&format!("DROP TRIGGER backstop_guard_truncate ON {name}"));
        }
    }
    if let Some(registry) = registry {
        let under = gone.iter().flat_map(|relid| registry.with_children(*relid));
        make(&registry, &under.chain(before.iter().copied()).collect());
    }
}

/// Drops the triggers of what was guarded `before` on account of what this transaction has changed, and is no longer.
pub(super) fn release_left(before: &Registry, now: &Registry) {
    let relids = before.tables().map(|table| table.relid);
    let gone: HashSet<Oid> = relids.filter(|relid| now.table(*relid).is_none()).collect();
    // What another session lets go of loses its triggers there.
    let changed = gone.iter().filter(|relid| changed_here(**relid));
    let changed: Vec<Oid> = changed.copied().collect();
    if changed.is_empty() {
        return;
    }
    let all = |reached: &mut dyn Iterator<Item = Oid>| -> HashSet<Oid> {
        reached.filter(|relid| gone.contains(relid)).collect()
    };
    let own = all(&mut changed
        .iter()
        .flat_map(|relid| before.with_children(*relid)));
    let mut followers = all(&mut changed.iter().flat_map(|relid| before.dependents(*relid)));
    followers.retain(|relid| !own.contains(relid));
    let _privileged = Privileged::for_ddl();
    release_idle(in_order(before, &own), Wait::Yes);
    // Who is writing to what followed it may be waiting for what is changed here.
    release_idle(in_order(before, &followers), Wait::No);
}

/// What a table's trigger may be dropped behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Whoever uses the table now.
    Yes,
    /// Nobody: it stays for another time.
    No,
}

/// Drops the triggers of ours that are left on tables that nothing guards, however they came to stay: a session that had not
/// loaded the library dropped their foreign key, say. The extension could not be dropped with them.
pub fn sweep(wait: Wait) {
    let registry = registry::current_even_if_off();
    let mut stray = Present::read().tables();
    stray.retain(|relid| {
        let guarded = registry
            .as_ref()
            .is_some_and(|registry| registry.table(*relid).is_some());
        !guarded && !catalog::is_others_temporary(*relid)
    });
    stray.sort_unstable_by_key(|relid| relid.to_u32());
    release_idle(stray, wait);
}

/// Drops the triggers of tables that nothing guards, save those that this session itself is using: no statement fails for
/// a trigger that is in nobody's way.
fn release_idle(mut relids: Vec<Oid>, wait: Wait) {
    relids.retain(|relid| match wait {
        Wait::Yes => {
            lock(*relid, pg_sys::ShareUpdateExclusiveLock);
            true
        }
        // SAFETY: any OID can be locked; held to the end of the transaction.
        Wait::No => unsafe {
            pg_sys::ConditionalLockRelationOid(*relid, pg_sys::AccessExclusiveLock as i32)
        },
    });
    if relids.is_empty() {
        return;
    }
    // Another session may have come to guard one until it was locked.
    // SAFETY: in a transaction.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    let registry = registry::current_even_if_off();
    relids.retain(|relid| {
        let guarded = registry
            .as_ref()
            .is_some_and(|registry| registry.table(*relid).is_some());
        !guarded && !in_use(*relid)
    });
    if !relids.is_empty() {
        release(&relids);
    }
}

/// Whether DROP TRIGGER would be refused because the session has the table open, or events of its triggers are due
/// (CheckTableNotInUse() of commands/tablecmds.c).
fn in_use(relid: Oid) -> bool {
    // It is locked.
    let Some(relation) = OpenRelation::open(relid, pg_sys::NoLock) else {
        return false;
    };
    // SAFETY: an open relation, open once here; the second call takes any relation's OID.
    unsafe { (*relation.0).rd_refcnt > 1 || pg_sys::AfterTriggerPendingOnRel(relid) }
}
