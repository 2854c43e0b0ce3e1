//! What tells nothing apart although it looks for something: in a list of all there is, in an empty one, among the results
//! of a CASE.

use pgrx::pg_sys;

use super::elements::elements;
use super::node::{Node, constant, folded, is_own_equality, items, tag};
use super::pattern::matches_everything;
use super::scope::{Gatherer, ScopeId};
use super::walk::{any_part, calls_foreign};

impl Gatherer<'_> {
    /// Does `left operator ANY (list)`, or ALL, hold for every row? Nothing in an empty list gainsays ALL.
    ///
    /// # Safety
    /// `op` is a valid ScalarArrayOpExpr of that scope's query.
    pub unsafe fn finds_always(
        &mut self,
        scope: ScopeId,
        op: *mut pg_sys::ScalarArrayOpExpr,
    ) -> bool {
        // SAFETY: the caller vouches for the expression.
        unsafe {
            let [left, list] = items::<pg_sys::Node>((*op).args)[..] else {
                return false;
            };
            if !(*op).useOr && elements(list).is_some_and(|all| all.is_empty()) {
                return true;
            }
            holds_of_results(op.cast(), &[left, list])
                || (matches_everything(op.cast()) || lists_both_truths(op, left, list))
                    && self.never_null(scope, left)
        }
    }

    /// `IS DISTINCT FROM` of two that are never null is `<>`, which more is known of.
    ///
    /// # Safety
    /// `op` is a valid DistinctExpr of that scope's query.
    pub unsafe fn distinct(&mut self, scope: ScopeId, op: *mut pg_sys::OpExpr) -> Option<Node> {
        // SAFETY: the caller vouches for the expression; a DistinctExpr's operator is the equality (parsenodes.h).
        unsafe {
            let [left, right] = items::<pg_sys::Node>((*op).args)[..] else {
                return None;
            };
            let negator = pg_sys::get_negator((*op).opno);
            if negator == pg_sys::InvalidOid
                || !self.never_null(scope, left)
                || !self.never_null(scope, right)
            {
                return None;
            }
            let (none, collation) = (pg_sys::InvalidOid, (*op).inputcollid);
            let differ = pg_sys::make_opclause(
                negator,
                pg_sys::BOOLOID,
                false,
                left.cast(),
                right.cast(),
                none,
                collation,
            );
            Some(self.simpler(scope, differ.cast()).unwrap_or(differ.cast()))
        }
    }
}

/// `condition IN (true, false)`
unsafe fn lists_both_truths(op: *mut pg_sys::ScalarArrayOpExpr, left: Node, list: Node) -> bool {
    // SAFETY: the caller passes a valid expression's parts.
    unsafe {
        if !(*op).useOr
            || pg_sys::exprType(left) != pg_sys::BOOLOID
            || !is_own_equality((*op).opno, pg_sys::BOOLOID)
        {
            return false;
        }
        let all = elements(list).unwrap_or_default();
        let has = |truth| all.iter().any(|&e| constant(e) == Some(Some(truth)));
        has(true) && has(false)
    }
}

/// Does the comparison hold of each result that the CASE on its left, or right, may have, all of them being constants?
///
/// # Safety
/// `comparison` is a valid expression with these two arguments.
pub unsafe fn holds_of_results(comparison: Node, args: &[Node]) -> bool {
    // SAFETY: the caller vouches for the expression, which is copied before a result takes the place of the CASE.
    unsafe {
        let is_constant = |n: &Node| !n.is_null() && tag(*n) == pg_sys::NodeTag::T_Const;
        let case = args
            .iter()
            .position(|&a| tag(a) == pg_sys::NodeTag::T_CaseExpr);
        let Some(at) = case else {
            return false;
        };
        let Some(results) = results(args[at].cast()) else {
            return false;
        };
        if !args
            .iter()
            .enumerate()
            .all(|(n, a)| n == at || is_constant(a))
            || any_part(comparison, |part| calls_foreign(part))
        {
            return false;
        }
        results.into_iter().all(|result| {
            let copy: Node = pg_sys::copyObjectImpl(comparison.cast()).cast();
            let list = match tag(copy) {
                pg_sys::NodeTag::T_OpExpr => (*copy.cast::<pg_sys::OpExpr>()).args,
                _ => (*copy.cast::<pg_sys::ScalarArrayOpExpr>()).args,
            };
            (*(*list).elements.add(at)).ptr_value = result.cast();
            folded(copy) == Some(Some(true))
        })
    }
}

/// The results of a CASE, where all of them are constants.
unsafe fn results(case: *mut pg_sys::CaseExpr) -> Option<Vec<Node>> {
    // SAFETY: the caller passes a valid CASE, whose arms are CaseWhen nodes.
    unsafe {
        let mut results: Vec<Node> = vec![(*case).defresult.cast()];
        let whens = items::<pg_sys::CaseWhen>((*case).args);
        results.extend(whens.iter().map(|&w| (*w).result.cast::<pg_sys::Node>()));
        let all = |n: &Node| !n.is_null() && tag(*n) == pg_sys::NodeTag::T_Const;
        results.iter().all(all).then_some(results)
    }
}
