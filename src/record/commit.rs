//! When transactions commit: `restore_since` asks what was committed after a moment, and a statement's own row is written
//! when the statement ends.
//!
//! A statement that is its own transaction commits at once. One in a transaction block may wait for its commit, so the
//! block leaves one row in `backstop.committed` when it commits: the ids between which its statements lie, and the time,
//! taken where PostgreSQL takes a commit's own timestamp, just before the commit is written. PREPARE TRANSACTION leaves
//! such a row too; COMMIT PREPARED, whoever sends it, leaves the one that counts.

use super::tables;
use crate::pg::encoding;
use crate::pg::raw;
use crate::pg::values;
use pgrx::Spi;
use pgrx::pg_sys::{self, Datum};
use std::cell::RefCell;
use std::ffi::{CStr, c_char};

/// A statement that is its own transaction is followed by its commit within this many microseconds; a server too busy
/// for that gets a row more.
const AT_ONCE_US: i64 = 1000;

/// Statements written at one (sub)transaction level.
struct Written {
    nest: i32,
    first: i64,
    last: i64,
    /// When the first of them was.
    at: i64,
}

impl Written {
    /// Ids are drawn before statements are written, and not always in the same order.
    fn absorb(&mut self, other: &Written) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.at = self.at.min(other.at);
    }
}

thread_local! {
    static WRITTEN: RefCell<Vec<Written>> = const { RefCell::new(Vec::new()) };
}

/// A statement's row is written.
pub fn wrote(statement_id: i64, at: i64) {
    // SAFETY: reads the transaction state.
    let (nest, block) = unsafe {
        (
            raw::GetCurrentTransactionNestLevel(),
            pg_sys::IsTransactionBlock(),
        )
    };
    // In a block the commit is a command of its own, however soon it comes.
    let at = if block { i64::MIN } else { at };
    let new = Written {
        nest,
        first: statement_id,
        last: statement_id,
        at,
    };
    WRITTEN.with_borrow_mut(
        |written| match written.iter_mut().find(|level| level.nest == nest) {
            Some(level) => level.absorb(&new),
            None => written.push(new),
        },
    );
}

/// The transaction commits, or is prepared, when all its statements are written.
pub fn note() {
    let ids = WRITTEN.with_borrow(|written| {
        let (first, last) = (
            written.iter().map(|level| level.first).min()?,
            written.iter().map(|level| level.last).max()?,
        );
        let at = written.iter().map(|level| level.at).min()?;
        Some((first, last, at))
    });
    let Some((first, last, at)) = ids else { return };
    // SAFETY: reads backend state, in a transaction that has written.
    let (now, xid) = unsafe {
        (
            pg_sys::GetCurrentTimestamp(),
            pg_sys::GetTopFullTransactionId().value,
        )
    };
    if now.saturating_sub(at) > AT_ONCE_US {
        insert(xid, first, last, now);
    }
}

fn insert(xid: u64, first: i64, last: i64, at: i64) {
    tables::in_scratch(|| {
        tables::insert(
            c"committed",
            &mut [
                Some(Datum::from(xid)),
                Some(Datum::from(first)),
                Some(Datum::from(last)),
                Some(Datum::from(at)),
            ],
        );
    });
}

/// A prepared transaction that is about to be committed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prepared {
    xid: u32,
    prepared_at: i64,
    now: i64,
}

/// The prepared transaction of that name.
///
/// # Safety
/// `name` must be a C string.
pub unsafe fn prepared(name: *const c_char) -> Option<Prepared> {
    // SAFETY: the caller vouches for the name. COMMIT PREPARED runs without a snapshot, which a query needs.
    let found = unsafe {
        let name = values::Text(encoding::decoded(CStr::from_ptr(name)));
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let found = Spi::connect(|client| {
            let rows = client.select(
                "SELECT transaction::pg_catalog.text::pg_catalog.int8, prepared FROM pg_catalog.pg_prepared_xact()
                 WHERE gid OPERATOR(pg_catalog.=) $1",
                None,
                &[values::typed(name)],
            )?;
            if rows.is_empty() {
                return Ok((None, None));
            }
            rows.first()
                .get_two::<i64, pgrx::datum::TimestampWithTimeZone>()
        });
        pg_sys::PopActiveSnapshot();
        found
    };
    match found {
        Ok((xid, prepared)) => Some(Prepared {
            xid: xid? as u32,
            prepared_at: pg_sys::TimestampTz::from(prepared?),
            // SAFETY: reads the clock.
            now: unsafe { pg_sys::GetCurrentTimestamp() },
        }),
        Err(error) => pgrx::error!("{error}"),
    }
}

/// The prepared transaction is committed: what it wrote is visible, and gets the moment of its commit.
pub fn committed(prepared: Prepared) {
    /// PREPARE wrote its row shortly before PostgreSQL took the time of it.
    const SHORTLY_US: i64 = 60_000_000;
    let mut found = None;
    // SAFETY: our own table and its index on "at"; the snapshot is registered while the scan lasts.
    unsafe {
        let relation = pg_sys::table_open(
            tables::own_relation(c"committed"),
            pg_sys::AccessShareLock as i32,
        );
        let mut key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut key,
            4,
            pg_sys::BTGreaterEqualStrategyNumber as u16,
            pg_sys::Oid::from(pg_sys::F_TIMESTAMPTZ_GE),
            Datum::from(prepared.prepared_at - SHORTLY_US),
        );
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let index = tables::own_relation(c"committed_at");
        let scan = pg_sys::systable_beginscan(relation, index, true, snapshot, 1, &mut key);
        while found.is_none() {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let (mut values, mut nulls) = ([Datum::from(0); 4], [false; 4]);
            pg_sys::heap_deform_tuple(
                tuple,
                (*relation).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            let [xid, first, last, _] = values.map(|value| value.value() as i64);
            found = (xid as u32 == prepared.xid).then_some((xid as u64, first, last));
        }
        pg_sys::systable_endscan(scan);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
    }
    if let Some((xid, first, last)) = found {
        insert(xid, first, last, prepared.now);
    }
}

pub fn commit_level(nest: i32) {
    WRITTEN.with_borrow_mut(|written| {
        let mut ended: Option<Written> = None;
        written.retain(|level| {
            let stays = level.nest < nest - 1;
            if !stays {
                match &mut ended {
                    Some(ended) => ended.absorb(level),
                    None => {
                        ended = Some(Written {
                            nest: nest - 1,
                            ..*level
                        })
                    }
                }
            }
            stays
        });
        written.extend(ended);
    });
}

pub fn abort_level(nest: i32) {
    WRITTEN.with_borrow_mut(|written| written.retain(|level| level.nest < nest));
}

pub fn end_transaction() {
    WRITTEN.with_borrow_mut(Vec::clear);
}

#[cfg(test)]
mod tests {
    use super::{WRITTEN, Written, commit_level};

    #[test]
    fn levels_that_commit_are_merged() {
        for id in 1..=20_000 {
            let new = |nest, id| Written {
                nest,
                first: id,
                last: id,
                at: id,
            };
            WRITTEN.with_borrow_mut(|written| written.extend([new(3, id), new(2, 30_000 - id)]));
            commit_level(3);
            commit_level(2);
            assert_eq!(WRITTEN.with_borrow(Vec::len), 1);
        }
        let ids =
            WRITTEN.with_borrow(|written| (written[0].nest, written[0].first, written[0].last));
        assert_eq!(ids, (1, 1, 29_999));
    }
}
