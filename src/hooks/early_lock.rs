//! ALTER TABLE, TRUNCATE, DROP, CREATE RULE, ALTER SEQUENCE, and CREATE TRIGGER under one of the guard's names, are judged under
//! the lock that PostgreSQL would take after it: what they wait for there may be a protect(), a foreign key that makes a
//! follower, or a new owner of the name.

use super::{guarded, raise};
use crate::ddl::capture::closure;
use crate::ddl::capture::roots::{self, Locked, Roots};
use crate::ddl::names::{resolve, resolve_names};
use crate::ddl::object;
use crate::pg::{catalog, compat, raw};
use crate::{guard_triggers, gucs, registry};
use pgrx::pg_sys::{self, AlterTableType, NodeTag, Oid};
use std::ptr;

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
        match (*statement).type_ {
            NodeTag::T_AlterTableStmt => {
                let statement = statement as *mut pg_sys::AlterTableStmt;
                if is_protected((*statement).relation) {
                    return pg_sys::InvalidOid;
                }
                let lock = raw::AlterTableGetLockLevel((*statement).cmds);
                let relid = raw::AlterTableLookupRelation(statement, lock);
                if takes_columns(statement) {
                    let (_, error) = guarded((), || {
                        children(relid);
                        Ok(())
                    });
                    raise(error);
                }
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

/// Locks what TRUNCATE names, and the sequences that it restarts, in PostgreSQL's order.
///
/// # Safety
/// `statement` must be live, its relations RangeVars.
unsafe fn truncated(statement: *mut pg_sys::TruncateStmt) {
    // SAFETY: the caller vouches for the statement. The locks are those of ExecuteTruncate() of commands/tablecmds.c, of
    // whoever may have them.
    unsafe {
        pg_sys::AcceptInvalidationMessages();
        let relations = (0..raw::list_length((*statement).relations))
            .filter_map(|n| resolve(raw::list_nth((*statement).relations, n).cast()))
            .filter(|relid| {
                let user = pg_sys::GetUserId();
                let truncate = pg_sys::ACL_TRUNCATE as pg_sys::AclMode;
                let allowed = pg_sys::pg_class_aclcheck(*relid, user, truncate);
                allowed == pg_sys::AclResult::ACLCHECK_OK && roots::has_rows(*relid)
            });
        let relations: Vec<Oid> = relations.collect();
        relations.iter().for_each(|relid| lock(*relid));
        if (*statement).restart_seqs {
            let owned = relations
                .iter()
                .flat_map(|relid| catalog::oid_list(pg_sys::getOwnedSequences(*relid)));
            for sequence in owned.filter(|oid| compat::owns(pg_sys::RelationRelationId, *oid)) {
                pg_sys::LockRelationOid(sequence, pg_sys::AccessExclusiveLock as i32);
            }
        }
    }
}

/// Locks what DROP TABLE names, each partition behind its parent.
///
/// # Safety
/// `statement` must be live, its objects Lists of names where it drops tables.
unsafe fn dropped(statement: *mut pg_sys::DropStmt) {
    // SAFETY: the caller vouches for the statement. The locks are those of RangeVarCallbackForDropRelation() of
    // commands/tablecmds.c, of whoever may have them.
    unsafe {
        if !matches!(
            (*statement).removeType,
            pg_sys::ObjectType::OBJECT_TABLE | pg_sys::ObjectType::OBJECT_FOREIGN_TABLE
        ) {
            return;
        }
        pg_sys::AcceptInvalidationMessages();
        for n in 0..raw::list_length((*statement).objects) {
            let Some(relid) = resolve_names(raw::list_nth((*statement).objects, n).cast()) else {
                continue;
            };
            if !roots::may_drop_relation(relid) || !roots::has_rows(relid) || is_known(relid) {
                continue;
            }
            if pg_sys::get_rel_relispartition(relid) {
                let parent = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                    raw::get_partition_parent(relid, true)
                });
                pg_sys::LockRelationOid(parent, pg_sys::AccessExclusiveLock as i32);
            }
            lock(relid);
        }
    }
}

/// Whether nothing is protected here, so that what a DROP takes along is looked at by nobody before PostgreSQL waits for it.
/// Where something is, `capture` locks it, once it knows that the statement will not be refused.
fn is_first_protection() -> bool {
    gucs::mode() != gucs::Mode::Off
        && registry::current().is_none()
        && object::extension() != pg_sys::InvalidOid
}

fn taken_along(roots: &Roots) {
    let mut locked = Locked::default();
    while locked.add(&closure::closure(&roots.objects)) {}
}

/// Whether ALTER TABLE drops columns or changes their types, and those of children with them.
///
/// # Safety
/// `statement` must be live, its commands AlterTableCmd nodes.
unsafe fn takes_columns(statement: *mut pg_sys::AlterTableStmt) -> bool {
    // SAFETY: the caller vouches for the statement.
    unsafe {
        (0..raw::list_length((*statement).cmds)).any(|n| {
            let command = raw::list_nth((*statement).cmds, n) as *mut pg_sys::AlterTableCmd;
            matches!(
                (*command).subtype,
                AlterTableType::AT_DropColumn | AlterTableType::AT_AlterColumnType
            )
        })
    }
}

/// Locks a table's children, each behind its parents.
fn children(relid: Oid) {
    if relid == pg_sys::InvalidOid {
        return;
    }
    // SAFETY: a locked relation; a List of OIDs, found without a lock and then locked in its order.
    unsafe {
        let none = pg_sys::NoLock as i32;
        let members = raw::find_all_inheritors(relid, none, ptr::null_mut());
        catalog::oid_list(members).into_iter().for_each(lock);
    }
}

fn lock(relid: Oid) {
    if !is_known(relid) {
        // SAFETY: any OID can be locked.
        unsafe { pg_sys::LockRelationOid(relid, pg_sys::AccessExclusiveLock as i32) };
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
