//! What a statement locks besides, or instead of, one relation that it names.

use super::{is_known, lock, lock_as};
use crate::ddl::capture::closure;
use crate::ddl::capture::roots::{self, Locked, Roots};
use crate::ddl::names::{resolve, resolve_names};
use crate::ddl::object;
use crate::pg::{catalog, compat, objects, raw};
use crate::{gucs, registry};
use pgrx::pg_sys::{self, AlterTableType, Oid};

/// Locks what TRUNCATE names, with its children, and the sequences that it restarts, in PostgreSQL's order. From the first
/// protected table on PostgreSQL does it: that one may be refused at once.
///
/// # Safety
/// `statement` must be live, its relations RangeVars.
pub(super) unsafe fn truncated(statement: *mut pg_sys::TruncateStmt) {
    // SAFETY: the caller vouches for the statement. The locks are those of ExecuteTruncate() of commands/tablecmds.c, of
    // whoever may have them.
    unsafe {
        pg_sys::AcceptInvalidationMessages();
        let mut locked = Vec::new();
        for n in 0..raw::list_length((*statement).relations) {
            let relation = raw::list_nth((*statement).relations, n) as *mut pg_sys::RangeVar;
            let Some(relid) = resolve(relation)
                .filter(|relid| compat::may_truncate(*relid) && roots::has_rows(*relid))
            else {
                return;
            };
            if is_known(relid) {
                return;
            }
            lock(relid);
            locked.push(relid);
            if (*relation).inh {
                for child in catalog::family(relid)
                    .into_iter()
                    .filter(|child| *child != relid)
                {
                    if is_known(child) {
                        return;
                    }
                    lock(child);
                    locked.push(child);
                }
            }
        }
        if (*statement).restart_seqs {
            let owned = locked
                .iter()
                .flat_map(|relid| catalog::oid_list(pg_sys::getOwnedSequences(*relid)));
            for sequence in owned.filter(|oid| compat::owns(pg_sys::RelationRelationId, *oid)) {
                pg_sys::LockRelationOid(sequence, pg_sys::AccessExclusiveLock as i32);
            }
        }
    }
}

/// Locks what DROP TABLE names, each partition behind its parent, up to the first that is protected.
///
/// # Safety
/// `statement` must be live, its objects Lists of names where it drops tables.
pub(super) unsafe fn dropped(statement: *mut pg_sys::DropStmt) {
    // SAFETY: the caller vouches for the statement. The locks are those of RangeVarCallbackForDropRelation() of
    // commands/tablecmds.c, of whoever may have them.
    unsafe {
        let kinds: &[u8] = match (*statement).removeType {
            pg_sys::ObjectType::OBJECT_TABLE => {
                &[pg_sys::RELKIND_RELATION, pg_sys::RELKIND_PARTITIONED_TABLE]
            }
            pg_sys::ObjectType::OBJECT_FOREIGN_TABLE => &[pg_sys::RELKIND_FOREIGN_TABLE],
            _ => return,
        };
        pg_sys::AcceptInvalidationMessages();
        let mut n = 0;
        while n < raw::list_length((*statement).objects) {
            let name = raw::list_nth((*statement).objects, n) as *mut pg_sys::List;
            let Some(relid) = resolve_names(name) else {
                if !(*statement).missing_ok {
                    return;
                }
                n += 1;
                continue;
            };
            let is_kind = kinds.contains(&(pg_sys::get_rel_relkind(relid) as u8));
            if !is_kind
                || !roots::may_drop_relation(relid)
                || !roots::has_rows(relid)
                || is_known(relid)
            {
                return;
            }
            if let Some(parent) = catalog::partition_parent(relid) {
                pg_sys::LockRelationOid(parent, pg_sys::AccessExclusiveLock as i32);
            }
            lock(relid);
            // Another table may have got the name meanwhile.
            if resolve_names(name) == Some(relid) {
                n += 1;
            }
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
    while locked.add(roots, &closure::closure(&roots.objects)) {}
}

/// Locks what ALTER TABLE reaches besides the table it names: the children of which it drops columns or changes their types,
/// the partition that it detaches or attaches, the parent that it gives the table.
///
/// # Safety
/// `statement` must be live, its commands AlterTableCmd nodes, and `relid` locked.
pub(super) unsafe fn further(statement: *mut pg_sys::AlterTableStmt, relid: Oid) {
    if relid == pg_sys::InvalidOid {
        return;
    }
    // SAFETY: the caller vouches for the statement; `def` is what parsenodes.h says for the subtype. The locks are those of
    // ATExecDropColumn(), ATPrepAlterColumnType(), ATExecDetachPartition(), ATExecAttachPartition() and ATExecAddInherit() of
    // commands/tablecmds.c.
    unsafe {
        for n in 0..raw::list_length((*statement).cmds) {
            let command = raw::list_nth((*statement).cmds, n) as *mut pg_sys::AlterTableCmd;
            match (*command).subtype {
                AlterTableType::AT_DropColumn | AlterTableType::AT_AlterColumnType => {
                    let drops = (*command).subtype == AlterTableType::AT_DropColumn;
                    let name = catalog::owned((*command).name).unwrap_or_default();
                    let reaches = !drops || (*(*statement).relation).inh;
                    if reaches && objects::column(relid, &name).is_some() {
                        catalog::family(relid).into_iter().for_each(lock);
                    }
                }
                AlterTableType::AT_DetachPartition | AlterTableType::AT_AttachPartition => {
                    let detaches = (*command).subtype == AlterTableType::AT_DetachPartition;
                    let partition = (*command).def as *mut pg_sys::PartitionCmd;
                    let mode = match detaches && (*partition).concurrent {
                        true => pg_sys::ShareUpdateExclusiveLock,
                        false => pg_sys::AccessExclusiveLock,
                    };
                    let of = if detaches { Some(relid) } else { None };
                    let is_partitioned =
                        pg_sys::get_rel_relkind(relid) as u8 == pg_sys::RELKIND_PARTITIONED_TABLE;
                    let fits = |partition: &Oid| {
                        is_partitioned && catalog::partition_parent(*partition) == of
                    };
                    let Some(partition) = resolve((*partition).name).filter(fits) else {
                        continue;
                    };
                    if let Some(default) = catalog::default_partition(relid)
                        && mode == pg_sys::AccessExclusiveLock
                    {
                        pg_sys::LockRelationOid(default, mode as i32);
                    }
                    lock_as(partition, mode);
                }
                AlterTableType::AT_AddInherit => {
                    let is_plain = |relid: &Oid| {
                        pg_sys::get_rel_relkind(*relid) as u8 == pg_sys::RELKIND_RELATION
                    };
                    if let Some(parent) = resolve((*command).def.cast()).filter(is_plain)
                        && is_plain(&relid)
                    {
                        lock_as(parent, pg_sys::ShareUpdateExclusiveLock);
                    }
                }
                _ => {}
            }
        }
    }
}
