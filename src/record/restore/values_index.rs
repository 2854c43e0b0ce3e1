//! Where the rows of a table without a key are, by their values.
//!
//! One scan notes where every row is under a hash of its values, sixteen bytes a row; looking for each row through the
//! whole table would be quadratic. Row versions written since are added, and whatever is no longer there is passed over.

use super::find::fetch_visible;
use super::leaf::Leaf;
use super::pairing::{UPPER, bare_joined, hash, hash_of_both};
use crate::pg::memory;
use crate::pg::slot::Slot;
use crate::record::encode;
use crate::record::portable::PortableOutput;
use pgrx::pg_sys;
use std::collections::HashMap;

/// Where the rows of one leaf are.
pub struct ValuesIndex {
    shape: usize,
    /// Columns that ALTER COLUMN TYPE converted don't count: each row is then found once.
    converted: bool,
    /// Places of the columns that count: recorded and not generated.
    places: Vec<usize>,
    /// Of the columns whose values a conversion kept: they tell apart rows that are alike in the others.
    likely: Vec<usize>,
    /// (hash, place), by hash: where there are likely values its lower half is of those.
    rows: Vec<(u64, pg_sys::ItemPointerData)>,
    /// Per hash, how many of its rows have been passed.
    passed: HashMap<u64, usize>,
    /// Which rows were found by their likely values.
    taken: Vec<bool>,
    added: HashMap<u64, Vec<pg_sys::ItemPointerData>>,
}

impl ValuesIndex {
    /// # Safety
    /// The leaf must be open.
    pub(super) unsafe fn build(
        leaf: &Leaf,
        (shape, converted): (usize, bool),
        places: Vec<usize>,
        likely: Vec<usize>,
    ) -> ValuesIndex {
        let mut rows = Vec::new();
        // SAFETY: a plain scan of the heap by the newest snapshot. Each row's values are copied nowhere; what encoding
        // allocates goes with a context of its own.
        unsafe {
            let context = pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"pg_backstop scan".as_ptr(),
                0,
                8 * 1024,
                8 * 1024 * 1024,
            );
            let slot = Slot::virtual_of((*leaf.relation.0).rd_att);
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
            let scan = pg_sys::systable_beginscan(
                leaf.relation.0,
                pg_sys::InvalidOid,
                false,
                snapshot,
                0,
                std::ptr::null_mut(),
            );
            let before = pg_sys::MemoryContextSwitchTo(context);
            loop {
                crate::pg::memory::check();
                pg_sys::MemoryContextReset(context);
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                slot.start();
                pg_sys::heap_deform_tuple(
                    tuple,
                    (*leaf.relation.0).rd_att,
                    (*slot.0).tts_values,
                    (*slot.0).tts_isnull,
                );
                slot.store();
                let values = text(leaf, slot, &places);
                let hash = match likely.is_empty() {
                    true => hash(&values),
                    false => hash_of_both(&values, &bare(leaf, slot, &likely)),
                };
                let row = (hash, (*tuple).t_self);
                memory::push(&mut rows, row);
            }
            pg_sys::MemoryContextSwitchTo(before);
            pg_sys::systable_endscan(scan);
            pg_sys::UnregisterSnapshot(snapshot);
            pg_sys::ExecDropSingleTupleTableSlot(slot.0);
            pg_sys::MemoryContextDelete(context);
        }
        // In place, and in the order of the scan where hashes are the same.
        rows.sort_unstable_by_key(|(hash, tid)| {
            (*hash, tid.ip_blkid.bi_hi, tid.ip_blkid.bi_lo, tid.ip_posid)
        });
        let mut taken = Vec::new();
        for _ in rows.iter().filter(|_| !likely.is_empty()) {
            memory::push(&mut taken, false);
        }
        ValuesIndex {
            shape,
            converted,
            places,
            likely,
            rows,
            passed: HashMap::new(),
            taken,
            added: HashMap::new(),
        }
    }

    pub(super) fn is_of(&self, shape: usize, converted: bool) -> bool {
        (self.shape, self.converted) == (shape, converted)
    }

    /// Notes a row version that was written.
    ///
    /// # Safety
    /// The leaf's slot must hold it, stored.
    pub(super) unsafe fn note(&mut self, leaf: &Leaf) {
        if self.converted {
            return;
        }
        // SAFETY: the caller vouches for the slot.
        let hash = hash(&unsafe { text(leaf, leaf.slot, &self.places) });
        memory::room_for_entry(&mut self.added);
        self.added.entry(hash).or_default().push(leaf.slot.tid());
    }

    /// Fetches a row like the one in the leaf's slot into its `present`: one with the likely values before one without.
    /// `changed`: one with those is not the row.
    ///
    /// # Safety
    /// The slot must hold a row.
    pub(super) unsafe fn find(&mut self, leaf: &Leaf, likely: &[u8], changed: bool) -> bool {
        // SAFETY: the caller vouches for the slot.
        unsafe {
            let wanted = text(leaf, leaf.slot, &self.places);
            if !self.likely.is_empty() {
                return !changed && self.find_likely(leaf, &wanted, likely)
                    || self.find_other(leaf, &wanted, likely);
            }
            let hash = hash(&wanted);
            let is = |tid| {
                fetch_visible(leaf.relation.0, tid, leaf.present)
                    && text(leaf, leaf.present, &self.places) == wanted
            };
            let mut added = self.added.get_mut(&hash);
            while let Some(tid) = added.as_mut().and_then(|added| added.last().copied()) {
                if is(tid) {
                    return true;
                }
                if let Some(added) = &mut added {
                    added.pop();
                }
            }
            let start = self.rows.partition_point(|(of, _)| *of < hash);
            let same = self.rows[start..].iter().take_while(|(of, _)| *of == hash);
            memory::room_for_entry(&mut self.passed);
            let passed = self.passed.entry(hash).or_default();
            for (_, tid) in same.skip(*passed) {
                if is(*tid) {
                    *passed += usize::from(self.converted);
                    return true;
                }
                *passed += 1;
            }
            false
        }
    }

    /// A row with the wanted values and the likely ones, found once.
    ///
    /// # Safety
    /// As for `find`.
    unsafe fn find_likely(&mut self, leaf: &Leaf, wanted: &[u8], likely: &[u8]) -> bool {
        let hash = hash_of_both(wanted, likely);
        let start = self.rows.partition_point(|(of, _)| *of < hash);
        memory::room_for_entry(&mut self.passed);
        let passed = self.passed.entry(hash).or_default();
        let same = |row: &&(u64, _)| row.0 == hash;
        for n in start + *passed.. {
            let Some((_, tid)) = self.rows.get(n).filter(same) else {
                return false;
            };
            *passed += 1;
            // SAFETY: the caller vouches for the leaf.
            let is = unsafe {
                fetch_visible(leaf.relation.0, *tid, leaf.present)
                    && text(leaf, leaf.present, &self.places) == wanted
                    && bare(leaf, leaf.present, &self.likely) == likely
            };
            if is {
                self.taken[n] = true;
                return true;
            }
        }
        false
    }

    /// A row with the wanted values alone, which nobody has found by the likely ones.
    ///
    /// # Safety
    /// As for `find`.
    unsafe fn find_other(&mut self, leaf: &Leaf, wanted: &[u8], likely: &[u8]) -> bool {
        let alike = hash_of_both(wanted, likely) & UPPER;
        let start = self.rows.partition_point(|(of, _)| *of < alike);
        for n in start.. {
            let of_hash = |row: &&(u64, _)| row.0 & UPPER == alike;
            let Some((_, tid)) = self.rows.get(n).filter(of_hash) else {
                return false;
            };
            memory::check();
            // SAFETY: the caller vouches for the leaf.
            let is = !self.taken[n]
                && unsafe {
                    fetch_visible(leaf.relation.0, *tid, leaf.present)
                        && text(leaf, leaf.present, &self.places) == wanted
                        && bare(leaf, leaf.present, &self.likely) != likely
                };
            if is {
                self.taken[n] = true;
                return true;
            }
        }
        false
    }
}

/// The values at `places` without the quotes that tell strings from numbers.
///
/// # Safety
/// The slot must hold a row of the leaf.
unsafe fn bare(leaf: &Leaf, slot: Slot, places: &[usize]) -> Vec<u8> {
    // SAFETY: the caller vouches for the row.
    let value = |place| unsafe { text(leaf, slot, std::slice::from_ref(place)) };
    let values: Vec<Vec<u8>> = places.iter().map(value).collect();
    bare_joined(values.iter().map(|value| &value[1..]))
}

/// The values at `places` as the record would write them.
///
/// # Safety
/// The slot must hold a row of the leaf.
unsafe fn text(leaf: &Leaf, slot: Slot, places: &[usize]) -> Vec<u8> {
    let _portable = leaf.format.session_dependent.then(PortableOutput::begin);
    let mut text = Vec::new();
    for place in places {
        memory::append(&mut text, b",");
        if let Some(column) = leaf.format.column_at(*place) {
            // SAFETY: the caller vouches for the row.
            unsafe {
                match slot.get(*place) {
                    Some(value) => encode::value(&mut text, column, value),
                    None => text.extend_from_slice(b"null"),
                }
            }
        }
    }
    text
}
