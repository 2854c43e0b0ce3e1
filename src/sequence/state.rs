//! Where a sequence stands.

use crate::judge::sequence::{Position, Range};
use crate::pg::catalog::OpenRelation;
use crate::pg::compat;
use crate::preview;
use pgrx::pg_sys::{self, Oid};

/// `FormData_pg_sequence_data` of commands/sequence.h.
#[repr(C)]
struct SequenceData {
    last_value: i64,
    log_cnt: i64,
    is_called: bool,
}

/// `FormData_pg_sequence` of catalog/pg_sequence.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct SequenceDefinition {
    seqrelid: Oid,
    seqtypid: Oid,
    seqstart: i64,
    seqincrement: i64,
    seqmax: i64,
    seqmin: i64,
    seqcache: i64,
    seqcycle: bool,
}

/// Where the sequence stands: within a preview that has moved it, where that statement would have left it.
pub fn position(sequence: Oid) -> Position {
    preview::virtual_position(sequence).unwrap_or_else(|| stored_position(sequence))
}

/// The sequence's position, read from its relation without the user's privileges.
pub fn stored_position(sequence: Oid) -> Position {
    // SAFETY: a sequence is a heap of one row of Form_pg_sequence_data's shape.
    unsafe {
        let relation = pg_sys::relation_open(sequence, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::InvalidOid,
            false,
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
        );
        let tuple = pg_sys::systable_getnext(scan);
        let data = (*tuple)
            .t_data
            .cast::<u8>()
            .add(usize::from((*(*tuple).t_data).t_hoff));
        let data = &*(data as *const SequenceData);
        let position = Position {
            value: data.last_value,
            is_called: data.is_called,
        };
        pg_sys::systable_endscan(scan);
        pg_sys::relation_close(relation, pg_sys::NoLock as i32);
        position
    }
}

/// The subtransaction that made the storage the sequence is in, whose rollback takes its movements back; 0 when that is older
/// than the transaction.
pub fn storage(sequence: Oid) -> pg_sys::SubTransactionId {
    OpenRelation::open(sequence, pg_sys::AccessShareLock).map_or(0, |relation| {
        // SAFETY: the relation is open.
        let [created, rewritten] = unsafe { compat::subtransactions_of(relation.0) };
        created.max(rewritten)
    })
}

/// The sequence's increment and start value.
pub fn definition(sequence: Oid) -> (i64, i64) {
    match catalog_row(sequence) {
        Some(row) => (row.seqincrement, row.seqstart),
        None => (1, 1),
    }
}

/// How many values a session draws from it at once.
pub fn cache(sequence: Oid) -> i64 {
    catalog_row(sequence).map_or(1, |row| row.seqcache)
}

/// The values the sequence runs through.
pub fn range(sequence: Oid) -> Option<Range> {
    catalog_row(sequence).map(|row| Range {
        increment: row.seqincrement,
        min: row.seqmin,
        max: row.seqmax,
        cycle: row.seqcycle,
    })
}

/// The range that NO MINVALUE and NO MAXVALUE would give it, as init_params() of commands/sequence.c has it.
pub fn unbounded(sequence: Oid) -> Option<Range> {
    let row = catalog_row(sequence)?;
    let (lowest, highest) = match row.seqtypid {
        pg_sys::INT2OID => (i16::MIN.into(), i16::MAX.into()),
        pg_sys::INT4OID => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    let (min, max) = match row.seqincrement > 0 {
        true => (1, highest),
        false => (lowest, -1),
    };
    Some(Range {
        increment: row.seqincrement,
        min,
        max,
        cycle: row.seqcycle,
    })
}

/// The type of its values.
pub fn type_of(sequence: Oid) -> Option<Oid> {
    catalog_row(sequence).map(|row| row.seqtypid)
}

fn catalog_row(sequence: Oid) -> Option<SequenceDefinition> {
    // SAFETY: a syscache row of pg_sequence, copied and released.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::SEQRELID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(sequence));
        if tuple.is_null() {
            return None;
        }
        let data = (*tuple)
            .t_data
            .cast::<u8>()
            .add(usize::from((*(*tuple).t_data).t_hoff));
        let row = *(data as *const SequenceDefinition);
        pg_sys::ReleaseSysCache(tuple);
        Some(row)
    }
}
