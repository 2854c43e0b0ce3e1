//! Reading a later statement's images of converted rows.

use super::chunk::{Change, Chunk};
use super::column_history::ColumnChanges;
use super::later::{Later, Row, Values, is_of_columns, joined};
use super::later_statements::Statement;
use super::reverted::restored_before;
use super::shape::json_name;
use super::source::{Order, Source};
use super::table_history::is_known;
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

impl Later {
    /// Goes through a statement's images, the last one first; statements come so, too.
    pub(super) fn take(
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
