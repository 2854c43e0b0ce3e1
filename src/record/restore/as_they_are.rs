//! Where conflicts are only found, rows are shown as they are: nothing is converted, and a converted column is told by its
//! text alone.

use super::conversion::Places;
use super::converted::Unread;
use super::engine::Engine;
use super::fill::looks_alike;
use super::image::{Fate, Image, Settled};
use super::later::Later;
use super::pairing::Pairing;
use crate::record::encode;
use crate::record::portable::PortableOutput;
use crate::report::Outcome;

impl Engine {
    /// From here on, converted columns are not read.
    ///
    /// # Errors
    /// When it is not certain which rows are the recorded ones.
    pub(super) fn compare_as_they_are(
        &mut self,
        pairings: &[Pairing],
        places: &Places,
    ) -> Outcome<()> {
        for pairing in pairings {
            let is_of = |later: &Later| later.is_of(&pairing.recorded);
            if pairing.exact && self.later.iter().any(is_of) {
                return Err(pairing.changed_since());
            }
            for (target, n, _) in places.iter().filter(|place| place.0 == pairing.target) {
                let shape = &mut self.targets[*target].shapes[*n];
                for (column, name) in shape.columns.iter().enumerate() {
                    let taken = shape.known[column].take_if(|_| pairing.converted.contains(name));
                    self.unread.extend(taken.map(|known| Unread {
                        target: *target,
                        shape: *n,
                        column,
                        place: known.place,
                        kept: pairing.kept.contains(name),
                    }));
                }
            }
        }
        self.unconverted = true;
        Ok(())
    }

    /// What becomes of an image with converted columns: what `undo_update` finds once they are converted back.
    ///
    /// # Safety
    /// The leaf's `present` must hold the row.
    pub(super) unsafe fn fate_as_it_is(
        &mut self,
        image: Image,
        leaf: usize,
        inherited: Option<&Settled>,
    ) -> Outcome<Fate> {
        // SAFETY: the caller vouches for the row.
        let (kept, alike) = unsafe {
            self.compare(image, leaf, inherited)?;
            (
                self.looks_recorded(image, leaf, |unread| unread.kept),
                self.looks_recorded(image, leaf, |_| true),
            )
        };
        if kept && !self.theirs && self.is_as_converted(image, inherited) {
            return Ok(Fate::Restored);
        }
        let of_image =
            |unread: &&Unread| (unread.target, unread.shape) == (image.target, image.shape);
        let converted = |place: &usize| {
            let mut unread = self.unread.iter().filter(of_image);
            unread.any(|unread| unread.place == *place)
        };
        Ok(match alike && self.unlike.iter().all(converted) {
            true => Fate::Unchanged,
            false => Fate::Conflict,
        })
    }

    /// Whether the present row has the recorded values in these converted columns, as far as their texts say.
    ///
    /// # Safety
    /// The leaf's `present` must hold the row.
    unsafe fn looks_recorded(
        &self,
        image: Image,
        leaf: usize,
        asked: impl Fn(&Unread) -> bool,
    ) -> bool {
        let leaf = &self.targets[image.target].leaves[leaf];
        let _portable = PortableOutput::begin();
        let mut unread = self.unread.iter().filter(|unread| {
            (unread.target, unread.shape) == (image.target, image.shape) && asked(unread)
        });
        unread.all(|unread| {
            let place = leaf.place_of(unread.place);
            let column = place.and_then(|place| Some((place, leaf.format.column_at(place)?)));
            let Some((place, column)) = column else {
                return true;
            };
            let mut now = Vec::new();
            // SAFETY: the caller vouches for the row.
            match unsafe { leaf.present.get(place) } {
                // SAFETY: as above.
                Some(value) => unsafe { encode::value(&mut now, column, value) },
                None => now.extend_from_slice(b"null"),
            }
            looks_alike(&now, image.spans[unread.column].raw(image.text))
        })
    }
}
