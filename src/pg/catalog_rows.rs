//! Rows of the catalogs, as a cache has them and as the running command leaves them.

use crate::pg::encoding;
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::CStr;

/// A name's text.
pub fn text(name: &pg_sys::NameData) -> String {
    // SAFETY: a NameData is NUL-terminated.
    encoding::decoded(unsafe { CStr::from_ptr(name.data.as_ptr()) })
}

/// What `read` makes of a row that a cache finds by its OID. `T` must be the fixed part of the cache's rows.
pub fn cached<T, R>(cache: i32, oid: Oid, read: impl FnOnce(&T) -> R) -> Option<R> {
    // SAFETY: released after the read; the row outlives the reference.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(oid));
        if tuple.is_null() {
            return None;
        }
        let result = read(&*body(tuple));
        pg_sys::ReleaseSysCache(tuple);
        Some(result)
    }
}

/// `T` must be the fixed part of the catalog's rows, whose first column is the OID that `index` is over.
pub(super) fn newest<T, R>(
    catalog: Oid,
    index: Oid,
    oid: Oid,
    read: impl FnOnce(&T) -> R,
) -> Option<R> {
    newest_of(
        catalog,
        index,
        &[(1, pg_sys::F_OIDEQ, Datum::from(oid))],
        read,
    )
}

/// As `newest`, for an index over these columns, and the functions that compare them.
pub(super) fn newest_of<T, R>(
    catalog: Oid,
    index: Oid,
    by: &[(u32, u32, Datum)],
    read: impl FnOnce(&T) -> R,
) -> Option<R> {
    // SAFETY: the row is live while it is read, and begins with its fixed part.
    newest_tuple(catalog, index, by, |tuple, _| unsafe {
        read(&*body(tuple))
    })
}

/// What `read` makes of every such row. `T` must be as for `newest`.
pub fn all_of<T, R>(
    catalog: Oid,
    index: Oid,
    by: &[(u32, u32, Datum)],
    read: impl Fn(&T) -> R,
) -> Vec<R> {
    let mut found = Vec::new();
    each_tuple(catalog, index, by, |tuple, _| {
        // SAFETY: as in `newest_of`.
        found.push(read(unsafe { &*body(tuple) }));
        true
    });
    found
}

/// The row itself, and what its columns are.
pub(super) fn newest_tuple<R>(
    catalog: Oid,
    index: Oid,
    by: &[(u32, u32, Datum)],
    read: impl FnOnce(pg_sys::HeapTuple, pg_sys::TupleDesc) -> R,
) -> Option<R> {
    let mut read = Some(read);
    let mut result = None;
    each_tuple(catalog, index, by, |tuple, desc| {
        result = read.take().map(|read| read(tuple, desc));
        false
    });
    result
}

/// Calls `each` with the rows, until it says that it wants no more.
fn each_tuple(
    catalog: Oid,
    index: Oid,
    by: &[(u32, u32, Datum)],
    mut each: impl FnMut(pg_sys::HeapTuple, pg_sys::TupleDesc) -> bool,
) {
    // SAFETY: an index scan as the backend does it everywhere; SnapshotSelf sees the running command's changes.
    unsafe {
        let relation = pg_sys::table_open(catalog, pg_sys::AccessShareLock as i32);
        let mut keys = vec![pg_sys::ScanKeyData::default(); by.len()];
        for (key, (column, function, value)) in keys.iter_mut().zip(by) {
            pg_sys::ScanKeyInit(
                key,
                *column as i16,
                pg_sys::BTEqualStrategyNumber as u16,
                (*function).into(),
                *value,
            );
        }
        let scan = pg_sys::systable_beginscan(
            relation,
            index,
            true,
            &raw mut pg_sys::SnapshotSelfData,
            keys.len() as i32,
            keys.as_mut_ptr(),
        );
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() || !each(tuple, (*relation).rd_att) {
                break;
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
    }
}

/// `GETSTRUCT`.
///
/// # Safety
/// `tuple` must be live.
unsafe fn body<T>(tuple: pg_sys::HeapTuple) -> *const T {
    // SAFETY: the data starts t_hoff bytes after the header.
    unsafe {
        let header = (*tuple).t_data;
        header
            .cast::<u8>()
            .add(usize::from((*header).t_hoff))
            .cast()
    }
}
