//! Rows that this transaction has turned expendable.
//!
//! Whether a row may go without an approval is asked of the row as the transaction found it: an UPDATE that makes a real
//! row a test row, and a DELETE after it, destroy a real row.

use pgrx::pg_sys::{ItemPointerData, Oid};
use std::cell::RefCell;
use std::collections::HashSet;

/// More of them are not told apart: then no row of the table is expendable until the transaction ends.
const MANY: usize = 100_000;

#[derive(Clone, Default)]
pub struct Turned {
    /// Versions that are expendable by their values only. What a savepoint rolls back stays in: its version is gone.
    versions: HashSet<(Oid, u32, u16)>,
    /// Tables (a partitioned one stands for all its partitions) of which no row is.
    whole: HashSet<Oid>,
}

thread_local! {
    static TURNED: RefCell<Turned> = RefCell::default();
}

fn version(relid: Oid, tid: ItemPointerData) -> (Oid, u32, u16) {
    let block = u32::from(tid.ip_blkid.bi_hi) << 16 | u32::from(tid.ip_blkid.bi_lo);
    (relid, block, tid.ip_posid)
}

/// A row's new version is expendable, and the old one was not.
pub fn note(root: Oid, relid: Oid, tid: ItemPointerData) {
    TURNED.with_borrow_mut(|turned| {
        turned.versions.insert(version(relid, tid));
        if turned.versions.len() > MANY {
            turned.whole.insert(root);
        }
    });
}

/// As `note`, where the new version's place is not known: the row moves to another partition.
pub fn note_moved(root: Oid) {
    TURNED.with_borrow_mut(|turned| turned.whole.insert(root));
}

/// Whether a version is expendable only since this transaction made it so.
pub fn is_turned(root: Oid, relid: Oid, tid: ItemPointerData) -> bool {
    TURNED.with_borrow(|turned| {
        turned.whole.contains(&root) || turned.versions.contains(&version(relid, tid))
    })
}

/// What is known now, for `put_back` after work that is rolled back and leaves nothing turned.
pub fn known() -> Turned {
    TURNED.with_borrow(Turned::clone)
}

pub fn put_back(known: Turned) {
    TURNED.set(known);
}

/// The transaction is over.
pub fn forget() {
    TURNED.with_borrow_mut(|turned| {
        if !turned.versions.is_empty() || !turned.whole.is_empty() {
            *turned = Turned::default();
        }
    });
}
