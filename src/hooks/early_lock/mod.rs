//! ALTER TABLE, TRUNCATE, DROP, CREATE RULE, ALTER SEQUENCE, and CREATE TRIGGER under one of the guard's names, are judged under
//! the lock that PostgreSQL would take after it: what they wait for there may be a protect(), a foreign key that makes a
//! follower, or a new owner of the name.

mod approved;
mod reached;

use super::{guarded, raise};
use crate::ddl::capture::roots::{self, Roots};
use crate::ddl::names::{own_schema, resolve};
use crate::pg::{catalog, raw};
use crate::record::still;
use crate::{guard_triggers, gucs, registry};
use pgrx::pg_sys::{self, NodeTag, Oid};
use reached::{dropped, further, is_first_protection, taken_along, truncated};
use std::ptr;

pub use approved::take_approved;

/// Takes the lock and returns what is locked. A table that is protected already is not waited for: it may be refused at
/// once.
///
/// # Safety
/// Only in a hook's bare frame, for a live utility statement: PostgreSQL's own errors pass through.
pub unsafe fn take(statement: *mut pg_sys::Node) -> Oid {
    // SAFETY: the caller vouches for the statement; the casts follow its tag. PostgreSQL makes the same calls first
    // (ProcessUtilitySlow() of tcop/utility.c, CreateTriggerFiringOn() of commands/trigger.c, DefineRule() of
    // rewrite/rewriteDefine.c, AlterSequence() of commands/sequence.c), after it has refused what a read-only transaction may
    // not do.
    unsafe {
        if pg_sys::XactReadOnly {
            return pg_sys::InvalidOid;
        }
        if !locks((*statement).type_) {
            return pg_sys::InvalidOid;
        }
        let (idle, error) = guarded(false, || Ok(is_idle()));
        raise(error);
        if idle && (*statement).type_ != NodeTag::T_CreateTrigStmt {
            return pg_sys::InvalidOid;
        }
        match (*statement).type_ {
            NodeTag::T_AlterTableStmt => {
                let statement = statement as *mut pg_sys::AlterTableStmt;
                if is_protected((*statement).relation) {
                    return pg_sys::InvalidOid;
                }
                let lock = raw::AlterTableGetLockLevel((*statement).cmds);
                let relid = raw::AlterTableLookupRelation(statement, lock);
                let (_, error) = guarded((), || {
                    further(statement, relid);
                    Ok(())
                });
                raise(error);
                relid
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
            NodeTag::T_RuleStmt => {
                let statement = statement as *mut pg_sys::RuleStmt;
                if is_protected((*statement).relation) {
                    return pg_sys::InvalidOid;
                }
                let lock = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
                raw::RangeVarGetRelidExtended((*statement).relation, lock, 0, None, ptr::null_mut())
            }
            NodeTag::T_AlterSeqStmt => {
                let statement = statement as *mut pg_sys::AlterSeqStmt;
                if is_registered((*statement).sequence) {
                    return pg_sys::InvalidOid;
                }
                let missing_ok = match (*statement).missing_ok {
                    true => pg_sys::RVROption::RVR_MISSING_OK,
                    false => 0,
                };
                raw::RangeVarGetRelidExtended(
                    (*statement).sequence,
                    pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE,
                    missing_ok,
                    Some(raw::RangeVarCallbackOwnsRelation),
                    ptr::null_mut(),
                )
            }
            // Their names are judged before PostgreSQL has changed them.
            NodeTag::T_AlterEnumStmt => {
                definitions_change();
                pg_sys::InvalidOid
            }
            NodeTag::T_RenameStmt => {
                let statement = statement as *mut pg_sys::RenameStmt;
                if (*statement).renameType == pg_sys::ObjectType::OBJECT_SCHEMA {
                    definitions_change();
                }
                pg_sys::InvalidOid
            }
            NodeTag::T_TruncateStmt => {
                let (_, error) = guarded((), || {
                    truncated(statement.cast());
                    Ok(())
                });
                raise(error);
                pg_sys::InvalidOid
            }
            NodeTag::T_DropStmt => {
                let (_, error) = guarded((), || {
                    dropped(statement.cast());
                    if is_first_protection() {
                        let roots = roots::of_drop(statement.cast());
                        roots.filter(Roots::take_others).inspect(taken_along);
                    }
                    Ok(())
                });
                raise(error);
                pg_sys::InvalidOid
            }
            NodeTag::T_DropOwnedStmt => {
                let (_, error) = guarded((), || {
                    if is_first_protection() {
                        roots::of_drop_owned(statement.cast()).inspect(taken_along);
                    }
                    Ok(())
                });
                raise(error);
                pg_sys::InvalidOid
            }
            _ => pg_sys::InvalidOid,
        }
    }
}

/// The exit that EXECUTE, COPY and their like take.
fn locks(statement: NodeTag) -> bool {
    matches!(
        statement,
        NodeTag::T_AlterTableStmt
            | NodeTag::T_CreateTrigStmt
            | NodeTag::T_RuleStmt
            | NodeTag::T_AlterSeqStmt
            | NodeTag::T_AlterEnumStmt
            | NodeTag::T_RenameStmt
            | NodeTag::T_TruncateStmt
            | NodeTag::T_DropStmt
            | NodeTag::T_DropOwnedStmt
    )
}

/// Whether nothing is judged in this database: PostgreSQL does as if we were not there.
fn is_idle() -> bool {
    gucs::mode() == gucs::Mode::Off || own_schema() == pg_sys::InvalidOid
}

/// # Safety
/// As `take`.
unsafe fn definitions_change() {
    // SAFETY: the caller vouches for the frame.
    unsafe {
        let (_, error) = guarded((), || {
            still::names_change();
            Ok(())
        });
        raise(error);
    }
}

fn lock(relid: Oid) {
    lock_as(relid, pg_sys::AccessExclusiveLock);
}

fn lock_as(relid: Oid, mode: u32) {
    // PostgreSQL passes other sessions' temporary tables over, or refuses them.
    if !is_known(relid) && !catalog::is_others_temporary(relid) {
        // SAFETY: any OID can be locked.
        unsafe { pg_sys::LockRelationOid(relid, mode as i32) };
    }
}

/// Whether the table is protected already.
fn is_known(relid: Oid) -> bool {
    registry::current()
        .and_then(|registry| registry.table(relid).cloned())
        .is_some_and(|table| table.is_protected())
}

/// # Safety
/// As `take`, for a live range variable.
unsafe fn is_protected(relation: *mut pg_sys::RangeVar) -> bool {
    // SAFETY: the caller vouches for both.
    unsafe { is(relation, is_known) }
}

/// # Safety
/// As `take`, for a live range variable.
unsafe fn is_registered(sequence: *mut pg_sys::RangeVar) -> bool {
    let known = |relid| registry::current().is_some_and(|now| now.sequence(relid).is_some());
    // SAFETY: the caller vouches for both.
    unsafe { is(sequence, known) }
}

/// # Safety
/// As `take`, for a live range variable.
unsafe fn is(relation: *mut pg_sys::RangeVar, known: impl Fn(Oid) -> bool) -> bool {
    // SAFETY: the caller vouches for both.
    unsafe {
        let (known, error) = guarded(false, || {
            pg_sys::AcceptInvalidationMessages();
            Ok(resolve(relation).is_some_and(known))
        });
        raise(error);
        known
    }
}
