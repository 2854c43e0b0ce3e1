//! ALTER TABLE, TRUNCATE, DROP TABLE, and CREATE TRIGGER under one of the guard's names, are judged under the lock that
//! PostgreSQL would take after it: what they wait for there may be a protect(), or a foreign key that makes a follower.

use super::{guarded, raise};
use crate::ddl::scope::{resolve, resolve_names};
use crate::guard_triggers;
use crate::pg::{catalog, compat, raw};
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
                allowed == pg_sys::AclResult::ACLCHECK_OK && is_table(*relid)
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
            let schema = pg_sys::get_rel_namespace(relid);
            let owned = compat::owns(pg_sys::RelationRelationId, relid)
                || compat::owns(pg_sys::NamespaceRelationId, schema);
            if !owned || !is_table(relid) || is_known(relid) {
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

/// Whether it is a table of this session's or of everyone's, and none of PostgreSQL's own.
fn is_table(relid: Oid) -> bool {
    // SAFETY: a syscache look-up.
    let kind = unsafe { pg_sys::get_rel_relkind(relid) } as u8;
    let kinds = [
        pg_sys::RELKIND_RELATION,
        pg_sys::RELKIND_PARTITIONED_TABLE,
        pg_sys::RELKIND_FOREIGN_TABLE,
    ];
    relid.to_u32() >= pg_sys::FirstNormalObjectId
        && kinds.contains(&kind)
        && !catalog::is_others_temporary(relid)
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
    unsafe {
        let (known, error) = guarded(false, || {
            pg_sys::AcceptInvalidationMessages();
            Ok(resolve(relation).is_some_and(is_known))
        });
        raise(error);
        known
    }
}
