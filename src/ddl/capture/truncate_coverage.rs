//! What covers a TRUNCATE, with what it cascades to.

use super::{all, coverage_of_followers};
use crate::approval::setting;
use crate::ddl::Table;
use crate::judge::approval::Kind;
use crate::model::Operation;
use crate::pg::catalog;
use crate::registry::Registry;
use crate::running::coverage::{self, Coverage};
use pgrx::pg_sys::{self, Oid};
use std::ptr;

/// The approval that covers the statement: it names every protected table that is emptied, or everything that the
/// statement names, and then covers what that cascades to. Where nothing guarded is emptied there is none to spend.
pub(super) fn coverage(
    registry: &Registry,
    written: &[(Oid, bool)],
    named: &[Oid],
    cascade: bool,
) -> Coverage {
    if !setting::is_set() {
        return Coverage::Absent;
    }
    let emptied = match cascade {
        true => with_referencing(named),
        false => named.to_vec(),
    };
    let protected: Vec<Table> = emptied
        .iter()
        .filter_map(|relid| Table::protected(registry, *relid, false))
        .collect();
    if protected.is_empty() {
        if !emptied.iter().any(|relid| registry.table(*relid).is_some()) {
            return Coverage::Absent;
        }
        let written: Vec<Oid> = written.iter().map(|(relid, _)| *relid).collect();
        return coverage_of_followers(registry, &written, Operation::Truncate);
    }
    let by_name =
        |table: &Table| coverage::named_coverage(&table.names, Operation::Truncate, table.kind);
    all(protected.iter().map(by_name))
        .or_else(|| {
            all(written.iter().map(
                |(relid, inh)| match Table::protected(registry, *relid, *inh) {
                    Some(table) => by_name(&table),
                    None => unprotected(*relid),
                },
            ))
        })
        .unwrap_or(Coverage::Absent)
}

/// Whether the approval in force names a table that is not protected.
fn unprotected(relid: Oid) -> Coverage {
    match catalog::relation_name(relid) {
        Some((schema, table)) => {
            let names = [
                catalog::qualified(&schema, &table),
                format!("{schema}.{table}"),
            ];
            coverage::named_coverage(&names, Operation::Truncate, Kind::Session)
        }
        None => Coverage::Absent,
    }
}

/// The tables, and those that TRUNCATE ... CASCADE empties with them.
pub(super) fn with_referencing(named: &[Oid]) -> Vec<Oid> {
    // SAFETY: lists of OIDs in the current context; ExecuteTruncateGuts() of commands/tablecmds.c follows the foreign keys
    // in the same way.
    unsafe {
        let mut all = ptr::null_mut();
        for relid in named {
            all = pg_sys::lappend_oid(all, *relid);
        }
        loop {
            let more = pg_sys::heap_truncate_find_FKs(all);
            if more.is_null() {
                return catalog::oid_list(all);
            }
            all = pg_sys::list_concat(all, more);
        }
    }
}
