//! A recursive query that keeps a path, so as to go nowhere twice: `NOT key = ANY (path)`, and what CYCLE becomes. It leaves
//! out only rows that it has taken already.

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, items, tag, varno};
use super::output::outputs;
use super::scope::{Gatherer, ScopeId};
use super::sources::Source;
use crate::pg::stack::check_stack;

impl Gatherer<'_> {
    /// Does the operator look for columns in the path that their own recursive query has collected?
    ///
    /// # Safety
    /// `op` is a valid ScalarArrayOpExpr of that scope's query.
    pub unsafe fn looks_back(
        &mut self,
        scope: ScopeId,
        op: *mut pg_sys::ScalarArrayOpExpr,
    ) -> bool {
        // SAFETY: a ScalarArrayOpExpr has two arguments; WITH RECURSIVE is a UNION of two subqueries (parse_cte.c).
        unsafe {
            let args = items::<pg_sys::Node>((*op).args);
            let [sought, path] = args.as_slice() else {
                return false;
            };
            if !is_columns(*sought) {
                return false;
            }
            let Some((outer, attno)) = self.last_round(scope, *path) else {
                return false;
            };
            let union = (*self.scopes[outer].query).setOperations;
            if union.is_null() || tag(union) != pg_sys::NodeTag::T_SetOperationStmt {
                return false;
            }
            let union = union.cast::<pg_sys::SetOperationStmt>();
            let [start, step] =
                [(*union).larg, (*union).rarg].map(|arm| self.arm_expression(outer, arm, attno));
            let (Some((_, start)), Some((inner, step))) = (start, step) else {
                return false;
            };
            is_list_of_columns(start) && self.lengthens(inner, step, (outer, attno))
        }
    }

    /// The output of a recursive query that an expression in it stands for, as the last round gave it. CYCLE wraps what it
    /// is written on into a subquery.
    unsafe fn last_round(&mut self, scope: ScopeId, node: Node) -> Option<(ScopeId, i16)> {
        // SAFETY: the caller passes an expression of that scope's query, and so does each step further in.
        unsafe {
            check_stack();
            let node = strip(node);
            if tag(node) != pg_sys::NodeTag::T_Var {
                return None;
            }
            let var = node.cast::<pg_sys::Var>();
            let home = self.up(scope, (*var).varlevelsup);
            match self.source(home, varno(var)) {
                Source::Recursive(outer, _) => Some((outer, (*var).varattno)),
                Source::Query(inner, _) => {
                    let query = self.scopes[inner].query;
                    let output = outputs(query)
                        .into_iter()
                        .find(|&t| (*t).resno == (*var).varattno);
                    let output = output.filter(|_| (*query).setOperations.is_null())?;
                    self.last_round(inner, (*output).expr.cast())
                }
                _ => None,
            }
        }
    }

    /// What one arm of the union computes for that output.
    unsafe fn arm_expression(
        &mut self,
        outer: ScopeId,
        arm: Node,
        attno: i16,
    ) -> Option<(ScopeId, Node)> {
        // SAFETY: an arm that is no set operation itself names a subquery of the union's query.
        unsafe {
            if tag(arm) != pg_sys::NodeTag::T_RangeTblRef {
                return None;
            }
            let Source::Query(inner, _) =
                self.source(outer, (*arm.cast::<pg_sys::RangeTblRef>()).rtindex)
            else {
                return None;
            };
            let output = outputs(self.scopes[inner].query)
                .into_iter()
                .find(|&t| (*t).resno == attno)?;
            Some((inner, strip((*output).expr.cast())))
        }
    }

    /// `path || columns`, the path being that output of that recursive query as its last round gave it.
    unsafe fn lengthens(&mut self, inner: ScopeId, step: Node, path: (ScopeId, i16)) -> bool {
        // SAFETY: an OpExpr's and a FuncExpr's arguments are expressions.
        unsafe {
            let (function, args) = match tag(step) {
                pg_sys::NodeTag::T_OpExpr => {
                    let op = step.cast::<pg_sys::OpExpr>();
                    (pg_sys::get_opcode((*op).opno), (*op).args)
                }
                pg_sys::NodeTag::T_FuncExpr => {
                    let call = step.cast::<pg_sys::FuncExpr>();
                    ((*call).funcid, (*call).args)
                }
                _ => return false,
            };
            let args = items::<pg_sys::Node>(args);
            let [before, more] = args.as_slice() else {
                return false;
            };
            let own = self.last_round(inner, *before) == Some(path);
            own && match function.to_u32() {
                pg_sys::F_ARRAY_APPEND => is_columns(*more),
                pg_sys::F_ARRAY_CAT => is_list_of_columns(*more),
                _ => false,
            }
        }
    }
}

/// A column, or a row of columns.
unsafe fn is_columns(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression; a RowExpr's fields are expressions.
    unsafe {
        let node = strip(node);
        match tag(node) {
            pg_sys::NodeTag::T_Var => true,
            pg_sys::NodeTag::T_RowExpr => {
                items::<pg_sys::Node>((*node.cast::<pg_sys::RowExpr>()).args)
                    .into_iter()
                    .all(|field| tag(strip(field)) == pg_sys::NodeTag::T_Var)
            }
            _ => false,
        }
    }
}

unsafe fn is_list_of_columns(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression; an ArrayExpr's elements are expressions.
    unsafe {
        let node = strip(node);
        tag(node) == pg_sys::NodeTag::T_ArrayExpr
            && items::<pg_sys::Node>((*node.cast::<pg_sys::ArrayExpr>()).elements)
                .into_iter()
                .all(|element| is_columns(element))
    }
}
