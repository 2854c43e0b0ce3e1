//! `a <> 1 OR a <> 2`: conditions of which one always holds, because each holds where the others do not.

use pgrx::pg_sys;

use super::checks::conjunction;
use super::node::{Node, items, tag};
use super::scope::{Gatherer, ScopeId};

/// Longer lists of conditions are not compared with each other: that takes time with the square of their number.
const MOST_ARMS: usize = 8;

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
            if tag(whole) != pg_sys::NodeTag::T_BoolExpr
                || (*whole.cast::<pg_sys::BoolExpr>()).boolop != pg_sys::BoolExprType::OR_EXPR
            {
                return false;
            }
            let mut arms = items::<pg_sys::Node>((*whole.cast::<pg_sys::BoolExpr>()).args);
            arms.retain(|&a| self.never_null(scope, a));
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
}
