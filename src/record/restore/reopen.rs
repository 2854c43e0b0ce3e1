//! Tables that are open cannot be altered: they are closed for a conversion, and opened anew.

use super::engine::Engine;
use super::foreign_keys::{Incoming, check_incoming};
use super::retype::Conversion;
use super::target::Target;
use crate::pg::catalog::{self, OpenRelation};
use crate::pg::memory;
use crate::pg::raw;
use crate::pg::slot::Slot;
use crate::report::Outcome;
use pgrx::pg_sys::{self, HeapTuple, Oid};

/// A target while a conversion goes on.
pub(super) enum Aside {
    Open(Target),
    Closed {
        recorded: String,
        key: Vec<String>,
        relid: Oid,
        leaves: Vec<Unchecked>,
    },
}

/// What is still to be checked of a leaf.
pub(super) struct Unchecked {
    relid: Oid,
    /// Rows were written, whose foreign keys nobody has checked.
    written: bool,
    incoming: Option<Vec<Incoming>>,
}

impl Engine {
    /// Closes the targets of `heaps`.
    ///
    /// # Errors
    /// When a key that is gone is still referenced, and a conversion leaves no later moment to ask.
    ///
    /// # Safety
    /// Between two images.
    pub(super) unsafe fn close(
        &mut self,
        conversions: &[Conversion],
        heaps: &[Oid],
    ) -> Outcome<Vec<Aside>> {
        let is_converted = |target: &Target| {
            let reached = |relid: &Oid| {
                let mut conversions = conversions.iter();
                heaps.contains(relid) || conversions.any(|c| c.relid == *relid)
            };
            reached(&target.relid) || target.leaves.iter().any(|leaf| reached(&leaf.relid))
        };
        // The estate's directory holds all that are partitioned.
        let mut targets = self.targets.iter();
        let partitioned = targets.any(|target| target.partitioned() && is_converted(target));
        let mut aside = Vec::new();
        for mut target in std::mem::take(&mut self.targets) {
            if !(is_converted(&target) || partitioned && target.partitioned()) {
                aside.push(Aside::Open(target));
                continue;
            }
            let columns: Vec<String> = conversions.iter().flat_map(column_names).collect();
            let mut leaves = Vec::new();
            for leaf in &mut target.leaves {
                let format = leaf.format.clone();
                let is_converted = |place: usize| {
                    let column = format.column_at(place);
                    column.is_some_and(|column| columns.contains(&column.fact.name))
                };
                let mut incoming = leaf.incoming.take();
                for reference in incoming.iter_mut().flatten() {
                    if reference.places().any(is_converted) {
                        // Values of two types would not compare later.
                        check_incoming(reference)?;
                    }
                }
                if let Some(all) = &mut incoming {
                    all.retain(|reference| !reference.places().any(is_converted));
                }
                leaves.push(Unchecked {
                    relid: leaf.relid,
                    written: !(leaf.inserted.is_empty() && leaf.updated.is_empty()),
                    // Looked up anew where nothing is to be checked.
                    incoming: incoming.filter(|all| !all.is_empty()),
                });
            }
            let (recorded, key) = (target.recorded.clone(), target.recorded_key.clone());
            let relid = target.relid;
            // SAFETY: the caller vouches for the moment.
            unsafe { target.close() };
            aside.push(Aside::Closed {
                recorded,
                key,
                relid,
                leaves,
            });
        }
        if partitioned {
            // SAFETY: nothing uses it any more; whoever opens a partitioned table makes it anew.
            unsafe {
                let directory = std::mem::replace(
                    &mut (*self.estate).es_partition_directory,
                    std::ptr::null_mut(),
                );
                if !directory.is_null() {
                    pg_sys::DestroyPartitionDirectory(directory);
                }
            }
        }
        Ok(aside)
    }

    /// Opens what was closed, each target in its place. `of_tables`: the heaps that PostgreSQL has written anew.
    ///
    /// # Safety
    /// As for `close`.
    pub(super) unsafe fn reopen(
        &mut self,
        aside: Vec<Aside>,
        of_tables: &[Vec<Oid>],
    ) -> Outcome<()> {
        for one in aside {
            let (recorded, key, relid, leaves) = match one {
                Aside::Open(target) => {
                    self.targets.push(target);
                    continue;
                }
                Aside::Closed {
                    recorded,
                    key,
                    relid,
                    leaves,
                } => (recorded, key, relid, leaves),
            };
            // SAFETY: the caller vouches for the moment; the estate outlives the target.
            unsafe {
                let mut target = Target::of(&recorded, key, relid, self.estate)?;
                for unchecked in leaves {
                    let leaf = target.leaf(unchecked.relid, self.estate)?;
                    let leaf = &mut target.leaves[leaf];
                    leaf.incoming = unchecked.incoming;
                    if unchecked.written && leaf.references {
                        // Where those rows are now nobody knows.
                        let rows = &mut leaf.inserted;
                        scan(&leaf.relation, |_, tuple| {
                            memory::push(rows, (*tuple).t_self);
                            true
                        });
                    }
                }
                self.targets.push(target);
            }
        }
        for heap in of_tables.iter().flatten() {
            let Some(relation) = OpenRelation::open(*heap, pg_sys::AccessShareLock) else {
                continue;
            };
            // SAFETY: a tuple of a heap has its header. The rows of a heap were all written by one command.
            unsafe {
                scan(&relation, |_, tuple| {
                    let xid = (*(*tuple).t_data).t_choice.t_heap.t_xmin;
                    if !self.converted_back.xids.contains(&xid) {
                        self.converted_back.xids.push(xid);
                    }
                    false
                });
            }
        }
        Ok(())
    }
}

/// What the converted columns are called now.
fn column_names(conversion: &Conversion) -> Vec<String> {
    let relation = OpenRelation::open(conversion.relid, pg_sys::AccessShareLock);
    let facts = relation.map(|relation| relation.columns());
    let facts = facts.into_iter().flatten();
    let numbers = conversion.numbers();
    facts
        .filter(|fact| numbers.contains(&fact.attnum))
        .map(|fact| fact.name)
        .collect()
}

/// The heaps of a table and its children, locked against everyone.
pub(super) fn heaps(relid: Oid) -> Vec<Oid> {
    // SAFETY: locks every member; the list is the current memory context's.
    let members = unsafe {
        pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
            raw::find_all_inheritors(
                relid,
                pg_sys::AccessExclusiveLock as i32,
                std::ptr::null_mut(),
            )
        })
    };
    // SAFETY: an OID list; a syscache look-up.
    unsafe {
        catalog::oid_list(members)
            .into_iter()
            .filter(|relid| pg_sys::get_rel_relkind(*relid) as u8 == pg_sys::RELKIND_RELATION)
            .collect()
    }
}

/// Goes through a heap's rows by the newest snapshot while `each` says so.
///
/// # Safety
/// The heap must be locked.
pub(super) unsafe fn scan(relation: &OpenRelation, mut each: impl FnMut(Slot, HeapTuple) -> bool) {
    // SAFETY: a plain scan; what `each` allocates goes with a context of its own.
    unsafe {
        let context = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"pg_backstop scan".as_ptr(),
            0,
            8 * 1024,
            8 * 1024 * 1024,
        );
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let scan = pg_sys::systable_beginscan(
            relation.0,
            pg_sys::InvalidOid,
            false,
            snapshot,
            0,
            std::ptr::null_mut(),
        );
        let before = pg_sys::MemoryContextSwitchTo(context);
        loop {
            memory::check();
            pg_sys::MemoryContextReset(context);
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() || !each(Slot((*scan).slot), tuple) {
                break;
            }
        }
        pg_sys::MemoryContextSwitchTo(before);
        pg_sys::systable_endscan(scan);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::MemoryContextDelete(context);
    }
}
