//! Differences in parse and plan trees, and in what walks them.

use crate::pg::raw;
use pgrx::pg_sys;

/// The text of a String node (a Value node in 14).
///
/// # Safety
/// `node` must be a String node.
pub unsafe fn string_value(node: *mut pg_sys::Node) -> *const std::ffi::c_char {
    #[cfg(not(feature = "pg14"))]
    // SAFETY: the caller vouches for the node.
    unsafe {
        (*(node as *mut pg_sys::String)).sval
    }
    #[cfg(feature = "pg14")]
    // SAFETY: the caller vouches for the node.
    unsafe {
        (*(node as *mut pg_sys::Value)).val.str_
    }
}

/// The members of an integer list.
///
/// # Safety
/// `list` must be NIL or an IntList.
pub unsafe fn int_list(list: *mut pg_sys::List) -> Vec<i32> {
    // SAFETY: the caller vouches for the list; elements 0..length exist.
    unsafe {
        (0..raw::list_length(list) as usize)
            .map(|n| (*(*list).elements.add(n)).int_value)
            .collect()
    }
}

/// What the actions of a MERGE destroy.
///
/// # Safety
/// `modify` must be a MERGE's live plan.
#[cfg(not(feature = "pg14"))]
pub unsafe fn merge_operations(modify: *mut pg_sys::ModifyTable) -> Vec<crate::model::Operation> {
    use crate::model::Operation;
    let mut operations = Vec::new();
    // SAFETY: a list, per result relation, of lists of MergeAction.
    unsafe {
        for n in 0..raw::list_length((*modify).mergeActionLists) {
            let actions = raw::list_nth((*modify).mergeActionLists, n) as *mut pg_sys::List;
            for m in 0..raw::list_length(actions) {
                let action = raw::list_nth(actions, m) as *mut pg_sys::MergeAction;
                let operation = match (*action).commandType {
                    pg_sys::CmdType::CMD_UPDATE => Operation::Update,
                    pg_sys::CmdType::CMD_DELETE => Operation::Delete,
                    _ => continue,
                };
                if !operations.contains(&operation) {
                    operations.push(operation);
                }
            }
        }
    }
    operations
}

/// Whether a query is a MERGE that neither updates nor deletes. (15 brought MERGE.)
///
/// # Safety
/// `query` must be live.
pub unsafe fn merges_nothing_away(query: *mut pg_sys::Query) -> bool {
    #[cfg(feature = "pg14")]
    {
        let _ = query;
        false
    }
    #[cfg(not(feature = "pg14"))]
    // SAFETY: the caller vouches for the query; the list's members are MergeActions.
    unsafe {
        use pg_sys::CmdType::{CMD_DELETE, CMD_MERGE, CMD_UPDATE};
        let actions = (*query).mergeActionList;
        (*query).commandType == CMD_MERGE
            && (0..raw::list_length(actions)).all(|n| {
                let action = raw::list_nth(actions, n) as *mut pg_sys::MergeAction;
                !matches!((*action).commandType, CMD_UPDATE | CMD_DELETE)
            })
    }
}

/// `pg_analyze_and_rewrite_varparams`, which changed its name in 15.
///
/// # Safety
/// `statement` must be a fresh parse of `sql`.
pub unsafe fn analyze_and_rewrite(
    statement: *mut pg_sys::RawStmt,
    sql: *const std::ffi::c_char,
    types: &mut *mut pg_sys::Oid,
    count: &mut i32,
) -> *mut pg_sys::List {
    #[cfg(not(feature = "pg14"))]
    // SAFETY: the caller vouches for the statement.
    unsafe {
        pg_sys::pg_analyze_and_rewrite_varparams(statement, sql, types, count, std::ptr::null_mut())
    }
    #[cfg(feature = "pg14")]
    // SAFETY: 14 has no entry point of this kind outside PREPARE; analysis and rewriting in two steps.
    unsafe {
        let query = pg_sys::parse_analyze_varparams(statement, sql, types, count);
        pg_sys::pg_rewrite_query(query)
    }
}

/// What the tree mutators call for each node.
pub type Mutator =
    unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut std::ffi::c_void) -> *mut pg_sys::Node;

/// The type 14 and 15 declare mutators with: a function without a prototype.
#[cfg(any(feature = "pg14", feature = "pg15"))]
fn unprototyped(mutator: Mutator) -> unsafe extern "C-unwind" fn() -> *mut pg_sys::Node {
    // SAFETY: PostgreSQL casts it back and calls it with the node and the context.
    unsafe { std::mem::transmute(mutator) }
}

/// `query_tree_mutator`; from 16 on C reaches it through a macro.
///
/// # Safety
/// `query` must be the caller's to change; the mutator returns the nodes to keep.
pub unsafe fn mutate_query(
    query: *mut pg_sys::Query,
    mutator: Mutator,
    context: *mut std::ffi::c_void,
    flags: u32,
) -> *mut pg_sys::Query {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    // SAFETY: the caller vouches for query and mutator.
    unsafe {
        pg_sys::query_tree_mutator(query, Some(unprototyped(mutator)), context, flags as i32)
    }
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    // SAFETY: the caller vouches for query and mutator.
    unsafe {
        pg_sys::query_tree_mutator_impl(query, Some(mutator), context, flags as i32)
    }
}

/// `expression_tree_mutator`; from 16 on C reaches it through a macro.
///
/// # Safety
/// The mutator returns the nodes to keep.
pub unsafe fn mutate_expression(
    node: *mut pg_sys::Node,
    mutator: Mutator,
    context: *mut std::ffi::c_void,
) -> *mut pg_sys::Node {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    // SAFETY: the caller vouches for node and mutator.
    unsafe {
        pg_sys::expression_tree_mutator(node, Some(unprototyped(mutator)), context)
    }
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    // SAFETY: the caller vouches for node and mutator.
    unsafe {
        pg_sys::expression_tree_mutator_impl(node, Some(mutator), context)
    }
}
