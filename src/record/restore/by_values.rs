//! Finding rows of a table without a key: by all their values.

use super::engine::Engine;
use super::image::Image;
use super::leaf::Leaf;
use super::pairing::bare_joined;
use super::values_index::ValuesIndex;

impl Engine {
    /// Finds a row with the values in the leaf's slot. Where columns were converted it is told by what the conversion kept,
    /// too, as long as there is such a row.
    ///
    /// # Safety
    /// The leaf's slot must hold the row, and all that was written must be visible.
    pub(super) unsafe fn find_by_values(&mut self, image: Image, leaf: usize) -> bool {
        let kept = self.kept_columns(image);
        // What such a row has is another one's.
        let left_changed = self.converted && self.is_left_changed(image);
        let target = &mut self.targets[image.target];
        let shape = &target.shapes[image.shape];
        let leaf = &mut target.leaves[leaf];
        let fits = |index: &ValuesIndex| index.is_of(image.shape, self.converted);
        if !leaf.values.as_ref().is_some_and(fits) {
            let lost = |n: usize| self.converted && self.members.iter().any(|(of, _)| *of == n);
            let recorded = shape.known.iter().enumerate().filter(|(n, _)| !lost(*n));
            let places = recorded
                .filter_map(|(_, known)| known.as_ref())
                .filter(|known| !known.generated)
                .filter_map(|known| leaf.place_of(known.place))
                .collect();
            let likely = kept.iter().filter_map(|(_, place)| leaf.place_of(*place));
            let likely = likely.collect();
            let of = (image.shape, self.converted);
            // SAFETY: the leaf is open.
            leaf.values = Some(unsafe { ValuesIndex::build(leaf, of, places, likely) });
        }
        let Some(mut index) = leaf.values.take() else {
            return false;
        };
        let there = kept
            .iter()
            .filter(|(_, place)| leaf.place_of(*place).is_some());
        let likely = bare_joined(there.map(|(n, _)| image.spans[*n].raw(image.text)));
        // SAFETY: the caller filled the slot.
        let found = unsafe { index.find(leaf, &likely, left_changed) };
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
        let Some(mut index) = self.values.take() else {
            return;
        };
        // SAFETY: the caller vouches for the slot.
        unsafe { index.note(self) };
        self.values = Some(index);
    }
}
