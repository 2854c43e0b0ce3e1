//! Comparisons: what an operator, or a boolean column, says of the columns on its sides.

use pgrx::pg_sys;

use super::lossless::{strip, tells_apart};
use super::node::{Node, btree_strategy, constant, is_own_equality, items, tag};
use super::scope::{Gatherer, ScopeId};
use crate::judge::predicate::{Operand, Predicate, Reading};

impl Gatherer<'_> {
    /// A boolean column as a condition, or (`shown`) its negation: it equals true, or false.
    ///
    /// # Safety
    /// `column` is a Var, and `shown` an expression, of that scope's query.
    pub unsafe fn flag(&mut self, scope: ScopeId, column: Node, shown: Node) -> Predicate {
        // SAFETY: the callers pass a Var of that scope's query.
        unsafe {
            let left = self.operand(scope, column);
            if left.bare.is_empty() {
                return self.other(scope, shown, Reading::Compared);
            }
            let right = Operand {
                fixed: true,
                ..Operand::default()
            };
            Predicate::Equal {
                left,
                right,
                expr: self.expr(scope, shown),
            }
        }
    }

    /// The negation of a condition.
    ///
    /// # Safety
    /// As for `predicate`.
    pub unsafe fn denied(&mut self, scope: ScopeId, condition: Node, shown: Node) -> Predicate {
        // SAFETY: passed on from `predicate`.
        unsafe {
            let column = strip(condition);
            match tag(column) {
                pg_sys::NodeTag::T_Var => self.flag(scope, column, shown),
                _ => self.predicate(scope, condition).negated(),
            }
        }
    }

    /// `left = right` by an operator that is the type's own equality.
    ///
    /// # Safety
    /// `op` is a valid OpExpr or DistinctExpr of that scope's query.
    pub unsafe fn equality(
        &mut self,
        scope: ScopeId,
        op: *mut pg_sys::OpExpr,
        operator: pg_sys::Oid,
        shown: Node,
    ) -> Option<Predicate> {
        // SAFETY: OpExpr and DistinctExpr are one struct; its arguments are expressions.
        unsafe {
            let args = items::<pg_sys::Node>((*op).args);
            let [left, right] = args.as_slice() else {
                return None;
            };
            let own = [*left, *right].map(|n| is_own_equality(operator, pg_sys::exprType(n)));
            if operator == pg_sys::InvalidOid
                || own == [false, false]
                || !tells_apart((*op).inputcollid, *left)
                || !tells_apart((*op).inputcollid, *right)
            {
                return None;
            }
            let (left, right) = (self.operand(scope, *left), self.operand(scope, *right));
            let computing = |o: &Operand| o.bare.is_empty() && o.fields.is_empty();
            // Another type's idea of equality says nothing of a column's own.
            if [(&left, own[0]), (&right, own[1])]
                .iter()
                .any(|(side, own)| !own && !computing(side))
            {
                return None;
            }
            if computing(&left) && computing(&right) {
                let fixed = left.reads.is_empty() && right.reads.is_empty();
                return (!fixed).then(|| Predicate::Equal {
                    left,
                    right,
                    expr: self.expr(scope, shown),
                });
            }
            Some(Predicate::Equal {
                left,
                right,
                expr: self.expr(scope, shown),
            })
        }
    }

    /// A condition with an operator.
    ///
    /// # Safety
    /// `op` is a valid OpExpr of that scope's query.
    pub unsafe fn operator(&mut self, scope: ScopeId, op: *mut pg_sys::OpExpr) -> Predicate {
        // SAFETY: an OpExpr's arguments are expressions.
        unsafe {
            let args = items::<pg_sys::Node>((*op).args);
            let [left, right] = args.as_slice() else {
                return self.other(scope, op.cast(), Reading::Compared);
            };
            let (a, b) = (strip(*left), strip(*right));
            if pg_sys::equal(a.cast(), b.cast()) && !pg_sys::contain_volatile_functions(op.cast()) {
                let strategy = btree_strategy(
                    (*op).opno,
                    [pg_sys::exprType(*left), pg_sys::exprType(*right)],
                );
                match strategy {
                    // x = x: true wherever x is known.
                    3 => return Predicate::Const(Some(true)),
                    // x <= x, too; but it reads x by range.
                    2 | 4 => {
                        let range = self.other(scope, op.cast(), Reading::Compared);
                        return range.tautological();
                    }
                    _ => {}
                }
            }
            if pg_sys::exprType(*left) == pg_sys::BOOLOID
                && is_own_equality((*op).opno, pg_sys::BOOLOID)
            {
                for (truth, condition) in [(*right, *left), (*left, *right)] {
                    if let Some(Some(truth)) = constant(truth)
                        && tag(strip(condition)) != pg_sys::NodeTag::T_Var
                    {
                        let inner = self.predicate(scope, condition);
                        return if truth { inner } else { inner.negated() };
                    }
                }
            }
            let comparison = match self.equality(scope, op, (*op).opno, op.cast()) {
                Some(equal) if self.joins_everything(scope, op) => equal.tautological(),
                Some(equal) => equal,
                None => {
                    let other = self.other(scope, op.cast(), Reading::Compared);
                    match self.joins_everything(scope, op) {
                        true => other.tautological(),
                        false => other,
                    }
                }
            };
            self.with_counts(scope, comparison, (*op).opno, [*left, *right])
        }
    }

    /// `left operator ANY (list)` and `ALL`.
    ///
    /// # Safety
    /// `op` is a valid ScalarArrayOpExpr of that scope's query.
    pub unsafe fn array_operator(
        &mut self,
        scope: ScopeId,
        op: *mut pg_sys::ScalarArrayOpExpr,
    ) -> Predicate {
        // SAFETY: a ScalarArrayOpExpr has two arguments, the second of an array type.
        unsafe {
            let args = items::<pg_sys::Node>((*op).args);
            let [left, right] = args.as_slice() else {
                return self.other(scope, op.cast(), Reading::Unreadable);
            };
            if self.looks_back(scope, op) {
                return Predicate::Free;
            }
            let equality = is_own_equality((*op).opno, pg_sys::exprType(*left))
                && tells_apart((*op).inputcollid, *left);
            if !(*op).useOr || !equality {
                return self.other(scope, op.cast(), Reading::Compared);
            }
            let (left, right) = (self.operand(scope, *left), self.list(scope, *right));
            if left.fixed && right.fixed && left.bare.is_empty() {
                return self.other(scope, op.cast(), Reading::Compared);
            }
            let given = right.is_given();
            let equal = Predicate::Equal {
                left,
                right,
                expr: self.expr(scope, op.cast()),
            };
            match given {
                true => self.with_listed_counts(scope, equal, args[0]),
                false => equal,
            }
        }
    }
}
