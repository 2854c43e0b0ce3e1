//! Brings back what DDL took away besides rows, by the definitions in the record: tables, columns and types before the
//! rows are put back, keys that reference others, triggers, policies, privileges and protections after them.
//!
//! Who restores may do more than those whose objects these are, so nothing they wrote runs with his rights: a command that
//! evaluates a table's expressions runs as the table's owner, who gets it back as soon as it is made. Commands that only
//! write into the catalogs run as a superuser: the owner may have lost the privileges he made it with. Those that make
//! indexes and fill materialized views go over to the owner by themselves.

use super::children::altered_tables;
use super::column_history::ColumnChanges;
use super::dependent_units::is_dependent;
use super::identity::{is_strangers, recorded_here};
use super::own_rows::scan;
use super::present::exists;
use super::referred::mentions;
use super::sequence_values::Value;
use super::since::Wanted;
use super::stages::Rows;
use super::step::{Step, warn};
use crate::guard_triggers;
use crate::pg::privileged::Privileged;
use crate::record::{column_change, table_change};
use crate::registry::{self, Registry};
use crate::report::Outcome;
use pgrx::pg_sys::{self, Oid};
use std::collections::HashSet;
use std::rc::Rc;

/// The commands of one statement, in order.
#[derive(Default)]
pub struct Rebuild {
    pub steps: Vec<Step>,
    pub(super) statement_id: i64,
    /// By what is known again what they sit on and refer to.
    pub(super) identities: Vec<Step>,
    /// It is one of many statements.
    pub(super) since: bool,
    /// What was guarded before the first command.
    pub(super) guarded: Rc<Registry>,
    /// What is there although the statement dropped it: made again by hand, and left as it is.
    pub(super) present: Vec<String>,
    /// Recorded names of tables that were restored before and have other names by now.
    pub(super) moved: Vec<String>,
    /// Sequences and statistics of recorded names that are there already: whoever made them keeps them as they are.
    pub(super) kept: Vec<String>,
    /// Recorded names that something else has now.
    pub(super) strangers: Vec<String>,
    /// What names something that is not there yet, and what it said.
    pub(super) waiting: Vec<(Step, String)>,
    /// What this restore made.
    pub made: Vec<Step>,
    /// Columns that have another type, the recorded one, since this restore: as recorded.
    pub(super) converted: Vec<(String, String)>,
    /// Tables of which a column is yet to be converted: what the server computes reads those in their former types.
    pub(super) converts: Vec<String>,
    /// The ordinals from which on the rows of each of the statement's conversions are recorded.
    pub(super) stages: Vec<i64>,
    /// Where the rows are that its changes of columns recorded.
    pub(super) recorded_rows: Vec<Rows>,
    /// The names of its commands are those of the stages they belong to: it renamed something in between.
    renames_between: bool,
    /// All of it is rolled back: a sequence that was there before would stay where it was moved to.
    pub rolled_back: bool,
    /// The tables whose columns the statement dropped or converted, wanted or not.
    pub(super) altered: Vec<(String, String)>,
    /// Columns whose values a conversion left as the record writes them: (stage, table, column).
    pub(super) same_values: Vec<(usize, String, String)>,
    /// Where registered sequences that are there stood.
    pub(super) values: Vec<Value>,
    /// What sat on converted columns by an expression, before the conversions and after them.
    pub(super) dependents: Vec<Step>,
}

/// `Anum_` of backstop.definition, from 0.
mod at {
    pub const RELATION: usize = 2;
    pub const OPERATION: usize = 3;
    pub const PHASE: usize = 4;
    pub const OBJECT: usize = 5;
    pub const KIND: usize = 6;
    pub const NAME: usize = 7;
    pub const DEFINITION: usize = 8;
}

/// The recorded names of tables that are wanted under the ones they have today.
fn wanted_tables(identities: &[Step], wanted: &Wanted) -> Outcome<Vec<String>> {
    let changes = ColumnChanges::read()?;
    let of_table = |identity: &&Step| {
        identity.kind == "table identity"
            && recorded_here(identity)
                .is_some_and(|relid| wanted.has_relid(changes.became(relid, &identity.object)))
    };
    let tables = identities.iter().filter(of_table);
    Ok(tables.map(|identity| identity.object.clone()).collect())
}

impl Rebuild {
    /// Reads the statement's definitions of what is wanted.
    pub fn find(statement_id: i64, wanted: &Wanted, since: bool) -> Outcome<Rebuild> {
        let mut steps = Vec::new();
        scan(
            c"definition",
            c"definition_pkey",
            &[(1, statement_id)],
            |row| {
                let text = |n| row.text(n).unwrap_or_default();
                steps.push(Step {
                    relation: text(at::RELATION),
                    operation: text(at::OPERATION),
                    before: text(at::PHASE) == "before rows",
                    object: text(at::OBJECT),
                    kind: text(at::KIND),
                    name: text(at::NAME),
                    sql: text(at::DEFINITION),
                    stage: 0,
                });
                Ok(())
            },
        )?;
        let stages = Step::take_stages(&mut steps);
        let mut identities: Vec<Step> = steps
            .extract_if(.., |step| {
                matches!(step.kind.as_str(), "table identity" | "object identity")
            })
            .collect();
        let same_values = steps
            .extract_if(.., |step| step.kind == "same values")
            .map(|step| (step.stage, step.object, step.name))
            .collect();
        let dependents = steps.extract_if(.., |step| is_dependent(step)).collect();
        // Two tables' definitions may refer to the same.
        let mut known = HashSet::new();
        identities.retain(|identity| known.insert((identity.stage, identity.name.clone())));
        let altered = altered_tables(&steps);
        // What the tables stand on comes with them, what others lost does not.
        let tables = match since && wanted.are_named() {
            true => wanted_tables(&identities, wanted)?,
            false => Vec::new(),
        };
        steps.retain(|step| {
            wanted.has_name(&step.relation)
                || tables.contains(&step.relation)
                || tables.contains(&step.object)
                || matches!(
                    step.kind.as_str(),
                    "schema" | "collation" | "type" | "function" | "sequence"
                )
        });
        let recorded_rows = match steps.iter().any(|step| step.kind == "column type") {
            true => Rows::of(statement_id)?,
            false => Vec::new(),
        };
        Ok(Rebuild {
            steps,
            statement_id,
            recorded_rows,
            identities,
            altered,
            same_values,
            dependents,
            stages,
            since,
            guarded: registry::current_even_if_off().unwrap_or_default(),
            ..Rebuild::default()
        })
    }

    /// What must be there before rows are put back.
    pub fn before_rows(&mut self) -> Outcome<()> {
        if self.steps.is_empty() {
            return Ok(());
        }
        self.renames_between = self.renames_between()?;
        let strangers = self.identities.iter().filter(|one| is_strangers(one));
        self.strangers = strangers.map(|one| one.object.clone()).collect();
        let names = self.recorded_names()?;
        self.strangers.extend(names.out_of_reach.iter().cloned());
        let kept = self
            .steps
            .iter()
            .filter(|step| matches!(step.kind.as_str(), "sequence" | "statistics") && exists(step));
        self.kept = kept.map(|step| step.name.clone()).collect();
        self.present = self
            .steps
            .iter()
            .filter(|step| {
                matches!(
                    step.kind.as_str(),
                    "table" | "view" | "collation" | "type" | "function"
                ) && exists(step)
            })
            .map(|step| step.name.clone())
            .collect();
        self.moved = self.moved_tables()?;
        self.run(true, None)?;
        self.values = self.registered_values();
        let returned = self.returned_columns(0);
        let tables = self.returned_tables();
        names.take_back(&self.identities)?;
        for (relid, name) in tables {
            table_change::returned(relid, &name, self.statement_id);
        }
        self.note_returned(returned);
        // What was noted tells where rows go.
        // SAFETY: inside the subtransaction, between two commands.
        unsafe { pg_sys::CommandCounterIncrement() };
        Ok(())
    }

    fn note_returned(&self, columns: Vec<(Oid, String)>) {
        for (relid, column) in columns {
            column_change::note_return(relid, &column, self.statement_id);
        }
    }

    /// What is added when the rows are back.
    pub fn after_rows(&mut self) -> Outcome<()> {
        if self.steps.is_empty() {
            return Ok(());
        }
        let stages = match self.renames_between {
            true => self.stages_by_name().into_iter().map(Some).collect(),
            false => vec![None],
        };
        for stage in stages {
            let names = self.names_of(stage)?;
            let of_stage = |step: &&Step| stage.is_none_or(|stage| step.stage == stage);
            let late: Vec<Step> = self.late().filter(of_stage).cloned().collect();
            let made = self.made.len();
            for step in late {
                self.take(step, true)?;
            }
            let returned = self.returned_columns(made);
            self.run(false, stage)?;
            names.take_back(&self.identities)?;
            self.note_returned(returned);
        }
        let _privileged = Privileged::for_ddl();
        guard_triggers::adjust_changed(&self.guarded);
        Ok(())
    }

    /// `stage`: only the commands of one.
    fn run(&mut self, before: bool, stage: Option<usize>) -> Outcome<()> {
        let steps = self
            .steps
            .iter()
            .filter(|step| step.before == before && !step.converts() && !self.comes_late(step))
            .filter(|step| stage.is_none_or(|stage| step.stage == stage))
            .filter(|step| !(self.rolled_back && step.moves_for_good()))
            .filter(|step| !self.is_registered_value(step))
            .cloned();
        // A table comes back as it was when it was dropped: what it had lost before goes into it after that.
        let (lost, whole): (Vec<Step>, Vec<Step>) =
            steps.partition(|step| self.of_table_to_come(step));
        for step in whole.into_iter().chain(lost) {
            self.take(step, before)?;
        }
        self.take_waiting(before)?;
        if !before {
            for (step, message) in std::mem::take(&mut self.waiting) {
                warn(&step, &message);
            }
        }
        Ok(())
    }

    /// Why a command would not mean what it did, because something else has a name in it now.
    pub(super) fn misled(&self, step: &Step) -> Option<String> {
        let mut strangers = self.strangers.iter();
        let other = strangers.find(|name| mentions(&step.sql, name))?;
        Some(format!(
            "what is called \"{other}\" now is not what it referred to"
        ))
    }
}
