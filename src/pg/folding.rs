//! What the planner makes a constant of, seen before it plans. Nobody's functions but PostgreSQL's are called for that: they
//! may count their calls, and run with the rights of whoever plans. What fails is no constant, for the planner may never
//! come to evaluate it.

use pgrx::pg_sys;

use super::query::node::{Node, tag};
use super::query::walk::{any_part, calls_foreign, names_columns};
use super::undone::undone;

/// The constant that the expression folds to, inside a domain or not; None where that is not known.
///
/// # Safety
/// `node` is a valid expression, before planning.
pub unsafe fn constant(node: Node) -> Option<*mut pg_sys::Const> {
    // SAFETY: passed on from the caller; folding works on a copy, and without a root reads only that and the catalogs.
    unsafe {
        if let Some(plain) = plain(node) {
            return Some(plain);
        }
        // Only what could be a constant at all is worth a subtransaction.
        if tag(node) == pg_sys::NodeTag::T_Param
            || names_columns(node)
            || any_part(node, |part| calls_foreign(part))
        {
            return None;
        }
        undone(|| {
            if pg_sys::contain_volatile_functions(node) {
                return None;
            }
            let copy = pg_sys::copyObjectImpl(node.cast()).cast();
            plain(pg_sys::eval_const_expressions(core::ptr::null_mut(), copy))
        })
        .flatten()
    }
}

unsafe fn plain(mut node: Node) -> Option<*mut pg_sys::Const> {
    // SAFETY: the caller passes a valid expression; the tag says which struct it is.
    unsafe {
        while tag(node) == pg_sys::NodeTag::T_CoerceToDomain {
            node = (*node.cast::<pg_sys::CoerceToDomain>()).arg.cast();
        }
        (tag(node) == pg_sys::NodeTag::T_Const).then(|| node.cast())
    }
}
