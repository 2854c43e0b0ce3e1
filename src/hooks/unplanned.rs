//! Everything that a query would be refused for before it runs, for `backstop.check()`: what the judge reads in it, and
//! what only its execution would meet.

use super::planner;
use super::targets::of_trigger;
use crate::guard_triggers;
use crate::model::Violation;
use crate::pg::{compat, raw};
use crate::record::append_only;
use crate::registry::Registry;
use crate::sequence::constant;
use pgrx::pg_sys::{self, CmdType::*};
use std::rc::Rc;

/// # Safety
/// `query` must be a rewritten query that is no utility statement.
pub unsafe fn violations(registry: &Rc<Registry>, query: *mut pg_sys::Query) -> Vec<Violation> {
    // SAFETY: the caller vouches for the query; the judge comes last, because it writes. Only a query of the top level has
    // other queries in its WITH that change rows.
    unsafe {
        let mut found = constant::violations(registry, query);
        found.extend(record(query));
        for n in 0..raw::list_length((*query).cteList) {
            let cte = raw::list_nth((*query).cteList, n) as *mut pg_sys::CommonTableExpr;
            found.extend(record((*cte).ctequery.cast()));
            found.extend(triggers(registry, (*cte).ctequery.cast()));
        }
        found.extend(planner::judge(registry, query, false));
        found.extend(triggers(registry, query));
        found
    }
}

/// The tables that the query itself would destroy rows of, and whose row trigger does not fire.
///
/// # Safety
/// `query` must be a rewritten query.
unsafe fn triggers(registry: &Registry, query: *mut pg_sys::Query) -> Vec<Violation> {
    // SAFETY: resultRelation is an index into the range table, from 1.
    unsafe {
        let conflict = (*query).onConflict;
        let upserts = !conflict.is_null()
            && (*conflict).action == pg_sys::OnConflictAction::ONCONFLICT_UPDATE;
        let inserts = (*query).commandType == CMD_INSERT && !upserts;
        if (*query).resultRelation == 0 || inserts || compat::merges_nothing_away(query) {
            return Vec::new();
        }
        let entry = raw::list_nth((*query).rtable, (*query).resultRelation - 1);
        let entry = entry as *mut pg_sys::RangeTblEntry;
        // Of what an upsert is addressed to, only partitions are routed to.
        let routed = upserts && (*entry).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE;
        let reached = match routed || (*entry).inh && !upserts {
            true => registry.with_children((*entry).relid),
            false => vec![(*entry).relid],
        };
        let replica = guard_triggers::is_replica();
        let tables = reached.iter().filter_map(|relid| registry.table(*relid));
        tables
            .filter(|table| !table.row_trigger.fires(replica))
            .map(|table| of_trigger(registry, table))
            .collect()
    }
}

/// What changing rows of the record breaks.
///
/// # Safety
/// `query` must be a rewritten query.
unsafe fn record(query: *mut pg_sys::Query) -> Option<Violation> {
    // SAFETY: resultRelation is an index into the range table, from 1.
    unsafe {
        if !matches!((*query).commandType, CMD_UPDATE | CMD_DELETE) {
            return None;
        }
        let entry = raw::list_nth((*query).rtable, (*query).resultRelation - 1);
        let relid = (*(entry as *mut pg_sys::RangeTblEntry)).relid;
        append_only::violation(relid)
    }
}
