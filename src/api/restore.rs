//! restore and restore_conflicts.

use super::arguments;
use crate::pg::function::{Call, Rows};
use crate::record::datum;
use crate::record::restore::{self, OnConflict, Request};
use crate::record::write::jsonb;
use crate::report::Outcome;
use pgrx::pg_sys::Datum;

crate::sql_function!(
    pg_finfo_backstop_restore,
    backstop_restore,
    restore_statement
);
crate::sql_function!(
    pg_finfo_backstop_restore_conflicts,
    backstop_restore_conflicts,
    restore_conflicts
);

unsafe fn restore_statement(call: Call) -> Outcome<Datum> {
    // SAFETY: the types of the SQL declaration.
    let request = unsafe {
        let word = arguments::required::<String>(call, 2, "on_conflict")?;
        Request {
            statement_id: arguments::required(call, 0, "statement_id")?,
            dry_run: arguments::required(call, 1, "dry_run")?,
            on_conflict: match arguments::word(
                &word,
                "on_conflict",
                &["abort", "skip", "overwrite"],
            )? {
                "skip" => OnConflict::Skip,
                "overwrite" => OnConflict::Overwrite,
                _ => OnConflict::Abort,
            },
            relations: arguments::texts(call, 3, "relations")?,
            collect: false,
        }
    };
    // SAFETY: declared RETURNS TABLE.
    let mut rows = unsafe { Rows::new(call) };
    for count in restore::run(request)?.counts {
        rows.push(vec![
            Some(datum::text(count.relation.as_bytes())),
            Some(datum::text(count.operation.as_bytes())),
            Some(Datum::from(count.captured)),
            Some(Datum::from(count.restored)),
            Some(Datum::from(count.unchanged)),
            Some(Datum::from(count.conflicts)),
        ]);
    }
    Ok(call.null())
}

unsafe fn restore_conflicts(call: Call) -> Outcome<Datum> {
    // SAFETY: the types of the SQL declaration, which RETURNS TABLE.
    let (statement_id, mut rows) = unsafe {
        (
            arguments::required(call, 0, "statement_id")?,
            Rows::new(call),
        )
    };
    let done = restore::run(Request {
        statement_id,
        dry_run: true,
        on_conflict: OnConflict::Skip,
        relations: None,
        collect: true,
    })?;
    for conflict in done.conflicts {
        let json = |text: &Option<Vec<u8>>| text.as_deref().map(jsonb);
        rows.push(vec![
            Some(datum::text(conflict.relation.as_bytes())),
            json(&conflict.key),
            json(&conflict.old_row),
            json(&conflict.left_as),
            json(&conflict.current_row),
        ]);
    }
    Ok(call.null())
}
