//! Which utility statements the hook looks at, and after which what is guarded may have changed.

use pgrx::pg_sys::{self, NodeTag};

/// Not statements that must not take a snapshot (PlannedStmtRequiresSnapshot() of tcop/pquery.c), nor those that neither change
/// nor run anything: reading the registry for them would disturb what they are for. SET CONSTRAINTS runs deferred triggers,
/// which are there when the transaction has a snapshot.
pub(super) fn concerns(tag: NodeTag, has_snapshot: bool) -> bool {
    if tag == NodeTag::T_ConstraintsSetStmt {
        return has_snapshot;
    }
    !matches!(
        tag,
        NodeTag::T_TransactionStmt
            | NodeTag::T_LockStmt
            | NodeTag::T_VariableSetStmt
            | NodeTag::T_VariableShowStmt
            | NodeTag::T_FetchStmt
            | NodeTag::T_ListenStmt
            | NodeTag::T_NotifyStmt
            | NodeTag::T_UnlistenStmt
            | NodeTag::T_CheckPointStmt
            | NodeTag::T_ClosePortalStmt
            | NodeTag::T_PrepareStmt
            | NodeTag::T_DeallocateStmt
            | NodeTag::T_DiscardStmt
            | NodeTag::T_LoadStmt
    )
}

/// Statements after which a table may be guarded that was not before, or guarded no longer: a foreign key goes with its column,
/// the other table, or what that is built of.
///
/// # Safety
/// `statement` must be live.
pub(super) unsafe fn moves_tables(statement: *const pg_sys::Node) -> bool {
    // SAFETY: the cast follows the tag.
    unsafe {
        match (*statement).type_ {
            NodeTag::T_CreateStmt
            | NodeTag::T_CreateForeignTableStmt
            | NodeTag::T_CreateSchemaStmt
            | NodeTag::T_ImportForeignSchemaStmt
            | NodeTag::T_AlterTableStmt
            | NodeTag::T_DropOwnedStmt => true,
            // DROP INDEX CONCURRENTLY takes nothing with it.
            NodeTag::T_DropStmt => !(*(statement as *const pg_sys::DropStmt)).concurrent,
            _ => false,
        }
    }
}
