//! Conditions that need no folding to be seen through: the most ordinary ones, and one that is another's negation.

use std::collections::{HashMap, HashSet};

use pgrx::pg_sys;

use super::likeness::likeness;
use super::lossless::strip;
use super::node::{Node, btree_strategy, items, tag};
use super::values;
use super::walk::{flattened, is_larger};

/// Arms with more parts than this are not compared with each other for `x OR NOT x`.
const MOST_PARTS: usize = 200;

/// Nor are more than that which look alike.
const MOST_ALIKE: usize = 4;

/// `column = value`, of no small type: the most ordinary condition is quickly known to hold for some rows only.
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn names_values(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression; the tag says which struct it is.
    unsafe {
        if tag(node) != pg_sys::NodeTag::T_OpExpr {
            return false;
        }
        let operator = (*node.cast::<pg_sys::OpExpr>()).opno;
        let args = items::<pg_sys::Node>((*node.cast::<pg_sys::OpExpr>()).args);
        let [left, right] = args.as_slice() else {
            return false;
        };
        let left = strip(*left);
        let given = matches!(
            tag(strip(*right)),
            pg_sys::NodeTag::T_Const | pg_sys::NodeTag::T_Param
        );
        let of = pg_sys::exprType(left);
        given
            && tag(left) == pg_sys::NodeTag::T_Var
            && btree_strategy(operator, [of, of]) == pg_sys::BTEqualStrategyNumber as i32
            && !values::is_small(of)
    }
}

/// `column operator ...`: folding constants can't decide it, so don't try.
///
/// # Safety
/// The expressions are valid and not yet planned.
pub unsafe fn reads_plain_column(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression.
    unsafe {
        tag(node) == pg_sys::NodeTag::T_Var
            || (tag(node) == pg_sys::NodeTag::T_OpExpr
                && items::<pg_sys::Node>((*node.cast::<pg_sys::OpExpr>()).args)
                    .iter()
                    .any(|&a| tag(strip(a)) == pg_sys::NodeTag::T_Var))
    }
}

/// Is one arm the negation of another (`x IS NULL OR x IS NOT NULL`)?
///
/// # Safety
/// The expressions are valid and not yet planned.
pub unsafe fn complementary(arms: &[Node]) -> bool {
    // SAFETY: the arms are boolean expressions; negate_clause works on copies (prepqual.c).
    unsafe {
        let small: Vec<(usize, Node)> = arms
            .iter()
            .copied()
            .enumerate()
            .filter(|&(_, a)| !is_larger(a, MOST_PARTS))
            .collect();
        // `key = 1 OR key = 2 ...` has no negation among its arms.
        let operators: Option<HashSet<u32>> = small.iter().map(|&(_, a)| operator(a)).collect();
        let negated = |&o: &u32| pg_sys::get_negator(o.into()).to_u32();
        if operators.is_some_and(|all| !all.iter().any(|o| all.contains(&negated(o)))) {
            return false;
        }
        let mut known: HashMap<u64, Vec<(usize, Node)>> = HashMap::new();
        for &(at, arm) in &small {
            let alike = known.entry(likeness(arm)).or_default();
            // So many alike are copies of one another.
            if alike.len() < MOST_ALIKE {
                alike.push((at, arm));
            }
        }
        small.iter().any(|&(at, arm)| {
            let negation: Node =
                pg_sys::negate_clause(pg_sys::copyObjectImpl(arm.cast()).cast()).cast();
            // The parser puts the parts of an OR among the other arms.
            let parts = match tag(negation) {
                pg_sys::NodeTag::T_BoolExpr if is_or(negation) => {
                    flattened(negation.cast(), |_| false).unwrap_or_default()
                }
                _ => vec![negation],
            };
            parts.iter().all(|&part| {
                known.get(&likeness(part)).is_some_and(|alike| {
                    let mut alike = alike.iter();
                    alike.any(|&(other, arm)| at != other && pg_sys::equal(part.cast(), arm.cast()))
                })
            })
        })
    }
}

unsafe fn operator(arm: Node) -> Option<u32> {
    // SAFETY: the caller passes a valid expression; the tag says which struct it is.
    unsafe {
        (tag(arm) == pg_sys::NodeTag::T_OpExpr)
            .then(|| (*arm.cast::<pg_sys::OpExpr>()).opno.to_u32())
    }
}

unsafe fn is_or(node: Node) -> bool {
    // SAFETY: the caller passes a BoolExpr.
    unsafe { (*node.cast::<pg_sys::BoolExpr>()).boolop == pg_sys::BoolExprType::OR_EXPR }
}
