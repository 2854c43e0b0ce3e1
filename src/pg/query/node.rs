//! Small readers of PostgreSQL's nodes: lists, which operator is equality, what is constant.

use pgrx::pg_sys;

use super::walk::{any_part, calls_foreign};
use crate::pg::undone::undone;

pub type Node = *mut pg_sys::Node;

/// The elements of a node list; empty for NIL.
///
/// # Safety
/// `list` is NULL or a valid list of pointers to `T`.
pub unsafe fn items<T>(list: *mut pg_sys::List) -> Vec<*mut T> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: a list's `length` cells are contiguous (pg_list.h); the caller vouches for what they hold.
    unsafe {
        (0..(*list).length as usize)
            .map(|i| (*(*list).elements.add(i)).ptr_value.cast())
            .collect()
    }
}

/// The range-table entry of that number, counted from one.
///
/// # Safety
/// `rtable` is a query's range table and `rtindex` numbers an entry of it.
pub unsafe fn nth_rte(rtable: *mut pg_sys::List, rtindex: i32) -> *mut pg_sys::RangeTblEntry {
    // SAFETY: the caller vouches for the number.
    unsafe {
        (*(*rtable).elements.add(rtindex as usize - 1))
            .ptr_value
            .cast()
    }
}

/// The range-table number a Var names (unsigned in PostgreSQL 14).
///
/// # Safety
/// `var` is a valid Var.
#[allow(clippy::unnecessary_cast)]
pub unsafe fn varno(var: *mut pg_sys::Var) -> i32 {
    // SAFETY: the caller vouches for the Var.
    unsafe { (*var).varno as i32 }
}

/// The node's tag.
///
/// # Safety
/// `node` is a valid, non-NULL node.
pub unsafe fn tag(node: Node) -> pg_sys::NodeTag {
    // SAFETY: every node starts with its tag.
    unsafe { (*node).type_ }
}

/// The default btree operator family of a type; none when it has no order.
pub fn default_family(oid: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: the type cache answers for any type of a parsed expression and lives as long as the backend.
    unsafe { (*pg_sys::lookup_type_cache(oid, pg_sys::TYPECACHE_BTREE_OPFAMILY as i32)).btree_opf }
}

/// The operator's strategy in the default btree operator family of that type; 0 when it has none. What an operator is
/// called says nothing: anyone can make a `=`.
fn own_strategy(operator: pg_sys::Oid, oid: pg_sys::Oid) -> i32 {
    match default_family(oid) {
        pg_sys::InvalidOid => 0,
        // SAFETY: a catalog look-up that takes any OIDs.
        family => unsafe { pg_sys::get_op_opfamily_strategy(operator, family) },
    }
}

/// The same by one of the types that it is given.
pub fn btree_strategy(operator: pg_sys::Oid, types: [pg_sys::Oid; 2]) -> i32 {
    let mut strategies = types.into_iter().map(|oid| own_strategy(operator, oid));
    strategies.find(|&s| s != 0).unwrap_or(0)
}

/// Is the operator that type's own equality?
pub fn is_own_equality(operator: pg_sys::Oid, oid: pg_sys::Oid) -> bool {
    own_strategy(operator, oid) == pg_sys::BTEqualStrategyNumber as i32
}

/// What the expression folds to when the planner folds constants: None when it is no constant boolean, calls functions that
/// are not PostgreSQL's own, or can't be folded.
///
/// # Safety
/// `node` is a valid boolean expression, before planning.
pub unsafe fn folds_to(node: Node) -> Option<Option<bool>> {
    // SAFETY: passed on from the caller.
    unsafe {
        if any_part(node, |part| calls_foreign(part)) {
            return None;
        }
        undone(|| folded(node)).flatten()
    }
}

/// The same of an expression that is known to call no other functions, inside `undone`.
///
/// # Safety
/// As for `folds_to`.
pub unsafe fn folded(node: Node) -> Option<Option<bool>> {
    // SAFETY: the folding works on a copy; without a root it reads only the expression and the catalogs.
    unsafe {
        let copy = pg_sys::copyObjectImpl(node.cast()).cast();
        let folded = pg_sys::eval_const_expressions(core::ptr::null_mut(), copy);
        constant(folded)
    }
}

/// The value of a constant boolean.
///
/// # Safety
/// `node` is NULL or a valid node.
pub unsafe fn constant(node: Node) -> Option<Option<bool>> {
    // SAFETY: the tag says that it is a Const, and a boolean's datum is passed by value.
    unsafe {
        if node.is_null() || tag(node) != pg_sys::NodeTag::T_Const {
            return None;
        }
        let value = node.cast::<pg_sys::Const>();
        if (*value).constisnull {
            Some(None)
        } else {
            Some(Some((*value).constvalue.value() != 0))
        }
    }
}
