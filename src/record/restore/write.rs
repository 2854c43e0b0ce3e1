//! Writing restored rows, and recording that they were.

use super::engine::Engine;
use super::image::Image;
use crate::model::Operation;
use crate::pg::memory;
use crate::pg::slot::Slot;
use crate::record::portable::PortableOutput;
use crate::record::{image, write};
use crate::report::Outcome;
use pgrx::pg_sys::Datum;

impl Engine {
    /// Inserts the row in the leaf's slot and records it. `as_recorded`: it is the image's row, so its text can be
    /// recorded as it is. A unique value that is taken is an error, or, with `unless_taken`, the answer false.
    ///
    /// # Errors
    /// When a column added since has no value.
    ///
    /// # Safety
    /// The slot must hold a whole row.
    pub(super) unsafe fn insert(
        &mut self,
        image: Image,
        leaf: usize,
        as_recorded: bool,
        unless_taken: bool,
    ) -> Outcome<bool> {
        // SAFETY: the caller vouches for the slot.
        unsafe {
            self.targets[image.target].check_missing(image.shape)?;
            let place = &mut self.targets[image.target].leaves[leaf];
            if !place.insert(self.estate, unless_taken) {
                return Ok(false);
            }
            self.dirty = true;
            if self.request.dry_run {
                return Ok(true);
            }
            self.row.clear();
            let target = &self.targets[image.target];
            let shape = &target.shapes[image.shape];
            let place = &target.leaves[leaf];
            if as_recorded && !place.generated && place.format.is_named(&shape.columns) {
                if self.stands(image, leaf) {
                    return Ok(true);
                }
                memory::append(&mut self.row, image.body());
            } else {
                let _portable = place.format.session_dependent.then(PortableOutput::begin);
                image::values(&mut self.row, &place.format, place.slot.0, None);
                self.row.push(b']');
            }
            self.push(image, leaf, Operation::Insert);
        }
        Ok(true)
    }

    /// Writes the leaf's slot over its present row, whose `places` change, in another partition if need be.
    ///
    /// # Safety
    /// `present` must hold the row, locked, and the slot its new version.
    pub(super) unsafe fn write_over(
        &mut self,
        image: Image,
        leaf: usize,
        places: impl Iterator<Item = usize>,
    ) -> Outcome<()> {
        let estate = self.estate;
        // SAFETY: the caller vouches for both rows.
        unsafe {
            for place in places {
                self.targets[image.target].leaves[leaf].touched[place] = true;
            }
            self.remember_changed(image.target, leaf);
            let target = &mut self.targets[image.target];
            let mut into = leaf;
            if target.partitioned() {
                target.leaves[leaf].give(target.slot);
                into = target.route(estate)?;
            }
            let present = target.leaves[leaf].present;
            if into == leaf {
                let ours = present.written_by(self.xid);
                target.leaves[leaf].update(estate, ours);
            } else {
                target.leaves[leaf].delete();
                target.leaves[into].insert(estate, false);
                target.leaves[into].give(target.slot);
                target.leaves[leaf].take(target.slot);
            }
            self.dirty = true;
            let new = self.targets[image.target].leaves[leaf].slot;
            self.record(image, leaf, Operation::Update, present, Some(new));
        }
        Ok(())
    }

    /// Removes the leaf's present row.
    ///
    /// # Safety
    /// `present` must hold it, locked.
    pub(super) unsafe fn remove(&mut self, image: Image, leaf: usize) {
        // SAFETY: the caller vouches for the row.
        unsafe {
            self.remember_removed(image.target, leaf);
            let place = &mut self.targets[image.target].leaves[leaf];
            let present = place.present;
            place.delete();
            self.dirty = true;
            self.record(image, leaf, Operation::Delete, present, None);
        }
    }

    /// Records a row that was changed or removed.
    ///
    /// # Safety
    /// The slots must hold its versions in the leaf's shape.
    pub(super) unsafe fn record(
        &mut self,
        image: Image,
        leaf: usize,
        operation: Operation,
        old: Slot,
        new: Option<Slot>,
    ) {
        if self.request.dry_run {
            return;
        }
        let format = self.targets[image.target].leaves[leaf].format.clone();
        self.row.clear();
        // SAFETY: the caller vouches for the slots; all attributes are fetched.
        unsafe {
            let _portable = format.session_dependent.then(PortableOutput::begin);
            image::values(&mut self.row, &format, old.0, None);
            if let Some(new) = new {
                self.row.push(b',');
                image::changes(&mut self.row, &format, old.0, new.0, None);
            }
        }
        self.row.push(b']');
        self.push(image, leaf, operation);
    }

    /// Puts the encoded row into its buffer; a full buffer is written.
    fn push(&mut self, image: Image, leaf: usize, operation: Operation) {
        self.record_one_by_one(image.open, image.target);
        let target = &self.targets[image.target];
        let format = &target.leaves[leaf].format;
        let ordinal = self.root.next_ordinal;
        self.root.next_ordinal += 1;
        self.root.level(self.nest).tally(&target.name, operation);
        let buffer = self.root.buffer(self.nest, format, operation, None);
        buffer.push(ordinal, &self.row);
        let full = buffer.is_full();
        write::spill(&mut self.root, self.nest, full);
    }

    /// The columns that the record doesn't have stay as the present row has them; the places of the others.
    ///
    /// # Safety
    /// The leaf's slot and `present` must hold rows.
    pub(super) unsafe fn keep_unrecorded(&mut self, image: Image, leaf: usize) -> Vec<usize> {
        let target = &self.targets[image.target];
        let (place, shape) = (&target.leaves[leaf], &target.shapes[image.shape]);
        let mut recorded = Vec::new();
        for n in 0..place.slot.width() {
            if place.in_target(n).is_some_and(|of| shape.has(of)) {
                recorded.push(n);
            } else {
                // SAFETY: the caller vouches for the rows, which have the same shape.
                unsafe { place.slot.set(n, place.present.get(n)) };
            }
        }
        recorded
    }

    /// Whether a unique value that goes back has been taken by another row.
    ///
    /// # Safety
    /// The leaf's slot must hold the row's new version, `present` the present one.
    pub(super) unsafe fn collides(
        &self,
        image: Image,
        leaf: usize,
        changes: &[(usize, Option<Datum>)],
    ) -> bool {
        let place = &self.targets[image.target].leaves[leaf];
        place.arbiters.iter().any(|arbiter| {
            let concerned = arbiter.places.is_empty()
                || changes.iter().any(|(n, _)| arbiter.places.contains(n));
            // SAFETY: the caller vouches for the slot.
            concerned
                && unsafe { place.in_the_way(self.estate, Some(arbiter)) }
                    .is_some_and(|tid| !same(&tid, &place.present.tid()))
        })
    }
}

pub(super) fn same(a: &pgrx::pg_sys::ItemPointerData, b: &pgrx::pg_sys::ItemPointerData) -> bool {
    a.ip_posid == b.ip_posid
        && a.ip_blkid.bi_hi == b.ip_blkid.bi_hi
        && a.ip_blkid.bi_lo == b.ip_blkid.bi_lo
}
