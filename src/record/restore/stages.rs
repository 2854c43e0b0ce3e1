//! One statement may change columns several times, and rename them in between: each change's commands have the names of its
//! own moment. What a conversion speaks of is followed from there by its number or, where that is gone, by what was noted
//! since.

use super::chunk::Change;
use super::column_history::ColumnChanges;
use super::identity::{is_strangers, same};
use super::present::pairs;
use super::rebuild::Rebuild;
use super::renamed::Names;
use super::source::{Order, Source};
use super::step::Step;
use crate::pg::catalog;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// Rows of a change of columns, as they lie in the record.
pub(super) struct Rows {
    id: i64,
    relid: Oid,
    pub relation: String,
    last: i64,
    pub key_count: usize,
    pub columns: Rc<[String]>,
}

impl Rows {
    pub fn of(statement_id: i64) -> Outcome<Vec<Rows>> {
        let chunks = Source::find(statement_id, Order::Backward)?.chunks;
        let mut rows: Vec<Rows> = chunks
            .into_iter()
            .filter(|chunk| Change::of(&chunk.operation) == Some(Change::Column))
            .map(|chunk| Rows {
                id: chunk.id,
                relid: chunk.relid,
                last: chunk.ordinal,
                key_count: chunk.key_count,
                relation: chunk.relation,
                columns: chunk.columns,
            })
            .collect();
        rows.sort_by_key(|rows| rows.last);
        Ok(rows)
    }
}

/// The table of an identity today.
pub(super) fn table_of(identity: &Step) -> Option<Oid> {
    same(identity)
        .or_else(|| catalog::named_relation(&identity.object))
        .filter(|_| !is_strangers(identity))
}

/// The numbers and names of the columns at the identity's moment, as VALUES.
pub(super) fn columns_then(identity: &Step) -> Option<&str> {
    let (_, rest) = identity.sql.split_once("(VALUES ")?;
    Some(rest.rsplit_once(") AS k(attnum, name)")?.0)
}

impl Rebuild {
    /// What things were called at a stage, or, without one, at the statement's first.
    pub(super) fn identities_at(&self, stage: Option<usize>) -> Vec<Step> {
        let mut at: Vec<Step> = Vec::new();
        for identity in &self.identities {
            match at.iter_mut().find(|other| other.name == identity.name) {
                None => at.push(identity.clone()),
                Some(other) if stage.is_some_and(|stage| identity.stage <= stage) => {
                    other.clone_from(identity);
                }
                Some(_) => {}
            }
        }
        at
    }

    /// Gives what the commands name the names it had.
    pub(super) fn recorded_names(&self) -> Outcome<Names> {
        let changes = ColumnChanges::read()?;
        let identities = self.identities_at(None);
        Names::recorded(self.statement_id, &changes, &identities, &self.steps, &[])
    }

    /// Gives what the commands of a conversion name the names it had; without a stage, of all that have the same names.
    pub(super) fn names_of(&self, stage: Option<usize>) -> Outcome<Names> {
        let changes = ColumnChanges::read()?;
        let identities = self.identities_at(stage);
        let mut converted = Vec::new();
        for step in self.steps.iter().filter(|step| {
            step.kind == "column type" && stage.is_none_or(|stage| step.stage == stage)
        }) {
            let identity = table_identity(&identities, &step.object);
            let Some(relid) = identity.and_then(table_of) else {
                continue;
            };
            let mut names = vec![step.name.clone()];
            // Rows without a key are told by their other columns, too.
            if let Some(rows) = self.rows_at(step) {
                let (since, table) = ((rows.id, i64::MAX), (relid, rows.relid));
                let renamed = |name: &&String| {
                    changes.between(since, table, &rows.relation, name).name != **name
                };
                names.extend(rows.columns.iter().filter(renamed).cloned());
            }
            for name in names {
                if let Some(today) = self.became(&changes, step, &name, relid) {
                    converted.push((step.object.clone(), name, today));
                }
            }
        }
        Names::recorded(
            self.statement_id,
            &changes,
            &identities,
            &self.steps,
            &converted,
        )
    }

    /// The first rows of the step's table that its conversion, or a later one, recorded.
    fn rows_at(&self, step: &Step) -> Option<&Rows> {
        let (first, _) = self.rows_of(step.stage);
        let mut rows = self.recorded_rows.iter();
        rows.find(|rows| rows.relation == step.relation && rows.last >= first)
    }

    /// What a column of the step's table that was called `name` at its moment is called today; `None` where it was dropped,
    /// or that is not certain.
    fn became(
        &self,
        changes: &ColumnChanges,
        step: &Step,
        name: &str,
        relid: Oid,
    ) -> Option<String> {
        let identities = self.identities_at(Some(step.stage));
        let known = table_identity(&identities, &step.object)
            .filter(|identity| same(identity) == Some(relid));
        if let Some(columns) = known.and_then(columns_then) {
            let sql = format!(
                "SELECT a.attname::text, '' FROM (VALUES {columns}) AS k(attnum, name) JOIN pg_catalog.pg_attribute AS a \
                 ON a.attnum = k.attnum WHERE a.attrelid = {} AND NOT a.attisdropped AND k.name = '{}'",
                relid.to_u32(),
                name.replace('\'', "''")
            );
            if let Some((today, _)) = pairs(&sql).into_iter().next() {
                return Some(today);
            }
        }
        let (from, was) = match self.rows_at(step) {
            Some(rows) => (rows.id, rows.relid),
            // An empty table's conversion has no place among the changes.
            None if changes.renames(relid, &step.relation, name) => return None,
            None => (i64::MIN, pg_sys::InvalidOid),
        };
        let column = changes.between((from, i64::MAX), (relid, was), &step.relation, name);
        // What was added by hand under the name of a dropped column stands for it.
        let stands = !column.dropped || column.has_name() && column.name == name;
        stands.then_some(column.name)
    }

    /// Refuses to convert a column that is not there any more.
    pub(super) fn check_converted(&self, stage: usize) -> Outcome<()> {
        let changes = ColumnChanges::read()?;
        let identities = self.identities_at(Some(stage));
        for step in self
            .steps
            .iter()
            .filter(|step| step.kind == "column type" && step.stage == stage)
        {
            if self.is_done(step) || self.strangers.contains(&step.object) {
                continue;
            }
            let identity = table_identity(&identities, &step.object);
            let Some(relid) = identity.and_then(table_of) else {
                continue;
            };
            if self.became(&changes, step, &step.name, relid).is_none() {
                let table = catalog::display_name(relid);
                return Err(Report::new(
                    sqlstate::NOT_IN_PREREQUISITE_STATE,
                    format!("cannot change the type of column \"{}\" of table \"{table}\" back", step.name),
                )
                .detail("The column was dropped since, or it is not certain which one it is: another one may have its name.")
                .hint(
                    "Restore the statement that dropped it first, or give the column its recorded name; backstop.preimage \
                     holds its former values.",
                ));
            }
        }
        Ok(())
    }

    /// The stages whose commands go by names of their own.
    pub(super) fn stages_by_name(&self) -> Vec<usize> {
        let mut stages: Vec<usize> = self.steps.iter().map(|step| step.stage).collect();
        stages.sort_unstable();
        stages.dedup();
        stages
    }
}

pub(super) fn table_identity<'a>(identities: &'a [Step], object: &str) -> Option<&'a Step> {
    let mut identities = identities.iter();
    identities.find(|one| one.kind == "table identity" && one.object == object)
}
