//! Drops the triggers of tables that nothing guards any more.

use super::make::{in_order, make};
use super::present::Present;
use super::run;
use crate::pg::catalog;
use crate::registry;
use pgrx::pg_sys::{self, Oid};

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
