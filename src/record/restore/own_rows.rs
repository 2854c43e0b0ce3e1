//! Rows of the record's own tables.

use crate::pg::memory;
use crate::pg::values;
use crate::pg::values::Text;
use crate::record::tables;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Datum};
use pgrx::{FromDatum, IntoDatum};

/// A row of the record's tables, taken apart.
pub struct Fields {
    values: Vec<Datum>,
    nulls: Vec<bool>,
}

impl Fields {
    /// Column `n` (from 0); `None` where the extension's SQL is older than the library, and has none.
    pub fn get<T: FromDatum>(&self, n: usize) -> Option<T> {
        // SAFETY: every caller reads column n as the type the record's table declares.
        unsafe { T::from_datum(*self.values.get(n)?, self.nulls[n]) }
    }

    /// A text.
    pub fn text(&self, n: usize) -> Option<String> {
        self.get::<Text>(n).map(|text| text.0)
    }

    /// A text[] without NULLs.
    pub fn texts(&self, n: usize) -> Option<Vec<String>> {
        self.get::<Vec<Text>>(n).map(values::strings)
    }

    /// A bytea.
    pub fn bytes(&self, n: usize) -> Vec<u8> {
        if self.nulls.get(n) != Some(&false) {
            return Vec::new();
        }
        // SAFETY: the column is a varlena; what detoasting made is freed at once, a chunk being large.
        unsafe {
            let original = self.values[n].cast_mut_ptr::<pg_sys::varlena>();
            let flat = pg_sys::pg_detoast_datum_packed(original);
            let bytes = memory::copied(pgrx::varlena_to_byte_slice(flat));
            if flat != original {
                pg_sys::pfree(flat.cast());
            }
            bytes
        }
    }
}

/// Reads rows of one of the record's tables by the leading columns of its primary key, without SPI: whoever may execute
/// the function may read the record through it.
pub fn scan(
    table: &std::ffi::CStr,
    index: &std::ffi::CStr,
    key: &[(i16, i64)],
    mut each: impl FnMut(Fields) -> Outcome<()>,
) -> Outcome<()> {
    const EQUAL: u16 = pg_sys::BTEqualStrategyNumber as u16;
    // SAFETY: the extension's own tables and indexes; the key columns are bigint; the snapshot is registered while the
    // scan lasts. After an error the resource owner releases all of it.
    unsafe {
        let relation =
            pg_sys::table_open(tables::own_relation(table), pg_sys::AccessShareLock as i32);
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let mut keys = [pg_sys::ScanKeyData::default(); 2];
        for (scan_key, (column, value)) in keys.iter_mut().zip(key) {
            pg_sys::ScanKeyInit(
                scan_key,
                *column,
                EQUAL,
                pg_sys::Oid::from(pg_sys::F_INT8EQ),
                value.into_datum().unwrap_or(Datum::from(0)),
            );
        }
        let scan = pg_sys::systable_beginscan(
            relation,
            tables::own_relation(index),
            true,
            snapshot,
            key.len() as i32,
            keys.as_mut_ptr(),
        );
        let natts = (*(*relation).rd_att).natts as usize;
        let mut outcome = Ok(());
        loop {
            memory::check();
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() || outcome.is_err() {
                break;
            }
            let mut fields = Fields {
                values: vec![Datum::from(0); natts],
                nulls: vec![false; natts],
            };
            pg_sys::heap_deform_tuple(
                tuple,
                (*relation).rd_att,
                fields.values.as_mut_ptr(),
                fields.nulls.as_mut_ptr(),
            );
            outcome = each(fields);
        }
        pg_sys::systable_endscan(scan);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
        outcome
    }
}
