//! Rows whose partition was detached or dropped since.
//!
//! PostgreSQL leads a row to its partition, or raises an error. Asking first costs each row the checks of all partitions, so
//! a restore asks only when it has met that error: it is rolled back, and done again.

use super::engine::Engine;
use super::image::Image;
use super::leaf::Leaf;
use super::target::Target;
use crate::pg::acting::ActingAs;
use crate::pg::encoding;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use std::any::Any;

/// Whether what a restore ended with may be that a row has no partition.
pub(super) fn may_lack_partition(panic: &(dyn Any + Send)) -> bool {
    let Some(CaughtError::PostgresError(error) | CaughtError::ErrorReport(error)) =
        panic.downcast_ref::<CaughtError>()
    else {
        return false;
    };
    error.sql_error_code() == PgSqlErrorCode::ERRCODE_CHECK_VIOLATION
}

impl Target {
    /// Whether the table, or one of its partitions, takes the row in `slot`.
    ///
    /// # Safety
    /// `estate` must be the one the target was opened with; the slot must hold the row as far as it is known.
    pub(super) unsafe fn takes(&mut self, estate: *mut pg_sys::EState) -> Outcome<bool> {
        // SAFETY: the caller vouches for the estate and the slot.
        Ok(!self.partitioned() || unsafe { self.asked(estate)? }.is_some())
    }

    /// The leaf that takes the row in `slot`.
    ///
    /// # Safety
    /// As for `takes`.
    unsafe fn asked(&mut self, estate: *mut pg_sys::EState) -> Outcome<Option<usize>> {
        // SAFETY: the caller vouches for the estate and the slot.
        unsafe {
            for n in 0..self.all_leaves(estate)? {
                let leaf = &self.leaves[n];
                leaf.take(self.slot);
                let (info, slot) = (leaf.info, leaf.slot.0);
                let _acting = self.asking(leaf);
                let takes = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                    pg_sys::ExecPartitionCheck(info, slot, estate, false)
                });
                if takes {
                    return Ok(Some(n));
                }
            }
        }
        Ok(None)
    }

    /// What partitions are told by is the table's, or that of partitions which are partitioned themselves: those do not get
    /// a superuser's rights.
    fn asking(&self, leaf: &Leaf) -> ActingAs {
        // SAFETY: both relations are open, and so their pg_class rows are in memory. A syscache look-up.
        unsafe {
            let owner = (*(*self.relation.0).rd_rel).relowner;
            match pg_sys::superuser_arg(owner) {
                true => ActingAs::owner_of(leaf.relation.0),
                false => ActingAs::restricted(owner),
            }
        }
    }

    /// The leaf that the row in `slot` belongs to, where partitions have several owners: PostgreSQL's routing opens a
    /// partition's indexes, and simplifies their predicates, as whoever it runs as. A leaf has been opened as its owner.
    ///
    /// # Safety
    /// As for `takes`.
    pub(super) unsafe fn route_by_asking(&mut self, estate: *mut pg_sys::EState) -> Outcome<usize> {
        // SAFETY: the caller vouches for both.
        if let Some(leaf) = unsafe { self.asked(estate)? } {
            return Ok(leaf);
        }
        // As PostgreSQL has it: see `may_lack_partition`.
        pgrx::ereport!(
            ERROR,
            PgSqlErrorCode::ERRCODE_CHECK_VIOLATION,
            format!("no partition of relation \"{}\" found for row", self.name)
        );
    }
}

impl Engine {
    /// Whether the row in the target's slot has no partition any more.
    ///
    /// # Safety
    /// As for `Target::takes`, in the per-row memory context.
    pub(super) unsafe fn is_unplaced(&mut self, image: Image) -> Outcome<bool> {
        let estate = self.estate;
        // SAFETY: the caller vouches for the slot.
        self.nowhere = self.unplaced && unsafe { !self.targets[image.target].takes(estate)? };
        Ok(self.nowhere)
    }

    /// The image's row cannot be put back.
    pub(super) fn no_partition(&self, image: Image) -> Box<Report> {
        let target = &self.targets[image.target];
        let key = self.key_json(image).or_else(|| self.old_json(image));
        Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!("no partition of table \"{}\" takes a recorded row", target.name),
        )
        .detail(format!(
            "Row {} belongs into a partition that is gone.",
            encoding::decode(&key.unwrap_or_default())
        ))
        .hint(
            "Attach the partition again, or make one that takes the row; on_conflict => 'skip' leaves such rows out.",
        )
    }
}
