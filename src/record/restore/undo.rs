//! What each kind of image takes to undo, and when the present state stands against it.

use super::What;
use super::converted::Loose;
use super::engine::Engine;
use super::find::fetch;
use super::image::{Fate, Image};
use super::reverted::restored_before;
use super::source::Order;
use crate::report::Outcome;

impl Engine {
    /// An UPDATE: the columns it changed go back, the others stay as they are now. So do columns that DDL dropped or
    /// converted: any other value than the old one is what the conversion made of it.
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
            self.unread = None;
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
            let as_converted = self.converted && self.is_as_converted(image, inherited.as_ref());
            let back = self.back && inherited.is_none() && (as_converted || !self.converted);
            let held = self.converted && self.is_held(image);
            if as_before && back && !held {
                // The column came back with it: nothing was found unchanged, and earlier images go on from here.
                return self.settle(image, None, Fate::Restored, None);
            }
            let mut fate = if held {
                Fate::Restored
            } else if self.converted && as_before {
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

    /// A DELETE: the row comes back.
    ///
    /// # Safety
    /// In the per-row memory context.
    pub(super) unsafe fn undo_delete(&mut self, image: Image) -> Outcome<()> {
        let inherited = self.inherit(image);
        // SAFETY: the caller vouches for the context.
        unsafe {
            let leaf = self.fill_whole(image)?;
            let estate = self.estate;
            let target = &self.targets[image.target];
            let identity = target.leaves[leaf].has_identity(&target.shapes[image.shape]);
            let deferrable = identity
                && target.leaves[leaf]
                    .identity
                    .as_ref()
                    .is_some_and(|i| i.deferrable);
            let keyless = !identity && target.leaves[leaf].arbiters.is_empty();
            if keyless && !self.overwrites() && self.restored_before() {
                // Nothing tells the row from one like it: what an earlier restore put back must not come back twice.
                self.back_before = true;
                return self.settle(image, inherited, Fate::Conflict, None);
            }
            let complete = self.targets[image.target]
                .check_missing(image.shape)
                .is_ok();
            let at_once = inherited.is_none() && !deferrable && complete;
            if at_once && self.insert(image, leaf, true, true)? {
                return self.settle(image, inherited, Fate::Restored, None);
            }
            if self.order == Order::Forward && inherited.is_some() {
                self.tangled = true;
                return Ok(());
            }
            self.make_visible();
            let place = &self.targets[image.target].leaves[leaf];
            let in_the_way = place.in_the_way(estate, None);
            let found = if identity {
                self.find_by_index(image.target, leaf)
            } else {
                in_the_way.is_some_and(|tid| fetch(place.relation.0, tid, place.present))
            };
            if !found {
                // Where the later images of the row found it gone or changed, it isn't as it was before this one either.
                let free = in_the_way.is_none() && inherited.is_none();
                if free || self.overwrites() {
                    // Another row that has taken a unique value of this one is not this restore's to remove:
                    // PostgreSQL's own error names the constraint.
                    self.insert(image, leaf, true, false)?;
                    return self.settle(image, inherited, Fate::Restored, None);
                }
                // Shown as the current row: the one that has taken what this one needs.
                let place = &self.targets[image.target].leaves[leaf];
                let other =
                    in_the_way.is_some_and(|tid| fetch(place.relation.0, tid, place.present));
                if self.order == Order::Forward && other && place.present.written_by(self.xid) {
                    self.tangled = true;
                    return Ok(());
                }
                return self.settle(image, inherited, Fate::Conflict, other.then_some(leaf));
            }
            let present = self.targets[image.target].leaves[leaf].present;
            let ours = present.written_by(self.xid);
            if self.order == Order::Forward && ours {
                self.tangled = true;
                return Ok(());
            }
            let fate = if ours && identity {
                Fate::Restored
            } else if self.is_whole(image, leaf, &Loose::default()) {
                Fate::Unchanged
            } else if self.overwrites() {
                Fate::Overwritten
            } else {
                Fate::Conflict
            };
            if matches!(fate, Fate::Restored | Fate::Overwritten) {
                if !identity {
                    self.insert(image, leaf, true, false)?;
                } else {
                    self.write_whole(image, leaf)?;
                }
            }
            self.settle(image, inherited, fate, Some(leaf))
        }
    }

    /// An INSERT, which only a restore records: the row goes again.
    ///
    /// # Safety
    /// In the per-row memory context.
    pub(super) unsafe fn undo_insert(&mut self, image: Image) -> Outcome<()> {
        let inherited = self.inherit(image);
        // SAFETY: the caller vouches for the context.
        unsafe {
            self.fill(image)?;
            let Some(leaf) = self.find_whole(image)? else {
                return self.settle(image, inherited, Fate::Unchanged, None);
            };
            let place = &self.targets[image.target].leaves[leaf];
            place.take(self.targets[image.target].slot);
            // What was recorded in another type says nothing of the present one.
            let loose = self.loose(image);
            let fate = if place.present.written_by(self.xid)
                || (inherited.is_none() && self.is_whole(image, leaf, &loose))
            {
                Fate::Restored
            } else if self.overwrites() {
                Fate::Overwritten
            } else {
                Fate::Conflict
            };
            if fate != Fate::Conflict {
                self.remove(image, leaf);
            }
            self.settle(image, inherited, fate, Some(leaf))
        }
    }

    fn restored_before(&mut self) -> bool {
        // Going back to a moment undoes the earlier restore itself first: it is among the statements since then.
        let What::Statement(id) = self.request.what else {
            return false;
        };
        *self
            .restored_before
            .get_or_insert_with(|| restored_before(id))
    }

    /// The whole row of the image in its leaf's slot, columns added since with their defaults.
    ///
    /// # Safety
    /// In the per-row memory context.
    unsafe fn fill_whole(&mut self, image: Image) -> Outcome<usize> {
        let estate = self.estate;
        // SAFETY: the caller vouches for the context.
        unsafe {
            self.fill(image)?;
            let target = &mut self.targets[image.target];
            if !target.shapes[image.shape].missing.is_empty() {
                let missing = target.shapes[image.shape].missing.clone();
                target.add_defaults(&missing, estate, self.request.dry_run);
            }
            target.route(estate)
        }
    }

    /// Writes the whole row of the image, which is in the leaf's slot, over the present one.
    ///
    /// # Safety
    /// As for `write_over`.
    unsafe fn write_whole(&mut self, image: Image, leaf: usize) -> Outcome<()> {
        // SAFETY: the caller vouches for both rows.
        unsafe {
            let places = self.keep_unrecorded(image, leaf);
            if self.unread.is_some() {
                return self.replace_by_held(image, leaf);
            }
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
