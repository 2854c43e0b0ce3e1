//! What the image of a row that was removed, or put back by a restore, takes to undo, and when the present state stands
//! against it.

use super::What;
use super::engine::Engine;
use super::find::fetch;
use super::image::{Fate, Image};
use super::reverted::restored_before;
use super::source::Order;
use crate::report::Outcome;

impl Engine {
    /// A DELETE: the row comes back.
    ///
    /// # Safety
    /// In the per-row memory context.
    pub(super) unsafe fn undo_delete(&mut self, image: Image) -> Outcome<()> {
        let inherited = self.inherit(image);
        // SAFETY: the caller vouches for the context.
        unsafe {
            if self.unplaced && !self.overwrites() {
                self.fill(image)?;
                if self.is_unplaced(image)? {
                    return self.settle(image, inherited, Fate::Conflict, None);
                }
            }
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
            let ours = self.is_ours(image, present, inherited.is_none());
            if self.order == Order::Forward && ours {
                self.tangled = true;
                return Ok(());
            }
            let fate = if ours && identity {
                Fate::Restored
            } else if self.is_whole(image, leaf) {
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
            let present = place.present;
            let fate = if self.is_ours(image, present, inherited.is_none())
                || (inherited.is_none() && self.is_whole(image, leaf))
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
}
