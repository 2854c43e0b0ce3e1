//! Columns that DDL dropped or converted, and that a restore brings back.

use super::What;
use super::chunk::Chunk;
use super::conversion::Places;
use super::engine::Engine;
use super::image::{Fate, Image, Settled};
use super::later::Later;
use super::rebuild::Rebuild;
use super::source::Source;
use super::step::name_taken;
use super::told_by::ToldBy;
use crate::model::Operation;
use crate::pg::memory;
use crate::pg::slot::Slot;
use crate::record::json::Span;
use crate::report::Outcome;
use pgrx::pg_sys;
use std::collections::HashMap;

/// A column that DDL dropped or converted.
pub(super) struct LostColumn {
    pub relation: String,
    pub column: String,
    /// It was converted, not dropped.
    pub converted: bool,
    /// Its values are as the record wrote them all the same.
    pub same: bool,
    /// This restore has brought it, or its type, back.
    pub back: bool,
    /// It comes back when the columns that it is computed from are converted.
    pub late: bool,
}

impl LostColumn {
    /// Those of a table: a child's columns are lost under its parent's name.
    pub fn of<'a>(
        all: &'a [LostColumn],
        relation: &'a str,
    ) -> impl Iterator<Item = &'a LostColumn> {
        let named = all.iter().any(|lost| lost.relation == relation);
        all.iter()
            .filter(move |lost| !named || lost.relation == relation)
    }
}

/// A converted column that has not been converted back.
pub(super) struct Unread {
    pub target: usize,
    pub shape: usize,
    /// The column, and its place in the target.
    pub column: usize,
    pub place: usize,
    /// Its conversion left its values as the record writes them.
    pub kept: bool,
}

/// An image by its chunk's id and its place there.
pub(super) type Place = (i64, u32);

/// What became of rows whose columns a restore has converted back.
#[derive(Default)]
pub(super) struct ConvertedBack {
    /// The transactions that wrote the rows again.
    pub xids: Vec<pg_sys::TransactionId>,
    /// Rows that this restore had written before, by `Engine::row_key`'s keys.
    pub written: HashMap<Vec<u8>, ()>,
    /// Images of rows changed since: whether those were given their recorded values all the same.
    pub changed: HashMap<Place, bool>,
}

impl Engine {
    /// Takes note of the columns that definitions bring back.
    pub(super) fn note_columns(&mut self, rebuild: &Rebuild) {
        self.columns = rebuild
            .steps
            .iter()
            .filter(|step| step.is_of_column())
            .map(|step| LostColumn {
                relation: step.relation.clone(),
                column: step.name.clone(),
                converted: step.kind == "column type",
                same: rebuild.keeps_values(step),
                back: rebuild.brought_back(step),
                late: rebuild.comes_late(step),
            })
            .collect();
    }

    /// Refuses to undo the drop of a column when another one has its name by now. `names`: of the chunk's columns, today.
    pub(super) fn check_lost(
        &self,
        chunk: &Chunk,
        names: &[Option<String>],
        table: &str,
    ) -> Outcome<()> {
        if chunk.operation != Operation::DropColumn.record_name() {
            return Ok(());
        }
        let mut lost = LostColumn::of(&self.columns, &chunk.relation);
        let gone = |column: &String| {
            let mut named = chunk.columns.iter().zip(names);
            named.any(|(recorded, today)| recorded == column && today.is_none())
        };
        match lost.find(|lost| !(lost.converted || lost.late) && gone(&lost.column)) {
            Some(lost) => Err(name_taken(&lost.column, table)),
            None => Ok(()),
        }
    }

    /// Takes note of what was recorded since of the rows that the statement converted. Going back to a moment undoes all of
    /// that first, save for children that only go `along` with their parents.
    ///
    /// # Safety
    /// Between two images; `places` are of the source's chunks.
    pub(super) unsafe fn note_later(
        &mut self,
        source: &Source,
        places: &Places,
        along: &[String],
    ) -> Outcome<()> {
        let converts = self.columns.iter().any(|lost| lost.converted);
        let since = matches!(self.request.what, What::Since(_));
        if !converts || since && along.is_empty() {
            self.later = Vec::new();
            return Ok(());
        }
        let columns = std::mem::take(&mut self.columns);
        let names = std::mem::take(&mut self.names);
        let of = |relation: &String| !since || along.contains(relation);
        let later = Later::read((source, of), &columns, &names, |n| {
            let (target, shape, _) = places[n];
            // SAFETY: the estate is the one the target was opened with.
            unsafe { self.targets[target].all_leaves(self.estate)? };
            Ok(self.told_by(&columns, target, shape))
        });
        (self.columns, self.names) = (columns, names);
        self.later = later?;
        Ok(())
    }

    /// What tells the rows of a target apart: a key only does where it is unique.
    fn told_by(&self, lost: &[LostColumn], target: usize, shape: usize) -> ToldBy {
        let target = &self.targets[target];
        let shape = &target.shapes[shape];
        if target.is_told_by_key(shape) {
            return ToldBy::Key(shape.columns[..shape.key_count].to_vec());
        }
        let is_lost = |name: &String| {
            let mut lost = LostColumn::of(lost, &target.recorded);
            lost.any(|lost| lost.column == *name)
        };
        let columns = shape.columns.iter().zip(&shape.known);
        let told = columns.filter(|(name, known)| {
            !is_lost(name) && known.as_ref().is_some_and(|known| !known.generated)
        });
        ToldBy::Values(told.map(|(name, _)| name.clone()).collect())
    }

    /// What the conversion left of the image's column `n`, as the record writes it: null where nobody knows. `None` for
    /// columns that were not converted.
    pub(super) fn left_by_conversion(&self, image: Image, n: usize) -> Option<&[u8]> {
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        let (recorded, column) = (&target.recorded, &shape.columns[n]);
        let mut lost =
            LostColumn::of(&self.columns, recorded).filter(|lost| lost.converted && !lost.same);
        if !self.converted || !lost.any(|lost| lost.column == *column) {
            return None;
        }
        let row = (image.text, image.spans);
        let left = |later| Later::left(later, recorded, &shape.columns, row, n);
        Some(self.later.iter().find_map(left).unwrap_or(b"null"))
    }

    /// Whether the image's columns may still have what the DDL made of them: `inherited` is what later images of the row
    /// said.
    pub(super) fn is_as_converted(&self, image: Image, inherited: Option<&Settled>) -> bool {
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        let columns = &shape.columns;
        let changed =
            |later: &Later| later.changed(&target.recorded, columns, image.text, image.spans);
        let place = (image.chunk, image.n as u32);
        if self.converted_back.changed.contains_key(&place) || self.later.iter().any(changed) {
            return false;
        }
        let Some(later) = inherited.filter(|later| later.fate == Fate::Conflict) else {
            return true;
        };
        let mut places = self
            .members
            .iter()
            .filter_map(|(n, _)| shape.known[*n].as_ref());
        !places.any(|known| later.unlike.contains(&known.place))
    }

    /// Whether the row that was compared has the values that its conversion kept: anything else was put there since.
    pub(super) fn has_kept_values(&self, image: Image) -> bool {
        let mut kept = self.kept_columns(image).into_iter();
        kept.all(|(_, place)| !self.unlike.contains(&place))
    }

    /// The image's columns whose values its conversion kept, and their places in the target.
    pub(super) fn kept_columns(&self, image: Image) -> Vec<(usize, usize)> {
        if self.unconverted {
            let of_image = self.unread.iter().filter(|unread| {
                (unread.target, unread.shape) == (image.target, image.shape) && unread.kept
            });
            return of_image
                .map(|unread| (unread.column, unread.place))
                .collect();
        }
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        let is_kept = |n: usize| {
            let lost = LostColumn::of(&self.columns, &target.recorded);
            let mut of_name = lost
                .filter(|lost| lost.column == shape.columns[n])
                .peekable();
            of_name.peek().is_some() && of_name.all(|lost| lost.converted && lost.same)
        };
        let members = self.members.iter().filter(|(n, _)| is_kept(*n));
        let place = |(n, _): &(usize, Span)| Some((*n, shape.known[*n].as_ref()?.place));
        match self.converted {
            true => members.filter_map(place).collect(),
            false => Vec::new(),
        }
    }

    /// Whether the image's row was changed since its conversion, and kept what it was changed to.
    pub(super) fn is_left_changed(&self, image: Image) -> bool {
        let place = (image.chunk, image.n as u32);
        self.converted_back.changed.get(&place) == Some(&false)
    }

    /// Whether the image's row was changed since its conversion, and given its recorded values all the same.
    pub(super) fn is_overridden(&self, image: Image) -> bool {
        let place = (image.chunk, image.n as u32);
        self.converted_back.changed.get(&place) == Some(&true)
    }

    /// Whether this restore wrote the row in `present`, be it before a conversion back wrote all rows again. Nothing that later
    /// images said (`undisputed`) stands against that.
    pub(super) fn is_ours(&self, image: Image, present: Slot, undisputed: bool) -> bool {
        // SAFETY: the slot holds a row of its table.
        let by = |xid: &pg_sys::TransactionId| unsafe { present.written_by(*xid) };
        by(&self.xid)
            || undisputed
                && self.converted_back.xids.iter().any(by)
                && self
                    .converted_back
                    .written
                    .contains_key(&self.recorded_key(image))
    }

    /// The row's target and recorded key.
    fn recorded_key(&self, image: Image) -> Vec<u8> {
        let keys = self.targets[image.target].shapes[image.shape].key_count;
        key_of(image.target, image.text, &image.spans[..keys])
    }

    /// Makes the columns that DDL dropped or converted the image's changed columns: a dropped one was left NULL, of a
    /// converted one nobody knows what its statement left.
    pub(super) fn lost_columns(&mut self, image: Image) {
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        for n in 0..shape.columns.len() {
            let mut lost = LostColumn::of(&self.columns, &target.recorded);
            let Some(lost) = lost.find(|lost| lost.column == shape.columns[n]) else {
                continue;
            };
            self.converted |= lost.converted;
            self.back |= lost.back;
            if !(lost.converted || lost.back) {
                self.stand_ins.push(n);
            }
            let left = if lost.converted {
                image.spans[n]
            } else {
                Span::NULL
            };
            self.members.push((n, left));
        }
    }
}

/// A row by its target and the recorded text of its key.
pub(super) fn key_of(target: usize, text: &[u8], spans: &[Span]) -> Vec<u8> {
    let mut key = (target as u32).to_ne_bytes().to_vec();
    for span in spans {
        key.push(b',');
        memory::append(&mut key, span.raw(text));
    }
    key
}
