//! What an expression comes to by what is known of its parts: that they are never null, that they are the same, between
//! which numbers they lie.

use pgrx::pg_sys;

use super::ends::{is_greatest, is_least};
use super::findings::holds_of_results;
use super::lossless::strip;
use super::node::{Node, btree_strategy, is_own_equality, items, tag};
use super::pattern::matches_everything;
use super::scope::{Gatherer, ScopeId};

impl Gatherer<'_> {
    /// A simpler expression with the same value in every row; None where none is known.
    ///
    /// # Safety
    /// `node` is a valid expression of that scope's query that calls no volatile functions.
    pub unsafe fn simpler(&mut self, scope: ScopeId, node: Node) -> Option<Node> {
        // SAFETY: the tag says which struct the node is; the caller vouches for the rest.
        unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_OpExpr => self.comparison_known(scope, node.cast()).map(truth),
                pg_sys::NodeTag::T_FuncExpr => {
                    let args = items::<pg_sys::Node>((*node.cast::<pg_sys::FuncExpr>()).args);
                    (matches_everything(node) && self.never_null(scope, args[0]))
                        .then(|| truth(true))
                }
                pg_sys::NodeTag::T_ScalarArrayOpExpr => (self.lists_itself(scope, node.cast())
                    || self.finds_always(scope, node.cast()))
                .then(|| truth(true)),
                pg_sys::NodeTag::T_NullTest => {
                    let test = node.cast::<pg_sys::NullTest>();
                    let null = (*test).nulltesttype == pg_sys::NullTestType::IS_NULL;
                    self.never_null(scope, (*test).arg.cast())
                        .then(|| truth(!null))
                }
                pg_sys::NodeTag::T_CoalesceExpr => {
                    let args = items::<pg_sys::Node>((*node.cast::<pg_sys::CoalesceExpr>()).args);
                    let first = *args.first()?;
                    (all_same(&args) || self.never_null(scope, first)).then_some(first)
                }
                pg_sys::NodeTag::T_MinMaxExpr => {
                    let args = items::<pg_sys::Node>((*node.cast::<pg_sys::MinMaxExpr>()).args);
                    all_same(&args).then(|| args[0])
                }
                pg_sys::NodeTag::T_NullIfExpr => {
                    let op = node.cast::<pg_sys::OpExpr>();
                    let args = items::<pg_sys::Node>((*op).args);
                    all_same(&args).then(|| {
                        let of = (*op).opresulttype;
                        pg_sys::makeNullConst(of, -1, (*op).opcollid).cast()
                    })
                }
                pg_sys::NodeTag::T_DistinctExpr => {
                    let op = node.cast::<pg_sys::OpExpr>();
                    match all_same(&items((*op).args)) {
                        true => Some(truth(false)),
                        false => self.distinct(scope, op),
                    }
                }
                pg_sys::NodeTag::T_CaseExpr => {
                    let case = node.cast::<pg_sys::CaseExpr>();
                    let mut results: Vec<Node> = vec![(*case).defresult.cast()];
                    let whens = items::<pg_sys::CaseWhen>((*case).args);
                    results.extend(whens.iter().map(|&w| (*w).result.cast::<pg_sys::Node>()));
                    let any_null = results.iter().any(|r| r.is_null());
                    (!any_null && all_same(&results)).then(|| results[0])
                }
                _ => None,
            }
        }
    }

    /// `x = ANY (ARRAY[x, ...])`
    unsafe fn lists_itself(&mut self, scope: ScopeId, op: *mut pg_sys::ScalarArrayOpExpr) -> bool {
        // SAFETY: passed on from `simpler`; the tag says which struct the list is.
        unsafe {
            let [left, list] = items::<pg_sys::Node>((*op).args)[..] else {
                return false;
            };
            (*op).useOr
                && tag(list) == pg_sys::NodeTag::T_ArrayExpr
                && is_own_equality((*op).opno, pg_sys::exprType(left))
                && items((*list.cast::<pg_sys::ArrayExpr>()).elements)
                    .into_iter()
                    .any(|element| all_same(&[strip(left), strip(element)]))
                && self.never_null(scope, left)
        }
    }

    /// Whether a comparison holds, where that is the same for every row.
    unsafe fn comparison_known(&mut self, scope: ScopeId, op: *mut pg_sys::OpExpr) -> Option<bool> {
        // SAFETY: passed on from `simpler`; an OpExpr's arguments are expressions.
        unsafe {
            let args = items::<pg_sys::Node>((*op).args);
            let [left, right] = args.as_slice() else {
                return None;
            };
            if holds_of_results(op.cast(), args.as_slice()) {
                return Some(true);
            }
            let of = pg_sys::exprType(*left);
            let strategy = btree_strategy((*op).opno, [of, pg_sys::exprType(*right)]) as u32;
            if all_same(&[strip(*left), strip(*right)]) && self.never_null(scope, *left) {
                let negator = pg_sys::get_negator((*op).opno);
                return match strategy {
                    0 => (btree_strategy(negator, [of, of]) as u32
                        == pg_sys::BTEqualStrategyNumber)
                        .then_some(false),
                    pg_sys::BTLessStrategyNumber | pg_sys::BTGreaterStrategyNumber => Some(false),
                    _ => Some(true),
                };
            }
            let everything = |operator: pg_sys::Oid, end: Node| match btree_strategy(
                operator,
                [of, pg_sys::exprType(*right)],
            ) as u32
            {
                pg_sys::BTGreaterEqualStrategyNumber => is_least(end),
                pg_sys::BTLessEqualStrategyNumber => is_greatest(end),
                0 => operator.to_u32() == pg_sys::OID_ARRAY_CONTAINS_OP && is_least(end),
                _ => false,
            };
            let commutator = pg_sys::get_commutator((*op).opno);
            let compared = match () {
                _ if everything((*op).opno, *right) || matches_everything(op.cast()) => Some(*left),
                _ if everything(commutator, *left) => Some(*right),
                _ => None,
            };
            match compared {
                Some(compared) if self.never_null(scope, compared) => Some(true),
                _ => self.decided(scope, op),
            }
        }
    }
}

fn truth(value: bool) -> Node {
    // SAFETY: makeBoolConst allocates.
    unsafe { pg_sys::makeBoolConst(value, false) }
}

unsafe fn all_same(nodes: &[Node]) -> bool {
    // SAFETY: the caller passes valid expressions.
    nodes
        .windows(2)
        .all(|pair| unsafe { pg_sys::equal(pair[0].cast(), pair[1].cast()) })
}
