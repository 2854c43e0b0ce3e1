//! Rows of our own small tables, read without leaving a trace in the transaction that needs them.
//!
//! A query in a SERIALIZABLE transaction takes predicate locks on what it reads. On the registry they would make every
//! protect() conflict with transactions that never asked for it: those would fail to serialize because of the guard.
//! PostgreSQL takes none on system catalogs, nor in a scan whose snapshot is not an MVCC one. So all row versions are
//! scanned, and the newest snapshot picks those that count.

use super::memory;
use super::newest::see_own_changes;
use super::slot::Slot;
use pgrx::FromDatum;
use pgrx::pg_sys::{self, Oid};
use std::ptr;

/// A row, by attribute place (from 0), as its table was created.
pub struct Row(Slot);

impl Row {
    /// The attribute's value, `None` for NULL.
    pub fn get<T: FromDatum>(&self, place: usize) -> Option<T> {
        // SAFETY: every attribute was fetched before the row was handed out; T is the type the table declares.
        unsafe { T::from_datum(self.0.get(place)?, false) }
    }
}

/// The table's rows by the newest snapshot, what this transaction has done so far included. No rows where it was dropped
/// meanwhile.
///
/// # Safety
/// `map` must ask for values by the types that the table declares.
pub unsafe fn rows<T>(relid: Oid, mut map: impl FnMut(&Row) -> Option<T>) -> Vec<T> {
    let lock = pg_sys::AccessShareLock as i32;
    let mut found = Vec::new();
    // SAFETY: a plain scan of an open table. The snapshot is registered while the scan lasts; after an error the abort
    // releases it, the lock and the buffers.
    unsafe {
        let relation = pg_sys::try_table_open(relid, lock);
        if relation.is_null() {
            return found;
        }
        see_own_changes();
        let newest = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::InvalidOid,
            false,
            &raw mut pg_sys::SnapshotAnyData,
            0,
            ptr::null_mut(),
        );
        while !pg_sys::systable_getnext(scan).is_null() {
            let slot = Slot((*scan).slot);
            if is_visible(relation, slot, newest) {
                slot.fetch_all();
                if let Some(value) = map(&Row(slot)) {
                    memory::push(&mut found, value);
                }
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::UnregisterSnapshot(newest);
        pg_sys::table_close(relation, lock);
    }
    found
}

/// `table_tuple_satisfies_snapshot`, which is inline in C.
///
/// # Safety
/// The slot must hold a row version of the open relation, as a scan of it left it; the snapshot must be registered.
unsafe fn is_visible(relation: pg_sys::Relation, slot: Slot, snapshot: pg_sys::Snapshot) -> bool {
    // SAFETY: the caller vouches for all three; every table access method has this callback.
    unsafe {
        (*(*relation).rd_tableam)
            .tuple_satisfies_snapshot
            .is_some_and(|satisfies| {
                pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                    satisfies(relation, slot.0, snapshot)
                })
            })
    }
}
