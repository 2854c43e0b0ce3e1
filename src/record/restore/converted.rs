//! Columns that DDL dropped or converted, and that a restore brings back.

use super::What;
use super::chunk::{Change, Chunk};
use super::engine::Engine;
use super::image::{Count, Fate, Image, Settled};
use super::later::Later;
use super::rebuild::Rebuild;
use super::source::Source;
use super::step::{Step, name_taken};
use crate::model::Operation;
use crate::record::json::Span;
use crate::report::Outcome;

/// A column that DDL dropped or converted.
pub(super) struct LostColumn {
    pub relation: String,
    pub column: String,
    /// It was converted, not dropped.
    pub converted: bool,
    /// This restore has brought it, or its type, back.
    pub back: bool,
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

/// Columns of an image, by place, that a statement still to be undone converted: their values are of another type.
#[derive(Default)]
pub(super) struct Loose(Vec<usize>);

impl Loose {
    /// Of `columns` of a table: a child's columns are converted under its parent's name.
    pub fn of(converted: &[(String, String)], recorded: &str, columns: &[String]) -> Loose {
        let named = converted.iter().any(|(relation, _)| relation == recorded);
        let of_table = |relation: &String| relation == recorded || !named;
        let is_loose = |name: &String| {
            let mut converted = converted.iter();
            converted.any(|(relation, column)| of_table(relation) && column == name)
        };
        if converted.is_empty() {
            return Loose::default();
        }
        Loose(
            (0..columns.len())
                .filter(|n| is_loose(&columns[*n]))
                .collect(),
        )
    }

    pub fn but_not_before(mut self, first: usize) -> Loose {
        self.0.retain(|n| *n >= first);
        self
    }

    pub fn has(&self, n: usize) -> bool {
        self.0.contains(&n)
    }
}

impl Engine {
    /// Takes note of the columns that definitions bring back.
    pub(super) fn note_columns(&mut self, rebuild: &Rebuild) {
        let of_column = |step: &&Step| matches!(step.kind.as_str(), "column" | "column type");
        self.emptied = rebuild.has_emptied();
        self.columns = rebuild
            .steps
            .iter()
            .filter(of_column)
            .map(|step| LostColumn {
                relation: step.relation.clone(),
                column: step.name.clone(),
                converted: step.kind == "column type",
                back: rebuild.brought_back(step),
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
        match lost.find(|lost| !lost.converted && gone(&lost.column)) {
            Some(lost) => Err(name_taken(&lost.column, table)),
            None => Ok(()),
        }
    }

    /// Takes note of what was recorded since of the rows that the statement converted. Going back to a moment undoes all of
    /// that first.
    pub(super) fn note_later(&mut self, source: &Source) -> Outcome<()> {
        self.later = match self.request.what {
            What::Statement(_) if self.columns.iter().any(|lost| lost.converted) => {
                Later::read(source, &self.columns)?
            }
            _ => Vec::new(),
        };
        Ok(())
    }

    /// What the conversion left of the image's column `n`, as the record writes it: null where nobody knows. `None` for
    /// columns that were not converted.
    pub(super) fn left_by_conversion(&self, image: Image, n: usize) -> Option<&[u8]> {
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        let (recorded, column) = (&target.recorded, &shape.columns[n]);
        let mut lost = LostColumn::of(&self.columns, recorded).filter(|lost| lost.converted);
        if !self.converted || !lost.any(|lost| lost.column == *column) {
            return None;
        }
        let key = &image.spans[..shape.key_count];
        let left = |later| Later::left(later, recorded, image.text, key, column);
        Some(self.later.iter().find_map(left).unwrap_or(b"null"))
    }

    /// Whether the image's columns may still have what the DDL made of them: `inherited` is what later images of the row
    /// said.
    pub(super) fn is_as_converted(&self, image: Image, inherited: Option<&Settled>) -> bool {
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        let key = &image.spans[..shape.key_count];
        let changed = |later: &Later| later.changed(&target.recorded, image.text, key);
        if self.later.iter().any(changed) {
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

    /// Takes note of the columns that statements still to be undone converted.
    pub(super) fn note_converted(&mut self, earlier: &[Rebuild]) {
        let made = earlier.iter().flat_map(|rebuild| &rebuild.made);
        self.converted_before = made
            .filter(|step| step.kind == "column type")
            .map(|step| (step.relation.clone(), step.name.clone()))
            .collect();
    }

    /// Leaves out what was recorded in a type that is gone; false when there is nothing else to set back.
    pub(super) fn forget_converted(&mut self, image: Image) -> bool {
        if self.converted_before.is_empty() || self.members.is_empty() {
            return true;
        }
        let target = &self.targets[image.target];
        let columns = &target.shapes[image.shape].columns;
        let loose = Loose::of(&self.converted_before, &target.recorded, columns);
        self.members.retain(|(n, _)| !loose.has(*n));
        !self.members.is_empty()
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
            let left = if lost.converted {
                image.spans[n]
            } else {
                Span::NULL
            };
            self.members.push((n, left));
        }
    }

    /// How many rows of each relation have their columns' values back.
    pub(super) fn columns_back(&self) -> Vec<(String, i64)> {
        let of_columns = |count: &&Count| Change::of(&count.operation) == Some(Change::Column);
        let counts = self.counts.iter().filter(of_columns);
        counts
            .map(|count| (count.relation.clone(), count.restored + count.unchanged))
            .collect()
    }
}
