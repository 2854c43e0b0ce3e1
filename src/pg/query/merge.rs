//! MERGE: its actions, and what of its ON and their conditions selects their rows.

use pgrx::pg_sys;

use super::assignment::assignments;
use super::node::items;
use super::scope::{Gatherer, ScopeId};
use crate::judge::predicate::Predicate;
use crate::judge::statement::{Action, Target, Verb};

/// How a MERGE action meets its rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Matched,
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    NotMatchedBySource,
    NotMatchedByTarget,
}

impl Gatherer<'_> {
    /// What a MERGE does to its target, action by action.
    ///
    /// # Safety
    /// The scope's query is a valid MERGE, and `from` what its sources say.
    pub unsafe fn merge(
        &mut self,
        scope: ScopeId,
        relid: pg_sys::Oid,
        from: Vec<Predicate>,
        target: &mut Target,
    ) {
        let query = self.scopes[scope].query;
        let Some(protected) = self.statement.instances[target.instance].target.clone() else {
            return;
        };
        // SAFETY: passed on from `destructive`; a MERGE's actions are MergeAction nodes.
        unsafe {
            // Up to 16 the source's join tree carries ON as its condition; 17 has a field for it.
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            let (on, sources) = {
                let mut from = from;
                let on = from.pop().unwrap_or(Predicate::And(Vec::new()));
                (on, from)
            };
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            let (on, mut sources) = (self.predicate(scope, (*query).mergeJoinCondition), from);
            // The target is not in the join tree yet, and views can be merged into from 17 on.
            #[cfg(any(feature = "pg17", feature = "pg18"))]
            sources.extend(self.barrier_conditions(scope, (*query).resultRelation));

            let (mut updates, mut inserts) = (false, false);
            let whole = self.destroys_all_matched(scope);
            for action in items::<pg_sys::MergeAction>((*query).mergeActionList) {
                let met = how_matched(action);
                inserts |= (*action).commandType == pg_sys::CmdType::CMD_INSERT
                    && met == Match::NotMatchedByTarget;
                if met == Match::NotMatchedByTarget {
                    continue;
                }
                let verb = match (*action).commandType {
                    pg_sys::CmdType::CMD_UPDATE => Verb::MergeUpdate,
                    pg_sys::CmdType::CMD_DELETE => Verb::MergeDelete,
                    _ => Verb::MergeNothing,
                };
                updates |= verb == Verb::MergeUpdate && met == Match::Matched;
                let mut qual = self.predicate(scope, (*action).qual);
                if verb == Verb::MergeNothing {
                    // The rows it keeps are lost to the actions after it.
                    qual = qual.negated();
                } else if whole && met == Match::Matched {
                    qual = qual.tautological();
                }
                let met_on = if met == Match::Matched {
                    on.clone()
                } else {
                    on.clone().negated()
                };
                let mut parts = sources.clone();
                parts.extend([met_on, qual]);
                let list = if verb == Verb::MergeUpdate {
                    (*action).targetList
                } else {
                    core::ptr::null_mut()
                };
                let assigned = assignments(&protected, relid, list);
                target.actions.push(Action {
                    verb,
                    predicate: Predicate::And(parts),
                    assigned,
                });
            }
            if updates && inserts {
                target.merge_upsert_on = Some(on);
            }
        }
    }
    /// Do the actions destroy every row that is matched, each some of them (`AND flag`, `AND NOT flag`)?
    unsafe fn destroys_all_matched(&mut self, scope: ScopeId) -> bool {
        // SAFETY: passed on from `merge`; an action's condition is a boolean expression, kept as an AND list or not.
        unsafe {
            let mut arms = core::ptr::null_mut();
            for action in items::<pg_sys::MergeAction>((*self.scopes[scope].query).mergeActionList)
            {
                let destroys = [pg_sys::CmdType::CMD_UPDATE, pg_sys::CmdType::CMD_DELETE]
                    .contains(&(*action).commandType);
                if destroys && how_matched(action) == Match::Matched && !(*action).qual.is_null() {
                    arms = pg_sys::lappend(arms, (*action).qual.cast());
                }
            }
            let or = pg_sys::BoolExprType::OR_EXPR;
            items::<pg_sys::Node>(arms).len() > 1
                && self.always(scope, pg_sys::makeBoolExpr(or, arms, -1).cast())
        }
    }
}

#[cfg(any(feature = "pg15", feature = "pg16"))]
unsafe fn how_matched(action: *mut pg_sys::MergeAction) -> Match {
    // SAFETY: the caller passes a valid action.
    if unsafe { (*action).matched } {
        Match::Matched
    } else {
        Match::NotMatchedByTarget
    }
}

#[cfg(any(feature = "pg17", feature = "pg18"))]
unsafe fn how_matched(action: *mut pg_sys::MergeAction) -> Match {
    // SAFETY: the caller passes a valid action.
    match unsafe { (*action).matchKind } {
        pg_sys::MergeMatchKind::MERGE_WHEN_MATCHED => Match::Matched,
        pg_sys::MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_SOURCE => Match::NotMatchedBySource,
        _ => Match::NotMatchedByTarget,
    }
}
