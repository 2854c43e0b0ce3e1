//! What was recorded of converted rows since their conversion.
//!
//! What a conversion left of a value is not recorded, but nothing that destroys it later escapes the record: the next
//! image of the row has the value as the conversion left it, and the last one has the value that is there now. A row of
//! which there is no later image is as it was left. One that was entered after its namesake was removed is in no image,
//! but the removal is.

use super::chunk::{Change, Chunk};
use super::column_history::ColumnChanges;
use super::converted::LostColumn;
use super::later_statements::{Statement, statements};
use super::reverted::restored_before;
use super::shape::json_name;
use super::source::{Order, Source};
use crate::pg::memory;
use crate::record::json::{self, Span};
use crate::report::{Outcome, Report};
use std::collections::HashMap;

/// The later images of one relation's rows.
pub(super) struct Later {
    relation: String,
    /// The converted columns, by name.
    columns: Vec<String>,
    rows: HashMap<Vec<u8>, Row>,
    /// Keys are told otherwise since: any row may have changed.
    rekeyed: bool,
}

/// A row's converted columns, as the record has them.
type Values = Vec<Vec<u8>>;

/// A row's values; `None` where it was not there, or nobody knows.
struct Row {
    /// Before the earliest later image: as the conversion left them.
    first: Option<Values>,
    /// After the last one.
    last: Option<Values>,
}

impl Later {
    /// Reads what was recorded since of the rows that the statement converted, relation by relation.
    pub fn read(
        source: &Source,
        lost: &[LostColumn],
        changes: &ColumnChanges,
    ) -> Outcome<Vec<Later>> {
        let mut all: Vec<Later> = Vec::new();
        // A statement that drops columns, too, goes by that name.
        for chunk in source.chunks.iter().filter(|c| is_of_columns(c)) {
            // Without a key, a row is found by the very values that it had: there is nothing to overwrite.
            if chunk.key_count == 0 || all.iter().any(|later| later.relation == chunk.relation) {
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
                rows: HashMap::new(),
                rekeyed: false,
            };
            for statement in statements(last_id, &chunk.relation, chunk.relid) {
                later.take(&statement, (chunk, last_id), changes)?;
            }
            all.push(later);
        }
        Ok(all)
    }

    /// Whether the row with the key `text` has `spans` for was changed since, as far as it was converted.
    pub fn changed(&self, relation: &str, text: &[u8], key: &[Span]) -> bool {
        if self.relation != relation {
            return false;
        }
        let changed = |row: &Row| row.last.is_none() || row.first != row.last;
        self.rekeyed
            || !self.rows.is_empty() && self.rows.get(&joined(text, key)).is_some_and(changed)
    }

    /// Whether anything is recorded of the relation's rows since.
    pub fn is_of(&self, relation: &str) -> bool {
        self.relation == relation && (self.rekeyed || !self.rows.is_empty())
    }

    /// What the conversion left of the row's `column`, if that was recorded.
    pub fn left(&self, relation: &str, text: &[u8], key: &[Span], column: &str) -> Option<&[u8]> {
        let n = self.columns.iter().position(|name| name == column)?;
        let row = self.rows.get(&joined(text, key));
        let row = row.filter(|_| self.relation == relation && !self.rekeyed)?;
        row.first.as_ref().map(|values| &values[n][..])
    }

    /// Goes through a statement's images, the last one first; statements come so, too.
    fn take(
        &mut self,
        statement: &Statement,
        (since, last_id): (&Chunk, i64),
        changes: &ColumnChanges,
    ) -> Outcome<()> {
        // A conversion that was undone and its undoing come to nothing, and neither can be read in the other's type.
        if statement.undid.is_some_and(restored_before) {
            return Ok(());
        }
        // One name may be two of the columns that were converted.
        if changes.rename_within((since.id, last_id), since.relid, &since.relation) {
            self.rekeyed = true;
            return Ok(());
        }
        // Columns may have got other names since, and others theirs.
        let named = |chunk: &Chunk, columns: &[String]| {
            let was = (chunk.relid, since.relid);
            let then = |name: &String| {
                let column = changes.between((last_id, chunk.id), was, &since.relation, name);
                (!column.dropped || !column.taken && column.name == *name).then_some(column.name)
            };
            columns.iter().map(then).collect::<Vec<Option<String>>>()
        };
        let of = self.columns.clone();
        let converts = |chunk: &Chunk| {
            let mut names = named(chunk, &of).into_iter().flatten();
            names.any(|name| statement.converted.contains(&name))
        };
        let undone = !statement.converted.is_empty() && restored_before(statement.id);
        let mut source = Source::find(statement.id, Order::Backward)?;
        source.start(|chunk| {
            chunk.id > last_id
                && (chunk.relation == since.relation || chunk.relid == since.relid)
                && !(undone && is_of_columns(chunk) && converts(chunk))
        });
        let mut members = Vec::new();
        let mut known: HashMap<usize, (Vec<Option<String>>, bool)> = HashMap::new();
        while let Some((n, row)) = source.next()? {
            memory::check();
            let chunk = &source.chunks[n];
            let key = &since.columns[..since.key_count];
            if !known.contains_key(&n) {
                let same_key = chunk.key_count == since.key_count
                    && named(chunk, key)
                        .iter()
                        .zip(&chunk.columns[..chunk.key_count])
                        .all(|(name, column)| name.as_ref() == Some(column));
                if !same_key || key.iter().any(|name| self.columns.contains(name)) {
                    self.rekeyed = true;
                    return Ok(());
                }
            }
            let of_chunk = || (named(chunk, &of), converts(chunk));
            let (names, converts) = known.entry(n).or_insert_with(of_chunk);
            self.note((chunk, row), names, *converts, &mut members)?;
            if source.is_done(n) {
                source.close(n);
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        (chunk, n): (&Chunk, usize),
        names: &[Option<String>],
        converts: bool,
        members: &mut Vec<(Span, Span)>,
    ) -> Outcome<()> {
        let Some(open) = chunk.open() else {
            return Ok(());
        };
        let (text, spans) = (&open.text[..], open.rows.of(n));
        let columns = chunk.columns.len();
        let mut left = spans[..columns.min(spans.len())].to_vec();
        let damaged = || {
            Report::new(
                "XX001",
                format!("the record of relation \"{}\" is damaged", chunk.relation),
            )
        };
        if left.len() != columns {
            return Err(damaged());
        }
        let change = Change::of(&chunk.operation);
        if change == Some(Change::Updated) {
            let object = *spans.get(columns).ok_or_else(damaged)?;
            json::members(text, object, members).map_err(|_| damaged())?;
            for (name, value) in members.iter() {
                let mut names = chunk.columns.iter();
                let n = names.position(|column| json_name(column) == name.bytes(text));
                left[n.ok_or_else(damaged)?] = *value;
            }
        }
        let key = joined(text, &spans[..chunk.key_count]);
        let left_key = joined(text, &left[..chunk.key_count]);
        let before = values(chunk, names, text, &spans[..columns]);
        let after = values(chunk, names, text, &left);
        if key != left_key {
            // The row went elsewhere, and is not the one that was there.
            self.enter(key, before, None);
            self.enter(left_key, None, after);
            return Ok(());
        }
        match change {
            Some(Change::Removed) => self.enter(key, before, None),
            Some(Change::Inserted) => self.enter(key, None, after),
            Some(Change::Column) if converts => self.enter(key, before, None),
            _ => self.enter(key, before, after),
        }
        Ok(())
    }

    fn enter(&mut self, key: Vec<u8>, first: Option<Values>, last: Option<Values>) {
        memory::room_for_entry(&mut self.rows);
        match self.rows.get_mut(&key) {
            Some(row) => row.first = first,
            None => {
                self.rows.insert(key, Row { first, last });
            }
        }
    }
}

/// The values of columns that have these names in the chunk; `None` when it does not have them all.
fn values(chunk: &Chunk, names: &[Option<String>], text: &[u8], spans: &[Span]) -> Option<Values> {
    let of = |name: &Option<String>| chunk.columns.iter().position(|c| Some(c) == name.as_ref());
    let places = names.iter().map(of).collect::<Option<Vec<_>>>()?;
    let value = |n: usize| memory::copied(spans[n].raw(text));
    Some(places.into_iter().map(value).collect())
}

fn is_of_columns(chunk: &Chunk) -> bool {
    Change::of(&chunk.operation) == Some(Change::Column)
}

fn joined(text: &[u8], spans: &[Span]) -> Vec<u8> {
    let mut joined = Vec::new();
    for span in spans {
        joined.push(b',');
        memory::append(&mut joined, span.raw(text));
    }
    joined
}
