//! restore, restore_since, restore_conflicts and restore_drill.

use super::arguments;
use crate::pg::catalog;
use crate::pg::function::{Call, Rows};
use crate::record::datum;
use crate::record::datum::jsonb;
use crate::record::restore::{self, OnConflict, Request, What, drill};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::IntoDatum;
use pgrx::datum::Interval;
use pgrx::pg_sys::{self, Datum};

crate::sql_function!(
    pg_finfo_backstop_restore,
    backstop_restore,
    restore_statement
);
crate::sql_function!(
    pg_finfo_backstop_restore_since,
    backstop_restore_since,
    restore_since
);
crate::sql_function!(
    pg_finfo_backstop_restore_conflicts,
    backstop_restore_conflicts,
    restore_conflicts
);

crate::sql_function!(
    pg_finfo_backstop_restore_drill,
    backstop_restore_drill,
    restore_drill
);

unsafe fn restore_statement(call: Call) -> Outcome<Datum> {
    arguments::not_on_standby(c"backstop.restore()");
    arguments::not_in_expendable("restore")?;
    // SAFETY: the types of the SQL declaration, which RETURNS TABLE.
    unsafe {
        let request = Request {
            what: What::Statement(arguments::required(call, 0, "statement_id")?),
            dry_run: arguments::required(call, 1, "dry_run")?,
            on_conflict: on_conflict(call, 2)?,
            relations: arguments::texts(call, 3, "relations")?,
            collect: false,
            drill: false,
        };
        counted(call, request)
    }
}

unsafe fn restore_since(call: Call) -> Outcome<Datum> {
    arguments::not_on_standby(c"backstop.restore_since()");
    arguments::not_in_expendable("restore_since")?;
    // SAFETY: the types of the SQL declaration, which RETURNS TABLE.
    unsafe {
        let at: pgrx::datum::TimestampWithTimeZone = arguments::required(call, 0, "at")?;
        not_to_come(at.into())?;
        let request = Request {
            what: What::Since(at.into()),
            relations: arguments::texts(call, 1, "relations")?,
            dry_run: arguments::required(call, 2, "dry_run")?,
            on_conflict: on_conflict(call, 3)?,
            collect: false,
            drill: false,
        };
        counted(call, request)
    }
}

/// Refuses a moment that is still to come: nothing happened since, and who gives one has mistaken the time zone.
///
/// # Errors
/// When it is later than the server's clock.
fn not_to_come(at: i64) -> Outcome<()> {
    // SAFETY: reads the clock; the setting exists in every version, missing_ok.
    let (now, zone) = unsafe {
        let zone = pg_sys::GetConfigOption(c"TimeZone".as_ptr(), true, false);
        (
            pg_sys::GetCurrentTimestamp(),
            catalog::owned(zone).unwrap_or_default(),
        )
    };
    // Nothing is later than infinity, which nobody mistakes.
    if at <= now || at == i64::MAX {
        return Ok(());
    }
    Err(Report::new(
        sqlstate::INVALID_PARAMETER,
        format!(
            "argument \"at\" is a moment that is still to come: {}",
            restore::shown(at)
        ),
    )
    .hint(format!(
        "It is {} now, and this session's TimeZone is {zone}: write the moment with its own zone, as in '2026-11-21 \
         09:30+01'.",
        restore::shown(now)
    )))
}

/// What to do with a conflict.
///
/// # Safety
/// Argument `n` must be declared text.
pub unsafe fn on_conflict(call: Call, n: usize) -> Outcome<OnConflict> {
    // SAFETY: the caller vouches for the type.
    let word: String = unsafe { arguments::required(call, n, "on_conflict")? };
    let words = ["abort", "skip", "overwrite"];
    Ok(match arguments::word(&word, "on_conflict", &words)? {
        "skip" => OnConflict::Skip,
        "overwrite" => OnConflict::Overwrite,
        _ => OnConflict::Abort,
    })
}

/// Restores, and returns what came of it by relation and operation.
///
/// # Safety
/// The function must be declared RETURNS TABLE with the columns of `restore`.
unsafe fn counted(call: Call, request: Request) -> Outcome<Datum> {
    // SAFETY: the caller vouches for the declaration.
    let mut rows = unsafe { Rows::new(call) };
    for count in restore::run(request)?.counts {
        rows.push(vec![
            Some(datum::string(&count.relation)),
            Some(datum::string(&count.operation)),
            Some(Datum::from(count.captured)),
            Some(Datum::from(count.restored)),
            Some(Datum::from(count.unchanged)),
            Some(Datum::from(count.conflicts)),
        ]);
    }
    Ok(call.null())
}

unsafe fn restore_conflicts(call: Call) -> Outcome<Datum> {
    arguments::not_on_standby(c"backstop.restore_conflicts()");
    // SAFETY: the types of the SQL declaration, which RETURNS TABLE.
    let (statement_id, mut rows) = unsafe {
        (
            arguments::required(call, 0, "statement_id")?,
            Rows::new(call),
        )
    };
    let done = restore::run(Request {
        what: What::Statement(statement_id),
        dry_run: true,
        on_conflict: OnConflict::Skip,
        relations: None,
        collect: true,
        drill: false,
    })?;
    for conflict in done.conflicts {
        let json = |text: &Option<Vec<u8>>| text.as_deref().map(jsonb);
        rows.push(vec![
            Some(datum::string(&conflict.relation)),
            json(&conflict.key),
            json(&conflict.old_row),
            json(&conflict.left_as),
            json(&conflict.current_row),
        ]);
    }
    Ok(call.null())
}

unsafe fn restore_drill(call: Call) -> Outcome<Datum> {
    arguments::not_on_standby(c"backstop.restore_drill()");
    // SAFETY: the type of the SQL declaration, which RETURNS TABLE; PostgreSQL's own subtraction.
    let (cutoff, mut rows) = unsafe {
        let since: Interval = arguments::required(call, 0, "since")?;
        let now = pg_sys::GetCurrentTimestamp();
        let cutoff = pgrx::direct_function_call::<i64>(
            pg_sys::timestamptz_mi_interval,
            &[Some(Datum::from(now)), since.into_datum()],
        );
        (cutoff.unwrap_or(now), Rows::new(call))
    };
    drill::all(cutoff, |drilled| {
        rows.push(vec![
            Some(Datum::from(drilled.statement_id)),
            Some(Datum::from(drilled.ok)),
            Some(datum::string(&drilled.detail)),
        ]);
    })?;
    Ok(call.null())
}
