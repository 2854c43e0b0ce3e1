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
use super::table_history::is_known;
use super::told_by::ToldBy;
use crate::pg::memory;
use crate::record::json::{self, Span};
use crate::report::{Outcome, Report};
use pgrx::pg_sys::Oid;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What a later chunk has of a relation's columns.
struct Columns {
    /// What the converted ones are called in it.
    names: Vec<Option<String>>,
    /// The places of what rows are told by.
    told_by: Vec<usize>,
    /// It is a conversion's, of some of them.
    converts: bool,
}

/// The later images of one relation's rows.
pub(super) struct Later {
    relation: String,
    /// The converted columns, by name.
    columns: Vec<String>,
    /// What rows are told by.
    told_by: ToldBy,
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
    /// Of rows that go together: how many more have these values than the conversion left.
    more: HashMap<Values, i64>,
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

    /// Goes through a statement's images, the last one first; statements come so, too.
    fn take(
        &mut self,
        statement: &Statement,
        (since, last_id): (&Chunk, i64),
        places: &[(String, Oid)],
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
                (!column.dropped || column.has_name() && column.name == *name)
                    .then_some(column.name)
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
            let is_at = |(name, relid): &(String, Oid)| match is_known(*relid) {
                true if is_known(chunk.relid) => *relid == chunk.relid,
                _ => *name == chunk.relation,
            };
            chunk.id > last_id
                && (chunk.relation == since.relation || places.iter().any(is_at))
                && !(undone && is_of_columns(chunk) && converts(chunk))
        });
        let mut members = Vec::new();
        let mut known: HashMap<usize, Columns> = HashMap::new();
        while let Some((n, row)) = source.next()? {
            memory::check();
            let chunk = &source.chunks[n];
            let columns = match known.entry(n) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let names = named(chunk, &of);
                    let Some(told_by) = self.key_of(chunk, since, &names, &named) else {
                        self.rekeyed = true;
                        return Ok(());
                    };
                    let converts = converts(chunk);
                    new.insert(Columns {
                        names,
                        told_by,
                        converts,
                    })
                }
            };
            self.note((chunk, row), columns, &mut members)?;
            if source.is_done(n) {
                source.close(n);
            }
        }
        Ok(())
    }

    /// The places of what tells rows apart in a later chunk; `None` when that is told otherwise there. `names`: what the
    /// converted columns are called in it, `named`: what any are.
    fn key_of(
        &self,
        chunk: &Chunk,
        since: &Chunk,
        names: &[Option<String>],
        named: &impl Fn(&Chunk, &[String]) -> Vec<Option<String>>,
    ) -> Option<Vec<usize>> {
        let place = |name: &Option<String>| {
            let name = name.as_ref()?;
            chunk.columns.iter().position(|column| column == name)
        };
        let told = match self.told_by.is_key() {
            true => {
                let key = &since.columns[..since.key_count];
                let same = |(n, name)| place(name) == Some(n);
                chunk.key_count == since.key_count
                    && named(chunk, key).iter().enumerate().all(same)
                    && !key.iter().any(|name| self.columns.contains(name))
            }
            false => names.iter().all(|name| place(name).is_some()),
        };
        let columns = named(chunk, self.told_by.columns());
        columns
            .iter()
            .map(place)
            .collect::<Option<Vec<usize>>>()
            .filter(|_| told)
    }

    fn note(
        &mut self,
        (chunk, n): (&Chunk, usize),
        columns_of: &Columns,
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
        let Columns { names, told_by, .. } = columns_of;
        let key = joined(text, spans, told_by);
        let left_key = joined(text, &left, told_by);
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
            Some(Change::Column) if columns_of.converts => self.enter(key, before, None),
            _ => self.enter(key, before, after),
        }
        Ok(())
    }

    fn enter(&mut self, key: Vec<u8>, first: Option<Values>, last: Option<Values>) {
        memory::room_for_entry(&mut self.rows);
        let is_key = self.told_by.is_key();
        let row = self.rows.entry(key).or_insert_with(|| Row {
            first: None,
            last: last.clone().filter(|_| is_key),
            more: HashMap::new(),
        });
        if is_key {
            row.first = first;
            return;
        }
        for (values, more) in [(first, -1), (last, 1)] {
            if let Some(values) = values {
                memory::room_for_entry(&mut row.more);
                *row.more.entry(values).or_insert(0) += more;
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

fn joined(text: &[u8], spans: &[Span], places: &[usize]) -> Vec<u8> {
    let mut joined = Vec::new();
    for place in places {
        joined.push(b',');
        memory::append(&mut joined, spans[*place].raw(text));
    }
    joined
}
