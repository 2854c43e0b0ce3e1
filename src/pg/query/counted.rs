//! Groups told apart by how many rows they have: `count(*) > 3` reads no column, yet drops rows, in a condition on what
//! a subquery counts as in HAVING (`body`).

use pgrx::pg_sys;

use super::bounds::numbers_rows;
use super::lossless::strip;
use super::node::{Node, btree_strategy, items, tag};
use super::scope::{Gatherer, ScopeId};
use crate::judge::predicate::{BodyId, Predicate};
use crate::pg::stack::check_stack;

impl Gatherer<'_> {
    /// A comparison that takes some of a subquery's rows too, when it compares how many they are, or their numbers in
    /// their group, with a value.
    ///
    /// # Safety
    /// `operator` compares `left` with `right`, which are expressions of that scope's query.
    pub unsafe fn with_counts(
        &mut self,
        scope: ScopeId,
        comparison: Predicate,
        operator: pg_sys::Oid,
        [left, right]: [Node; 2],
    ) -> Predicate {
        // SAFETY: the caller vouches for the expressions; get_commutator takes any OID.
        unsafe {
            for (count, value, turned) in [(left, right, false), (right, left, true)] {
                if tag(count) != pg_sys::NodeTag::T_Var || !is_value(value) {
                    continue;
                }
                let operator = match turned {
                    true => pg_sys::get_commutator(operator),
                    false => operator,
                };
                if let Some(body) = self.count(scope, count)
                    && compares(operator, value)
                {
                    return Predicate::And(vec![comparison, Predicate::Limit(body)]);
                }
            }
            comparison
        }
    }

    /// The same of `left = ANY (list of values)`.
    ///
    /// # Safety
    /// `left` is an expression of that scope's query.
    pub unsafe fn with_listed_counts(
        &mut self,
        scope: ScopeId,
        comparison: Predicate,
        left: Node,
    ) -> Predicate {
        // SAFETY: passed on from the caller.
        match unsafe { self.count(scope, left) } {
            Some(body) => Predicate::And(vec![comparison, Predicate::Limit(body)]),
            None => comparison,
        }
    }

    /// What the column counts: the rows of each of a subquery's groups or partitions, for a single count is all or
    /// nothing.
    unsafe fn count(&mut self, scope: ScopeId, column: Node) -> Option<BodyId> {
        // SAFETY: the callers pass an expression of that scope's query, and so does each step further in.
        unsafe {
            check_stack();
            let node = strip(column);
            let query = self.scopes[scope].query;
            match tag(node) {
                pg_sys::NodeTag::T_Var => {
                    let (inner, expr) = self.behind(scope, node.cast())?;
                    self.count(inner, expr)
                }
                pg_sys::NodeTag::T_Aggref => {
                    let aggregate = node.cast::<pg_sys::Aggref>();
                    let grouped = !(*query).groupClause.is_null() && (*aggregate).agglevelsup == 0;
                    numbers_rows((*aggregate).aggfnoid)?;
                    grouped.then_some(self.scopes[scope].body)
                }
                pg_sys::NodeTag::T_WindowFunc => {
                    let function = node.cast::<pg_sys::WindowFunc>();
                    let parted = items::<pg_sys::WindowClause>((*query).windowClause)
                        .into_iter()
                        .any(|w| {
                            (*w).winref == (*function).winref && !(*w).partitionClause.is_null()
                        });
                    numbers_rows((*function).winfnoid)?;
                    parted.then_some(self.scopes[scope].body)
                }
                _ => None,
            }
        }
    }
}

unsafe fn is_value(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression; its tag says that it is a Param.
    unsafe {
        let node = strip(node);
        match tag(node) {
            pg_sys::NodeTag::T_Const => true,
            pg_sys::NodeTag::T_Param => {
                (*node.cast::<pg_sys::Param>()).paramkind == pg_sys::ParamKind::PARAM_EXTERN
            }
            _ => false,
        }
    }
}

/// Is it a comparison of whole numbers?
unsafe fn compares(operator: pg_sys::Oid, value: Node) -> bool {
    // SAFETY: the caller passes a constant or parameter; get_negator takes any OID.
    unsafe {
        let types = [pg_sys::INT8OID, pg_sys::exprType(strip(value))];
        let negator = pg_sys::get_negator(operator);
        btree_strategy(operator, types) != 0
            || btree_strategy(negator, types) == pg_sys::BTEqualStrategyNumber as i32
    }
}
