//! What a destructive statement does to its target: actions, assignments, the arbiter of an upsert.

use pgrx::pg_sys;

use super::assignment::{arbiter, assignments};
#[cfg(not(feature = "pg14"))]
use super::node::items;
use super::scope::{Gatherer, ScopeId};
use super::sources::Source;
use crate::judge::predicate::{Predicate, Reading};
use crate::judge::statement::{Action, Target, Verb};

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
            let Some(protected) = self.statement.instances[instance].target.clone() else {
                return;
            };
            if self.overflow {
                return self.push_unreadable(instance, (*query).commandType);
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
                    let assigned = assignments(&protected, relid, (*conflict).onConflictSet);
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
                    let assigned = assignments(&protected, relid, list);
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

    /// A target of a statement that is not read.
    fn push_unreadable(&mut self, instance: usize, command: pg_sys::CmdType::Type) {
        let verb = match command {
            pg_sys::CmdType::CMD_DELETE => Verb::Delete,
            pg_sys::CmdType::CMD_INSERT => Verb::Upsert,
            _ => Verb::Update,
        };
        let action = Action {
            verb,
            predicate: self.unreadable(instance),
            assigned: Vec::new(),
        };
        self.statement.targets.push(Target {
            instance,
            actions: vec![action],
            arbiter: None,
            merge_upsert_on: None,
        });
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
            why: Reading::TooLarge,
            expr: None,
        }
    }
}
