//! One heap to restore into: a table, or a partition of one.

use super::foreign_keys::Incoming;
use super::leaf_indexes::{Arbiter, Identity};
use super::target::Target;
use super::values_index::ValuesIndex;
use crate::pg::acting::ActingAs;
use crate::pg::catalog::{self, ColumnFact, OpenRelation};
use crate::pg::slot::Slot;
use crate::record::format::RowFormat;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Oid};
use std::ptr;
use std::rc::Rc;

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
