//! prune.

use super::arguments;
use crate::pg::function::Call;
use crate::record::prune;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::datum::Interval;
use pgrx::pg_sys::{self, Datum};
use pgrx::{IntoDatum, Spi};

crate::sql_function!(pg_finfo_backstop_prune, backstop_prune, prune_record);

unsafe fn prune_record(call: Call) -> Outcome<Datum> {
    arguments::not_on_standby(c"backstop.prune()");
    // SAFETY: the types of the SQL declaration.
    let (keep, limit) = unsafe {
        (
            arguments::required::<Interval>(call, 0, "keep")?,
            call.arg::<i64>(1),
        )
    };
    // SAFETY: PostgreSQL's own subtraction. From the transaction's start: its own statements are never old.
    let (now, cutoff) = unsafe {
        let now = pg_sys::GetCurrentTransactionStartTimestamp();
        let cutoff = pgrx::direct_function_call::<i64>(
            pg_sys::timestamptz_mi_interval,
            &[Some(Datum::from(now)), keep.into_datum()],
        );
        (now, cutoff.unwrap_or(now))
    };
    if cutoff > now {
        return Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            "argument \"keep\" must not be negative",
        )
        .hint("SELECT backstop.prune(interval '90 days') keeps the last 90 days."));
    }
    if let Some(limit) = limit.filter(|limit| *limit < 1) {
        return Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            format!("argument \"max_statements\" must be positive: {limit}"),
        ));
    }
    let pruned = prune::prune(cutoff, limit)?;
    prune::rejections(cutoff);
    prune_requests(keep)?;
    Ok(Datum::from(pruned))
}

/// Settled requests go with the statements of their time.
fn prune_requests(keep: Interval) -> Outcome<()> {
    Spi::run_with_args("SELECT backstop.prune_requests($1)", &[keep.into()])
        .map_err(|error| Report::new(sqlstate::NOT_IN_PREREQUISITE_STATE, error.to_string()))
}
