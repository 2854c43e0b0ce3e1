//! Finding rows of a table without a key: by all their values.
//!
//! One scan notes where every row is under a hash of its values, sixteen bytes a row; looking for each row through the
//! whole table would be quadratic. Row versions written since are added, and whatever is no longer there is passed over.

use super::engine::Engine;
use super::find::fetch_visible;
use super::image::Image;
use super::leaf::Leaf;
use crate::pg::memory;
use crate::pg::slot::Slot;
use crate::record::encode;
use crate::record::portable::PortableOutput;
use pgrx::pg_sys;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// Where the rows of one leaf are.
pub struct ValuesIndex {
    shape: usize,
    /// Columns that ALTER COLUMN TYPE converted don't count: each row is then found once.
    converted: bool,
    /// Places of the columns that count: recorded and not generated.
    places: Vec<usize>,
    /// (hash, place), by hash.
    rows: Vec<(u64, pg_sys::ItemPointerData)>,
    /// Per hash, how many of its rows have been passed.
    passed: HashMap<u64, usize>,
    added: HashMap<u64, Vec<pg_sys::ItemPointerData>>,
}

impl Engine {
    /// Finds a row with the values in the leaf's slot.
    ///
    /// # Safety
    /// The leaf's slot must hold the row, and all that was written must be visible.
    pub(super) unsafe fn find_by_values(&mut self, image: Image, leaf: usize) -> bool {
        let target = &mut self.targets[image.target];
        let shape = &target.shapes[image.shape];
        let leaf = &mut target.leaves[leaf];
        if leaf
            .values
            .as_ref()
            .is_none_or(|index| (index.shape, index.converted) != (image.shape, self.converted))
        {
            let lost = |n: usize| self.converted && self.members.iter().any(|(of, _)| *of == n);
            let recorded = shape.known.iter().enumerate().filter(|(n, _)| !lost(*n));
            let places = recorded
                .filter_map(|(_, known)| known.as_ref())
                .filter(|known| !known.generated)
                .filter_map(|known| leaf.place_of(known.place))
                .collect();
            // SAFETY: the leaf is open.
            let mut index = unsafe { ValuesIndex::build(leaf, image.shape, places) };
            index.converted = self.converted;
            leaf.values = Some(index);
        }
        let Some(mut index) = leaf.values.take() else {
            return false;
        };
        // SAFETY: the caller filled the slot.
        let found = unsafe { index.find(leaf) };
        leaf.values = Some(index);
        found
    }
}

impl Leaf {
    /// Notes a row version that was written.
    ///
    /// # Safety
    /// The slot must hold it, stored.
    pub(super) unsafe fn note_values(&mut self) {
        let known = self.values.take_if(|index| !index.converted);
        if let Some(mut index) = known {
            // SAFETY: the caller vouches for the slot.
            let text = unsafe { text(self, self.slot, &index.places) };
            let hash = hash(&text);
            memory::room_for_entry(&mut index.added);
            index.added.entry(hash).or_default().push(self.slot.tid());
            self.values = Some(index);
        }
    }
}

impl ValuesIndex {
    /// # Safety
    /// The leaf must be open.
    unsafe fn build(leaf: &Leaf, shape: usize, places: Vec<usize>) -> ValuesIndex {
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
                let row = (hash(&text(leaf, slot, &places)), (*tuple).t_self);
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
        ValuesIndex {
            shape,
            converted: false,
            places,
            rows,
            passed: HashMap::new(),
            added: HashMap::new(),
        }
    }

    /// Fetches a row like the one in the leaf's slot into its `present`.
    ///
    /// # Safety
    /// The slot must hold a row.
    unsafe fn find(&mut self, leaf: &Leaf) -> bool {
        // SAFETY: the caller vouches for the slot.
        unsafe {
            let wanted = text(leaf, leaf.slot, &self.places);
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

fn hash(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text);
    hasher.finish()
}
