//! ATTACH PARTITION clones the parent's row trigger to the partition, and fails where one of that name is.

// PostgreSQL names its commands like this.
#![allow(non_upper_case_globals)]

use super::present::Present;
use super::{OwnWork, run};
use crate::ddl::names::resolve;
use crate::pg::privileged::Privileged;
use crate::pg::{catalog, compat, raw};
use crate::registry::Registry;
use pgrx::pg_sys::{self, AlterTableType::*, NodeTag, Oid};

/// Takes the row triggers off a table that is protected by itself, and off its partitions, when it is about to be attached
/// to a guarded table: the clone takes their place, in the same statement and under the same lock.
///
/// # Safety
/// `statement` must be a live utility statement that the rules let pass.
pub unsafe fn make_way(statement: *mut pg_sys::Node, registry: &Registry) {
    // SAFETY: the caller vouches for the node.
    let Some((parent, partition)) = (unsafe { attached(statement) }) else {
        return;
    };
    // SAFETY: both exist. Who does not own them gets PostgreSQL's error, and no lock.
    let theirs = |relid| unsafe { compat::owns(pg_sys::RelationRelationId, relid) };
    if registry.table(parent).is_none() || !theirs(parent) || !theirs(partition) {
        return;
    }
    // SAFETY: the locks of the statement itself, in its order.
    unsafe {
        pg_sys::LockRelationOid(parent, pg_sys::ShareUpdateExclusiveLock as i32);
        if let Some(default) = catalog::default_partition(parent) {
            pg_sys::LockRelationOid(default, pg_sys::AccessExclusiveLock as i32);
        }
        pg_sys::LockRelationOid(partition, pg_sys::AccessExclusiveLock as i32);
    }
    let _privileged = Privileged::for_ddl();
    let present = Present::read();
    let family = registry.with_children(partition);
    let _own = OwnWork::begin();
    // Its clones go with it: what is under them has none of its own.
    for relid in family.iter().filter(|relid| present.owns_capture(**relid)) {
        let name = catalog::display_name(*relid);
        run(&format!("DROP TRIGGER backstop_capture ON {name}"));
    }
}

/// The parent and the partition of ALTER TABLE ... ATTACH PARTITION.
///
/// # Safety
/// `statement` must be live.
unsafe fn attached(statement: *mut pg_sys::Node) -> Option<(Oid, Oid)> {
    // SAFETY: casts follow the tags; `def` of ATTACH is a PartitionCmd (parsenodes.h).
    unsafe {
        if (*statement).type_ != NodeTag::T_AlterTableStmt {
            return None;
        }
        let statement = statement as *mut pg_sys::AlterTableStmt;
        let commands = (*statement).cmds;
        // It is the only command of its statement.
        let command = raw::list_nth(commands, 0) as *mut pg_sys::AlterTableCmd;
        if (*command).subtype != AT_AttachPartition {
            return None;
        }
        let partition = (*command).def as *mut pg_sys::PartitionCmd;
        Some((resolve((*statement).relation)?, resolve((*partition).name)?))
    }
}
