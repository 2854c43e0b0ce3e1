//! The record's tables, written to directly: no SPI, no planner, no triggers, and no privileges of the user whose statement is
//! recorded.

use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString};

thread_local! {
    static SCRATCH: Cell<pg_sys::MemoryContext> = const { Cell::new(std::ptr::null_mut()) };
}

thread_local! {
    /// Our relations by name, for one generation of the registry: dropping or making the extension makes the registry
    /// stale.
    static RELATIONS: RefCell<(usize, Vec<(CString, Oid)>)> = const { RefCell::new((0, Vec::new())) };
}

/// Runs `work` in a memory context of its own that is emptied afterwards (after an error: before the next use).
pub fn in_scratch<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the context is created once under TopMemoryContext and never deleted.
    unsafe {
        if SCRATCH.get().is_null() {
            SCRATCH.set(pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"pg_backstop record".as_ptr(),
                0,
                8 * 1024,
                8 * 1024 * 1024,
            ));
        }
        pg_sys::MemoryContextReset(SCRATCH.get());
        let before = pg_sys::MemoryContextSwitchTo(SCRATCH.get());
        let result = work();
        pg_sys::MemoryContextSwitchTo(before);
        result
    }
}

/// A relation of schema backstop.
pub fn own_relation(name: &CStr) -> Oid {
    let generation = crate::registry::generation();
    let known = RELATIONS.with_borrow_mut(|(of, relations)| {
        if *of != generation {
            relations.clear();
            *of = generation;
        }
        let found = relations.iter().find(|(known, _)| known.as_c_str() == name);
        found.map(|(_, relid)| *relid)
    });
    if let Some(relid) = known {
        return relid;
    }
    // SAFETY: syscache look-ups with C strings.
    let relid = unsafe {
        let schema = pg_sys::get_namespace_oid(c"backstop".as_ptr(), false);
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    if relid != pg_sys::InvalidOid {
        RELATIONS.with_borrow_mut(|(_, relations)| relations.push((name.to_owned(), relid)));
    }
    relid
}

/// Draws from one of our sequences, whatever the user was granted.
pub fn draw(name: &CStr) -> i64 {
    // SAFETY: check_permissions = false; nextval_internal of a sequence that the extension owns.
    unsafe {
        let sequence = own_relation(name);
        pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| nextval_internal(sequence, false))
    }
}

unsafe extern "C-unwind" {
    /// commands/sequence.h
    fn nextval_internal(relid: Oid, check_permissions: bool) -> i64;
}

/// The next id in the order of changes.
pub fn change_id() -> i64 {
    draw(c"chunk_id_seq")
}

/// Inserts one row; the values must match the table's columns. Columns behind them are NULL.
pub fn insert(table: &CStr, values: &mut [Option<Datum>]) {
    // SAFETY: our own tables have plain indexes only, as CatalogTupleInsert asks; the tuple matches the descriptor. The
    // lock is kept to the end of the transaction like any writer's.
    unsafe {
        let relation = pg_sys::table_open(own_relation(table), pg_sys::RowExclusiveLock as i32);
        let columns = (*(*relation).rd_att).natts as usize;
        let mut nulls = vec![true; columns];
        let mut datums = vec![Datum::from(0); columns];
        // A library that is newer than the extension's SQL knows columns that are not there yet.
        for (n, value) in values.iter().take(columns).enumerate() {
            if let Some(value) = value {
                (nulls[n], datums[n]) = (false, *value);
            }
        }
        let tuple =
            pg_sys::heap_form_tuple((*relation).rd_att, datums.as_mut_ptr(), nulls.as_mut_ptr());
        // PostgreSQL wants a snapshot to be held where values may go to TOAST, and at COMMIT none is any more.
        let bare = (*(*relation).rd_rel).reltoastrelid != pg_sys::InvalidOid
            && !pg_sys::ActiveSnapshotSet();
        if bare {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        pg_sys::CatalogTupleInsert(relation, tuple);
        if bare {
            pg_sys::PopActiveSnapshot();
        }
        pg_sys::table_close(relation, pg_sys::NoLock as i32);
    }
}
