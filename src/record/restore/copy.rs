//! Recording restored rows by the chunk they came from.
//!
//! The image of a row that was put back is the image it was put back from. Where all rows of a chunk come back as they were
//! recorded, in their order, the record of that is the chunk itself, compressed as it is: it is copied, under the restore's
//! statement. So such rows are not recorded when they are written, but when the chunk is done, or when one of its rows turns
//! out otherwise.

use super::chunk::{Chunk, Open};
use super::engine::Engine;
use super::image::Image;
use crate::model::Operation;
use crate::record::write;

impl Engine {
    /// Whether the image's row, back in `leaf` as it was recorded, can be recorded with its chunk. Then it has its image's
    /// ordinal.
    pub(super) fn stands(&mut self, image: Image, leaf: usize) -> bool {
        let ordinal = image.open.rows.rows[image.n].ordinal;
        let next = match image.open.standing.get() {
            Some((0, _)) => image.n == 0,
            Some(before) => before == (image.n, leaf),
            None => false,
        };
        if !next || ordinal < self.root.next_ordinal {
            return false;
        }
        image.open.standing.set(Some((image.n + 1, leaf)));
        self.root.next_ordinal = ordinal + 1;
        let name = &self.targets[image.target].name;
        let level = self.root.level(self.nest);
        level.tally(name, Operation::Insert);
        true
    }

    /// Records the rows of a chunk that is done.
    pub(super) fn record_standing(&mut self, chunk: &Chunk, (target, ..): (usize, usize, usize)) {
        let Some(open) = chunk.open() else {
            return;
        };
        let Some((count, leaf)) = open.standing.get() else {
            return;
        };
        let Some(packed) = open.packed.as_deref() else {
            return;
        };
        if count == 0 {
            return;
        }
        let format = self.targets[target].leaves[leaf].format.clone();
        let same = *format.relation == *chunk.relation
            && format.recorded_relid == chunk.relid
            && usize::try_from(format.key_count) == Ok(chunk.key_count);
        if !same || count < open.rows.rows.len() {
            return self.record_one_by_one(open, target);
        }
        write::copy(
            &mut self.root,
            self.nest,
            &format,
            Operation::Insert,
            (open.rows.rows[0].ordinal, count as i32),
            packed,
        );
    }

    /// Records the rows of a chunk that wait for its end: another one of its rows did not come back as it was recorded.
    pub(super) fn record_one_by_one(&mut self, open: &Open, target: usize) {
        let Some((count, leaf)) = open.standing.take() else {
            return;
        };
        if count == 0 {
            return;
        }
        let format = self.targets[target].leaves[leaf].format.clone();
        // Their ordinals may be smaller than those that wait in the buffer; a chunk's ordinals ascend.
        write::settle(&mut self.root);
        for n in 0..count {
            let buffer = self
                .root
                .buffer(self.nest, &format, Operation::Insert, None);
            buffer.push(open.rows.rows[n].ordinal, open.body(n));
            let full = buffer.is_full();
            write::spill(&mut self.root, self.nest, full);
        }
    }
}
