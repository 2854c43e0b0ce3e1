//! The indexes of a heap that is restored into: what tells its rows apart, and what a row must not collide with.

use super::leaf::Leaf;
use super::shape::Shape;
use crate::pg::compat;
use pgrx::pg_sys::{self, Oid};
use std::ptr;

/// An index that tells rows apart.
pub struct Identity {
    pub index: Oid,
    pub relation: pg_sys::Relation,
    pub deferrable: bool,
    /// PostgreSQL's replication code looks rows up by it.
    pub native: bool,
    /// Its columns' places.
    pub places: Vec<usize>,
}

/// A unique index or exclusion constraint that is checked at once.
pub struct Arbiter {
    /// A list of it alone.
    pub alone: *mut pg_sys::List,
    /// Its columns' places, empty when it also depends on expressions or a predicate.
    pub places: Vec<usize>,
}

impl Leaf {
    /// Finds the index that tells rows apart and the ones a new row must not collide with.
    ///
    /// # Safety
    /// The indexes must be open.
    pub(super) unsafe fn look_at_indexes(&mut self) {
        // SAFETY: ri_IndexRelationDescs has ri_NumIndices members, each an open index.
        unsafe {
            let desc = (*self.relation.0).rd_att;
            for n in 0..(*self.info).ri_NumIndices as usize {
                let index = *(*self.info).ri_IndexRelationDescs.add(n);
                let details = *(*self.info).ri_IndexRelationInfo.add(n);
                let form = &*(*index).rd_index;
                let exclusion = !(*details).ii_ExclusionOps.is_null();
                if !(form.indisunique || exclusion) || !(*details).ii_ReadyForInserts {
                    continue;
                }
                let attributes: Vec<i16> = (0..(*details).ii_NumIndexKeyAttrs as usize)
                    .map(|n| (*details).ii_IndexAttrNumbers[n])
                    .collect();
                let plain = (*details).ii_Predicate.is_null()
                    && (*details).ii_Expressions.is_null()
                    && attributes.iter().all(|attribute| *attribute > 0);
                let places: Vec<usize> = attributes
                    .iter()
                    .filter(|_| plain)
                    .map(|attribute| *attribute as usize - 1)
                    .collect();
                if form.indimmediate {
                    self.arbiters.push(Arbiter {
                        alone: pg_sys::lappend_oid(ptr::null_mut(), form.indexrelid),
                        places: places.clone(),
                    });
                    self.all_arbiters = pg_sys::lappend_oid(self.all_arbiters, form.indexrelid);
                }
                let never_null = places
                    .iter()
                    .all(|place| compat::attribute(desc, *place).attnotnull);
                let tells_apart =
                    form.indisunique && !exclusion && form.indisvalid && plain && never_null;
                if tells_apart && (form.indisprimary || self.identity.is_none()) {
                    self.identity = Some(Identity {
                        index: form.indexrelid,
                        relation: index,
                        deferrable: !form.indimmediate,
                        native: Identity::is_native(self.relation.0, form),
                        places,
                    });
                }
            }
        }
    }

    /// Whether rows recorded in this shape can be told apart by an index.
    pub fn has_identity(&self, shape: &Shape) -> bool {
        self.identity.as_ref().is_some_and(|identity| {
            identity
                .places
                .iter()
                .all(|place| self.in_target(*place).is_some_and(|place| shape.has(place)))
        })
    }

    /// Whether no unique or exclusion constraint of `indexes` (all when `None`) stands in the way of the slot's row; the
    /// place of the row that does otherwise.
    ///
    /// # Safety
    /// The slot must hold a whole row.
    pub unsafe fn in_the_way(
        &self,
        estate: *mut pg_sys::EState,
        arbiter: Option<&Arbiter>,
    ) -> Option<pg_sys::ItemPointerData> {
        let list = arbiter.map_or(self.all_arbiters, |arbiter| arbiter.alone);
        if list.is_null() {
            return None;
        }
        let mut place = pg_sys::ItemPointerData::default();
        let _acting = self.acting();
        // SAFETY: the list holds immediate indexes, opened for speculative insertion.
        let free = unsafe {
            compat::check_index_constraints(self.info, self.slot.0, estate, &mut place, list)
        };
        (!free).then_some(place)
    }
}
