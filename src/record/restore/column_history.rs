//! Columns through their noted changes (`record::column_change`).
//!
//! At any moment a name means one column, so a name and what was noted since lead to the column that it meant then. Where
//! that column was dropped, its name may go to another one, by a rename or because a restore brings that one back; and a
//! restore may bring the column itself back. What was added under the name by hand is noted nowhere: it stands for the
//! column.

use super::chunk::Chunk;
pub use super::column_today::Column;
use super::column_today::Conversion;
use super::own_rows::scan;
use super::table_history::{Table, is_known};
use crate::pg::catalog;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Oid};

pub(super) struct Change {
    id: i64,
    pub relation: String,
    pub relid: Oid,
    /// `None`: it is the table's.
    pub column: Option<String>,
    /// `None`: it was dropped. Its own name: a restore has brought it back.
    pub new: Option<String>,
    /// The statement that dropped it, or whose conversion of it was undone.
    pub statement: Option<i64>,
    /// Its type changed.
    pub converted: Option<Conversion>,
}

/// All that is noted, in the order of the changes.
#[derive(Default)]
pub struct ColumnChanges(Vec<Change>);

impl ColumnChanges {
    pub fn read() -> Outcome<ColumnChanges> {
        let mut changes = Vec::new();
        scan(c"column_change", c"column_change_pkey", &[], |row| {
            changes.push(Change {
                id: row.get(0).unwrap_or(0),
                relation: row.text(1).unwrap_or_default(),
                relid: row.get(2).unwrap_or(pg_sys::InvalidOid),
                column: row.text(3),
                new: row.text(4),
                statement: row.get(5),
                converted: row.get(6).map(|by| Conversion {
                    by,
                    undone: row.get(5),
                    as_written: row.get(7).unwrap_or(false),
                }),
            });
            Ok(())
        })?;
        changes.sort_by_key(|change| change.id);
        Ok(ColumnChanges(changes))
    }

    /// What became, between two moments, of the columns of `relid`, which was `was` when it was recorded as `relation`. Where that
    /// table is gone, what has its name stands for it, and whatever had the name in between and is gone, too.
    fn of_table(
        &self,
        (from, to): (i64, i64),
        (relid, was): (Oid, Oid),
        relation: &str,
    ) -> impl Iterator<Item = &Change> {
        let mut table = Table::new(relation, was);
        let within = self.0.iter();
        let within = within.filter(move |change| change.id > from && change.id < to);
        let all: Vec<(bool, &Change)> = within
            .map(|change| (table.follow(change), change))
            .collect();
        let certain = !table.dropped && (table.relid == relid || !is_known(table.relid));
        let of_table = move |(own, change): (bool, &Change)| {
            own || !certain
                && (is_known(relid) && change.relid == relid
                    || change.relation == table.name
                        && catalog::relation_name(change.relid).is_none())
        };
        all.into_iter()
            .filter(move |change| of_table(*change))
            .map(|(_, change)| change)
            .filter(|change| change.column.is_some())
    }

    /// Changes of tables that are, or are called, so.
    fn called(&self, relid: Oid, relation: &str) -> impl Iterator<Item = &Change> {
        self.0.iter().filter(move |change| {
            change.column.is_some()
                && (is_known(relid) && change.relid == relid
                    || change.relation == relation
                        && catalog::relation_name(change.relid).is_none())
        })
    }

    /// What became of the table that a chunk was recorded from.
    pub(super) fn table(&self, chunk: &Chunk) -> Table {
        let mut table = Table::new(&chunk.relation, chunk.relid);
        let later = self.0.iter().filter(|change| change.id > chunk.id);
        later.for_each(|change| {
            table.follow(change);
        });
        table
    }

    /// Whether all that a statement's conversions made of values is what images of before are read as.
    pub(super) fn is_as_written(&self, statement: i64) -> bool {
        let of_statement = |conversion: &&Conversion| conversion.by == statement;
        let all = self.0.iter().filter_map(|change| change.converted.as_ref());
        let mut all = all.filter(of_statement).peekable();
        all.peek().is_some() && all.all(|conversion| conversion.as_written)
    }

    /// What the table that had this OID is today.
    pub(super) fn became(&self, relid: Oid, name: &str) -> Option<Oid> {
        let mut table = Table::new(name, relid);
        self.0.iter().for_each(|change| {
            table.follow(change);
        });
        table.today()
    }

    /// What a chunk's table was, from then on: its names, and its OIDs as far as they are known.
    pub(super) fn places_since(&self, chunk: &Chunk) -> Vec<(String, Oid)> {
        let mut table = Table::new(&chunk.relation, chunk.relid);
        let mut places = vec![(table.name.clone(), table.relid)];
        for change in self.0.iter().filter(|change| change.id > chunk.id) {
            if table.follow(change) && change.column.is_none() {
                places.push((table.name.clone(), table.relid));
            }
        }
        places
    }

    /// The table that a statement dropped under this name, if a restore has made it again and it is there.
    pub fn returned(&self, statement: i64, name: &str) -> Option<Oid> {
        let dropped = |change: &&Change| {
            change.column.is_none()
                && change.new.is_none()
                && change.statement == Some(statement)
                && change.relation == name
        };
        let drop = self.0.iter().find(dropped)?;
        let mut table = Table::new(name, drop.relid);
        let since = self.0.iter().filter(|change| change.id >= drop.id);
        since.for_each(|change| {
            table.follow(change);
        });
        table.today()
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
        within: (i64, i64),
        table: (Oid, Oid),
        relation: &str,
        column: &str,
    ) -> Column {
        let mut then = Column::new(column);
        self.of_table(within, table, relation)
            .for_each(|change| then.follow(change));
        then
    }

    /// Whether columns of the table got other names between two moments (see `between`).
    pub fn rename_within(&self, within: (i64, i64), relid: Oid, relation: &str) -> bool {
        self.of_table(within, (relid, relid), relation)
            .any(|change| change.new.is_some() && change.new != change.column)
    }

    /// Whether a column of the table ever got this name, or another one instead, by a rename.
    pub fn renames(&self, relid: Oid, relation: &str, column: &str) -> bool {
        self.called(relid, relation)
            .filter_map(|change| change.column.as_ref().zip(change.new.as_ref()))
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
        let dropped = |change: &&Change| {
            change.statement == Some(statement)
                && change.column.as_deref() == Some(column)
                && change.new.is_none()
        };
        let mut drops = self.0.iter().filter(dropped);
        let drop = drops.find(|change| {
            change.relation == relation || is_known(relid) && change.relid == relid
        })?;
        let mut today = Column::new(column);
        self.of_table((drop.id - 1, i64::MAX), (relid, drop.relid), &drop.relation)
            .for_each(|change| today.follow(change));
        Some(today)
    }

    /// The names that `columns` of a chunk would have in `relid`.
    pub fn names(&self, chunk: &Chunk, relid: Oid, columns: &[String]) -> Vec<String> {
        let today = |column: &String| self.of_chunk(chunk, relid, column).today();
        columns.iter().filter_map(today).collect()
    }
}
