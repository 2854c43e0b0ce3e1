//! What a statement locks besides, or instead of, one relation that it names.

use super::{is_known, lock, lock_as};
use crate::ddl::capture::closure;
use crate::ddl::capture::roots::{self, Locked, Roots};
use crate::ddl::names::{resolve, resolve_names};
use crate::ddl::object;
use crate::pg::{catalog, compat, raw};
use crate::{gucs, registry};
use pgrx::pg_sys::{self, AlterTableType, Oid};
use std::ptr;

/// Locks what TRUNCATE names, and the sequences that it restarts, in PostgreSQL's order.
///
/// # Safety
/// `statement` must be live, its relations RangeVars.
pub(super) unsafe fn truncated(statement: *mut pg_sys::TruncateStmt) {
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
pub(super) unsafe fn dropped(statement: *mut pg_sys::DropStmt) {
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
pub(super) fn is_first_protection() -> bool {
    gucs::mode() != gucs::Mode::Off
        && registry::current().is_none()
        && object::extension() != pg_sys::InvalidOid
}

pub(super) fn taken_along(roots: &Roots) {
    let mut locked = Locked::default();
    while locked.add(&closure::closure(&roots.objects)) {}
}

/// Locks what ALTER TABLE reaches besides the table it names: the children of which it drops columns or changes their types,
/// the partition that it detaches, the parent that it gives the table.
///
/// # Safety
/// `statement` must be live, its commands AlterTableCmd nodes, and `relid` locked.
pub(super) unsafe fn further(statement: *mut pg_sys::AlterTableStmt, relid: Oid) {
    if relid == pg_sys::InvalidOid {
        return;
    }
    // SAFETY: the caller vouches for the statement; `def` is what parsenodes.h says for the subtype. The locks are those of
    // ATExecDropColumn(), ATPrepAlterColumnType(), ATExecDetachPartition() and ATExecAddInherit() of commands/tablecmds.c.
    unsafe {
        for n in 0..raw::list_length((*statement).cmds) {
            let command = raw::list_nth((*statement).cmds, n) as *mut pg_sys::AlterTableCmd;
            match (*command).subtype {
                AlterTableType::AT_DropColumn | AlterTableType::AT_AlterColumnType => {
                    let none = pg_sys::NoLock as i32;
                    let members = raw::find_all_inheritors(relid, none, ptr::null_mut());
                    // Each behind its parents.
                    catalog::oid_list(members).into_iter().for_each(lock);
                }
                AlterTableType::AT_DetachPartition => {
                    let partition = (*command).def as *mut pg_sys::PartitionCmd;
                    let mode = match (*partition).concurrent {
                        true => pg_sys::ShareUpdateExclusiveLock,
                        false => pg_sys::AccessExclusiveLock,
                    };
                    resolve((*partition).name).inspect(|relid| lock_as(*relid, mode));
                }
                AlterTableType::AT_AddInherit => {
                    let mode = pg_sys::ShareUpdateExclusiveLock;
                    resolve((*command).def.cast()).inspect(|relid| lock_as(*relid, mode));
                }
                _ => {}
            }
        }
    }
}
