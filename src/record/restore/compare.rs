//! What has become of a row: whether its present values are the recorded ones.

use super::engine::Engine;
use super::image::{Image, Settled};
use crate::pg::memory;
use crate::pg::raw;
use crate::record::encode;
use crate::record::image::same_by_value;
use crate::record::json::{Kind, Span};
use crate::record::portable::PortableOutput;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Datum};
use std::ffi::c_int;

impl Engine {
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
            (Some(a), Some(b), Some((true, length))) => same_by_value(a, b, length),
            (Some(a), Some(b), Some((false, length))) => {
                // SAFETY: the caller vouches for the type.
                a == b
                    || unsafe {
                        pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                            raw::datum_image_eq(a, b, false, c_int::from(length))
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
        span: Span,
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
            let _portable = PortableOutput::begin();
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
        self.unlike.clear();
        for n in 0..image.spans.len() {
            let target = &self.targets[image.target];
            let Some(Some(known)) = target.shapes[image.shape].known.get(n) else {
                continue;
            };
            if known.generated {
                continue;
            }
            let known_place = known.place;
            let Some(place) = target.leaves[leaf].place_of(known_place) else {
                continue;
            };
            // SAFETY: the caller vouches for both.
            unsafe {
                let value = target.leaves[leaf].slot.get(place);
                if !self.is_still(image, leaf, place, value, image.spans[n]) {
                    memory::push(&mut self.unlike, known_place);
                }
            }
        }
        self.unlike.is_empty()
    }

    /// Compares the changed columns of the present row: is it as the statement left it, is it as it was before, those columns
    /// included of which later images (`inherited`) said that they are not, and what goes back where in the leaf's row. Notes
    /// whether others put something where a dropped column was.
    ///
    /// # Safety
    /// The leaf's `present` must hold the row.
    #[allow(clippy::type_complexity)]
    pub(super) unsafe fn compare(
        &mut self,
        image: Image,
        leaf: usize,
        inherited: Option<&Settled>,
    ) -> Outcome<(bool, bool, Vec<(usize, Option<Datum>)>)> {
        let mut as_left = true;
        self.theirs = false;
        self.unlike.clear();
        for column in inherited.map_or(&[][..], |later| &later.unlike) {
            memory::push(&mut self.unlike, *column);
        }
        let mut changes = Vec::with_capacity(self.members.len());
        for m in 0..self.members.len() {
            let (n, new_span) = self.members[m];
            let target = &mut self.targets[image.target];
            let shape = &mut target.shapes[image.shape];
            let Some(known) = &shape.known[n] else {
                continue;
            };
            if known.generated {
                continue;
            }
            let known_place = known.place;
            let Some(place) = target.leaves[leaf].place_of(known_place) else {
                continue;
            };
            let settings = shape.settings();
            // SAFETY: under the settings, in the per-row context.
            unsafe {
                let old = shape.read(n, image.text, image.spans[n], &mut self.scratch)?;
                let new = shape.read(n, image.text, new_span, &mut self.scratch)?;
                drop(settings);
                let left = self.is_still(image, leaf, place, new, new_span);
                as_left = as_left && left;
                self.unlike.retain(|column| *column != known_place);
                if !self.is_still(image, leaf, place, old, image.spans[n]) {
                    memory::push(&mut self.unlike, known_place);
                    self.theirs |= !left && self.stand_ins.contains(&n);
                }
                changes.push((place, old));
            }
        }
        Ok((as_left, self.unlike.is_empty(), changes))
    }
}
