//! Where a preview's chunks wait for the end of its subtransaction, each compressed as the record's are: tuplestores of
//! the surrounding transaction. The first maintenance_work_mem stay in memory, and only what comes after goes through a
//! temporary file, where one tuplestore would write all of it there.

use crate::pg::raw;
use crate::record::format::RowFormat;
use crate::record::{datum, pack};
use pgrx::pg_sys::{self, Datum};
use std::cell::RefCell;

/// Chunk number, rows, key columns, columns, images, fingerprints.
const COLUMNS: [pg_sys::Oid; 6] = [
    pg_sys::INT8OID,
    pg_sys::INT4OID,
    pg_sys::INT2OID,
    pg_sys::TEXTARRAYOID,
    pg_sys::BYTEAOID,
    pg_sys::BYTEAOID,
];

/// The kilobytes that wait in memory to be spilled: a chunk or two.
const SPILL_BUFFER: i32 = 256;

struct Store {
    /// Chunks 1 and on, as many as `room` allows.
    kept: *mut pg_sys::Tuplestorestate,
    room: usize,
    /// The chunks after them.
    spilled: *mut pg_sys::Tuplestorestate,
    desc: pg_sys::TupleDesc,
    next: i64,
}

thread_local! {
    static STORE: RefCell<Option<Store>> = const { RefCell::new(None) };
}

/// Opens the store, in the current memory context and resource owner.
pub fn open() {
    // SAFETY: plain constructors; the store is used until `close`, or forgotten by `close` when its memory is gone.
    let store = unsafe {
        let desc = pg_sys::CreateTemplateTupleDesc(COLUMNS.len() as i32);
        for (n, column) in COLUMNS.into_iter().enumerate() {
            pg_sys::TupleDescInitEntry(desc, (n + 1) as i16, std::ptr::null(), column, -1, 0);
        }
        Store {
            kept: pg_sys::tuplestore_begin_heap(false, false, i32::MAX),
            room: pg_sys::maintenance_work_mem as usize * 1024,
            spilled: pg_sys::tuplestore_begin_heap(false, false, SPILL_BUFFER),
            desc,
            next: 1,
        }
    };
    STORE.set(Some(store));
}

/// Forgets the store; its memory belongs to the context it was opened in.
pub fn close() {
    STORE.set(None);
}

/// Frees the store's memory and file.
pub fn end() {
    if let Some(store) = STORE.take() {
        // SAFETY: opened by `open` and used by nobody any more.
        unsafe {
            pg_sys::tuplestore_end(store.kept);
            pg_sys::tuplestore_end(store.spilled);
        }
    }
}

/// Adds a chunk; returns its number, and what its images were compressed to.
pub fn put(
    format: &RowFormat,
    rows: i32,
    images: &[u8],
    fingerprints: &[u8],
) -> (i64, Option<usize>) {
    STORE.with_borrow_mut(|store| {
        let Some(store) = store else {
            return (0, None);
        };
        let number = store.next;
        store.next += 1;
        let packed = pack::packed(images, pack::PIECE);
        let stored = packed.as_deref().unwrap_or(images);
        let taken = stored.len() + fingerprints.len();
        let fingerprints = datum::text(fingerprints);
        // SAFETY: values of the descriptor's types; tuplestore copies them.
        unsafe {
            let mut values = [
                Datum::from(number),
                Datum::from(rows),
                Datum::from(format.key_count),
                Datum::from(format.names.as_ptr()),
                Datum::from(stored.as_ptr()),
                fingerprints,
            ];
            let tuples = if taken <= store.room {
                store.room -= taken;
                store.kept
            } else {
                // Once one has no room, none after it is kept: they come back in order.
                store.room = 0;
                store.spilled
            };
            pg_sys::tuplestore_putvalues(
                tuples,
                store.desc,
                values.as_mut_ptr(),
                [false; COLUMNS.len()].as_mut_ptr(),
            );
            pg_sys::pfree(fingerprints.cast_mut_ptr());
        }
        (number, packed.map(|packed| packed.len()))
    })
}

/// Hands every chunk to `take`: its number and its values.
pub fn drain(mut take: impl FnMut(i64, &[Datum; COLUMNS.len()])) {
    let (stores, desc) = match STORE.with_borrow(|store| {
        let store = store.as_ref();
        store.map(|store| ([store.kept, store.spilled], store.desc))
    }) {
        Some(found) => found,
        None => return,
    };
    // SAFETY: the slot holds one tuple of the descriptor at a time.
    unsafe {
        let slot = pg_sys::MakeSingleTupleTableSlot(desc, &raw const pg_sys::TTSOpsMinimalTuple);
        for tuples in stores {
            while pg_sys::tuplestore_gettupleslot(tuples, true, false, slot) {
                crate::pg::memory::check();
                raw::slot_getsomeattrs_int(slot, COLUMNS.len() as i32);
                let values = std::array::from_fn(|n| *(*slot).tts_values.add(n));
                take(values[0].value() as i64, &values);
            }
        }
        pg_sys::ExecDropSingleTupleTableSlot(slot);
    }
}
