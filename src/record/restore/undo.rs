//! What the image of a changed row takes to undo, and when the present state stands against it; of rows that were removed
//! or put back: `put_back`.

use super::engine::Engine;
use super::image::{Fate, Image};
use crate::report::Outcome;

impl Engine {
    /// An UPDATE: the columns it changed go back, the others stay as they are now. So do columns that DDL dropped or
    /// converted: any other value than the old one is what the conversion made of it. Where a dropped column was, it left
    /// nothing: what is there now, if this restore did not bring that column back, is somebody's.
    ///
    /// # Safety
    /// In the per-row memory context.
    pub(super) unsafe fn undo_update(&mut self, image: Image) -> Outcome<()> {
        let inherited = self.inherit(image);
        // SAFETY: the caller vouches for the context.
        unsafe {
            if self.request.drill {
                // The columns that it did not change must be readable too.
                self.fill(image)?;
            }
            let Some(leaf) = self.find_updated(image)? else {
                if self.overwrites() {
                    self.reinsert(image)?;
                    return self.settle(image, inherited, Fate::Overwritten, None);
                }
                // A row without a key that has its old values already cannot be found by the new ones.
                let fate = match self.find_old_without_key(image)? {
                    true => Fate::Unchanged,
                    false => Fate::Conflict,
                };
                return self.settle(image, inherited, fate, None);
            };
            if self.unconverted && self.converted {
                let fate = self.fate_as_it_is(image, leaf, inherited.as_ref())?;
                return self.settle(image, inherited, fate, Some(leaf));
            }
            let (as_left, as_before, changes) = self.compare(image, leaf, inherited.as_ref())?;
            if changes.is_empty() {
                // It says nothing about the row: what later images said of it stays.
                let Some(fate) = inherited.as_ref().map(|later| later.fate) else {
                    self.add(image.count, Fate::Unchanged, 1);
                    return Ok(());
                };
                return self.settle(image, inherited, fate, Some(leaf));
            }
            let present = self.targets[image.target].leaves[leaf].present;
            let as_converted = self.converted
                && !self.theirs
                && self.is_as_converted(image, inherited.as_ref())
                && self.has_kept_values(image);
            let undisputed = inherited.is_none() && !self.theirs;
            let back = self.back && undisputed && (as_converted || !self.converted);
            if as_before && self.converted && self.is_overridden(image) {
                // The conversion has put the recorded values over later ones.
                let fate = match self.overwrites() {
                    true => Fate::Overwritten,
                    false => Fate::Conflict,
                };
                return self.settle(image, inherited, fate, Some(leaf));
            }
            if as_before && back {
                // The column came back with it: nothing was found unchanged, and earlier images go on from here.
                return self.settle(image, None, Fate::Restored, None);
            }
            if as_before && self.converted && inherited.is_none() {
                // The conversion changed nothing of the row, and says nothing of it: earlier images go on from here.
                self.add(image.count, Fate::Unchanged, 1);
                return Ok(());
            }
            let mut fate = if self.converted && as_before {
                Fate::Unchanged
            } else if as_converted || back || (as_left && inherited.is_none() && !self.converted) {
                Fate::Restored
            } else if as_before {
                Fate::Unchanged
            } else if self.overwrites() {
                Fate::Overwritten
            } else {
                Fate::Conflict
            };
            if matches!(fate, Fate::Unchanged | Fate::Conflict) {
                return self.settle(image, inherited, fate, Some(leaf));
            }
            let row = self.targets[image.target].leaves[leaf].slot;
            row.start();
            for place in 0..row.width() {
                row.set(place, present.get(place));
            }
            for (place, value) in &changes {
                row.set(*place, *value);
            }
            row.store();
            if self.unplaced {
                let target = &self.targets[image.target];
                target.leaves[leaf].give(target.slot);
                if self.is_unplaced(image)? {
                    if self.overwrites() {
                        return Err(self.no_partition(image));
                    }
                    return self.settle(image, inherited, Fate::Conflict, Some(leaf));
                }
                let target = &self.targets[image.target];
                target.leaves[leaf].take(target.slot);
            }
            if !self.overwrites() && self.collides(image, leaf, &changes) {
                return self.settle(image, inherited, Fate::Conflict, Some(leaf));
            }
            if self.overwrites() && self.displace(image, leaf, &changes)? {
                fate = Fate::Overwritten;
            }
            self.write_over(image, leaf, changes.iter().map(|(place, _)| *place))?;
            self.settle(image, inherited, fate, Some(leaf))
        }
    }

    /// The whole row of the image in its leaf's slot, columns added since with their defaults.
    ///
    /// # Safety
    /// In the per-row memory context.
    pub(super) unsafe fn fill_whole(&mut self, image: Image) -> Outcome<usize> {
        let estate = self.estate;
        // SAFETY: the caller vouches for the context.
        unsafe {
            self.fill(image)?;
            let target = &mut self.targets[image.target];
            if !target.shapes[image.shape].missing.is_empty() {
                let missing = target.shapes[image.shape].missing.clone();
                target.add_defaults(&missing, estate, self.request.dry_run);
            }
            if self.is_unplaced(image)? {
                return Err(self.no_partition(image));
            }
            self.targets[image.target].route(estate)
        }
    }

    /// Writes the whole row of the image, which is in the leaf's slot, over the present one.
    ///
    /// # Safety
    /// As for `write_over`.
    pub(super) unsafe fn write_whole(&mut self, image: Image, leaf: usize) -> Outcome<()> {
        // SAFETY: the caller vouches for both rows.
        unsafe {
            let places = self.keep_unrecorded(image, leaf);
            self.write_over(image, leaf, places.into_iter())
        }
    }

    /// A row that an UPDATE left and that is gone: its pre-image is put back whole, over the row that has its key by now.
    ///
    /// # Safety
    /// In the per-row memory context.
    unsafe fn reinsert(&mut self, image: Image) -> Outcome<()> {
        // SAFETY: the caller vouches for the context.
        unsafe {
            let leaf = self.fill_whole(image)?;
            self.make_visible();
            let target = &self.targets[image.target];
            let identity = target.leaves[leaf].has_identity(&target.shapes[image.shape]);
            if identity && self.find_by_index(image.target, leaf) {
                return self.write_whole(image, leaf);
            }
            self.insert(image, leaf, false, false)?;
        }
        Ok(())
    }

    /// # Safety
    /// In the per-row memory context.
    unsafe fn find_old_without_key(&mut self, image: Image) -> Outcome<bool> {
        let target = &self.targets[image.target];
        let keyed = target
            .leaves
            .iter()
            .all(|leaf| leaf.has_identity(&target.shapes[image.shape]));
        if keyed {
            return Ok(false);
        }
        // SAFETY: the caller vouches for the context.
        unsafe {
            self.fill(image)?;
            Ok(self.find_whole(image)?.is_some())
        }
    }
}
