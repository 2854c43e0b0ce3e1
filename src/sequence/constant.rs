//! setval calls whose arguments are known before anything runs, for `backstop.check()`.

use super::{rewrite, state};
use crate::judge::sequence::{self, Position};
use crate::model::Violation;
use crate::pg::query::walk::walk_queries;
use crate::pg::{folding, raw};
use crate::registry::Registry;
use pgrx::pg_sys::{self, Node, NodeTag};
use std::rc::Rc;

/// What the calls in a query would be refused for, each seen from where its sequence stands now.
///
/// # Safety
/// `query` must be an analysed query that is live.
pub unsafe fn violations(registry: &Rc<Registry>, query: *mut pg_sys::Query) -> Vec<Violation> {
    if !registry.has_sequences() {
        return Vec::new();
    }
    let mut found = Vec::new();
    // SAFETY: the caller vouches for the query, and the cast follows the node's tag.
    unsafe {
        walk_queries(query.cast(), |node| {
            if (*node).type_ == NodeTag::T_FuncExpr {
                let call = node as *mut pg_sys::FuncExpr;
                if rewrite::is_setval((*call).funcid) {
                    found.extend(violation(registry, (*call).args));
                }
            }
        });
    }
    found
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
    // SAFETY: the caller vouches for the expression.
    unsafe {
        let value = folding::constant(node)?;
        (!(*value).constisnull).then_some((*value).constvalue)
    }
}
