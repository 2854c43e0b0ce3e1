//! The translator: from a rewritten Query, before planning, to the facts that the judge decides on.
//!
//! It walks every destructive part of the statement (the statement itself and its data-modifying CTEs) together with
//! the subqueries that feed it, resolves names down to stored columns, and says of each row-selecting condition which
//! columns it reads and whether by equality. Conditions that row-level-security policies add are left out. The Query is
//! never changed.

mod always;
mod assignment;
mod body;
mod bounds;
mod checks;
mod columns;
mod comparison;
mod condition;
mod counted;
mod covered;
mod domains;
pub mod elements;
mod ends;
mod findings;
mod fold;
mod generated;
mod given;
mod likeness;
mod listed;
mod lossless;
mod matched;
#[cfg(not(feature = "pg14"))]
mod merge;
mod named;
pub mod node;
mod nulls;
mod operand;
mod order;
mod output;
mod partner;
mod pattern;
mod plain;
mod reads;
mod recursion;
mod returned;
mod scope;
mod security;
mod series;
mod set_operation;
mod shape;
mod shown;
mod simpler;
mod sources;
mod strict;
mod target;
mod values;
pub mod walk;

use std::rc::Rc;

use pgrx::pg_sys;

use crate::judge::predicate::Predicate;
use crate::judge::statement::{Action, Target, Verb};
use crate::judge::verdict::judge;
use crate::judge::wording::violations;
use crate::model::{ProtectedTarget, Violation};
use crate::pg::stack::within_stack;
use scope::{Gatherer, ScopeId};

/// What the registry knows.
pub trait Protection {
    /// What is protected about a relation that a range-table entry names; `inh` = with its children. None = nothing.
    fn target(&self, relid: pg_sys::Oid, inh: bool) -> Option<Rc<ProtectedTarget>>;
    /// The command that registers the relation as it is, but for these columns of its key. None = not protected by them.
    fn registered_without(&self, relid: pg_sys::Oid, columns: &[String]) -> Option<String>;
}

/// Violations of SF001, SF002, SF003, SF004 and the static part of SF009 in this statement, all data-modifying CTEs
/// included, in the contract's order. Empty, and quickly so, when no destructive part has a protected target.
///
/// # Safety
/// `query` is a valid Query after rewriting and before planning, and outlives the call.
pub unsafe fn judge_query(
    query: *mut pg_sys::Query,
    protection: &dyn Protection,
) -> Vec<Violation> {
    // SAFETY: passed on from the caller.
    unsafe {
        if query.is_null() || !concerns(query, protection) {
            return Vec::new();
        }
        within_stack(|| judged(query, protection, true))
            .unwrap_or_else(|| judged(query, protection, false))
    }
}

/// `reads`: the conditions are read; otherwise they are said to be unreadable.
unsafe fn judged(
    query: *mut pg_sys::Query,
    protection: &dyn Protection,
    reads: bool,
) -> Vec<Violation> {
    // SAFETY: passed on from `judge_query`.
    unsafe {
        let mut gatherer = Gatherer::new(protection);
        gatherer.overflow = !reads;
        let root = gatherer.open(query, None, 0, None);
        gather(&mut gatherer, root);
        let findings = judge(&gatherer.statement);
        violations(&gatherer.statement, &findings, &gatherer)
    }
}

/// For a SELECT that a cursor runs (WHERE CURRENT OF may follow): SF001 for its own reading of protected keys.
///
/// # Safety
/// As for `judge_query`.
pub unsafe fn judge_cursor_query(
    query: *mut pg_sys::Query,
    protection: &dyn Protection,
) -> Vec<Violation> {
    // SAFETY: passed on from the caller.
    unsafe {
        if query.is_null() || (*query).commandType != pg_sys::CmdType::CMD_SELECT {
            return Vec::new();
        }
        within_stack(|| cursor_judged(query, protection, true))
            .unwrap_or_else(|| cursor_judged(query, protection, false))
    }
}

/// As `judged`.
unsafe fn cursor_judged(
    query: *mut pg_sys::Query,
    protection: &dyn Protection,
    reads: bool,
) -> Vec<Violation> {
    // SAFETY: passed on from `judge_cursor_query`.
    unsafe {
        let mut gatherer = Gatherer::new(protection);
        gatherer.overflow = !reads;
        let root = gatherer.open(query, None, 0, None);
        let predicate = match reads {
            true => gatherer.body(root, false),
            false => Predicate::Free,
        };
        let mut all = gatherer.statement.instances.iter();
        let met = all.position(|i| i.target.is_some());
        let instance = match met {
            Some(instance) => instance,
            None if !gatherer.overflow => return Vec::new(),
            None => match protected_relation(query, protection) {
                Some((relid, target)) => gatherer.stand_in(root, relid, target),
                None => return Vec::new(),
            },
        };
        let mut parts = vec![predicate];
        parts.extend(gatherer.take_pending());
        if gatherer.overflow {
            parts.push(gatherer.unreadable(instance));
        }
        let action = Action {
            verb: Verb::Cursor,
            predicate: Predicate::And(parts),
            assigned: Vec::new(),
        };
        let target = Target {
            instance,
            actions: vec![action],
            arbiter: None,
            merge_upsert_on: None,
        };
        gatherer.statement.targets.push(target);
        let findings = judge(&gatherer.statement);
        violations(&gatherer.statement, &findings, &gatherer)
    }
}

/// A protected relation that the query reads, however deep in it.
unsafe fn protected_relation(
    query: *mut pg_sys::Query,
    protection: &dyn Protection,
) -> Option<(pg_sys::Oid, Rc<ProtectedTarget>)> {
    let mut found = None;
    // SAFETY: passed on from `judge_cursor_query`; the tag says that a part is a Query, whose range table holds entries.
    unsafe {
        walk::walk_queries(query.cast(), |part| {
            if found.is_some() || node::tag(part) != pg_sys::NodeTag::T_Query {
                return;
            }
            let rtable = (*part.cast::<pg_sys::Query>()).rtable;
            found = node::items::<pg_sys::RangeTblEntry>(rtable)
                .into_iter()
                .filter(|&rte| (*rte).rtekind == pg_sys::RTEKind::RTE_RELATION)
                .find_map(|rte| {
                    let target = protection.target((*rte).relid, (*rte).inh)?;
                    Some(((*rte).relid, target))
                });
        });
    }
    found
}

/// Has the statement a destructive part on a protected target?
unsafe fn concerns(query: *mut pg_sys::Query, protection: &dyn Protection) -> bool {
    // SAFETY: passed on from the caller; CTEs of a rewritten query hold Query nodes.
    unsafe {
        if target::is_destructive(query) {
            let rtindex = (*query).resultRelation;
            let rte = node::nth_rte((*query).rtable, rtindex);
            let reaches = target::reaches_children(query, rtindex, rte);
            if (*rte).rtekind == pg_sys::RTEKind::RTE_RELATION
                && protection.target((*rte).relid, reaches).is_some()
            {
                return true;
            }
        }
        (*query).hasModifyingCTE && ctes(query).into_iter().any(|cte| concerns(cte, protection))
    }
}

/// Whether only the rows that the query meets tell if what was found in it concerns them: it is an upsert into a table of
/// which nothing but partitions is protected, and an INSERT says of no partition that it won't come there.
///
/// # Safety
/// As for `judge_query`.
pub unsafe fn rows_decide(query: *mut pg_sys::Query, protection: &dyn Protection) -> bool {
    // SAFETY: as in `concerns`; the result relation of a destructive query is one of its range table.
    unsafe {
        let routed = || {
            let rte = node::nth_rte((*query).rtable, (*query).resultRelation);
            (*query).commandType == pg_sys::CmdType::CMD_INSERT
                && protection.target((*rte).relid, false).is_none()
        };
        let own = !target::is_destructive(query) || routed();
        own && (!(*query).hasModifyingCTE
            || ctes(query)
                .into_iter()
                .all(|cte| rows_decide(cte, protection)))
    }
}

unsafe fn gather(gatherer: &mut Gatherer<'_>, scope: ScopeId) {
    let query = gatherer.scopes[scope].query;
    // SAFETY: as in `concerns`.
    unsafe {
        if target::is_destructive(query) {
            gatherer.destructive(scope);
        }
        if (*query).hasModifyingCTE {
            for cte in ctes(query) {
                let inner = gatherer.open(cte, Some(scope), 0, None);
                gather(gatherer, inner);
            }
        }
    }
}

unsafe fn ctes(query: *mut pg_sys::Query) -> Vec<*mut pg_sys::Query> {
    // SAFETY: passed on from the caller.
    unsafe {
        let ctes = node::items::<pg_sys::CommonTableExpr>((*query).cteList);
        ctes.into_iter().map(|c| (*c).ctequery.cast()).collect()
    }
}
