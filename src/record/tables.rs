//! The record's tables, written to directly: no SPI, no planner, no triggers, and no privileges of the user whose statement is
//! recorded.

use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{direct_function_call, direct_function_call_as_datum};
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
///
/// After nextval, the session's lastval() would speak of our sequence and not of the application's. setval leaves no such
/// trace (commands/sequence.c), so the value is read and set, under a lock that nothing else takes.
pub fn draw(name: &CStr) -> i64 {
    let sequence = own_relation(name);
    let (mut user, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: in a transaction; the functions get the arguments they take. An abort gives user and lock back.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        pg_sys::SetUserIdAndSecContext(
            Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID),
            context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
        );
        let lock = pg_sys::ExclusiveLock as i32;
        pg_sys::LockDatabaseObject(pg_sys::RelationRelationId, sequence, 0, lock);
        let sequence_datum = Some(Datum::from(sequence));
        let last: Option<i64> =
            direct_function_call(pg_sys::pg_sequence_last_value, &[sequence_datum]);
        let next = last.unwrap_or(0) + 1;
        direct_function_call_as_datum(
            pg_sys::setval_oid,
            &[sequence_datum, Some(Datum::from(next))],
        );
        pg_sys::UnlockDatabaseObject(pg_sys::RelationRelationId, sequence, 0, lock);
        pg_sys::SetUserIdAndSecContext(user, context);
        next
    }
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
        for (n, value) in values.iter().enumerate() {
            if let Some(value) = value {
                (nulls[n], datums[n]) = (false, *value);
            }
        }
        let tuple =
            pg_sys::heap_form_tuple((*relation).rd_att, datums.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::CatalogTupleInsert(relation, tuple);
        pg_sys::table_close(relation, pg_sys::NoLock as i32);
    }
}
