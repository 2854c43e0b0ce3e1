//! What passes under an approval is judged once more under its lock: the table may ask for a stronger approval by then.

use crate::ddl::names::resolve;
use crate::pg::compat;
use pgrx::pg_sys::{self, NodeTag, ObjectType, Oid};

/// Takes the lock that PostgreSQL takes next, of who may have it.
///
/// # Safety
/// `statement` must be a live utility statement.
pub unsafe fn take_approved(statement: *mut pg_sys::Node) {
    // SAFETY: the caller vouches for the statement; the casts follow its tag.
    unsafe {
        let named = || match (*statement).type_ {
            NodeTag::T_AlterTableStmt => {
                let statement = statement as *mut pg_sys::AlterTableStmt;
                let lock = pg_sys::AlterTableGetLockLevel((*statement).cmds);
                resolve((*statement).relation).map(|relid| (relid, lock))
            }
            NodeTag::T_RenameStmt => {
                let statement = statement as *mut pg_sys::RenameStmt;
                let index = (*statement).renameType == ObjectType::OBJECT_INDEX;
                resolve((*statement).relation)
                    .filter(|_| !index)
                    .map(exclusive)
            }
            NodeTag::T_AlterObjectSchemaStmt => {
                let statement = statement as *mut pg_sys::AlterObjectSchemaStmt;
                resolve((*statement).relation).map(exclusive)
            }
            NodeTag::T_RuleStmt => {
                let statement = statement as *mut pg_sys::RuleStmt;
                resolve((*statement).relation).map(exclusive)
            }
            _ => None,
        };
        // Another table may have got the name meanwhile.
        let mut locked = pg_sys::InvalidOid;
        while let Some((relid, lock)) = named().filter(|(relid, _)| *relid != locked)
            && compat::owns(pg_sys::RelationRelationId, relid)
        {
            pg_sys::LockRelationOid(relid, lock);
            locked = relid;
        }
    }
}

fn exclusive(relid: Oid) -> (Oid, pg_sys::LOCKMODE) {
    (relid, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE)
}
