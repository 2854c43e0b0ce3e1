//! setval calls whose arguments are known before anything runs, for `backstop.check()`.

use super::{rewrite, state};
use crate::judge::sequence::{self, Position};
use crate::model::Violation;
use crate::pg::raw;
use crate::registry::Registry;
use pgrx::pg_sys::{self, Node, NodeTag};
use std::ffi::c_void;
use std::rc::Rc;

struct Search<'a> {
    registry: &'a Registry,
    found: Vec<Violation>,
}

/// What the calls in a query would be refused for, each seen from where its sequence stands now.
///
/// # Safety
/// `query` must be an analysed query that is live.
pub unsafe fn violations(registry: &Rc<Registry>, query: *mut pg_sys::Query) -> Vec<Violation> {
    if !registry.has_sequences() {
        return Vec::new();
    }
    let mut search = Search {
        registry,
        found: Vec::new(),
    };
    // SAFETY: the walker changes nothing, and `search` outlives it.
    unsafe { pg_sys::query_tree_walker(query, Some(walk), (&raw mut search).cast(), 0) };
    search.found
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn walk(node: *mut Node, context: *mut c_void) -> bool {
    // SAFETY: PostgreSQL's walkers pass NULL or live nodes; the context is the caller's Search.
    unsafe {
        if node.is_null() {
            return false;
        }
        if (*node).type_ == NodeTag::T_Query {
            return pg_sys::query_tree_walker(node.cast(), Some(walk), context, 0);
        }
        if (*node).type_ == NodeTag::T_FuncExpr {
            let call = node as *mut pg_sys::FuncExpr;
            if rewrite::is_setval((*call).funcid) {
                let search = &mut *(context as *mut Search);
                let violation = violation(search.registry, (*call).args);
                search.found.extend(violation);
            }
        }
        pg_sys::expression_tree_walker(node, Some(walk), context)
    }
}

/// # Safety
/// `arguments` must be those of a call of setval.
unsafe fn violation(registry: &Registry, arguments: *mut pg_sys::List) -> Option<Violation> {
    // SAFETY: setval's first argument is a regclass, its second a bigint, its third, if any, a boolean.
    let (sequence, new) = unsafe {
        let sequence = constant(raw::list_nth(arguments, 0).cast())?;
        let value = constant(raw::list_nth(arguments, 1).cast())?;
        let is_called = match raw::list_length(arguments) {
            2 => true,
            _ => constant(raw::list_nth(arguments, 2).cast())?.value() != 0,
        };
        let new = Position {
            value: value.value() as i64,
            is_called,
        };
        (pg_sys::Oid::from(sequence.value() as u32), new)
    };
    let policy = registry.sequence(sequence)?;
    let (increment, _) = state::definition(sequence);
    sequence::judge(policy, state::position(sequence), new, increment)
}

/// The value of an expression that the planner would replace by a constant, unless that is NULL.
///
/// # Safety
/// `node` must be a live expression.
unsafe fn constant(node: *mut Node) -> Option<pg_sys::Datum> {
    // SAFETY: the planner's own simplification, of a copy because it may write; the cast follows the node's tag.
    unsafe {
        let copy = pg_sys::copyObjectImpl(node.cast()).cast();
        let folded = pg_sys::eval_const_expressions(std::ptr::null_mut(), copy);
        if folded.is_null() || (*folded).type_ != NodeTag::T_Const {
            return None;
        }
        let value = folded as *mut pg_sys::Const;
        (!(*value).constisnull).then_some((*value).constvalue)
    }
}
