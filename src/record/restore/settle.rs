//! What became of each image, and what stands against it.

use super::chunk::Change;
use super::engine::Engine;
use super::image::{Conflict, Fate, Image, Settled};
use crate::pg::memory;
use crate::record::encode;
use crate::record::json::Span;
use crate::record::portable::PortableOutput;
use crate::report::Outcome;

impl Engine {
    /// What later images of the same row said, if the row was not set back.
    pub(super) fn inherit(&mut self, image: Image) -> Option<Settled> {
        if self.settled.is_empty() {
            return None;
        }
        let key = self.row_key(image, true)?;
        self.settled.remove(&key)
    }

    /// The row's key before (or after) the image's change, when one tells rows apart.
    pub(super) fn row_key(&self, image: Image, after: bool) -> Option<Vec<u8>> {
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        if !target.is_told_by_key(shape) {
            return None;
        }
        let mut key = (image.target as u32).to_ne_bytes().to_vec();
        for n in 0..shape.key_count {
            key.push(b',');
            memory::append(&mut key, self.span(image, n, after).raw(image.text));
        }
        Some(key)
    }

    /// Column `n` as it was before, or as it was left.
    fn span(&self, image: Image, n: usize, after: bool) -> Span {
        let member = self.members.iter().find(|(of, _)| after && *of == n);
        member.map_or(image.spans[n], |(_, span)| *span)
    }

    /// Counts an image. `leaf`: where the present row was found.
    ///
    /// # Safety
    /// With a leaf, its `present` must hold the row.
    pub(super) unsafe fn settle(
        &mut self,
        image: Image,
        inherited: Option<Settled>,
        fate: Fate,
        leaf: Option<usize>,
    ) -> Outcome<()> {
        self.add(image.count, fate, 1);
        if matches!(fate, Fate::Restored | Fate::Overwritten) {
            return Ok(());
        }
        let collect = self.request.collect;
        let mut settled = inherited.unwrap_or_else(|| Settled {
            fate,
            images: Vec::new(),
            conflict: None,
            unlike: Vec::new(),
            left_as: collect.then(|| self.left_json(image)).flatten(),
        });
        settled.unlike = std::mem::take(&mut self.unlike);
        if settled.fate != fate {
            // The earliest image decides for the row.
            for (count, images) in std::mem::take(&mut settled.images) {
                self.add(count, settled.fate, -images);
                self.add(count, fate, images);
                settled.images.push((count, images));
            }
            settled.fate = fate;
        }
        match settled.images.iter_mut().find(|(of, _)| *of == image.count) {
            Some((_, images)) => *images += 1,
            None => settled.images.push((image.count, 1)),
        }
        if fate == Fate::Unchanged {
            if let Some(n) = settled.conflict.take() {
                self.conflicts[n] = None;
            }
        } else if let Some(n) = settled.conflict {
            let (key, old_row) = (self.key_json(image), self.old_json(image));
            if let Some(conflict) = &mut self.conflicts[n] {
                (conflict.key, conflict.old_row) = (key, old_row);
            }
        } else if self.request.collect || !matches!(self.conflicts.last(), Some(Some(_))) {
            // SAFETY: the caller vouches for the present row.
            let current_row = leaf.map(|leaf| unsafe { self.present_json(image, leaf) });
            settled.conflict = Some(self.conflicts.len());
            let conflict = Some(Conflict {
                relation: self.targets[image.target].recorded.clone(),
                key: self.key_json(image),
                old_row: self.old_json(image),
                left_as: settled.left_as.as_deref().map(memory::copied),
                current_row,
                back_before: self.back_before,
                nowhere: self.nowhere,
            });
            memory::push(&mut self.conflicts, conflict);
        }
        if let Some(key) = self.row_key(image, false) {
            memory::room_for_entry(&mut self.settled);
            self.settled.insert(key, settled);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, count: usize, fate: Fate, images: i64) {
        let count = &mut self.counts[count];
        match fate {
            Fate::Restored => count.restored += images,
            Fate::Unchanged => count.unchanged += images,
            Fate::Conflict => count.conflicts += images,
            Fate::Overwritten => {
                count.restored += images;
                count.conflicts += images;
            }
        }
    }

    fn object(&self, image: Image, columns: usize, after: bool) -> Vec<u8> {
        let names = &self.targets[image.target].shapes[image.shape].json_names;
        let mut json = vec![b'{'];
        for (n, name) in names.iter().enumerate().take(columns) {
            if n > 0 {
                json.push(b',');
            }
            json.push(b'"');
            json.extend_from_slice(name);
            json.extend_from_slice(b"\":");
            let left = after.then(|| self.left_by_conversion(image, n)).flatten();
            let value = left.unwrap_or_else(|| self.span(image, n, after).raw(image.text));
            memory::append(&mut json, value);
        }
        json.push(b'}');
        json
    }

    pub(super) fn key_json(&self, image: Image) -> Option<Vec<u8>> {
        let keys = self.targets[image.target].shapes[image.shape].key_count;
        (keys > 0).then(|| self.object(image, keys, false))
    }

    pub(super) fn old_json(&self, image: Image) -> Option<Vec<u8>> {
        let inserted = self.counts[image.count].operation == "INSERT";
        (!inserted).then(|| self.object(image, image.spans.len(), false))
    }

    fn left_json(&self, image: Image) -> Option<Vec<u8>> {
        let deleted = Change::of(&self.counts[image.count].operation) == Some(Change::Removed);
        (!deleted).then(|| self.object(image, image.spans.len(), true))
    }

    /// # Safety
    /// The leaf's `present` must hold a row.
    unsafe fn present_json(&self, image: Image, leaf: usize) -> Vec<u8> {
        let leaf = &self.targets[image.target].leaves[leaf];
        let _portable = PortableOutput::begin();
        let mut json = vec![b'{'];
        for column in &leaf.format.columns {
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(&column.json_name);
            // SAFETY: the caller vouches for the row, all of whose attributes were fetched.
            unsafe {
                match leaf.present.get(column.fact.attnum as usize - 1) {
                    Some(value) => encode::value(&mut json, column, value),
                    None => json.extend_from_slice(b"null"),
                }
            }
        }
        json.push(b'}');
        json
    }
}
