//! Which table of today the record speaks of.

use super::chunk::Chunk;
use super::column_history::ColumnChanges;
use crate::pg::catalog::{self, OpenRelation};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Oid};

/// The relation a chunk's rows belong to. The OID survives a rename, the name survives dump and restore, and what was noted in
/// between leads to those of today. Where they lead to two tables all the same, nobody guesses.
pub fn find(chunk: &Chunk, names: &ColumnChanges) -> Outcome<Oid> {
    let table = names.table(chunk);
    let relid = table.relid;
    if catalog::relation_name(relid).is_some() && catalog::display_name(relid) == table.name {
        return Ok(relid);
    }
    let named = catalog::named_relation(&table.name);
    let by_oid = fits(relid, chunk, names);
    // The table keeps its OID when it is renamed; one that has taken its name and lacks what was recorded is another.
    let whole = |relid| has(relid, chunk, &chunk.columns, names);
    if named.is_some_and(|named| !whole(named)) && by_oid && whole(relid) {
        return Ok(relid);
    }
    match named {
        None if by_oid => Ok(relid),
        None => Err(gone(&table.name)),
        Some(_) if has(relid, chunk, &[], names) => Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!(
                "it is not certain which table \"{}\" of the record is",
                chunk.relation
            ),
        )
        .detail(format!(
            "The table it was recorded from seems to be \"{}\" now, and another one has its name.",
            catalog::display_name(relid)
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
