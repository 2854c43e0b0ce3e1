//! What a restore has made again without a row, in its record and in its counts.

use super::engine::Engine;
use super::image::Count;
use super::rebuild::Rebuild;
use crate::model::Operation;
use std::rc::Rc;

impl Engine {
    /// Makes the record name what this restore has made again, rows or not.
    pub(super) fn note_made(&mut self, rebuild: &Rebuild) {
        for step in rebuild.made.iter().chain(rebuild.late()) {
            let operation = match step.kind.as_str() {
                "table" => Operation::CreateTable,
                "column" => Operation::AddColumn,
                "column type" => Operation::AlterColumnType,
                "partition" if step.operation == "DETACH PARTITION" => Operation::AttachPartition,
                _ => continue,
            };
            let relation = Rc::from(step.relation.as_str());
            self.root.level(self.nest).note(&relation, operation);
        }
    }

    /// Counts what was taken away without a row.
    pub(super) fn count_definitions(&mut self, rebuild: &Rebuild) {
        for step in &rebuild.steps {
            let known = self
                .counts
                .iter()
                .any(|count| count.relation == step.relation && count.operation == step.operation);
            let own = rebuild
                .steps
                .iter()
                .any(|other| other.relation == step.relation && other.kind == "table");
            // A statement's rows go by the drop that came with the conversion.
            let other = step.kind == "column type"
                && self.counts.iter().any(|count| {
                    count.relation == step.relation && count.operation == "DROP COLUMN"
                });
            if !known
                && !other
                && (own || matches!(step.kind.as_str(), "column" | "column type" | "partition"))
            {
                self.counts.push(Count {
                    relation: step.relation.clone(),
                    operation: step.operation.clone(),
                    ..Count::default()
                });
            }
        }
    }
}
