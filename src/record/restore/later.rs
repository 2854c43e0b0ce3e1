//! What was recorded of converted rows since their conversion.
//!
//! What a conversion left of a value is not recorded, but nothing that destroys it later escapes the record: the next
//! image of the row has the value as the conversion left it, and the last one has the value that is there now. A row of
//! which there is no later image is as it was left. One that was entered after its namesake was removed is in no image,
//! but the removal is.

use super::chunk::{Change, Chunk};
use super::column_history::ColumnChanges;
use super::converted::LostColumn;
use super::later_statements::statements;
use super::source::Source;
use super::told_by::ToldBy;
use crate::pg::memory;
use crate::record::json::Span;
use crate::report::Outcome;
use std::collections::HashMap;

/// The later images of one relation's rows.
pub(super) struct Later {
    pub relation: String,
    /// The converted columns, by name.
    pub columns: Vec<String>,
    /// What rows are told by.
    pub told_by: ToldBy,
    pub rows: HashMap<Vec<u8>, Row>,
    /// Keys are told otherwise since: any row may have changed.
    pub rekeyed: bool,
}

/// A row's converted columns, as the record has them.
pub(super) type Values = Vec<Vec<u8>>;

/// A row's values; `None` where it was not there, or nobody knows.
pub(super) struct Row {
    /// Before the earliest later image: as the conversion left them.
    pub first: Option<Values>,
    /// After the last one.
    pub last: Option<Values>,
    /// Of rows that go together: how many more have these values than the conversion left.
    pub more: HashMap<Values, i64>,
}

impl Row {
    fn changed(&self, is_key: bool) -> bool {
        match is_key {
            true => self.last.is_none() || self.first != self.last,
            false => self.more.values().any(|more| *more != 0),
        }
    }
}

impl Later {
    /// Reads what was recorded since of the rows that the statement converted, relation by relation; `of` which.
    pub fn read(
        (source, of): (&Source, impl Fn(&String) -> bool),
        lost: &[LostColumn],
        changes: &ColumnChanges,
        mut told_by: impl FnMut(usize) -> Outcome<ToldBy>,
    ) -> Outcome<Vec<Later>> {
        let mut all: Vec<Later> = Vec::new();
        // A statement that drops columns, too, goes by that name.
        for (n, chunk) in source.chunks.iter().enumerate() {
            let known = all.iter().any(|later| later.relation == chunk.relation);
            if known || !is_of_columns(chunk) || !of(&chunk.relation) {
                continue;
            }
            let of_relation = |c: &&Chunk| c.relation == chunk.relation;
            let ids = source.chunks.iter().filter(of_relation).map(|c| c.id);
            let last_id = ids.max().unwrap_or(chunk.id);
            let converted =
                LostColumn::of(lost, &chunk.relation).filter(|lost| lost.converted && !lost.same);
            let columns: Vec<String> = converted
                .map(|lost| lost.column.clone())
                .filter(|name| chunk.columns.contains(name))
                .collect();
            if columns.is_empty() {
                continue;
            }
            let mut later = Later {
                relation: chunk.relation.clone(),
                columns,
                told_by: told_by(n)?,
                rows: HashMap::new(),
                rekeyed: false,
            };
            let places = changes.places_since(chunk);
            for statement in statements(last_id, &places) {
                later.take(&statement, (chunk, last_id), &places, changes)?;
            }
            all.push(later);
        }
        Ok(all)
    }

    /// Whether the row whose `columns` `text` has `spans` for was changed since, as far as it was converted.
    pub fn changed(&self, relation: &str, columns: &[String], text: &[u8], spans: &[Span]) -> bool {
        if self.relation != relation {
            return false;
        }
        let Some(places) = self.told_by.places(columns).filter(|_| !self.rekeyed) else {
            return true;
        };
        let row = self.rows.get(&joined(text, spans, &places));
        row.is_some_and(|row| row.changed(self.told_by.is_key()))
    }

    /// Whether anything is recorded of the relation's rows since.
    pub fn is_of(&self, relation: &str) -> bool {
        self.relation == relation && (self.rekeyed || !self.rows.is_empty())
    }

    /// What the conversion left of the row's column `n`, if that was recorded.
    pub fn left(
        &self,
        relation: &str,
        columns: &[String],
        (text, spans): (&[u8], &[Span]),
        n: usize,
    ) -> Option<&[u8]> {
        if self.relation != relation || self.rekeyed || !self.told_by.is_key() {
            return None;
        }
        let n = self.columns.iter().position(|name| *name == columns[n])?;
        let places = self.told_by.places(columns)?;
        let row = self.rows.get(&joined(text, spans, &places))?;
        row.first.as_ref().map(|values| &values[n][..])
    }
}

pub(super) fn is_of_columns(chunk: &Chunk) -> bool {
    Change::of(&chunk.operation) == Some(Change::Column)
}

pub(super) fn joined(text: &[u8], spans: &[Span], places: &[usize]) -> Vec<u8> {
    let mut joined = Vec::new();
    for place in places {
        joined.push(b',');
        memory::append(&mut joined, spans[*place].raw(text));
    }
    joined
}
