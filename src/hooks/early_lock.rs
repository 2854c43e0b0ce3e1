//! ALTER TABLE is judged under the lock that PostgreSQL would take after it: what it waits for there may be a protect().

use super::{guarded, raise};
use crate::ddl::scope::resolve;
use crate::pg::raw;
use crate::registry;
use pgrx::pg_sys::{self, NodeTag, Oid};

/// Takes the lock and returns what is locked. A table that is protected already is not waited for: it may be refused at
/// once.
///
/// # Safety
/// Only in a hook's bare frame, for a live utility statement: PostgreSQL's own errors pass through.
pub unsafe fn take(statement: *mut pg_sys::Node) -> Oid {
    // SAFETY: the caller vouches for the statement; the cast follows its tag. PostgreSQL makes the same two calls first
    // (ProcessUtilitySlow() of tcop/utility.c), after it has refused what a read-only transaction may not do.
    unsafe {
        if (*statement).type_ != NodeTag::T_AlterTableStmt || pg_sys::XactReadOnly {
            return pg_sys::InvalidOid;
        }
        let statement = statement as *mut pg_sys::AlterTableStmt;
        let (known, error) = guarded(false, || {
            pg_sys::AcceptInvalidationMessages();
            let relid = resolve((*statement).relation);
            Ok(relid.is_some_and(|relid| {
                registry::current()
                    .and_then(|registry| registry.table(relid).cloned())
                    .is_some_and(|table| table.is_protected())
            }))
        });
        raise(error);
        if known {
            return pg_sys::InvalidOid;
        }
        let lock = raw::AlterTableGetLockLevel((*statement).cmds);
        raw::AlterTableLookupRelation(statement, lock)
    }
}
