//! One heap to restore into: a table, or a partition of one.

use super::by_values::ValuesIndex;
use super::foreign_keys::Incoming;
use super::shape::Shape;
use super::target::Target;
use crate::pg::acting::ActingAs;
use crate::pg::catalog::{self, ColumnFact, OpenRelation};
use crate::pg::compat;
use crate::pg::slot::Slot;
use crate::record::format::RowFormat;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Oid};
use std::ptr;
use std::rc::Rc;

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

pub struct Leaf {
    pub relid: Oid,
    pub relation: OpenRelation,
    pub info: *mut pg_sys::ResultRelInfo,
    /// A row to look for or to write.
    pub slot: Slot,
    /// The row that was found.
    pub present: Slot,
    pub identity: Option<Identity>,
    pub arbiters: Vec<Arbiter>,
    pub(super) all_arbiters: *mut pg_sys::List,
    pub format: Rc<RowFormat>,
    /// Per attribute, its place in the target's row; `None` when the shapes are the same.
    map: Option<Vec<Option<usize>>>,
    own_slot: bool,
    /// Where the next row is stored; made for the first one.
    pub(super) bulk: pg_sys::BulkInsertState,
    pub(super) constraints: bool,
    pub generated: bool,
    pub(super) partition_check: bool,
    /// It has foreign keys.
    pub(super) references: bool,
    /// Where restored rows are, for checking foreign keys: re-inserted ones, and those set back.
    pub inserted: Vec<pg_sys::ItemPointerData>,
    pub updated: Vec<pg_sys::ItemPointerData>,
    /// Places that were set back in some row.
    pub touched: Vec<bool>,
    /// Deferrable constraints that a row may violate: (index, row).
    pub recheck: Vec<(Oid, pg_sys::ItemPointerData)>,
    /// Where its rows are by their values, when they have no key; made when first needed.
    pub values: Option<ValuesIndex>,
    /// Foreign keys that reference this table, with keys that are gone; looked up when the first one goes.
    pub incoming: Option<Vec<Incoming>>,
}

impl Leaf {
    /// Opens `relid`, which is `target` itself or one of its partitions.
    ///
    /// # Safety
    /// In the estate's memory context, with the relation locked.
    pub unsafe fn open(target: &Target, relid: Oid, estate: *mut pg_sys::EState) -> Outcome<Leaf> {
        let name = catalog::display_name(relid);
        let Some(relation) = OpenRelation::open(relid, pg_sys::RowExclusiveLock) else {
            return Err(Report::new(
                sqlstate::UNDEFINED_TABLE,
                format!("table \"{name}\" does not exist"),
            ));
        };
        if relation.kind() != 'r' {
            return Err(Report::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("cannot restore rows into partition \"{name}\""),
            )
            .detail("It is a foreign table."));
        }
        // SAFETY: the relation stays open as long as the leaf. No triggers: what is restored is what was there.
        unsafe {
            let _acting = ActingAs::owner_of(relation.0);
            let info =
                pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()) as *mut pg_sys::ResultRelInfo;
            (*info).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            pg_sys::InitResultRelInfo(info, relation.0, 0, ptr::null_mut(), 0);
            (*info).ri_TrigDesc = ptr::null_mut();
            pg_sys::ExecOpenIndices(info, true);
            if (*estate).es_per_tuple_exprcontext.is_null() {
                pg_sys::MakePerTupleExprContext(estate);
            }
            let desc = (*relation.0).rd_att;
            let itself = relid == target.relid;
            let facts = relation.columns();
            let constraint = (*desc).constr;
            let key = key_names(target, relid, &facts);
            let mut leaf = Leaf {
                relid,
                info,
                slot: if itself {
                    target.slot
                } else {
                    Slot::virtual_of(desc)
                },
                own_slot: !itself,
                bulk: ptr::null_mut(),
                present: Slot(pg_sys::table_slot_create(relation.0, ptr::null_mut())),
                identity: None,
                arbiters: Vec::new(),
                all_arbiters: ptr::null_mut(),
                map: (!itself).then(|| {
                    let mut map = vec![None; (*desc).natts as usize];
                    for fact in &facts {
                        map[fact.attnum as usize - 1] = target
                            .columns
                            .iter()
                            .find(|column| column.name == fact.name)
                            .map(|column| column.attnum as usize - 1);
                    }
                    map
                }),
                constraints: !constraint.is_null(),
                generated: !constraint.is_null() && (*constraint).has_generated_stored,
                partition_check: itself && (*(*relation.0).rd_rel).relispartition,
                references: !pg_sys::RelationGetFKeyList(relation.0).is_null(),
                inserted: Vec::new(),
                updated: Vec::new(),
                touched: vec![false; (*desc).natts as usize],
                recheck: Vec::new(),
                incoming: None,
                values: None,
                format: Rc::new(RowFormat::of(
                    target.relid,
                    target.name.clone(),
                    facts,
                    &key,
                )),
                relation,
            };
            leaf.look_at_indexes();
            Ok(leaf)
        }
    }

    /// Finds the index that tells rows apart and the ones a new row must not collide with.
    ///
    /// # Safety
    /// The indexes must be open.
    unsafe fn look_at_indexes(&mut self) {
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

    /// The place of the leaf's attribute in the target's row.
    pub fn in_target(&self, place: usize) -> Option<usize> {
        match &self.map {
            Some(map) => map[place],
            None => Some(place),
        }
    }

    /// The place of the target's attribute in the leaf's row.
    pub fn place_of(&self, place: usize) -> Option<usize> {
        match &self.map {
            Some(map) => map.iter().position(|of| *of == Some(place)),
            None => Some(place),
        }
    }

    /// Takes a row of the target's shape into the leaf's slot.
    ///
    /// # Safety
    /// `row` must be the target's slot, filled.
    pub unsafe fn take(&self, row: Slot) {
        let Some(map) = &self.map else { return };
        // SAFETY: the caller vouches for row; the leaf's slot is virtual.
        unsafe {
            self.slot.start();
            for (place, of) in map.iter().enumerate() {
                if let Some(of) = of {
                    self.slot.set(place, row.get(*of));
                }
            }
            self.slot.store();
        }
    }

    /// Gives the leaf's row to a slot of the target's shape.
    ///
    /// # Safety
    /// `row` must be the target's slot, and the leaf's slot filled.
    pub unsafe fn give(&self, row: Slot) {
        let Some(map) = &self.map else { return };
        // SAFETY: the caller vouches for both.
        unsafe {
            row.start();
            for (place, of) in map.iter().enumerate() {
                if let Some(of) = of {
                    row.set(*of, self.slot.get(place));
                }
            }
            row.store();
        }
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

    /// What a partition's owner wrote runs as that owner; `Target::acting` is enough where it is the table's as well.
    pub(super) fn acting(&self) -> Option<ActingAs> {
        // SAFETY: the relation is open as long as the leaf.
        self.own_slot
            .then(|| unsafe { ActingAs::owner_of(self.relation.0) })
    }

    /// # Safety
    /// Once, without an error under way.
    pub unsafe fn close(&mut self) {
        // SAFETY: the caller vouches for the moment.
        unsafe {
            if !self.bulk.is_null() {
                pg_sys::FreeBulkInsertState(self.bulk);
                self.bulk = ptr::null_mut();
            }
            pg_sys::ExecCloseIndices(self.info);
            pg_sys::ExecDropSingleTupleTableSlot(self.present.0);
            if self.own_slot {
                pg_sys::ExecDropSingleTupleTableSlot(self.slot.0);
            }
        }
    }
}

/// The key by which the record names a row: the primary key, else the one it was recorded with.
fn key_names(target: &Target, relid: Oid, facts: &[ColumnFact]) -> Vec<String> {
    let primary = catalog::primary_key(relid);
    if primary.is_empty() {
        return target.recorded_key.clone();
    }
    let key = facts.iter().filter(|fact| primary.contains(&fact.attnum));
    key.map(|fact| fact.name.clone()).collect()
}
