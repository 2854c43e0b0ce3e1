//! When transactions commit: `restore_since` asks what was committed after a moment, and a statement's own row is written
//! when the statement ends.
//!
//! A statement that is its own transaction commits at once. One in a transaction block may wait for its commit, so the
//! block leaves one row in `backstop.committed` when it commits: the ids between which its statements lie, and the time,
//! taken where PostgreSQL takes a commit's own timestamp, just before the commit is written.

use super::write;
use crate::pg::raw;
use pgrx::pg_sys::{self, Datum};
use std::cell::RefCell;

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
    WRITTEN.with_borrow_mut(
        |written| match written.iter_mut().find(|level| level.nest == nest) {
            Some(level) => level.last = statement_id,
            None => written.push(Written {
                nest,
                first: statement_id,
                last: statement_id,
                at,
            }),
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
        write::in_scratch(|| {
            write::insert(
                c"committed",
                &mut [
                    Some(Datum::from(xid)),
                    Some(Datum::from(first)),
                    Some(Datum::from(last)),
                    Some(Datum::from(now)),
                ],
            );
        });
    }
}

pub fn commit_level(nest: i32) {
    WRITTEN.with_borrow_mut(|written| {
        for level in written.iter_mut().filter(|level| level.nest >= nest) {
            level.nest = nest - 1;
        }
    });
}

pub fn abort_level(nest: i32) {
    WRITTEN.with_borrow_mut(|written| written.retain(|level| level.nest < nest));
}

pub fn end_transaction() {
    WRITTEN.with_borrow_mut(Vec::clear);
}
