//! Brings back what DDL took away besides rows, by the definitions in the record: tables, columns and types before the
//! rows are put back, keys that reference others, triggers, policies, privileges and protections after them.

use super::Count;
use super::own_rows::scan;
use super::present::{exists, relation_exists, rows_of};
use super::since::Wanted;
use crate::guard_triggers::{self, OwnWork, Privileged};
use crate::pg::encoding;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, pg_sys};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One command of the record.
#[derive(Clone, Debug)]
pub struct Step {
    pub relation: String,
    pub operation: String,
    before: bool,
    pub object: String,
    pub kind: String,
    pub name: String,
    sql: String,
}

/// The commands of one statement, in order.
#[derive(Default)]
pub struct Rebuild {
    pub steps: Vec<Step>,
    /// Tables that are there although the statement dropped them: made again by hand, and left as they are.
    present: Vec<String>,
    /// What this restore made.
    pub made: Vec<Step>,
    /// Tables with columns whose values could not be converted back: as recorded, as they are.
    emptied: Vec<(String, String)>,
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

impl Rebuild {
    /// Reads the statement's definitions of what is wanted.
    pub fn find(statement_id: i64, wanted: &Wanted) -> Outcome<Rebuild> {
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
                });
                Ok(())
            },
        )?;
        // What the tables stand on comes with them, what others lost does not.
        steps.retain(|step| {
            wanted.has_name(&step.relation)
                || matches!(
                    step.kind.as_str(),
                    "schema" | "type" | "function" | "sequence"
                )
        });
        Ok(Rebuild {
            steps,
            ..Rebuild::default()
        })
    }

    /// What must be there before rows are put back.
    pub fn before_rows(&mut self) -> Outcome<()> {
        if self.steps.is_empty() {
            return Ok(());
        }
        self.present = self
            .steps
            .iter()
            .filter(|step| step.kind == "table" && relation_exists(&step.name))
            .map(|step| step.name.clone())
            .collect();
        self.run(true)
    }

    /// What is added when the rows are back.
    pub fn after_rows(&mut self, counts: &[Count]) -> Outcome<()> {
        if self.steps.is_empty() {
            return Ok(());
        }
        self.check_emptied(counts)?;
        self.run(false)?;
        let _privileged = Privileged::begin();
        guard_triggers::adjust();
        Ok(())
    }

    /// A column whose values can't be converted back gets its type without them: every row's value is in the record, or
    /// the restore fails.
    fn empty(&mut self, step: Step) -> Outcome<()> {
        let Some((conversion, _)) = step.sql.split_once(" USING ") else {
            return execute(&step.sql).map_err(|failure| failed(&step, &failure));
        };
        let column = crate::pg::catalog::quoted(&step.name);
        let sql = format!(
            "ALTER TABLE {} ALTER COLUMN {column} DROP NOT NULL; {conversion} USING NULL",
            step.object
        );
        execute(&sql).map_err(|failure| failed(&step, &failure))?;
        self.emptied
            .push((step.relation.clone(), step.object.clone()));
        self.made.push(step);
        Ok(())
    }

    /// Whether every row of the columns that were emptied has its value back.
    fn check_emptied(&self, counts: &[Count]) -> Outcome<()> {
        for (relation, table) in &self.emptied {
            let of_table = counts.iter().filter(|count| count.relation == *relation);
            let back: i64 = of_table.map(|count| count.restored + count.unchanged).sum();
            let rows = rows_of(table);
            if rows != back {
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

    fn run(&mut self, before: bool) -> Outcome<()> {
        let steps: Vec<Step> = self
            .steps
            .iter()
            .filter(|step| step.before == before)
            .cloned()
            .collect();
        for step in steps {
            pgrx::check_for_interrupts!();
            if self.is_done(&step) {
                continue;
            }
            match execute(&step.sql) {
                Ok(()) => self.made.push(step),
                Err(_) if step.kind == "column type" => self.empty(step)?,
                Err(failure) if !before && failure.missing => warn(&step, &failure.message),
                Err(failure) => return Err(failed(&step, &failure)),
            }
        }
        Ok(())
    }

    /// Whether the step has nothing to do.
    fn is_done(&self, step: &Step) -> bool {
        if self.present.contains(&step.object) {
            return true;
        }
        // A column's settings belong to the column that this restore added.
        if step.operation == "DROP COLUMN"
            && matches!(
                step.kind.as_str(),
                "default" | "not null" | "identity" | "column settings"
            )
            && !self.made.iter().any(|made| {
                made.kind == "column" && made.object == step.object && made.name == step.name
            })
        {
            return true;
        }
        exists(step)
    }
}

/// Why a command failed.
struct Failure {
    message: String,
    detail: Option<String>,
    /// Something it names does not exist (any more).
    missing: bool,
}

/// Runs one command as a superuser, under no rule of ours, in a subtransaction.
fn execute(sql: &str) -> Result<(), Failure> {
    // SAFETY: an internal subtransaction, left by the same memory context and resource owner it was begun with.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _privileged = Privileged::begin();
            let _own = OwnWork::begin();
            // Functions and tables may name each other.
            pg_sys::set_config_option(
                c"check_function_bodies".as_ptr(),
                c"off".as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
            encoding::run(sql).unwrap_or_else(|error| pgrx::error!("{error}"));
        }));
        let result = match outcome {
            Ok(()) => {
                pg_sys::ReleaseCurrentSubTransaction();
                Ok(())
            }
            Err(panic) => {
                pg_sys::MemoryContextSwitchTo(context);
                pg_sys::RollbackAndReleaseCurrentSubTransaction();
                Err(failure(panic))
            }
        };
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        result
    }
}

fn failure(panic: Box<dyn std::any::Any + Send>) -> Failure {
    let Some(CaughtError::PostgresError(report) | CaughtError::ErrorReport(report)) =
        panic.downcast_ref::<CaughtError>()
    else {
        std::panic::resume_unwind(panic)
    };
    use PgSqlErrorCode::*;
    Failure {
        message: report.message().to_owned(),
        detail: report.detail().map(str::to_owned),
        missing: matches!(
            report.sql_error_code(),
            ERRCODE_UNDEFINED_TABLE
                | ERRCODE_UNDEFINED_OBJECT
                | ERRCODE_UNDEFINED_FUNCTION
                | ERRCODE_UNDEFINED_COLUMN
                | ERRCODE_INVALID_SCHEMA_NAME
        ),
    }
}

/// `trigger "touch" of "shop.users"`
fn words(step: &Step) -> String {
    match step.name == step.object {
        true => format!("{} \"{}\"", step.kind, step.name),
        false => format!("{} \"{}\" of \"{}\"", step.kind, step.name, step.object),
    }
}

fn warn(step: &Step, message: &str) {
    pgrx::warning!("{} was not brought back: {message}", words(step));
}

fn failed(step: &Step, failure: &Failure) -> Box<Report> {
    let detail = match &failure.detail {
        Some(detail) => format!("{}: {detail}", failure.message),
        None => format!("{}.", failure.message),
    };
    Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("cannot bring back {}", words(step)),
    )
    .detail(detail)
    .hint(
        "backstop.definition holds the commands, and backstop.preimage the rows: restore them by hand, or remove what \
         stands in the way.",
    )
}
