//! Which table of today the record speaks of.

use super::chunk::Chunk;
use super::column_history::ColumnChanges;
use crate::pg::catalog::{self, OpenRelation};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Oid};

/// The relation a chunk's rows belong to. The OID survives a rename, the name survives dump and restore; where they
/// lead to two tables, the columns must tell which one is meant.
pub fn find(chunk: &Chunk, names: &ColumnChanges) -> Outcome<Oid> {
    let same = catalog::display_name(chunk.relid) == chunk.relation;
    if same && catalog::relation_name(chunk.relid).is_some() {
        return Ok(chunk.relid);
    }
    let named = catalog::named_relation(&chunk.relation);
    let fits = |relid| fits(relid, chunk, names);
    let by_oid = fits(chunk.relid);
    // The table keeps its OID when it is renamed; one that has taken its name and lacks what was recorded is another.
    let whole = |relid| has(relid, chunk, &chunk.columns, names);
    if named.is_some_and(|named| !whole(named)) && by_oid && whole(chunk.relid) {
        return Ok(chunk.relid);
    }
    match named {
        None if by_oid => Ok(chunk.relid),
        None => Err(gone(&chunk.relation)),
        Some(named) if by_oid && fits(named) => Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!(
                "it is not certain which table \"{}\" of the record is",
                chunk.relation
            ),
        )
        .detail(format!(
            "The table it was recorded from seems to be \"{}\" now, and another one has its name.",
            catalog::display_name(chunk.relid)
        ))
        .hint("Give the table back its recorded name for the time of the restore.")),
        Some(named) => Ok(named),
    }
}

/// Whether this is a table with the recorded key, or, of rows without one, with all recorded columns.
fn fits(relid: Oid, chunk: &Chunk, names: &ColumnChanges) -> bool {
    match chunk.key_count {
        0 => has(relid, chunk, &chunk.columns, names),
        count => has(relid, chunk, &chunk.columns[..count], names),
    }
}

/// Whether this is a table with these columns.
fn has(relid: Oid, chunk: &Chunk, recorded: &[String], names: &ColumnChanges) -> bool {
    let needed = names.names(chunk, relid, recorded);
    OpenRelation::open(relid, pg_sys::AccessShareLock).is_some_and(|relation| {
        matches!(relation.kind(), 'r' | 'p') && {
            let columns = relation.columns();
            needed.len() == recorded.len()
                && needed
                    .iter()
                    .all(|name| columns.iter().any(|column| column.name == *name))
        }
    })
}

/// The table of the record is not there.
pub fn gone(relation: &str) -> Box<Report> {
    Report::new(
        sqlstate::UNDEFINED_TABLE,
        format!("table \"{relation}\" of the record does not exist"),
    )
    .hint("Create it again with the columns the record has, or leave it out with the argument \"relations\".")
}
