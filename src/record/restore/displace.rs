//! A row that goes back to a key which another row has by now.

use super::engine::Engine;
use super::find::fetch;
use super::image::Image;
use super::write::same;
use crate::model::Operation;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;
use pgrx::pg_sys::panic::CaughtError;
use std::any::Any;

/// What a restore that overwrites ended with, if it is that another row holds a unique value which is to go back: what to
/// do about that row.
pub(super) fn held_by_another(panic: &(dyn Any + Send)) -> Option<Box<Report>> {
    let Some(CaughtError::PostgresError(error) | CaughtError::ErrorReport(error)) =
        panic.downcast_ref::<CaughtError>()
    else {
        return None;
    };
    let sqlstate = match error.sql_error_code() {
        PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION => sqlstate::UNIQUE_VIOLATION,
        PgSqlErrorCode::ERRCODE_EXCLUSION_VIOLATION => sqlstate::EXCLUSION_VIOLATION,
        _ => return None,
    };
    Some(
        Report::new(sqlstate, error.message())
            .detail(error.detail().unwrap_or_default())
            .hint(
                "on_conflict => 'overwrite' overwrites the row with the same key, and no other one: change or remove the row \
                 that stands in the way first, or leave out what cannot go back with on_conflict => 'skip'.",
            ),
    )
}

impl Engine {
    /// Removes the row that has the key to which the leaf's row goes back, and records that; whether there was one.
    ///
    /// To who asks for `overwrite`, a row is its key: what stands under it now is that row changed. A row that has taken
    /// another unique value is not this restore's to remove: PostgreSQL's own error names the constraint. Where the key is
    /// deferrable, the other row may be one that an earlier image moves away again: it is left to the check at the end.
    ///
    /// # Safety
    /// `present` must hold the row, locked, and the leaf's slot its new version, in which `changes` are.
    pub(super) unsafe fn displace(
        &mut self,
        image: Image,
        leaf: usize,
        changes: &[(usize, Option<Datum>)],
    ) -> Outcome<bool> {
        let estate = self.estate;
        let target = &mut self.targets[image.target];
        let moves = target.leaves[leaf].identity.as_ref().is_some_and(|key| {
            !key.deferrable && changes.iter().any(|(place, _)| key.places.contains(place))
        });
        if !moves {
            return Ok(false);
        }
        // SAFETY: the caller vouches for both rows. The new version keeps its values when `present` takes another row, and
        // `present` gets its own back: nobody can have changed it, it is locked.
        unsafe {
            let (slot, present) = (target.leaves[leaf].slot, target.leaves[leaf].present);
            let own = present.tid();
            slot.keep();
            let mut into = leaf;
            if target.partitioned() {
                target.leaves[leaf].give(target.slot);
                into = target.route(estate)?;
                if into != leaf {
                    target.leaves[into].take(target.slot);
                }
            }
            self.make_visible();
            let mut displaced = false;
            if self.find_by_index(image.target, into) {
                let place = &mut self.targets[image.target].leaves[into];
                let other = place.present;
                displaced = into != leaf || !same(&other.tid(), &own);
                if displaced {
                    self.remember_removed(image.target, into);
                    self.targets[image.target].leaves[into].delete();
                    self.dirty = true;
                    self.record(image, into, Operation::Delete, other, None);
                    self.make_visible();
                }
            }
            fetch(
                self.targets[image.target].leaves[leaf].relation.0,
                own,
                present,
            );
            Ok(displaced)
        }
    }
}
