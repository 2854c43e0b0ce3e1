//! When the cached registry stops being true.

use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Read again before the next use.
    Stale,
    /// Read; nothing is protected, or the extension is not in this database.
    Empty,
    /// Read; something is protected.
    Active,
}

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State::Stale) };
    /// Counts invalidations, so that one that arrives while the registry is being read is not lost.
    static CHANGES: Cell<u64> = const { Cell::new(0) };
    /// The subtransaction in which it was read, where the transaction had written something: it may say what a rollback takes
    /// back. PostgreSQL announces only those changes anew whose announcement was due when they were rolled back.
    static READ_IN: Cell<pg_sys::SubTransactionId> = const { Cell::new(0) };
    static BY_HAND: Cell<bool> = const { Cell::new(false) };
    static WATCHED: RefCell<HashSet<Oid>> = RefCell::new(HashSet::new());
}

pub(super) fn ready() -> bool {
    STATE.get() != State::Stale
}

pub(super) fn is_empty() -> bool {
    STATE.get() == State::Empty
}

pub(super) fn changes() -> u64 {
    CHANGES.get()
}

/// Publishes what was read, unless something changed since `seen`.
pub(super) fn publish(seen: u64, active: bool, watched: HashSet<Oid>) {
    WATCHED.set(watched);
    // SAFETY: reads the transaction state.
    READ_IN.set(unsafe {
        match pg_sys::GetTopTransactionIdIfAny() {
            pg_sys::InvalidTransactionId => 0,
            _ => pg_sys::GetCurrentSubTransactionId(),
        }
    });
    if CHANGES.get() == seen {
        STATE.set(if active { State::Active } else { State::Empty });
    }
}

/// Subtransaction `sub` was rolled back, with those in it: subtransactions have rising numbers.
pub fn rolled_back(sub: pg_sys::SubTransactionId) {
    if READ_IN.get() != 0 && READ_IN.get() >= sub {
        READ_IN.set(0);
        invalidate();
    }
}

/// The transaction was committed.
pub fn committed() {
    READ_IN.set(0);
}

fn invalidate() {
    CHANGES.set(CHANGES.get() + 1);
    STATE.set(State::Stale);
}

unsafe extern "C-unwind" fn relation_changed(_arg: Datum, relid: Oid) {
    // Where the extension was not found nothing is watched: any change may be the one that brings it back, such as the
    // rollback of its DROP.
    let ours = relid == pg_sys::InvalidOid
        || WATCHED.with_borrow(|watched| watched.is_empty() || watched.contains(&relid));
    if ours {
        invalidate();
    }
}

unsafe extern "C-unwind" fn extension_changed(_arg: Datum, _cache: i32, _hash: u32) {
    invalidate();
}

/// Rows were written into the registry by something else than a policy function: only a superuser can, and a restore of
/// a dump does.
pub fn loaded_by_hand() {
    BY_HAND.set(true);
}

/// Whether this session is restoring a dump: it has loaded the registry, and goes on to set the sequences to where they
/// stood, which a sequence's registration must not refuse.
pub fn is_being_restored() -> bool {
    BY_HAND.get()
}

/// Registers the callbacks. Called once, from `_PG_init`.
pub fn install() {
    // SAFETY: both callbacks are plain functions that live as long as the library, which is never unloaded.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), Datum::from(0));
        // CREATE and DROP EXTENSION make and drop the schema "backstop".
        pg_sys::CacheRegisterSyscacheCallback(
            pg_sys::SysCacheIdentifier::NAMESPACEOID as i32,
            Some(extension_changed),
            Datum::from(0),
        );
    }
}

/// Tells every session that the registry tables changed.
pub fn announce_change(relation: Oid) {
    // SAFETY: queues a relcache invalidation for a relation that exists; sent at commit.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(relation) };
    invalidate();
}
