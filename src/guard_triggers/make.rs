//! Makes the triggers that are missing, and enables those that are not.

use super::present::Present;
use super::release::release_left;
use super::{CAPTURE, has_trigger, run};
use crate::pg::{catalog, compat, privileged::Privileged};
use crate::registry::{self, Guarded, Registry};
use pgrx::pg_sys::{self, Oid};
use std::collections::HashSet;
use std::rc::Rc;

/// Makes the triggers that are missing now that `relid` is registered; `before` is what was known until then. What is guarded
/// on its account and has triggers is locked as where they are made: who is changing it now must not go on without knowing
/// that they are in use again, and who lets go of another table must not take them with it. No other table is: another
/// session's registrations are its own.
pub fn adjust_for(relid: Oid, before: Option<&Registry>) {
    // Its own registration of earlier stays while the table is locked, and what is guarded on that account with it.
    let registered = before.filter(|before| before.registers(relid));
    let mut held: HashSet<Oid> = HashSet::new();
    while let Some(registry) = registry::current_even_if_off() {
        let mut dependents = registry.dependents(relid);
        dependents.retain(|relid| {
            !held.contains(relid) && registered.is_none_or(|known| known.table(*relid).is_none())
        });
        if dependents.is_empty() {
            break;
        }
        // What has come to follow one of them while another session held it is seen once it is ours.
        for relid in in_order(&registry, &dependents) {
            locked(relid);
        }
        held.extend(dependents);
    }
    if let Some(registry) = registry::current_even_if_off() {
        make(&registry, &registry.dependents(relid));
    }
}

/// Waits for what runs on the table's children by an earlier registration.
pub fn hold_children(registry: &Registry, relid: Oid) {
    let family = registry.with_children(relid).into_iter().collect();
    for child in in_order(registry, &family) {
        locked(child);
    }
}

/// The order in which every session locks guarded tables.
pub(super) fn in_order(registry: &Registry, relids: &HashSet<Oid>) -> Vec<Oid> {
    let mut ordered: Vec<Oid> = relids.iter().copied().collect();
    ordered.sort_by_key(|relid| (registry.depth(*relid), relid.to_u32()));
    ordered
}

/// Sets right the triggers of tables that DDL has made followers or children, or has taken out of a family: `before` is
/// what was guarded before it.
///
/// Only what this session has changed is looked at, because looking locks: two sessions that alter one guarded table each
/// would wait for each other. And what is amiss with a table must fail no statement on another.
pub fn adjust_changed(before: &Rc<Registry>) {
    // SAFETY: in the transaction of a statement that has run. What it has dropped is not seen to be gone before.
    unsafe { pg_sys::CommandCounterIncrement() };
    // None: the statement took the last of what was guarded.
    let registry = registry::current_even_if_off().unwrap_or_default();
    if Rc::ptr_eq(before, &registry) {
        return;
    }
    release_left(before, &registry);
    judge_moved_again(before, &registry);
    let mut made: HashSet<Oid> = HashSet::new();
    while let Some(registry) = registry::current_even_if_off() {
        let mut tables = newly_guarded(before, &registry);
        tables.retain(|relid| !made.contains(relid));
        if tables.is_empty() {
            break;
        }
        let _privileged = Privileged::for_ddl();
        make(&registry, &tables);
        // What has come to follow one of them while another session held it is seen once it is ours.
        made.extend(tables);
    }
}

/// What is guarded on account of what this transaction has changed, and was not, or not on that account, `before`.
fn newly_guarded(before: &Registry, registry: &Registry) -> HashSet<Oid> {
    // A partition that is detached loses the clones it had, and its partitions theirs. What is guarded on another account
    // may have been let go meanwhile by who unprotected the earlier one.
    let is_new = |table: &&Rc<Guarded>| {
        before
            .table(table.relid)
            .is_none_or(|known| !known.has_grounds_of(table))
    };
    let new: HashSet<Oid> = registry
        .tables()
        .filter(is_new)
        .map(|table| table.relid)
        .collect();
    // What another session has registered meanwhile has its triggers from there.
    let changed = new.iter().filter(|relid| changed_here(**relid));
    let mut tables: HashSet<Oid> = changed
        .flat_map(|relid| registry.dependents(*relid))
        .collect();
    tables.retain(|relid| new.contains(relid));
    tables
}

/// Whether this transaction may have made a table a follower or child, or taken it out of a family: the weakest lock under
/// which that is done is what DETACH CONCURRENTLY takes.
pub(super) fn changed_here(relid: Oid) -> bool {
    let weakest = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;
    (weakest..=pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE)
        .any(|mode| compat::holds_lock(relid, mode))
}

/// Guarded tables one of whose triggers is missing or not enabled for every session, by name: where it does not fire, their
/// rows may not be destroyed.
pub fn incomplete(registry: &Registry) -> Vec<&Rc<Guarded>> {
    let present = Present::read();
    let complete =
        |relid| present.captures(relid) && (is_foreign(relid) || present.guards_truncate(relid));
    let tables = registry.tables();
    let mut incomplete: Vec<_> = tables.filter(|table| !complete(table.relid)).collect();
    incomplete.sort_by_key(|table| (&table.schema, &table.table));
    incomplete
}

/// A foreign table has no TRUNCATE triggers.
fn is_foreign(relid: Oid) -> bool {
    // SAFETY: a syscache look-up.
    unsafe { pg_sys::get_rel_relkind(relid) as u8 == pg_sys::RELKIND_FOREIGN_TABLE }
}

/// Plans of INSERTs into what a protected table has become a partition of, or no longer is, are made anew, in every session:
/// they name the table they are addressed to, and PostgreSQL makes anew those that name the partition's parent alone.
fn judge_moved_again(before: &Registry, now: &Registry) {
    let children: HashSet<Oid> = before.children().chain(now.children()).collect();
    let moved = children
        .into_iter()
        .filter(|relid| before.parents(*relid) != now.parents(*relid));
    let above: HashSet<Oid> = moved
        .flat_map(|relid| [before.ancestors(relid), now.ancestors(relid)].concat())
        .collect();
    for relid in above {
        if catalog::relation_name(relid).is_some() {
            registry::announce_change(relid);
        }
    }
}

/// Locks a table as making a trigger does, and returns its schema and name: `None` when it is gone.
fn locked(relid: Oid) -> Option<(String, String)> {
    // SAFETY: any OID can be locked; held to the end of the transaction.
    unsafe { pg_sys::LockRelationOid(relid, pg_sys::ShareRowExclusiveLock as i32) };
    catalog::relation_name(relid)
}

/// Makes and enables what those of the tables lack that are guarded.
pub(super) fn make(registry: &Registry, tables: &HashSet<Oid>) {
    let present = Present::read();
    let lacks = |relid: &Oid| {
        let has_row_trigger = present.captures(*relid) || awaits_clone(registry, *relid, &present);
        let has_both = has_row_trigger && (is_foreign(*relid) || present.guards_truncate(*relid));
        registry.table(*relid).is_some() && !has_both && !catalog::is_others_temporary(*relid)
    };
    // Parents come first: their partitions get clones. Else a fixed order, so that two sessions that adjust at once lock
    // alike.
    let mut lacking = in_order(registry, tables);
    lacking.retain(lacks);
    if lacking.is_empty() {
        return;
    }
    // Another session may have dropped or renamed one since the registry was read.
    let names: Vec<(Oid, String)> = lacking
        .into_iter()
        .filter_map(|relid| {
            let (schema, relation) = locked(relid)?;
            Some((relid, catalog::qualified(&schema, &relation)))
        })
        .collect();
    // It may have made them meanwhile. Nobody can any more: once for all of them, because this reads every trigger there is.
    let present = Present::read();
    for (relid, name) in names {
        // A trigger of that name that is not ours stays in the way: PostgreSQL says so.
        if !present.captures(relid) && !awaits_clone(registry, relid, &present) {
            if !present.capture.contains(&relid) {
                let create = create(registry, relid, &present);
                run(&format!(
                    "{create} TRIGGER backstop_capture AFTER DELETE OR UPDATE ON {name} FOR EACH ROW \
                     WHEN (backstop.capture_row()) EXECUTE FUNCTION backstop.capture()"
                ));
            }
            run(&format!(
                "ALTER TABLE {name} ENABLE ALWAYS TRIGGER backstop_capture"
            ));
        }
        if !present.guards_truncate(relid) && !is_foreign(relid) {
            if !present.truncate.contains(&relid) {
                run(&format!(
                    "CREATE TRIGGER backstop_guard_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT \
                     EXECUTE FUNCTION backstop.guard_truncate()"
                ));
            }
            run(&format!(
                "ALTER TABLE ONLY {name} ENABLE ALWAYS TRIGGER backstop_guard_truncate"
            ));
        }
    }
}

/// Whether the table has no row trigger because it is its parent's that makes it.
fn awaits_clone(registry: &Registry, relid: Oid, present: &Present) -> bool {
    !present.capture.contains(&relid) && clones_parent(registry, relid)
}

/// Whether the table's row trigger is its parent's.
fn clones_parent(registry: &Registry, relid: Oid) -> bool {
    // SAFETY: a syscache look-up; a table that only inherits has a trigger of its own.
    let partition = unsafe { pg_sys::get_rel_relispartition(relid) };
    partition
        && registry
            .parents(relid)
            .iter()
            .any(|parent| registry.table(*parent).is_some())
}

/// A partition that was guarded before its parent has a trigger of its own: it becomes the clone, and no reader waits for
/// that. Where somebody else's trigger has its name, nothing is replaced.
fn create(registry: &Registry, relid: Oid, present: &Present) -> &'static str {
    let family = registry.with_children(relid);
    let ours = |relid: &Oid| present.capture.contains(relid) || !has_trigger(*relid, CAPTURE);
    let replaces = family.iter().any(|relid| present.capture.contains(relid));
    match replaces && family.iter().all(ours) {
        true => "CREATE OR REPLACE",
        false => "CREATE",
    }
}
