//! The drill: whether what is recorded can be put back.
//!
//! Every statement is restored for itself, in a subtransaction that is rolled back. A drill proves the record, not the
//! present: each value of each image is read back and each row that can go back is written, under the table's
//! constraints. That rows have changed since, or reference rows that another statement destroyed, is told but is no
//! failure, though `restore()` of that statement alone would refuse: what destroyed the others is restored first, or both by
//! `restore_since()`. A table that is gone, a damaged image, a value its type no longer accepts, a constraint made since are.

use super::{Done, OnConflict, Request, What, run};
use crate::pg::attempt::is_fatal_to_statement;
use crate::pg::values::RowText;
use crate::report::{Outcome, Report};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, Datum};
use pgrx::{PgSqlErrorCode, PgTryBuilder, Spi};
use std::panic::AssertUnwindSafe;

/// What is told of a record that is whole, where the present stands against it.
const ALONE: &str = "restoring this statement alone fails as things are";

/// What came of one statement.
pub struct Drilled {
    pub statement_id: i64,
    pub ok: bool,
    pub detail: String,
}

/// A recorded statement: its id and the rows it destroyed.
pub type Recorded = (i64, i64);

/// The statements recorded after `since`.
pub fn statements(since: i64) -> Vec<Recorded> {
    let found = Spi::connect_mut(|client| {
        // SAFETY: a timestamptz is its microseconds.
        let since = unsafe { DatumWithOid::new(Datum::from(since), pg_sys::TIMESTAMPTZOID) };
        let rows = client.update(
            "SELECT pg_catalog.array_agg(statement_id ORDER BY statement_id),
                    pg_catalog.array_agg(rows ORDER BY statement_id)
             FROM backstop.statement_log WHERE at > $1",
            None,
            &[since],
        )?;
        rows.first().get_two::<Vec<i64>, Vec<i64>>()
    });
    match found {
        Ok((ids, rows)) => ids
            .unwrap_or_default()
            .into_iter()
            .zip(rows.unwrap_or_default())
            .collect(),
        Err(error) => pgrx::error!("{error}"),
    }
}

/// Tries one statement.
pub fn drill((statement_id, rows): Recorded) -> Drilled {
    let request = Request {
        what: What::Statement(statement_id),
        dry_run: true,
        on_conflict: OnConflict::Skip,
        relations: None,
        collect: false,
        drill: true,
    };
    let tried = PgTryBuilder::new(AssertUnwindSafe(|| match run(request) {
        Ok(done) => judge(&done, rows),
        Err(report) => (false, in_a_line(&report)),
    }))
    .catch_others(failed)
    .execute();
    let (ok, detail) = match missing_sequences(statement_id) {
        Some(names) => (false, format!("{}; sequence {names} is gone", tried.1)),
        None => tried,
    };
    Drilled {
        statement_id,
        ok,
        detail,
    }
}

/// An error as a drill tells it.
pub(super) fn in_a_line(report: &Report) -> String {
    match &report.detail {
        Some(detail) => format!("{}: {detail}", report.message),
        None => report.message.clone(),
    }
}

fn judge(done: &Done, rows: i64) -> (bool, String) {
    let sum = |of: fn(&super::Count) -> i64| done.counts.iter().map(of).sum::<i64>();
    let (captured, restored) = (sum(|c| c.captured), sum(|c| c.restored));
    let (unchanged, conflicts) = (sum(|c| c.unchanged), sum(|c| c.conflicts));
    let met = restored + unchanged + conflicts;
    if captured != rows || met != rows {
        return (
            false,
            format!(
                "the record has images of {} of {rows} rows",
                met.min(captured)
            ),
        );
    }
    let mut detail = format!("{restored} of {rows} rows can be put back");
    for (count, what) in [
        (unchanged, "as they were already"),
        (conflicts, "changed since"),
    ] {
        if count > 0 {
            detail.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some(note) = &done.note {
        detail.push_str(&format!("; {ALONE}: {note}"));
    }
    (true, detail)
}

/// PostgreSQL's own errors: whoever cancels the drill ends it.
fn failed(error: CaughtError) -> (bool, String) {
    if is_fatal_to_statement(&error) {
        error.rethrow();
    }
    let (CaughtError::PostgresError(report)
    | CaughtError::ErrorReport(report)
    | CaughtError::RustPanic {
        ereport: report, ..
    }) = &error;
    match report.sql_error_code() {
        // A deferrable constraint: another row has taken a value since.
        PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION | PgSqlErrorCode::ERRCODE_EXCLUSION_VIOLATION => {
            (true, format!("{ALONE}: {}", report.message()))
        }
        _ => (false, report.message().to_owned()),
    }
}

/// Sequences that the statement moved and that are not there any more, dropped by a later statement.
fn missing_sequences(statement_id: i64) -> Option<String> {
    let found = Spi::connect(|client| {
        // SAFETY: a bigint argument.
        let id = unsafe { DatumWithOid::new(statement_id, pg_sys::INT8OID) };
        let rows = client.select(
            "SELECT pg_catalog.string_agg(DISTINCT sequence, ', ') FROM backstop.sequence_change
             WHERE statement_id = $1 AND operation <> 'DROP' AND pg_catalog.to_regclass(sequence) IS NULL",
            None,
            &[id],
        )?;
        rows.first().text(1)
    });
    found.unwrap_or_else(|error| pgrx::error!("{error}"))
}

/// Everything recorded after `since`, one statement after the other.
///
/// # Errors
/// When it is cancelled.
pub fn all(since: i64, mut each: impl FnMut(Drilled)) -> Outcome<()> {
    for recorded in statements(since) {
        crate::pg::memory::check();
        each(drill(recorded));
    }
    Ok(())
}
