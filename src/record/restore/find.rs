//! Finding the row that an image speaks of, and telling what has become of it.

use super::engine::Engine;
use super::image::Image;
use crate::pg::slot::Slot;
use crate::report::Outcome;
use pgrx::pg_sys;

impl Engine {
    /// The row that an UPDATE left: its leaf, with the row in the leaf's `present`.
    ///
    /// # Safety
    /// In the engine's per-row memory context.
    pub(super) unsafe fn find_updated(&mut self, image: Image) -> Outcome<Option<usize>> {
        self.make_visible();
        let target = &mut self.targets[image.target];
        // SAFETY: the target's slots and indexes are open; values live in the per-row context.
        unsafe {
            if !target.partitioned() && target.leaves[0].has_identity(&target.shapes[image.shape]) {
                // The key is enough.
                let settings = target.shapes[image.shape].settings();
                target.slot.start();
                let places = target.leaves[0].identity.as_ref().map(|i| i.places.clone());
                for place in places.unwrap_or_default() {
                    let shape = &mut target.shapes[image.shape];
                    let Some(n) = shape.column_at(place) else {
                        continue;
                    };
                    let member = self.members.iter().find(|(of, _)| *of == n);
                    let span = member.map_or(image.spans[n], |(_, span)| *span);
                    let value = shape.read(n, image.text, span, &mut self.scratch)?;
                    target.slot.set(place, value);
                }
                drop(settings);
                target.slot.store();
                return Ok(self.find_by_index(image.target, 0).then_some(0));
            }
            self.fill(image)?;
            let target = &mut self.targets[image.target];
            let shape = &mut target.shapes[image.shape];
            let settings = shape.settings();
            for (n, span) in &self.members {
                if let Some(place) = shape.known[*n].as_ref().map(|known| known.place) {
                    let value = shape.read(*n, image.text, *span, &mut self.scratch)?;
                    target.slot.set(place, value);
                }
            }
            drop(settings);
            self.find_whole(image)
        }
    }

    /// The row whose values are in the target's slot.
    ///
    /// # Safety
    /// As for `find_updated`, the slot filled.
    pub(super) unsafe fn find_whole(&mut self, image: Image) -> Outcome<Option<usize>> {
        self.make_visible();
        // SAFETY: the caller filled the slot.
        unsafe {
            let estate = self.estate;
            if self.is_unplaced(image)? {
                return Ok(None);
            }
            let first = self.targets[image.target].route(estate)?;
            if self.find_in(image, first) {
                return Ok(Some(first));
            }
            let target = &mut self.targets[image.target];
            if !target.partitioned()
                || target.leaves[first].has_identity(&target.shapes[image.shape])
            {
                // A partitioned table's key contains what routes its rows.
                return Ok(None);
            }
            for leaf in 0..target.all_leaves(estate)? {
                let target = &self.targets[image.target];
                target.leaves[leaf].take(target.slot);
                if leaf != first && self.find_in(image, leaf) {
                    return Ok(Some(leaf));
                }
            }
            Ok(None)
        }
    }

    /// # Safety
    /// The leaf's slot must hold the row.
    unsafe fn find_in(&mut self, image: Image, leaf: usize) -> bool {
        let target = &self.targets[image.target];
        let by_index = target.leaves[leaf].has_identity(&target.shapes[image.shape]);
        // SAFETY: the caller vouches for the slot.
        unsafe {
            if by_index {
                self.find_by_index(image.target, leaf)
            } else {
                self.find_by_values(image, leaf)
            }
        }
    }

    /// Finds and locks the row with the slot's key, waiting for whoever is changing it.
    ///
    /// # Safety
    /// The leaf's slot must hold the key.
    pub(super) unsafe fn find_by_index(&mut self, target: usize, leaf: usize) -> bool {
        let leaf = &self.targets[target].leaves[leaf];
        let Some(identity) = &leaf.identity else {
            return false;
        };
        // SAFETY: the index belongs to the relation and its columns are set.
        unsafe {
            let found = if identity.native {
                pg_sys::RelationFindReplTupleByIndex(
                    leaf.relation.0,
                    identity.index,
                    pg_sys::LockTupleMode::LockTupleExclusive,
                    leaf.slot.0,
                    leaf.present.0,
                )
            } else {
                leaf.look_up(identity)
            };
            if found {
                leaf.present.fetch_all();
            }
            found
        }
    }
}

/// Fetches the row version at `tid`, whoever may see it.
///
/// # Safety
/// `slot` must be the relation's.
pub(super) unsafe fn fetch(
    relation: pg_sys::Relation,
    tid: pg_sys::ItemPointerData,
    slot: Slot,
) -> bool {
    // SAFETY: the caller vouches for the slot.
    unsafe { fetch_by(relation, tid, &raw mut pg_sys::SnapshotAnyData, slot) }
}

/// Fetches the row version at `tid` if it is current.
///
/// # Safety
/// `slot` must be the relation's.
pub(super) unsafe fn fetch_visible(
    relation: pg_sys::Relation,
    tid: pg_sys::ItemPointerData,
    slot: Slot,
) -> bool {
    // SAFETY: the caller vouches for the slot; the snapshot is active while it is used.
    unsafe {
        pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
        let found = fetch_by(relation, tid, pg_sys::GetActiveSnapshot(), slot);
        pg_sys::PopActiveSnapshot();
        found
    }
}

/// Fetches the row version at `tid` if the snapshot shows it.
///
/// # Safety
/// `slot` must be the relation's, `snapshot` usable.
pub(super) unsafe fn fetch_by(
    relation: pg_sys::Relation,
    mut tid: pg_sys::ItemPointerData,
    snapshot: pg_sys::Snapshot,
    slot: Slot,
) -> bool {
    // SAFETY: table_tuple_fetch_row_version, which is inline in C.
    unsafe {
        let found = match (*(*relation).rd_tableam).tuple_fetch_row_version {
            Some(fetch) => pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                fetch(relation, &mut tid, snapshot, slot.0)
            }),
            None => false,
        };
        if found {
            slot.fetch_all();
        }
        found
    }
}
