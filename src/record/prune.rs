//! Removing what is old from the record: the one way there is.
//!
//! Rows are deleted in the heap, one by one, the way a DELETE would: writers are not disturbed, and no lock is stronger
//! than a DELETE's. No statement does this, so none has to be let through.

use super::{tables, who};
use crate::report::Outcome;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum};
use pgrx::{IntoDatum, Spi};
use std::ffi::CStr;

/// Removes the statements that committed before `cutoff`, at most `limit` of them, the oldest first. Returns how many.
pub fn prune(cutoff: i64, limit: Option<i64>) -> Outcome<i64> {
    let Some((ids, up_to)) = old(cutoff, limit) else {
        return Ok(0);
    };
    let log = Table::open(c"statement_log", c"statement_log_pkey");
    let chunks = Table::open(c"image_chunk", c"image_chunk_pkey");
    let definitions = Table::open(c"definition", c"definition_pkey");
    let sequences = Table::open(c"sequence_change", c"sequence_change_statement_id");
    let mut pruned = 0;
    for id in ids {
        crate::pg::memory::check();
        // The statement's own row first: who waits here for another prune finds nothing left to do.
        if log.delete(1, Compare::Equal(id), pg_sys::F_INT8EQ) == 0 {
            continue;
        }
        chunks.delete(2, Compare::Equal(id), pg_sys::F_INT8EQ);
        definitions.delete(1, Compare::Equal(id), pg_sys::F_INT8EQ);
        sequences.delete(1, Compare::Equal(id), pg_sys::F_INT8EQ);
        pruned += 1;
    }
    for table in [log, chunks, definitions, sequences] {
        table.close();
    }
    let committed = Table::open(c"committed", c"committed_at");
    committed.delete(4, Compare::UpTo(up_to), pg_sys::F_TIMESTAMPTZ_LE);
    committed.close();
    if pruned > 0 {
        tables::in_scratch(|| {
            // SAFETY: reads the clock and the session's role.
            let (now, role) =
                unsafe { (pg_sys::GetCurrentTimestamp(), pg_sys::GetSessionUserId()) };
            tables::insert(
                c"pruned",
                &mut [
                    Some(Datum::from(now)),
                    Some(who::role_name(role)),
                    Some(Datum::from(up_to)),
                    Some(Datum::from(pruned)),
                ],
            );
        });
    }
    Ok(pruned)
}

/// Removes the refusals from before `cutoff`.
pub fn rejections(cutoff: i64) {
    let rejections = Table::open(c"rejection", c"rejection_at");
    rejections.delete(2, Compare::UpTo(cutoff - 1), pg_sys::F_TIMESTAMPTZ_LE);
    rejections.close();
}

/// The statements to remove, and when the last of them committed.
fn old(cutoff: i64, limit: Option<i64>) -> Option<(Vec<i64>, i64)> {
    let found = Spi::connect_mut(|client| {
        // SAFETY: a timestamptz is its microseconds; a bigint argument, or NULL for no limit.
        let arguments = unsafe {
            [
                DatumWithOid::new(Datum::from(cutoff), pg_sys::TIMESTAMPTZOID),
                DatumWithOid::new(limit, pg_sys::INT8OID),
            ]
        };
        let rows = client.update(
            "WITH block AS (
                 SELECT xid, first_statement_id, last_statement_id, pg_catalog.max(at) AS at
                 FROM backstop.committed GROUP BY 1, 2, 3
             ), old AS (
                 SELECT s.statement_id, COALESCE(b.at, s.at) AS ended
                 FROM backstop.statement_log AS s LEFT JOIN block AS b
                     ON b.xid = s.xid AND s.statement_id BETWEEN b.first_statement_id AND b.last_statement_id
                 WHERE s.at < $1 AND COALESCE(b.at, s.at) < $1
                 ORDER BY ended, s.statement_id LIMIT $2)
             SELECT pg_catalog.array_agg(statement_id ORDER BY statement_id), pg_catalog.max(ended) FROM old",
            None,
            &arguments,
        )?;
        rows.first()
            .get_two::<Vec<i64>, pgrx::datum::TimestampWithTimeZone>()
    });
    match found {
        Ok((ids, ended)) => Some((ids?, pg_sys::TimestampTz::from(ended?))),
        Err(error) => pgrx::error!("{error}"),
    }
}

/// Which rows.
#[derive(Clone, Copy)]
enum Compare {
    Equal(i64),
    UpTo(i64),
}

/// One of the record's tables and the index by which its rows are found.
struct Table {
    relation: pg_sys::Relation,
    index: pg_sys::Oid,
}

impl Table {
    fn open(table: &CStr, index: &CStr) -> Table {
        // SAFETY: the extension's own table, with a DELETE's lock.
        let relation = unsafe {
            pg_sys::table_open(tables::own_relation(table), pg_sys::RowExclusiveLock as i32)
        };
        Table {
            relation,
            index: tables::own_relation(index),
        }
    }

    /// Deletes the rows whose `column` compares; how many there were.
    fn delete(&self, column: i16, compare: Compare, function: u32) -> i64 {
        let (strategy, value) = match compare {
            Compare::Equal(value) => (pg_sys::BTEqualStrategyNumber, value),
            Compare::UpTo(value) => (pg_sys::BTLessEqualStrategyNumber, value),
        };
        let mut deleted = 0;
        // SAFETY: the index's leading column is `column`, an eight-byte type passed by value; the snapshot is registered
        // while the scan lasts.
        unsafe {
            let mut key = pg_sys::ScanKeyData::default();
            pg_sys::ScanKeyInit(
                &mut key,
                column,
                strategy as u16,
                pg_sys::Oid::from(function),
                value.into_datum().unwrap_or(Datum::from(0)),
            );
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
            let scan =
                pg_sys::systable_beginscan(self.relation, self.index, true, snapshot, 1, &mut key);
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                deleted += i64::from(self.delete_row((*tuple).t_self));
            }
            pg_sys::systable_endscan(scan);
            pg_sys::UnregisterSnapshot(snapshot);
        }
        deleted
    }

    /// Deletes one row, and what of it is TOASTed; false when another prune was there first.
    ///
    /// # Safety
    /// `tid` must come from a scan of the table.
    unsafe fn delete_row(&self, mut tid: pg_sys::ItemPointerData) -> bool {
        // SAFETY: table_tuple_delete, which is inline in C, waiting for whoever is deleting the row.
        unsafe {
            let Some(delete) = (*(*self.relation).rd_tableam).tuple_delete else {
                return false;
            };
            let mut failure = pg_sys::TM_FailureData::default();
            let result = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                delete(
                    self.relation,
                    &mut tid,
                    pg_sys::GetCurrentCommandId(true),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    true,
                    &mut failure,
                    false,
                )
            });
            result == pg_sys::TM_Result::TM_Ok
        }
    }

    fn close(self) {
        // SAFETY: opened by `open`; the lock is kept to the end of the transaction like any writer's.
        unsafe { pg_sys::table_close(self.relation, pg_sys::NoLock as i32) };
    }
}
