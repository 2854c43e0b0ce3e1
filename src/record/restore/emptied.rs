//! Columns whose values could not be converted back to their recorded type.

use super::command::execute;
use super::present::rows_of;
use super::rebuild::Rebuild;
use super::step::{Step, failed};
use crate::pg::catalog;
use crate::report::{Outcome, Report, sqlstate};

impl Rebuild {
    /// A column whose values can't be converted back gets its type without them: every row's value is in the record, or
    /// the restore fails.
    pub(super) fn empty(&mut self, step: Step) -> Outcome<()> {
        let Some((conversion, _)) = step.sql.split_once(" USING ") else {
            return execute(&step.sql, step.runs_as()).map_err(|failure| failed(&step, &failure));
        };
        let column = catalog::quoted(&step.name);
        let sql = format!(
            "ALTER TABLE {} ALTER COLUMN {column} DROP NOT NULL; {conversion} USING NULL",
            step.object
        );
        execute(&sql, step.runs_as()).map_err(|failure| failed(&step, &failure))?;
        let relid = catalog::named_relation(&step.object);
        self.emptied
            .extend(relid.map(|relid| (step.relation.clone(), relid)));
        self.made.push(step);
        Ok(())
    }

    /// Whether columns were emptied because their values could not be converted back.
    pub fn has_emptied(&self) -> bool {
        !self.emptied.is_empty()
    }

    /// Whether every row of the columns that were emptied has its value back, when the statement's images are undone and
    /// no earlier one's: rows that have their columns' values back by relation, `before` that and now.
    pub fn check_emptied(&self, before: &[(String, i64)], now: &[(String, i64)]) -> Outcome<()> {
        let sum = |counts: &[(String, i64)], of: &str| -> i64 {
            let of_table = counts.iter().filter(|(relation, _)| relation == of);
            of_table.map(|(_, rows)| rows).sum()
        };
        for (relation, table) in &self.emptied {
            let back = sum(now, relation) - sum(before, relation);
            let table = &catalog::display_name(*table);
            let rows = rows_of(table);
            if rows > back {
                return Err(Report::new(
                    sqlstate::NOT_IN_PREREQUISITE_STATE,
                    format!("cannot change the column types of table \"{table}\" back"),
                )
                .detail(format!(
                    "Present values do not fit the former type, and {} of {rows} rows were inserted or changed since.",
                    rows - back
                ))
                .hint("Empty the column in those rows, or convert it by hand; backstop.preimage holds the former values."));
            }
        }
        Ok(())
    }
}
