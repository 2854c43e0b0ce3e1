//! How the rows of a table are told apart while its columns are converted back.
//!
//! A row is told by the index that tells rows apart, as long as the conversion did not change its columns' values. Where it
//! did, or where there is none, rows are told by all values that were not converted: of rows that are alike in all of those
//! each gets the values of one, and which one makes no difference to what the table holds. Where the conversion kept values
//! it does: a row that still has an image's is that image's, and only what is left over was changed since.

use super::chunk::{Change, Chunk};
use super::conversion::Places;
use super::converted::LostColumn;
use super::engine::Engine;
use super::fill::bare;
use super::image::Fate;
use super::images::Images;
use super::source::Source;
use crate::pg::catalog;
use crate::pg::memory;
use crate::record::json::Span;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::Oid;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

/// How the rows of one table of the record are told apart.
pub(super) struct Pairing {
    pub target: usize,
    pub relid: Oid,
    pub recorded: String,
    /// Columns as recorded: those that tell rows apart, the recorded key's, and those that were converted.
    pub columns: Vec<String>,
    pub key: Vec<String>,
    pub converted: Vec<String>,
    /// Those of them whose values are as the record writes them all the same.
    pub kept: Vec<String>,
    /// Those of them that tell rows apart which are alike in `columns`.
    pub likely: Vec<String>,
    /// The values that tell rows apart were converted: only a table that is just as the conversion left it will do.
    pub exact: bool,
    /// Rows, by `key_of`, that were not as recorded when later statements were undone.
    pub disputed: HashSet<Vec<u8>>,
    /// The chunks with the images.
    chunks: Vec<i64>,
    /// (hash, chunk, row), by hash (see `Wanted`): sixteen bytes a row.
    index: Vec<(u64, u32, u32)>,
    used: Vec<bool>,
    /// Images that a row is known to be like.
    reserved: Vec<bool>,
}

/// What a row is looked for by.
pub(super) struct Wanted {
    /// Its values of `Pairing::columns`.
    pub columns: Vec<u8>,
    /// Those of `Pairing::likely`, by `bare_joined`.
    pub likely: Vec<u8>,
}

impl Wanted {
    fn of(text: &[u8], spans: &[Span], (columns, likely): (&[usize], &[usize])) -> Wanted {
        let bare = likely.iter().map(|place| spans[*place].raw(text));
        Wanted {
            columns: joined(text, spans, columns),
            likely: bare_joined(bare),
        }
    }
}

impl Pairing {
    /// Enters the images of the table with ordinals from `first` on, but before `end`.
    pub fn read(&mut self, images: &Images, (first, end): (i64, i64)) -> Outcome<()> {
        for (n, chunk) in images.source.chunks.iter().enumerate() {
            let places = self.places(images, n as u32);
            let Some((columns, likely)) = places.filter(|_| self.chunks.contains(&chunk.id)) else {
                continue;
            };
            let (text, rows) = images.source.rows_of(n)?;
            for row in 0..rows.rows.len() {
                memory::check();
                let spans = rows.of(row);
                let ordinal = rows.rows[row].ordinal;
                if (first..end).contains(&ordinal) && spans.len() >= chunk.columns.len() {
                    let wanted = Wanted::of(&text, spans, (&columns, &likely));
                    let entry = (self.hash(&wanted), n as u32, row as u32);
                    memory::push(&mut self.index, entry);
                }
            }
        }
        self.index.sort_unstable();
        for _ in 0..self.index.len() {
            memory::push(&mut self.used, false);
            memory::push(&mut self.reserved, false);
        }
        Ok(())
    }

    fn places(&self, images: &Images, chunk: u32) -> Option<(Vec<usize>, Vec<usize>)> {
        let columns = images.places(chunk, &self.columns)?;
        Some((columns, images.places(chunk, &self.likely)?))
    }

    /// The upper half tells what rows must have, the lower one what they are likely to.
    fn hash(&self, wanted: &Wanted) -> u64 {
        match self.likely.is_empty() {
            true => hash(&wanted.columns),
            false => hash_of_both(&wanted.columns, &wanted.likely),
        }
    }

    /// Sets an image aside for a row that has its likely values, too: no other row takes it.
    pub fn reserve(&mut self, wanted: &Wanted, images: &mut Images) -> Outcome<()> {
        let hash = self.hash(wanted);
        let free = |pairing: &Pairing, entry: usize| !pairing.reserved[entry];
        if let Some(entry) = self.last((hash, hash), free, (wanted, true), images)? {
            self.reserved[entry] = true;
        }
        Ok(())
    }

    /// Takes the image, (chunk, row), of a row with these values that has not been taken yet: the last one first, as images
    /// are undone. One with the likely values is better than one without.
    pub fn take(&mut self, wanted: &Wanted, images: &mut Images) -> Outcome<Option<(u32, u32)>> {
        let hash = self.hash(wanted);
        let unused = |pairing: &Pairing, entry: usize| !pairing.used[entry];
        let mut found = self.last((hash, hash), unused, (wanted, true), images)?;
        if found.is_none() && !self.likely.is_empty() {
            let alike = (hash & UPPER, hash | !UPPER);
            let free =
                |pairing: &Pairing, entry: usize| !(pairing.used[entry] || pairing.reserved[entry]);
            found = self.last(alike, free, (wanted, false), images)?;
        }
        Ok(found.map(|entry| {
            self.used[entry] = true;
            let (_, chunk, row) = self.index[entry];
            (chunk, row)
        }))
    }

    /// The last image that will `do` with a hash from `first` to `last`, and these values, be the likely ones among them or not.
    fn last(
        &self,
        (first, last): (u64, u64),
        will_do: impl Fn(&Pairing, usize) -> bool,
        (wanted, likely): (&Wanted, bool),
        images: &mut Images,
    ) -> Outcome<Option<usize>> {
        let start = self.index.partition_point(|(of, ..)| *of < first);
        let end = self.index.partition_point(|(of, ..)| *of <= last);
        for entry in (start..end).rev().filter(|entry| will_do(self, *entry)) {
            memory::check();
            let (_, chunk, row) = self.index[entry];
            let (columns, likely_places) = self.places(images, chunk).unwrap_or_default();
            let open = images.opened(chunk)?;
            let spans = open.1.of(row as usize);
            let has = Wanted::of(&open.0, spans, (&columns, &likely_places));
            if has.columns == wanted.columns && (!likely || has.likely == wanted.likely) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// # Errors
    /// When an image has found no row where nothing else will do.
    pub fn check(&self) -> Outcome<()> {
        match self.exact && self.used.contains(&false) {
            true => Err(self.changed_since()),
            false => Ok(()),
        }
    }

    pub fn changed_since(&self) -> Box<Report> {
        let table = catalog::display_name(self.relid);
        Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!("cannot tell which rows of table \"{table}\" are the recorded ones"),
        )
        .detail("The values that tell its rows apart were converted, and rows were inserted, changed or removed since.")
        .hint(
            "Undo what was done to its rows since (backstop.restore_since undoes all of it, and the conversion) and remove \
             what was inserted, or convert the column by hand; backstop.preimage holds the former rows.",
        )
    }
}

fn joined(text: &[u8], spans: &[Span], places: &[usize]) -> Vec<u8> {
    let mut joined = Vec::new();
    for place in places {
        joined.push(b',');
        memory::append(&mut joined, spans[*place].raw(text));
    }
    joined
}

/// Values' texts without the quotes that tell strings from numbers: a conversion may have made one of the other.
pub(super) fn bare_joined<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut joined = Vec::new();
    for value in values {
        memory::append(&mut joined, bare(value));
        // Which no JSON text has inside a string.
        joined.push(b'\n');
    }
    joined
}

pub(super) const UPPER: u64 = !(u32::MAX as u64);

/// The upper half is of `first` alone.
pub(super) fn hash_of_both(first: &[u8], second: &[u8]) -> u64 {
    hash(first) & UPPER | hash(second) & !UPPER
}

pub(super) fn hash(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text);
    hasher.finish()
}

impl Engine {
    /// How the rows of the statement's tables are told apart.
    ///
    /// # Safety
    /// As for `convert`.
    pub(super) unsafe fn pairings(
        &mut self,
        source: &Source,
        places: &Places,
    ) -> Outcome<Vec<Pairing>> {
        let mut all: Vec<Pairing> = Vec::new();
        for (chunk, (target, shape, _)) in source.chunks.iter().zip(places) {
            if Change::of(&chunk.operation) != Some(Change::Column) {
                continue;
            }
            match all.iter_mut().find(|pairing| pairing.target == *target) {
                Some(pairing) => pairing.chunks.push(chunk.id),
                // SAFETY: the caller vouches for the moment.
                None => all.push(unsafe { self.pairing(chunk, *target, *shape)? }),
            }
        }
        Ok(all)
    }

    /// # Safety
    /// As for `convert`.
    unsafe fn pairing(&mut self, chunk: &Chunk, target_n: usize, shape: usize) -> Outcome<Pairing> {
        // SAFETY: the estate is the one the target was opened with.
        unsafe { self.targets[target_n].all_leaves(self.estate)? };
        let target = &self.targets[target_n];
        let shape = &target.shapes[shape];
        let lost: Vec<&LostColumn> = LostColumn::of(&self.columns, &target.recorded).collect();
        let is_lost = |name: &String| lost.iter().any(|lost| lost.column == *name);
        let is_converted = |name: &String| {
            let mut lost = lost.iter();
            lost.any(|lost| lost.converted && lost.column == *name)
        };
        let is_changed = |name: &String| {
            let mut lost = lost.iter();
            lost.any(|lost| lost.converted && !lost.same && lost.column == *name)
        };
        let identity = target.leaves.first().and_then(|leaf| {
            let places = leaf.identity.as_ref()?.places.iter();
            let name = |place: &usize| {
                let n = shape.column_at(leaf.in_target(*place)?)?;
                Some(chunk.columns[n].clone())
            };
            places.map(name).collect::<Option<Vec<String>>>()
        });
        let key = chunk.columns[..chunk.key_count].to_vec();
        let exact = key.iter().chain(identity.iter().flatten()).any(is_changed);
        let of_values = || {
            let columns = chunk.columns.iter().zip(&shape.known);
            let told = columns.filter(|(name, known)| {
                !is_lost(name) && known.as_ref().is_some_and(|known| !known.generated)
            });
            told.map(|(name, _)| name.clone()).collect()
        };
        let (columns, by_values) = match identity {
            Some(columns) if !exact => (columns, false),
            _ => (of_values(), true),
        };
        let converted: Vec<String> = chunk
            .columns
            .iter()
            .filter(|name| is_converted(name))
            .cloned()
            .collect();
        let kept = converted.iter().filter(|name| !is_changed(name));
        let kept: Vec<String> = kept.cloned().collect();
        let likely = match by_values {
            true => kept.clone(),
            false => Vec::new(),
        };
        let names = chunk.columns.iter().zip(&shape.known);
        let places: Vec<usize> = names
            .filter(|(name, _)| is_converted(name))
            .filter_map(|(_, known)| Some(known.as_ref()?.place))
            .collect();
        let disputed = self.settled.iter().filter(|(key, row)| {
            key.starts_with(&(target_n as u32).to_ne_bytes())
                && row.fate == Fate::Conflict
                && places.iter().any(|place| row.unlike.contains(place))
        });
        Ok(Pairing {
            target: target_n,
            relid: target.relid,
            recorded: target.recorded.clone(),
            columns,
            key,
            converted,
            kept,
            likely,
            exact,
            disputed: disputed.map(|(key, _)| key.clone()).collect(),
            chunks: vec![chunk.id],
            index: Vec::new(),
            used: Vec::new(),
            reserved: Vec::new(),
        })
    }
}
