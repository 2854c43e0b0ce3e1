//! restore_sequence.

use super::{arguments, restore::on_conflict};
use crate::pg::function::{Call, Rows};
use crate::record::datum;
use crate::record::restore::OnConflict;
use crate::report::Outcome;
use crate::sequence::restore::{self, Fate};
use pgrx::pg_sys::Datum;

crate::sql_function!(
    pg_finfo_backstop_restore_sequence,
    backstop_restore_sequence,
    restore_sequence
);

unsafe fn restore_sequence(call: Call) -> Outcome<Datum> {
    arguments::not_on_standby(c"backstop.restore_sequence()");
    // SAFETY: the types of the SQL declaration, which RETURNS TABLE.
    let (statement_id, dry_run, on_conflict, mut rows) = unsafe {
        (
            arguments::required(call, 0, "statement_id")?,
            arguments::required(call, 1, "dry_run")?,
            if call.has(2) {
                on_conflict(call, 2)?
            } else {
                OnConflict::Abort
            },
            Rows::new(call),
        )
    };
    for moved in restore::restore(statement_id, dry_run, on_conflict)? {
        let outcome = match moved.fate {
            Fate::Unchanged => "unchanged",
            Fate::Restored if dry_run => "restorable",
            Fate::Restored => "restored",
            Fate::Conflict => "conflict",
            Fate::Overwritten => "overwritten",
        };
        rows.push(vec![
            Some(datum::string(&moved.name)),
            moved.present.map(|present| Datum::from(present.value)),
            moved.present.map(|present| Datum::from(present.is_called)),
            Some(Datum::from(moved.old.value)),
            Some(Datum::from(moved.old.is_called)),
            Some(datum::string(outcome)),
        ]);
    }
    Ok(call.null())
}
