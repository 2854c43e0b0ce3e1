//! ALTER TABLE, and CREATE TRIGGER under one of the guard's names, are judged under the lock that PostgreSQL would take after
//! it: what they wait for there may be a protect().

use super::{guarded, raise};
use crate::ddl::scope::resolve;
use crate::guard_triggers;
use crate::pg::{catalog, raw};
use crate::registry;
use pgrx::pg_sys::{self, NodeTag, Oid};
use std::ptr;

/// Takes the lock and returns what is locked. A table that is protected already is not waited for: it may be refused at
/// once.
///
/// # Safety
/// Only in a hook's bare frame, for a live utility statement: PostgreSQL's own errors pass through.
pub unsafe fn take(statement: *mut pg_sys::Node) -> Oid {
    // SAFETY: the caller vouches for the statement; the casts follow its tag. PostgreSQL makes the same calls first
    // (ProcessUtilitySlow() of tcop/utility.c, CreateTriggerFiringOn() of commands/trigger.c), after it has refused what a
    // read-only transaction may not do.
    unsafe {
        if pg_sys::XactReadOnly {
            return pg_sys::InvalidOid;
        }
        match (*statement).type_ {
            NodeTag::T_AlterTableStmt => {
                let statement = statement as *mut pg_sys::AlterTableStmt;
                if is_protected((*statement).relation) {
                    return pg_sys::InvalidOid;
                }
                let lock = raw::AlterTableGetLockLevel((*statement).cmds);
                raw::AlterTableLookupRelation(statement, lock)
            }
            NodeTag::T_CreateTrigStmt => {
                let statement = statement as *mut pg_sys::CreateTrigStmt;
                let (ours, error) = guarded(false, || {
                    let name = catalog::owned((*statement).trigname);
                    Ok(name.is_some_and(|name| guard_triggers::is_ours(&name)))
                });
                raise(error);
                if !ours || is_protected((*statement).relation) {
                    return pg_sys::InvalidOid;
                }
                let lock = pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE;
                raw::RangeVarGetRelidExtended((*statement).relation, lock, 0, None, ptr::null_mut())
            }
            _ => pg_sys::InvalidOid,
        }
    }
}

/// # Safety
/// As `take`, for a live range variable.
unsafe fn is_protected(relation: *mut pg_sys::RangeVar) -> bool {
    // SAFETY: the caller vouches for both.
    unsafe {
        let (known, error) = guarded(false, || {
            pg_sys::AcceptInvalidationMessages();
            let relid = resolve(relation);
            Ok(relid.is_some_and(|relid| {
                registry::current()
                    .and_then(|registry| registry.table(relid).cloned())
                    .is_some_and(|table| table.is_protected())
            }))
        });
        raise(error);
        known
    }
}
