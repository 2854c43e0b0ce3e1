//! Columns that DDL dropped or converted, and that a restore brings back.

use super::chunk::Change;
use super::engine::Engine;
use super::image::{Count, Image};
use super::rebuild::Rebuild;
use super::step::Step;
use crate::record::json::Span;

impl Engine {
    /// Takes note of the columns that definitions bring back.
    pub(super) fn note_columns(&mut self, rebuild: &Rebuild) {
        let of_column = |step: &&Step| matches!(step.kind.as_str(), "column" | "column type");
        self.columns = rebuild
            .steps
            .iter()
            .filter(of_column)
            .map(|step| {
                (
                    step.relation.clone(),
                    step.name.clone(),
                    step.kind == "column type",
                )
            })
            .collect();
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
        let own = |relation: &String| *relation == target.recorded;
        // A child's columns are converted under its parent's name.
        let before = &self.converted_before;
        let named = before.iter().any(|(relation, _)| own(relation));
        self.members.retain(|(n, _)| {
            !before
                .iter()
                .any(|(relation, column)| (own(relation) || !named) && *column == columns[*n])
        });
        !self.members.is_empty()
    }

    /// Makes the columns that DDL dropped or converted the image's changed columns: a dropped one was left NULL, of a
    /// converted one nobody knows what its statement left. True when one was converted.
    pub(super) fn lost_columns(&mut self, image: Image) -> bool {
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        let own = |relation: &String| *relation == target.recorded;
        // A child's columns are lost under its parent's name.
        let named = self.columns.iter().any(|(relation, _, _)| own(relation));
        let lost = |n: usize| {
            self.columns.iter().find(|(relation, column, _)| {
                (own(relation) || !named) && *column == shape.columns[n]
            })
        };
        let mut converted = false;
        for n in 0..shape.columns.len() {
            match lost(n) {
                Some((_, _, true)) => {
                    converted = true;
                    self.members.push((n, image.spans[n]));
                }
                Some(_) => self.members.push((n, Span::NULL)),
                None => {}
            }
        }
        converted
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
