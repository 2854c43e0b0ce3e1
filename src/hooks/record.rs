//! Statements that would change rows of the record or of the registry are refused before they start: no trigger that could be
//! disabled, no setting and no mode stands between.

use super::targets::modify_tables;
use crate::pg::{compat, raw};
use crate::record::append_only;
use crate::report::Outcome;
use pgrx::pg_sys;

/// Refuses a plan that updates or deletes rows of the record or of the registry.
///
/// # Safety
/// `planned` must be live.
pub unsafe fn stays(planned: *mut pg_sys::PlannedStmt) -> Outcome<()> {
    // SAFETY: the caller vouches for the plan; result relations are indexes into its range table.
    unsafe {
        for modify in modify_tables(planned) {
            if super::targets::operations(modify).is_empty() {
                continue;
            }
            for index in compat::int_list((*modify).resultRelations) {
                let entry =
                    raw::list_nth((*planned).rtable, index - 1) as *mut pg_sys::RangeTblEntry;
                if let Some(violation) = append_only::violation((*entry).relid) {
                    return Err(violation.into());
                }
            }
        }
    }
    Ok(())
}
