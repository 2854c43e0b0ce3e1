//! Which of a statement's commands need not run, because what they make is there, or is not theirs to change.

use super::column_history::ColumnChanges;
use super::present::{exists, lacks_replica_identity};
use super::rebuild::Rebuild;
use super::step::Step;
use crate::model::Operation;
use crate::pg::catalog;
use crate::report::Outcome;
use pgrx::pg_sys::Oid;

impl Rebuild {
    /// Whether the column, or its type, is there because of this restore: nobody else has put anything into it.
    pub fn brought_back(&self, column: &Step) -> bool {
        match column.kind.as_str() {
            "column type" => self
                .converted
                .iter()
                .any(|(relation, name)| *relation == column.relation && *name == column.name),
            _ => self.made.iter().any(|made| {
                made.kind == column.kind
                    && made.relation == column.relation
                    && made.name == column.name
            }),
        }
    }

    /// Whether the step makes, or is about, a computed column whose table's columns are converted first.
    pub fn comes_late(&self, step: &Step) -> bool {
        let of_column = matches!(step.kind.as_str(), "column" | "column settings");
        of_column
            && self.converts.contains(&step.object)
            && self.steps.iter().any(|column| {
                column.is_computed() && column.object == step.object && column.name == step.name
            })
    }

    /// What comes back when columns are converted.
    pub fn late(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| self.comes_late(step))
    }

    /// Whether the step's table, or the partition that it attaches, is made again by a step that was recorded after it.
    pub(super) fn of_table_to_come(&self, step: &Step) -> bool {
        step.operation != Operation::DropTable.record_name()
            && self.steps.iter().any(|table| {
                table.kind == "table"
                    && (table.name == step.object
                        || step.kind == "partition" && table.name == step.name)
            })
    }

    /// What tables stand on may itself stand on tables; they stand on nothing that waits, or say so. A detached partition
    /// that is gone is no reason not to go back with everything else.
    pub(super) fn may_wait(&self, step: &Step) -> bool {
        let stood_on = ["type", "function", "owner", "privileges"].contains(&&*step.kind);
        stood_on || (self.since && step.operation == "DETACH PARTITION")
    }

    /// Whether the step has nothing to do.
    pub(super) fn is_done(&self, step: &Step) -> bool {
        let of_partition = step.kind == "partition" && self.present.contains(&step.name);
        if of_partition || self.present.contains(&step.object) {
            return true;
        }
        if self.is_of_moved(step) {
            return true;
        }
        let about = [
            "owner",
            "sequence owner",
            "sequence value",
            "statistics target",
            "privileges",
            "comment",
            "protection",
        ];
        if about.contains(&&*step.kind) && self.kept.contains(&step.name) {
            return true;
        }
        // A column's settings belong to the column that this restore added.
        if step.operation == "DROP COLUMN"
            && matches!(
                step.kind.as_str(),
                "default" | "not null" | "identity" | "column settings"
            )
            && !self.made.iter().any(|made| {
                // A partition's come with its parent's column.
                made.kind == "column" && made.relation == step.relation && made.name == step.name
            })
        {
            return true;
        }
        let made = |step: &Step| {
            let mut made = self.made.iter();
            made.any(|made| made.kind == "table" && made.name == step.object)
        };
        if step.kind == "replica identity" && !made(step) && !lacks_replica_identity(&step.object) {
            return true;
        }
        exists(step)
    }

    /// Whether it makes, or is about, a table that is there under another name. What partitions and children lose is recorded
    /// for the table that they belong to, which may have kept its name.
    fn is_of_moved(&self, step: &Step) -> bool {
        let moved = |name: &String| self.moved.contains(name);
        let own = match step.kind.as_str() {
            "partition" => moved(&step.name),
            _ => moved(&step.object),
        };
        own || moved(&step.relation) && !step.is_shared()
    }

    /// The recorded names of tables that an earlier restore made again, and that have other names by now.
    pub(super) fn moved_tables(&self) -> Outcome<Vec<String>> {
        let tables: Vec<&Step> = self
            .steps
            .iter()
            .filter(|step| step.kind == "table")
            .collect();
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let changes = ColumnChanges::read()?;
        let moved = tables.into_iter().filter(|step| {
            let today = changes.returned(self.statement_id, &step.name);
            today.is_some_and(|relid| catalog::named_relation(&step.name) != Some(relid))
        });
        Ok(moved.map(|step| step.name.clone()).collect())
    }

    /// The tables that are back, and what they are called in the record.
    pub(super) fn returned_tables(&self) -> Vec<(Oid, String)> {
        let made = self.made.iter().filter(|step| step.kind == "table");
        made.filter_map(|step| Some((catalog::named_relation(&step.name)?, step.name.clone())))
            .collect()
    }

    /// The columns that are back, by the tables they are in: of what was made from the `first` on.
    pub(super) fn returned_columns(&self, first: usize) -> Vec<(Oid, String)> {
        let made = self.made[first..].iter();
        made.filter(|step| step.kind == "column")
            .filter_map(|step| {
                let relid = catalog::named_relation(&step.object)?;
                Some((relid, step.name.clone()))
            })
            .collect()
    }
}
