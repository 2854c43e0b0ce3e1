//! Groups told apart by how many rows they have: `count(*) > 3` reads no column, yet drops rows, in a condition on what
//! a subquery counts as in HAVING (`body`).

use pgrx::pg_sys;

use super::columns::alias_expressions;
use super::lossless::strip;
use super::node::{Node, btree_strategy, items, tag, varno};
use super::output::outputs;
use super::scope::{Gatherer, ScopeId, Source};
use crate::judge::predicate::{BodyId, Predicate};

/// A column that says how many rows a group has, or which of them a row is.
struct Count {
    body: BodyId,
    /// What it is at least.
    least: i64,
}

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
                if let Some(Count { body, least }) = self.count(scope, count)
                    && !always_holds(operator, value, least)
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
            Some(Count { body, .. }) => Predicate::And(vec![comparison, Predicate::Limit(body)]),
            None => comparison,
        }
    }

    /// What the column counts: the rows of each of a subquery's groups or partitions, for a single count is all or
    /// nothing.
    unsafe fn count(&mut self, scope: ScopeId, column: Node) -> Option<Count> {
        // SAFETY: the callers pass an expression of that scope's query, and so does each step further in.
        unsafe {
            pg_sys::check_stack_depth();
            let node = strip(column);
            let query = self.scopes[scope].query;
            match tag(node) {
                pg_sys::NodeTag::T_Var => {
                    let var = node.cast::<pg_sys::Var>();
                    let home = self.up(scope, (*var).varlevelsup);
                    match self.source(home, varno(var)) {
                        Source::Query(inner, _) => {
                            let query = self.scopes[inner].query;
                            let plain = (*query).setOperations.is_null();
                            let output = outputs(query)
                                .into_iter()
                                .find(|&t| plain && (*t).resno == (*var).varattno);
                            output.and_then(|t| self.count(inner, (*t).expr.cast()))
                        }
                        Source::Alias if (*var).varattno > 0 => {
                            let names = alias_expressions(self.rte(home, varno(var)));
                            let name = names.get((*var).varattno as usize - 1).copied();
                            name.filter(|n| !n.is_null())
                                .and_then(|n| self.count(home, n))
                        }
                        _ => None,
                    }
                }
                pg_sys::NodeTag::T_Aggref => {
                    let aggregate = node.cast::<pg_sys::Aggref>();
                    let grouped = !(*query).groupClause.is_null() && (*aggregate).agglevelsup == 0;
                    let least = least((*aggregate).aggfnoid)?;
                    let body = self.scopes[scope].body;
                    grouped.then_some(Count { body, least })
                }
                pg_sys::NodeTag::T_WindowFunc => {
                    let function = node.cast::<pg_sys::WindowFunc>();
                    let parted = items::<pg_sys::WindowClause>((*query).windowClause)
                        .into_iter()
                        .any(|w| {
                            (*w).winref == (*function).winref && !(*w).partitionClause.is_null()
                        });
                    let least = least((*function).winfnoid)?;
                    let body = self.scopes[scope].body;
                    parted.then_some(Count { body, least })
                }
                _ => None,
            }
        }
    }
}

/// The least that a function which counts or numbers the rows of a group gives; None for any other.
fn least(function: pg_sys::Oid) -> Option<i64> {
    match function.to_u32() {
        pg_sys::F_COUNT_ | pg_sys::F_ROW_NUMBER => Some(1),
        // count(column) leaves out what is null.
        pg_sys::F_COUNT_ANY => Some(0),
        _ => None,
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

/// `>= 1`, `> 0`, `<> 0`: true of every group, for it has a row. What can't be told here counts as true, too.
unsafe fn always_holds(operator: pg_sys::Oid, value: Node, least: i64) -> bool {
    // SAFETY: the caller passes a constant or parameter; integers up to bigint are passed by value.
    unsafe {
        let value = strip(value);
        let integer = pg_sys::exprType(value);
        let strategy = |operator| btree_strategy(operator, [pg_sys::INT8OID, integer]) as u32;
        let holds_from = match strategy(operator) {
            pg_sys::BTLessStrategyNumber
            | pg_sys::BTLessEqualStrategyNumber
            | pg_sys::BTEqualStrategyNumber => return false,
            pg_sys::BTGreaterEqualStrategyNumber => 0,
            pg_sys::BTGreaterStrategyNumber => 1,
            _ if strategy(pg_sys::get_negator(operator)) == pg_sys::BTEqualStrategyNumber => 1,
            _ => return true,
        };
        if tag(value) != pg_sys::NodeTag::T_Const {
            return false;
        }
        let value = value.cast::<pg_sys::Const>();
        if (*value).constisnull {
            return false;
        }
        let datum = (*value).constvalue.value();
        let number = match integer {
            pg_sys::INT2OID => i64::from(datum as i16),
            pg_sys::INT4OID => i64::from(datum as i32),
            pg_sys::INT8OID => datum as i64,
            _ => return true,
        };
        number <= least - holds_from
    }
}
