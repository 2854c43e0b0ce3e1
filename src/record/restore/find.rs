//! Finding the row that an image speaks of, and telling what has become of it.

use super::engine::{Engine, Image};
use super::json::Kind;
use crate::pg::raw;
use crate::pg::slot::Slot;
use crate::record::encode;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Datum};
use std::ffi::c_int;

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
            let found = pg_sys::RelationFindReplTupleByIndex(
                leaf.relation.0,
                identity.index,
                pg_sys::LockTupleMode::LockTupleExclusive,
                leaf.slot.0,
                leaf.present.0,
            );
            if found {
                leaf.present.fetch_all();
            }
            found
        }
    }

    /// Looks for a row with the slot's values through the whole table: one without a key has no better way.
    ///
    /// # Safety
    /// The leaf's slot must hold the row.
    unsafe fn find_by_values(&mut self, image: Image, leaf: usize) -> bool {
        let target = &self.targets[image.target];
        let (leaf, shape) = (&target.leaves[leaf], &target.shapes[image.shape]);
        let places: Vec<usize> = shape
            .known
            .iter()
            .flatten()
            .filter(|known| !known.generated)
            .filter_map(|known| leaf.place_of(known.place))
            .collect();
        // SAFETY: a plain scan of the heap by the newest snapshot; the tuple found is copied into `present`.
        unsafe {
            let relation = leaf.relation.0;
            let desc = (*relation).rd_att;
            let (mut values, mut nulls) = (
                vec![Datum::from(0); (*desc).natts as usize],
                vec![false; (*desc).natts as usize],
            );
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
            let scan = pg_sys::systable_beginscan(
                relation,
                pg_sys::InvalidOid,
                false,
                snapshot,
                0,
                std::ptr::null_mut(),
            );
            let mut found = None;
            loop {
                pgrx::check_for_interrupts!();
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                pg_sys::heap_deform_tuple(tuple, desc, values.as_mut_ptr(), nulls.as_mut_ptr());
                let same = places.iter().all(|place| {
                    let value = (!nulls[*place]).then(|| values[*place]);
                    self.equal(leaf.format.by_place(*place), value, leaf.slot.get(*place))
                });
                if same {
                    found = Some((*tuple).t_self);
                    break;
                }
            }
            pg_sys::systable_endscan(scan);
            pg_sys::UnregisterSnapshot(snapshot);
            found.is_some_and(|tid| fetch(leaf.relation.0, tid, leaf.present))
        }
    }

    /// Whether two values of a column are the same, bit for bit.
    ///
    /// # Safety
    /// Both must be of the column's type.
    unsafe fn equal(
        &self,
        column: Option<(bool, i16)>,
        a: Option<Datum>,
        b: Option<Datum>,
    ) -> bool {
        match (a, b, column) {
            (None, None, _) => true,
            (Some(a), Some(b), Some((by_value, length))) => {
                // SAFETY: the caller vouches for the type.
                a == b
                    || !by_value
                        && unsafe {
                            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                                raw::datum_image_eq(a, b, by_value, c_int::from(length))
                            })
                        }
            }
            _ => false,
        }
    }

    /// Whether the present value of a column is the recorded one: the same image, or, for types with several images of
    /// one value (a composite type that has got another attribute), the same text.
    ///
    /// # Safety
    /// The leaf's `present` must hold a row; `value` is what `span` was read as.
    pub(super) unsafe fn is_still(
        &mut self,
        image: Image,
        leaf: usize,
        place: usize,
        value: Option<Datum>,
        span: super::json::Span,
    ) -> bool {
        let leaf = &self.targets[image.target].leaves[leaf];
        // SAFETY: the caller vouches for the row and the value.
        unsafe {
            let present = leaf.present.get(place);
            let types = leaf.format.by_place(place);
            if self.equal(types, present, value) {
                return true;
            }
            let (Some(present), Some(column)) = (present, leaf.format.column_at(place)) else {
                return false;
            };
            if span.kind == Kind::Null || types.is_some_and(|(by_value, _)| by_value) {
                return false;
            }
            let _portable = crate::record::encode::PortableOutput::begin();
            self.scratch.clear();
            encode::value(&mut self.scratch, column, present);
            self.scratch == span.raw(image.text)
        }
    }

    /// Whether the present row has all the values in the leaf's slot that were recorded.
    ///
    /// # Safety
    /// Slot and `present` must hold rows.
    pub(super) unsafe fn is_whole(&mut self, image: Image, leaf: usize) -> bool {
        for n in 0..image.spans.len() {
            let target = &self.targets[image.target];
            let Some(Some(known)) = target.shapes[image.shape].known.get(n) else {
                continue;
            };
            if known.generated {
                continue;
            }
            let Some(place) = target.leaves[leaf].place_of(known.place) else {
                continue;
            };
            // SAFETY: the caller vouches for both.
            unsafe {
                let value = target.leaves[leaf].slot.get(place);
                if !self.is_still(image, leaf, place, value, image.spans[n]) {
                    return false;
                }
            }
        }
        true
    }
}

/// Fetches the row version at `tid`, whoever may see it.
///
/// # Safety
/// `slot` must be the relation's.
pub(super) unsafe fn fetch(
    relation: pg_sys::Relation,
    mut tid: pg_sys::ItemPointerData,
    slot: Slot,
) -> bool {
    // SAFETY: table_tuple_fetch_row_version, which is inline in C.
    unsafe {
        let found = match (*(*relation).rd_tableam).tuple_fetch_row_version {
            Some(fetch) => pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                fetch(relation, &mut tid, &raw mut pg_sys::SnapshotAnyData, slot.0)
            }),
            None => false,
        };
        if found {
            slot.fetch_all();
        }
        found
    }
}
