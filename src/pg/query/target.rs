//! What a destructive statement does to its target: actions, assignments, the arbiter of an upsert.

use pgrx::pg_sys;

use super::assignment::{arbiter, assignments};
#[cfg(not(feature = "pg14"))]
use super::node::items;
use super::scope::{Gatherer, ScopeId, Source};
use crate::judge::predicate::{Predicate, Reading};
use crate::judge::statement::{Action, Target, Verb};

/// How a MERGE action meets its rows.
#[cfg(not(feature = "pg14"))]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Matched,
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    NotMatchedBySource,
    NotMatchedByTarget,
}

/// Is that query, its CTEs aside, a destructive statement?
///
/// # Safety
/// `query` is a valid Query.
pub unsafe fn is_destructive(query: *mut pg_sys::Query) -> bool {
    // SAFETY: passed on from the caller.
    unsafe {
        match (*query).commandType {
            pg_sys::CmdType::CMD_UPDATE | pg_sys::CmdType::CMD_DELETE => true,
            #[cfg(not(feature = "pg14"))]
            pg_sys::CmdType::CMD_MERGE => items::<pg_sys::MergeAction>((*query).mergeActionList)
                .iter()
                .any(|&a| {
                    [pg_sys::CmdType::CMD_UPDATE, pg_sys::CmdType::CMD_DELETE]
                        .contains(&(*a).commandType)
                }),
            pg_sys::CmdType::CMD_INSERT => {
                let conflict = (*query).onConflict;
                !conflict.is_null()
                    && (*conflict).action == pg_sys::OnConflictAction::ONCONFLICT_UPDATE
            }
            _ => false,
        }
    }
}

/// Whether what a query does to a relation of its range table reaches the relation's children: rows that an INSERT inserts
/// into a partitioned table, or meets there, are in the partitions.
///
/// # Safety
/// `query` is a valid Query, and `rte` its range-table entry of number `rtindex`.
pub unsafe fn reaches_children(
    query: *mut pg_sys::Query,
    rtindex: i32,
    rte: *mut pg_sys::RangeTblEntry,
) -> bool {
    // SAFETY: passed on from the caller.
    unsafe {
        (*rte).inh
            || (*query).commandType == pg_sys::CmdType::CMD_INSERT
                && (*query).resultRelation == rtindex
                && (*rte).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE
    }
}

impl Gatherer<'_> {
    /// Gathers the destructive statement that the scope's query is.
    ///
    /// # Safety
    /// The scope's query is valid, rewritten and destructive.
    pub unsafe fn destructive(&mut self, scope: ScopeId) {
        let query = self.scopes[scope].query;
        // SAFETY: the caller vouches for the query; a data-modifying query has a result relation.
        unsafe {
            let rtindex = (*query).resultRelation;
            let rte = self.rte(scope, rtindex);
            let Source::Columns(instance) = self.source(scope, rtindex) else {
                return;
            };
            if self.statement.instances[instance].target.is_none() {
                return;
            }
            let relid = (*rte).relid;
            let from = self.row_source(scope);
            let mut target = Target {
                instance,
                actions: Vec::new(),
                arbiter: None,
                merge_upsert_on: None,
            };
            match (*query).commandType {
                pg_sys::CmdType::CMD_INSERT => {
                    let conflict = (*query).onConflict;
                    let mut parts = from;
                    parts.push(self.predicate(scope, (*conflict).onConflictWhere));
                    let assigned = assignments(relid, (*conflict).onConflictSet);
                    target.actions.push(Action {
                        verb: Verb::Upsert,
                        predicate: Predicate::And(parts),
                        assigned,
                    });
                    target.arbiter = Some(arbiter(conflict));
                }
                #[cfg(not(feature = "pg14"))]
                pg_sys::CmdType::CMD_MERGE => self.merge(scope, relid, from, &mut target),
                command => {
                    let verb = if command == pg_sys::CmdType::CMD_DELETE {
                        Verb::Delete
                    } else {
                        Verb::Update
                    };
                    let list = if verb == Verb::Delete {
                        core::ptr::null_mut()
                    } else {
                        (*query).targetList
                    };
                    let assigned = assignments(relid, list);
                    target.actions.push(Action {
                        verb,
                        predicate: Predicate::And(from),
                        assigned,
                    });
                }
            }
            let pending = self.take_pending();
            let unreadable = self.overflow.then(|| self.unreadable(instance));
            for action in &mut target.actions {
                if pending.is_some() || unreadable.is_some() {
                    let own = std::mem::replace(&mut action.predicate, Predicate::Free);
                    let more = pending.iter().chain(&unreadable).cloned();
                    action.predicate = Predicate::And(std::iter::once(own).chain(more).collect());
                }
            }
            self.statement.targets.push(target);
        }
    }

    /// Stands for a statement too large to read: a condition on every key.
    pub fn unreadable(&mut self, instance: usize) -> Predicate {
        let key = self.statement.instances[instance]
            .target
            .iter()
            .flat_map(|t| &t.key);
        let attnos: Vec<i16> = key.map(|k| k.attnum).collect();
        let reads = attnos
            .into_iter()
            .map(|a| self.statement.column(instance, a))
            .collect();
        Predicate::Other {
            reads,
            bodies: Vec::new(),
            why: Reading::Unreadable,
            expr: None,
        }
    }

    #[cfg(not(feature = "pg14"))]
    unsafe fn merge(
        &mut self,
        scope: ScopeId,
        relid: pg_sys::Oid,
        from: Vec<Predicate>,
        target: &mut Target,
    ) {
        let query = self.scopes[scope].query;
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
                let assigned = assignments(relid, list);
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
