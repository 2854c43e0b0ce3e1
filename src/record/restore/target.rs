//! The tables to restore: found by what the record says of them, opened, and their rows led to the right partition.

use super::chunk::Chunk;
use super::column_history::ColumnChanges;
use super::defaults::Default;
use super::foreign_keys::owners;
use super::leaf::Leaf;
use super::resolve::gone;
use super::routing::Routing;
use super::shape::Shape;
use crate::pg::acting::ActingAs;
use crate::pg::catalog::{self, ColumnFact, OpenRelation};
use crate::pg::raw;
use crate::pg::slot::Slot;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// A table of the record, opened for restoring.
pub struct Target {
    /// Its name in the record.
    pub recorded: String,
    /// Its name now.
    pub name: Rc<str>,
    pub relid: Oid,
    pub relation: OpenRelation,
    pub columns: Vec<ColumnFact>,
    /// The key that the record names rows by, as its columns are called now.
    pub recorded_key: Vec<String>,
    /// A row in the table's own shape.
    pub slot: Slot,
    pub shapes: Vec<Shape>,
    pub leaves: Vec<Leaf>,
    routing: Option<Routing>,
    /// Its partitions are not all its owner's.
    mixed: bool,
    /// Defaults of columns added since, by place.
    pub(super) defaults: Vec<Default>,
    /// Values that a dry run has put in the place of a sequence's.
    pub(super) stand_ins: i32,
}

impl Target {
    /// Opens `relid`, the table a chunk's rows belong to.
    ///
    /// # Safety
    /// `estate` must be live and outlive the target.
    pub unsafe fn open(
        chunk: &Chunk,
        relid: Oid,
        names: &ColumnChanges,
        estate: *mut pg_sys::EState,
    ) -> Outcome<Target> {
        let key = names.names(chunk, relid, &chunk.columns[..chunk.key_count]);
        // SAFETY: the caller vouches for the estate.
        unsafe { Target::of(&chunk.relation, key, relid, estate) }
    }

    /// Opens `relid`, which the record calls `recorded` and names rows of by `recorded_key`.
    ///
    /// # Safety
    /// As for `open`.
    pub unsafe fn of(
        recorded: &str,
        recorded_key: Vec<String>,
        relid: Oid,
        estate: *mut pg_sys::EState,
    ) -> Outcome<Target> {
        let Some(relation) = OpenRelation::open(relid, pg_sys::RowExclusiveLock) else {
            return Err(gone(recorded));
        };
        let name: Rc<str> = Rc::from(catalog::display_name(relid));
        if relid.to_u32() < pg_sys::FirstNormalObjectId || catalog::is_ours(relid) {
            return Err(Report::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("cannot restore rows of relation \"{name}\""),
            )
            .detail("Nothing of it is ever recorded."));
        }
        let columns = relation.columns();
        // SAFETY: the relation stays open as long as the target; nodes are made in the estate's memory.
        unsafe {
            let context = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let slot = Slot::virtual_of((*relation.0).rd_att);
            let mut target = Target {
                recorded: recorded.to_owned(),
                recorded_key,
                name: name.clone(),
                relid,
                columns,
                slot,
                shapes: Vec::new(),
                leaves: Vec::new(),
                routing: None,
                mixed: false,
                defaults: Vec::new(),
                stand_ins: 0,
                relation,
            };
            match target.relation.kind() {
                'r' => {
                    let leaf = Leaf::open(&target, relid, estate)?;
                    target.leaves.push(leaf);
                }
                'p' => {
                    // What it is partitioned by is simplified when it is first read.
                    target.mixed = owners(relid).len() > 1;
                    let _acting = target.acting();
                    target.routing = Some(Routing::new(&target.relation, estate));
                }
                _ => {
                    return Err(Report::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!("cannot restore rows of relation \"{name}\""),
                    )
                    .detail("It is no longer an ordinary or partitioned table."));
                }
            }
            pg_sys::MemoryContextSwitchTo(context);
            Ok(target)
        }
    }

    /// Whether the recorded key tells the table's rows apart.
    pub fn is_told_by_key(&self, shape: &Shape) -> bool {
        let Some(leaf) = self.leaves.first() else {
            return false;
        };
        leaf.identity.as_ref().is_some_and(|identity| {
            identity.places.iter().all(|place| {
                let n = leaf
                    .in_target(*place)
                    .and_then(|place| shape.column_at(place));
                n.is_some_and(|n| n < shape.key_count)
            })
        })
    }

    /// What the table's owner wrote (domains, defaults, constraints, indexes) runs as the owner.
    pub fn acting(&self) -> ActingAs {
        // SAFETY: the relation is open as long as the target.
        unsafe { ActingAs::owner_of(self.relation.0) }
    }

    pub fn partitioned(&self) -> bool {
        self.routing.is_some()
    }

    /// What the recorded columns are called now, where that is certain: in the very table they were recorded from, of which
    /// no column was ever dropped, the record has the key and then the others in the table's order. `keys` is what the
    /// key's columns are called now, as far as renaming was noted; another column may have got such a name unnoted, but not
    /// the primary key's place.
    pub(super) fn in_order(&self, chunk: &Chunk, keys: &[String]) -> Option<Vec<String>> {
        // SAFETY: an open relation has its pg_class row and its descriptor in memory.
        let (class, natts) = unsafe {
            let relation = &*self.relation.0;
            (&*relation.rd_rel, (*relation.rd_att).natts as usize)
        };
        let inherits = class.relhassubclass || class.relispartition;
        let (facts, count) = (&self.columns, chunk.columns.len());
        let whole = facts.len() >= count
            && facts
                .iter()
                .zip(1..)
                .all(|(fact, attnum)| fact.attnum == attnum)
            && natts == facts.len();
        if chunk.relid != self.relid || inherits || self.partitioned() || !whole {
            return None;
        }
        let mut places: Vec<i16> = Vec::new();
        for key in keys {
            let fact = facts[..count].iter().find(|fact| fact.name == *key)?;
            places.push(fact.attnum);
        }
        places.sort_unstable();
        if keys.len() != chunk.key_count
            || !keys.is_empty() && places != catalog::primary_key(self.relid)
        {
            return None;
        }
        let recorded = facts[..count].iter().map(|fact| &fact.name);
        let others = recorded.filter(|name| !keys.contains(name));
        Some(keys.iter().chain(others).cloned().collect())
    }

    /// The numbers of the columns that the table has lost.
    pub(super) fn dropped_places(&self) -> Vec<i16> {
        // SAFETY: an open relation's descriptor is live.
        let natts = unsafe { (*(*self.relation.0).rd_att).natts as i16 };
        let living = |attnum: &i16| self.columns.iter().any(|fact| fact.attnum == *attnum);
        (1..=natts).filter(|attnum| !living(attnum)).collect()
    }

    /// The number of the shape of `chunk`'s rows, whose columns have these names now, and whose values were `converted` since.
    ///
    /// # Safety
    /// `estate` must be the one the target was opened with.
    pub unsafe fn shape(
        &mut self,
        chunk: &Chunk,
        names: Vec<Option<String>>,
        converted: Vec<Option<i64>>,
        estate: *mut pg_sys::EState,
    ) -> usize {
        let known = self.shapes.iter().position(|shape| {
            shape.columns == chunk.columns
                && shape.key_count == chunk.key_count
                && shape.names == names
                && shape.converted == converted
        });
        known.unwrap_or_else(|| {
            // SAFETY: the estate's memory outlives the target.
            let shape = unsafe {
                Shape::new(
                    &chunk.columns,
                    names,
                    converted,
                    chunk.key_count,
                    &self.columns,
                    (*estate).es_query_cxt,
                )
            };
            self.shapes.push(shape);
            self.shapes.len() - 1
        })
    }

    /// The leaf that the row in `slot` belongs to, with the row put into the leaf's own slot.
    ///
    /// # Safety
    /// `slot` must hold a whole row.
    pub unsafe fn route(&mut self, estate: *mut pg_sys::EState) -> Outcome<usize> {
        let Some(routing) = &self.routing else {
            return Ok(0);
        };
        if self.mixed {
            // SAFETY: the caller filled the slot.
            return unsafe { self.route_by_asking(estate) };
        }
        // SAFETY: routing was set up for this table; ExecFindPartition raises when no partition takes the row.
        let relid = unsafe { routing.partition(self.slot, estate) };
        // SAFETY: the partition is locked by routing.
        let leaf = unsafe { self.leaf(relid, estate)? };
        // SAFETY: the caller filled the slot.
        unsafe { self.leaves[leaf].take(self.slot) };
        Ok(leaf)
    }

    /// # Safety
    /// `relid` must be this table or one of its partitions, locked.
    pub(super) unsafe fn leaf(
        &mut self,
        relid: Oid,
        estate: *mut pg_sys::EState,
    ) -> Outcome<usize> {
        if let Some(known) = self.leaves.iter().position(|leaf| leaf.relid == relid) {
            return Ok(known);
        }
        // SAFETY: the estate's memory outlives the leaf.
        unsafe {
            let context = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let leaf = Leaf::open(self, relid, estate)?;
            pg_sys::MemoryContextSwitchTo(context);
            self.leaves.push(leaf);
        }
        Ok(self.leaves.len() - 1)
    }

    /// All leaves, for a row that isn't where it should be.
    ///
    /// # Safety
    /// `estate` must be the one the target was opened with.
    pub unsafe fn all_leaves(&mut self, estate: *mut pg_sys::EState) -> Outcome<usize> {
        if self.routing.is_some() {
            // SAFETY: locks every partition; the list is the current memory context's.
            let members = unsafe {
                pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                    raw::find_all_inheritors(
                        self.relid,
                        pg_sys::RowExclusiveLock as i32,
                        std::ptr::null_mut(),
                    )
                })
            };
            // SAFETY: an OID list.
            for relid in unsafe { catalog::oid_list(members) } {
                // SAFETY: locked above.
                unsafe {
                    if pg_sys::get_rel_relkind(relid) as u8 == pg_sys::RELKIND_RELATION {
                        self.leaf(relid, estate)?;
                    }
                }
            }
        }
        Ok(self.leaves.len())
    }

    /// Closes the table's indexes and partitions.
    ///
    /// # Safety
    /// Once, without an error under way.
    pub unsafe fn close(&mut self) {
        // SAFETY: the caller vouches for the moment.
        unsafe {
            for leaf in &mut self.leaves {
                leaf.close();
            }
            if let Some(routing) = self.routing.take() {
                routing.close();
            }
            pg_sys::ExecDropSingleTupleTableSlot(self.slot.0);
        }
    }
}
