//! Rows on their way back whose values of a column cannot be read yet: they were recorded in a type that the column has
//! no more, its former one being back. The conversion's own images, which are undone later, have the values of the former
//! type; until then the column is NULL, whatever constraints say, and nothing of the row is recorded.

use super::converted::Loose;
use super::engine::Engine;
use super::image::Image;
use crate::model::Operation;
use crate::pg::memory;
use crate::report::{Outcome, Report};
use pgrx::pg_sys::{self, Datum};
use std::collections::HashMap;

/// The rows, by their keys, and why the first of them could not be read.
#[derive(Default)]
pub(super) struct Held {
    rows: HashMap<Vec<u8>, ()>,
    why: Option<Box<Report>>,
}

impl Engine {
    /// Inserts the leaf's row, of which `why` could not be read.
    ///
    /// # Errors
    /// When nothing tells the row from others: its values would never find it.
    ///
    /// # Safety
    /// As for `insert`.
    pub(super) unsafe fn insert_held(
        &mut self,
        image: Image,
        leaf: usize,
        unless_taken: bool,
        why: Box<Report>,
    ) -> Outcome<bool> {
        let Some(key) = self.row_key(image, false) else {
            return Err(why);
        };
        let estate = self.estate;
        let place = &mut self.targets[image.target].leaves[leaf];
        let constraints = std::mem::replace(&mut place.constraints, false);
        // SAFETY: the caller vouches for the slot.
        let inserted = unsafe { place.insert(estate, unless_taken) };
        place.constraints = constraints;
        if inserted {
            self.dirty = true;
            memory::room_for_entry(&mut self.held.rows);
            self.held.rows.insert(key, ());
            self.held.why.get_or_insert(why);
        } else {
            self.unread = Some(why);
        }
        Ok(inserted)
    }

    /// Puts the leaf's row, which cannot be read in full, in the place of its present one.
    ///
    /// # Safety
    /// `present` must hold the row, locked, and the slot its new version.
    pub(super) unsafe fn replace_by_held(&mut self, image: Image, leaf: usize) -> Outcome<()> {
        // SAFETY: the caller vouches for the rows.
        unsafe {
            self.remove(image, leaf);
            self.make_visible();
            self.insert(image, leaf, false, false)?;
        }
        Ok(())
    }

    /// Removes the leaf's present row.
    ///
    /// # Safety
    /// `present` must hold it, locked.
    pub(super) unsafe fn remove(&mut self, image: Image, leaf: usize) {
        let key = self.row_key(image, false);
        let held = key.is_some_and(|key| self.held.rows.remove(&key).is_some());
        // SAFETY: the caller vouches for the row.
        unsafe {
            self.remember_removed(image.target, leaf);
            let place = &mut self.targets[image.target].leaves[leaf];
            let present = place.present;
            place.delete();
            self.dirty = true;
            if !held {
                self.record(image, leaf, Operation::Delete, present, None);
            }
        }
    }

    /// Whether the row that the image left is held.
    pub(super) fn is_held(&self, image: Image) -> bool {
        let held = |key| self.held.rows.contains_key(&key);
        !self.held.rows.is_empty() && self.row_key(image, true).is_some_and(held)
    }

    /// Lets go of the row that the image left, or holds it under the key it had before.
    pub(super) fn pass_on(&mut self, image: Image, go: bool) {
        if let Some(key) = self.row_key(image, true) {
            self.held.rows.remove(&key);
        }
        if let (false, Some(key)) = (go, self.row_key(image, false)) {
            memory::room_for_entry(&mut self.held.rows);
            self.held.rows.insert(key, ());
        }
    }

    /// # Errors
    /// When a row never got its values: it was entered after the conversion.
    pub(super) fn check_held(&mut self) -> Outcome<()> {
        match self.held.why.take() {
            Some(why) if !self.held.rows.is_empty() => Err(why),
            _ => Ok(()),
        }
    }

    /// The image's columns whose recorded values may be of another type.
    pub(super) fn loose(&self, image: Image) -> Loose {
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        // Without its key a row is not to be found again.
        Loose::of(&self.converted_before, &target.recorded, &shape.columns)
            .but_not_before(shape.key_count)
    }
}

/// Reads a value, and can go on when it could not be read.
///
/// # Safety
/// As for `read` itself.
pub(super) unsafe fn tried(
    read: impl FnOnce() -> Outcome<Option<Datum>>,
) -> Outcome<Option<Datum>> {
    // SAFETY: an internal subtransaction, left by the same memory context and resource owner it was begun with; other
    // errors than those that `read` returns end the restore's own.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = read();
        pg_sys::MemoryContextSwitchTo(context);
        match &outcome {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        outcome
    }
}
