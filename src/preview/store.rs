//! Where a preview's chunks wait for the end of its subtransaction: a tuplestore of the surrounding transaction, in
//! memory up to maintenance_work_mem and then in a temporary file, each chunk compressed as the record's are.

use crate::pg::raw;
use crate::record::format::RowFormat;
use crate::record::{datum, write};
use pgrx::pg_sys::{self, Datum};
use std::cell::RefCell;

/// Chunk number, rows, key columns, columns, images, fingerprints.
const COLUMNS: [pg_sys::Oid; 6] = [
    pg_sys::INT8OID,
    pg_sys::INT4OID,
    pg_sys::INT2OID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTOID,
    pg_sys::BYTEAOID,
];

struct Store {
    tuples: *mut pg_sys::Tuplestorestate,
    desc: pg_sys::TupleDesc,
    compression: std::ffi::c_char,
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
            tuples: pg_sys::tuplestore_begin_heap(false, false, pg_sys::maintenance_work_mem),
            desc,
            compression: compression(),
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
        unsafe { pg_sys::tuplestore_end(store.tuples) };
    }
}

/// How the images of `backstop.request_chunk` are compressed.
fn compression() -> std::ffi::c_char {
    const IMAGES: usize = 6;
    // SAFETY: our own table, which has more columns than that.
    unsafe {
        let relation = pg_sys::table_open(
            write::own_relation(c"request_chunk"),
            pg_sys::AccessShareLock as i32,
        );
        let method = crate::pg::compat::attribute((*relation).rd_att, IMAGES).attcompression;
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
        if method == 0 {
            raw::default_compression()
        } else {
            method
        }
    }
}

/// Adds a chunk; returns its number.
pub fn put(format: &RowFormat, rows: i32, images: &[u8], fingerprints: &[u8]) -> i64 {
    STORE.with_borrow_mut(|store| {
        let Some(store) = store else {
            return 0;
        };
        let number = store.next;
        store.next += 1;
        let fingerprints = datum::text(fingerprints);
        // SAFETY: values of the descriptor's types; tuplestore copies them. A NULL result of the compression means that
        // it does not pay.
        unsafe {
            let plain = Datum::from(images.as_ptr());
            let method = store.compression;
            let compressed = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::toast_compress_datum(plain, method)
            });
            let images = if compressed.is_null() {
                plain
            } else {
                compressed
            };
            let mut values = [
                Datum::from(number),
                Datum::from(rows),
                Datum::from(format.key_count),
                Datum::from(format.names.as_ptr()),
                images,
                fingerprints,
            ];
            pg_sys::tuplestore_putvalues(
                store.tuples,
                store.desc,
                values.as_mut_ptr(),
                [false; COLUMNS.len()].as_mut_ptr(),
            );
            if !compressed.is_null() {
                pg_sys::pfree(compressed.cast_mut_ptr());
            }
            pg_sys::pfree(fingerprints.cast_mut_ptr());
        }
        number
    })
}

/// Hands every chunk to `take`: its number and its values.
pub fn drain(mut take: impl FnMut(i64, &[Datum; COLUMNS.len()])) {
    let (tuples, desc) = match STORE.with_borrow(|store| {
        let store = store.as_ref();
        store.map(|store| (store.tuples, store.desc))
    }) {
        Some(found) => found,
        None => return,
    };
    // SAFETY: the slot holds one tuple of the descriptor at a time.
    unsafe {
        let slot = pg_sys::MakeSingleTupleTableSlot(desc, &raw const pg_sys::TTSOpsMinimalTuple);
        while pg_sys::tuplestore_gettupleslot(tuples, true, false, slot) {
            crate::pg::memory::check();
            raw::slot_getsomeattrs_int(slot, COLUMNS.len() as i32);
            let values = std::array::from_fn(|n| *(*slot).tts_values.add(n));
            take(values[0].value() as i64, &values);
        }
        pg_sys::ExecDropSingleTupleTableSlot(slot);
    }
}
