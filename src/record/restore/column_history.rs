//! Columns through their noted changes (`record::column_change`).
//!
//! At any moment a name means one column, so a name and what was noted since lead to the column that it meant then. Where
//! that column was dropped, its name may go to another one, by a rename or because a restore brings that one back; and a
//! restore may bring the column itself back. What was added under the name by hand is noted nowhere: it stands for the
//! column.

use super::chunk::Chunk;
use super::own_rows::scan;
use crate::pg::catalog;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Oid};

struct Change {
    id: i64,
    relation: String,
    relid: Oid,
    column: String,
    /// `None`: it was dropped. Its own name: a restore has brought it back.
    new: Option<String>,
    /// The statement that dropped it.
    statement: Option<i64>,
}

/// All that is noted, in the order of the changes.
#[derive(Default)]
pub struct ColumnChanges(Vec<Change>);

/// A recorded column today.
pub struct Column {
    /// What it is called, or was last.
    pub name: String,
    pub dropped: bool,
    /// Another column has the name of the dropped one.
    pub taken: bool,
    /// The statements that dropped it.
    by: Vec<i64>,
}

impl Column {
    fn new(name: &str) -> Column {
        Column {
            name: name.to_owned(),
            dropped: false,
            taken: false,
            by: Vec::new(),
        }
    }

    fn follow(&mut self, change: &Change) {
        let (leaves, comes) = (
            change.column == self.name,
            change.new.as_ref() == Some(&self.name),
        );
        match &change.new {
            Some(_) if leaves && comes => {
                let own = change.statement.is_some_and(|id| self.by.contains(&id));
                self.taken = self.dropped && !own;
                self.dropped &= !own;
            }
            Some(new) if leaves && !self.dropped => self.name.clone_from(new),
            None if leaves && !self.dropped => {
                self.dropped = true;
                self.by.extend(change.statement);
            }
            _ if leaves => self.taken = false,
            _ if comes && self.dropped => self.taken = true,
            _ => {}
        }
    }

    /// What the table may have it as.
    pub fn today(self) -> Option<String> {
        (!self.taken).then_some(self.name)
    }
}

impl ColumnChanges {
    pub fn read() -> Outcome<ColumnChanges> {
        let mut changes = Vec::new();
        scan(c"column_change", c"column_change_pkey", &[], |row| {
            changes.push(Change {
                id: row.get(0).unwrap_or(0),
                relation: row.text(1).unwrap_or_default(),
                relid: row.get(2).unwrap_or(pg_sys::InvalidOid),
                column: row.text(3).unwrap_or_default(),
                new: row.text(4),
                statement: row.get(5),
            });
            Ok(())
        })?;
        changes.sort_by_key(|change| change.id);
        Ok(ColumnChanges(changes))
    }

    /// Changes of `relid`, which was `was` when it was recorded as `relation`. A table keeps its OID when it is renamed,
    /// and its name when it is dropped and restored, or dumped; what exists with another OID is another one.
    fn of_table(&self, relid: Oid, was: Oid, relation: &str) -> impl Iterator<Item = &Change> {
        self.0.iter().filter(move |change| {
            // What a dump brought has no OID.
            let of = |oid: Oid| oid != pg_sys::InvalidOid && change.relid == oid;
            of(relid)
                || (was != relid || relid == pg_sys::InvalidOid)
                    && (of(was)
                        || change.relation == relation
                            && catalog::relation_name(change.relid).is_none())
        })
    }

    /// What became of a recorded column, if `relid` is its table.
    pub fn of_chunk(&self, chunk: &Chunk, relid: Oid, column: &str) -> Column {
        self.between(
            (chunk.id, i64::MAX),
            (relid, chunk.relid),
            &chunk.relation,
            column,
        )
    }

    /// What became of a column between two moments, in the order of changes; the table, and what it was (see `of_table`).
    pub fn between(
        &self,
        (from, to): (i64, i64),
        (relid, was): (Oid, Oid),
        relation: &str,
        column: &str,
    ) -> Column {
        let mut then = Column::new(column);
        self.of_table(relid, was, relation)
            .filter(|change| change.id > from && change.id < to)
            .for_each(|change| then.follow(change));
        then
    }

    /// Whether columns of the table got other names between two moments (see `between`).
    pub fn rename_within(&self, (from, to): (i64, i64), relid: Oid, relation: &str) -> bool {
        self.of_table(relid, pg_sys::InvalidOid, relation)
            .filter(|change| change.id > from && change.id < to)
            .any(|change| change.new.as_ref().is_some_and(|new| *new != change.column))
    }

    /// Whether a column of the table ever got this name, or another one instead, by a rename.
    pub fn renames(&self, relid: Oid, relation: &str, column: &str) -> bool {
        self.of_table(relid, pg_sys::InvalidOid, relation)
            .filter_map(|change| Some((&change.column, change.new.as_ref()?)))
            .any(|(from, to)| from != to && (from == column || to == column))
    }

    /// What became of a column that a statement dropped from `relation`, which is `relid` now; `None` where that was not
    /// noted.
    pub fn of_dropped(
        &self,
        statement: i64,
        relid: Oid,
        relation: &str,
        column: &str,
    ) -> Option<Column> {
        let mut changes = self
            .of_table(relid, pg_sys::InvalidOid, relation)
            .skip_while(|change| {
                change.statement != Some(statement)
                    || change.column != column
                    || change.new.is_some()
            })
            .peekable();
        changes.peek()?;
        let mut today = Column::new(column);
        changes.for_each(|change| today.follow(change));
        Some(today)
    }

    /// The names that `columns` of a chunk would have in `relid`.
    pub fn names(&self, chunk: &Chunk, relid: Oid, columns: &[String]) -> Vec<String> {
        let today = |column: &String| self.of_chunk(chunk, relid, column).today();
        columns.iter().filter_map(today).collect()
    }
}
