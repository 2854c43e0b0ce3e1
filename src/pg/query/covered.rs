//! `a <> 1 OR a <> 2`: conditions of which one always holds, because each holds where the others do not.

use pgrx::pg_sys;

use super::checks::conjunction;
use super::elements::{elements, is_null};
use super::node::{Node, btree_strategy, default_family, folded, is_own_equality, items, tag};
use super::scope::{Gatherer, ScopeId};
use super::walk::flattened;

/// Longer lists of conditions are not compared with each other: that takes time with the square of their number.
const MOST_ARMS: usize = 8;

/// Nor are the operands of more than that compared with each other.
const MOST_OPERANDS: usize = 32;

/// `operand <> value`, and how values are told apart.
struct Denial {
    operand: Node,
    operator: pg_sys::Oid,
    equality: pg_sys::Oid,
    collation: pg_sys::Oid,
    value: Node,
}

impl Gatherer<'_> {
    /// Is it an OR one of whose conditions PostgreSQL proves from the others' being false (predtest.c)? What may be null
    /// has no part in that, or the proof would say nothing.
    ///
    /// # Safety
    /// `condition` is a valid boolean expression of that scope's query that calls no volatile functions.
    pub unsafe fn covered(&mut self, scope: ScopeId, condition: Node) -> bool {
        // SAFETY: passed on from the caller; folding and negating work on copies, and lead NOT down to the conditions.
        unsafe {
            let [whole] = items::<pg_sys::Node>(conjunction(condition))[..] else {
                return false;
            };
            let or = tag(whole) == pg_sys::NodeTag::T_BoolExpr
                && (*whole.cast::<pg_sys::BoolExpr>()).boolop == pg_sys::BoolExprType::OR_EXPR;
            let mut arms = match or {
                true => items::<pg_sys::Node>((*whole.cast::<pg_sys::BoolExpr>()).args),
                false => vec![whole],
            };
            if self.denies_two(scope, &arms) {
                return true;
            }
            arms.retain(|&a| self.never_null(scope, a));
            if arms.len() > MOST_ARMS {
                // One value more or less leaves no gap between the others.
                arms.retain(|&a| !is_equality(a));
            }
            if arms.len() > MOST_ARMS {
                return false;
            }
            (0..arms.len()).any(|at| {
                let mut failed = core::ptr::null_mut();
                for (other, &arm) in arms.iter().enumerate() {
                    if other != at {
                        let copy = pg_sys::copyObjectImpl(arm.cast()).cast();
                        let negation = pg_sys::negate_clause(copy);
                        failed = pg_sys::list_concat(failed, conjunction(negation));
                    }
                }
                let proved = pg_sys::lappend(core::ptr::null_mut(), arms[at].cast());
                pg_sys::predicate_implied_by(proved, failed, false)
            })
        }
    }

    /// The same of an OR that is too long to be compared with itself, where a look at each condition is enough.
    ///
    /// # Safety
    /// As for `covered`.
    pub unsafe fn denies_two_at_length(&mut self, scope: ScopeId, condition: Node) -> bool {
        // SAFETY: passed on from the caller; the tag says that it is a BoolExpr.
        unsafe {
            if tag(condition) != pg_sys::NodeTag::T_BoolExpr
                || (*condition.cast::<pg_sys::BoolExpr>()).boolop != pg_sys::BoolExprType::OR_EXPR
            {
                return false;
            }
            let arms = flattened(condition.cast(), |_| false).unwrap_or_default();
            self.denies_two(scope, &arms)
        }
    }

    /// Do the conditions say of something that is never null that it is not one value, or not another? It is never both.
    unsafe fn denies_two(&mut self, scope: ScopeId, arms: &[Node]) -> bool {
        let mut first: Vec<Denial> = Vec::new();
        // SAFETY: passed on from `covered`; equality of PostgreSQL's own between constants is folded as a copy.
        unsafe {
            for denial in arms.iter().flat_map(|&arm| denials(arm)) {
                let same = |d: &&Denial| {
                    d.operator == denial.operator
                        && d.collation == denial.collation
                        && pg_sys::equal(d.operand.cast(), denial.operand.cast())
                };
                match first.iter().find(same) {
                    Some(known)
                        if differ(known, denial.value)
                            && self.never_null(scope, denial.operand) =>
                    {
                        return true;
                    }
                    Some(_) => {}
                    None if first.len() < MOST_OPERANDS => first.push(denial),
                    None => {}
                }
            }
            false
        }
    }
}

/// Are the two values different, by the equality that the condition denies?
unsafe fn differ(known: &Denial, value: Node) -> bool {
    // SAFETY: the caller passes constants of the types that the operator compares.
    unsafe {
        if pg_sys::equal(known.value.cast(), value.cast()) {
            return false;
        }
        let equal = pg_sys::make_opclause(
            known.equality,
            pg_sys::BOOLOID,
            false,
            known.value.cast(),
            value.cast(),
            pg_sys::InvalidOid,
            known.collation,
        );
        folded(equal.cast()) == Some(Some(false))
    }
}

/// What `operand <> value` says, or `operand <> ANY (values)` of each of them.
unsafe fn denials(arm: Node) -> Vec<Denial> {
    // SAFETY: the caller passes a valid expression; its tag says which struct it is.
    unsafe {
        let (operator, collation, args, list) = match tag(arm) {
            pg_sys::NodeTag::T_OpExpr => {
                let op = arm.cast::<pg_sys::OpExpr>();
                ((*op).opno, (*op).inputcollid, (*op).args, false)
            }
            pg_sys::NodeTag::T_ScalarArrayOpExpr
                if (*arm.cast::<pg_sys::ScalarArrayOpExpr>()).useOr =>
            {
                let op = arm.cast::<pg_sys::ScalarArrayOpExpr>();
                ((*op).opno, (*op).inputcollid, (*op).args, true)
            }
            _ => return Vec::new(),
        };
        let (Some(equality), [operand, given]) =
            (value_equality(operator), &items::<pg_sys::Node>(args)[..])
        else {
            return Vec::new();
        };
        let values = match list {
            true => elements(*given).unwrap_or_default(),
            false => vec![*given],
        };
        let constant = |v: &Node| tag(*v) == pg_sys::NodeTag::T_Const && !is_null(*v);
        let denial = |value| Denial {
            operand: *operand,
            operator,
            equality,
            collation,
            value,
        };
        values.into_iter().filter(constant).map(denial).collect()
    }
}

/// For `<>`: the equality that tells the values on its right apart as it tells them from what is on its left.
fn value_equality(operator: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: catalog look-ups of an operator of a parsed expression.
    unsafe {
        let denied = pg_sys::get_negator(operator);
        if denied == pg_sys::InvalidOid || denied.to_u32() >= pg_sys::FirstNormalObjectId {
            return None;
        }
        let (mut left, mut right) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        pg_sys::op_input_types(operator, &mut left, &mut right);
        if !is_own_equality(denied, left) {
            return None;
        }
        let equal = pg_sys::BTEqualStrategyNumber as i16;
        let equality = match left == right {
            true => denied,
            false => pg_sys::get_opfamily_member(default_family(left), right, right, equal),
        };
        let own = equality != pg_sys::InvalidOid && equality.to_u32() < pg_sys::FirstNormalObjectId;
        own.then_some(equality)
    }
}

unsafe fn is_equality(arm: Node) -> bool {
    // SAFETY: the caller passes a valid expression; its tag says which struct it is.
    unsafe {
        tag(arm) == pg_sys::NodeTag::T_OpExpr && {
            let op = arm.cast::<pg_sys::OpExpr>();
            let (mut left, mut right) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::op_input_types((*op).opno, &mut left, &mut right);
            btree_strategy((*op).opno, [left, right]) == pg_sys::BTEqualStrategyNumber as i32
        }
    }
}
