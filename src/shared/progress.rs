//! How far long work has come: a slot for each backend that is at some.
//!
//! A slot is taken when work turns out to be long (its first chunk is full) or always is, so ordinary statements never
//! come here. Counting is a relaxed store into the own slot; names change under the lock.

use super::{AREA, Area, Guarding, Text, locked};
use crate::pg::raw;
use pgrx::pg_sys::{self, Oid};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

/// How many backends can be seen at long work at once.
const SLOTS: usize = 256;

/// The work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Capture,
    Preview,
    Restore,
    DryRun,
    Drill,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Capture => "capture",
            What::Preview => "preview",
            What::Restore => "restore",
            What::DryRun => "restore dry run",
            What::Drill => "restore drill",
        }
    }
}

/// Everything but the counters, which change without the lock.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Named {
    /// 0 where the slot is free.
    pub pid: i32,
    pub database: Oid,
    pub session_role: Oid,
    pub since: pg_sys::TimestampTz,
    /// 0 where there is none.
    pub statement_id: i64,
    pub what: Text<24>,
    pub phase: Text<64>,
    pub relation: Text<256>,
}

#[repr(C)]
struct Slot {
    done: AtomicI64,
    /// Negative: unknown.
    total: AtomicI64,
    named: Named,
}

#[repr(C)]
pub(super) struct Slots {
    slots: [Slot; SLOTS],
}

/// This backend's work.
#[derive(Clone, Copy)]
struct Mine {
    place: usize,
    what: What,
    /// The (sub)transaction level it belongs to.
    nest: i32,
}

thread_local! {
    static MINE: Cell<Option<Mine>> = const { Cell::new(None) };
}

fn with<R>(work: impl FnOnce(&mut [Slot; SLOTS]) -> R) -> Option<R> {
    locked(Guarding::Progress, true, |area: *mut Area| {
        // SAFETY: the lock is held: nobody else touches more than the counters, which are atomic.
        work(unsafe { &mut (*area).progress.slots })
    })
}

/// The own slot's counters.
fn counters(mine: Mine) -> Option<(&'static AtomicI64, &'static AtomicI64)> {
    let area = AREA.load(Ordering::Relaxed);
    if area.is_null() {
        return None;
    }
    // SAFETY: shared memory stays where it is as long as the process lives; both are atomic.
    unsafe {
        let slot = &raw const (*area).progress.slots[mine.place];
        Some((&(*slot).done, &(*slot).total))
    }
}

fn of(what: &[What]) -> Option<Mine> {
    MINE.get().filter(|mine| what.contains(&mine.what))
}

/// Takes a slot, unless this backend has one for the work around this.
fn begin(what: What, phase: &str) {
    if MINE.get().is_some() || !super::is_attached() {
        return;
    }
    // SAFETY: reads backend state, in a transaction.
    let (named, nest) = unsafe {
        let named = Named {
            pid: pg_sys::MyProcPid,
            database: pg_sys::MyDatabaseId,
            session_role: pg_sys::GetSessionUserId(),
            since: pg_sys::GetCurrentStatementStartTimestamp(),
            statement_id: 0,
            what: Text::of(what.name().as_bytes()),
            phase: Text::of(phase.as_bytes()),
            relation: Text::empty(),
        };
        (named, raw::GetCurrentTransactionNestLevel())
    };
    let place = with(|slots| {
        let place = slots.iter().position(|slot| slot.named.pid == 0)?;
        slots[place].done.store(0, Ordering::Relaxed);
        slots[place].total.store(-1, Ordering::Relaxed);
        slots[place].named = named;
        Some(place)
    });
    MINE.set(place.flatten().map(|place| Mine { place, what, nest }));
}

/// Gives the slot back.
pub fn end() {
    if let Some(mine) = MINE.take() {
        with(|slots| slots[mine.place].named.pid = 0);
    }
}

/// A subtransaction ended well: its work is its parent's.
pub fn commit_level(nest: i32) {
    if let Some(mine) = MINE.get().filter(|mine| mine.nest >= nest) {
        MINE.set(Some(Mine {
            nest: nest - 1,
            ..mine
        }));
    }
}

/// A subtransaction was rolled back: work that began in it is over.
pub fn abort_level(nest: i32) {
    if MINE.get().is_some_and(|mine| mine.nest >= nest) {
        end();
    }
}

/// Rows of `relation` were captured: `rows` more of statement `statement_id`.
pub fn captured(statement_id: i64, relation: &str, rows: i64) {
    begin(What::Capture, "capturing rows");
    let Some(mine) = of(&[What::Capture]) else {
        return;
    };
    rename(mine, |named| {
        named.statement_id = statement_id;
        named.relation = Text::of_text(relation);
    });
    add(mine, rows);
}

/// The captured statement is written.
pub fn capture_done() {
    if of(&[What::Capture]).is_some() {
        end();
    }
}

/// A preview begins.
pub fn preview() {
    begin(What::Preview, "running the statement");
}

/// A preview has seen `rows` more of `relation`.
pub fn previewed(relation: &str, rows: i64) {
    if let Some(mine) = of(&[What::Preview]) {
        rename(mine, |named| {
            named.relation = Text::of_text(relation);
        });
        add(mine, rows);
    }
}

/// What a preview saw is being stored.
pub fn preview_stored() {
    if let Some(mine) = of(&[What::Preview]) {
        rename(mine, |named| {
            named.phase = Text::of(b"storing the request");
            named.relation = Text::empty();
        });
    }
}

const RESTORES: [What; 3] = [What::Restore, What::DryRun, What::Drill];

/// A restore begins.
pub fn restore(what: What) {
    begin(what, "reading the record");
}

/// A restore comes to its next part. Rows start again from 0, of `total` if that is known.
pub fn restore_phase(phase: &str, statement_id: i64, total: Option<i64>) {
    if let Some(mine) = of(&RESTORES) {
        rename(mine, |named| {
            named.phase = Text::of(phase.as_bytes());
            named.statement_id = statement_id;
            named.relation = Text::empty();
        });
        if let Some((done, all)) = counters(mine) {
            done.store(0, Ordering::Relaxed);
            all.store(total.unwrap_or(-1), Ordering::Relaxed);
        }
    }
}

/// A restore has put back `done` rows of its part, the last ones of `relation`.
pub fn restored(relation: &str, done: i64) {
    let Some(mine) = of(&RESTORES) else {
        return;
    };
    rename(mine, |named| {
        named.relation = Text::of_text(relation);
    });
    if let Some((counter, _)) = counters(mine) {
        counter.store(done, Ordering::Relaxed);
    }
}

fn rename(mine: Mine, work: impl FnOnce(&mut Named)) {
    with(|slots| work(&mut slots[mine.place].named));
}

fn add(mine: Mine, rows: i64) {
    if let Some((done, _)) = counters(mine) {
        done.store(done.load(Ordering::Relaxed) + rows, Ordering::Relaxed);
    }
}

/// What a slot shows: its names, rows done, and rows in all.
pub type Shown = (Named, i64, Option<i64>);

/// The work of every session.
pub fn all() -> Vec<Shown> {
    let mut found = Vec::with_capacity(SLOTS);
    locked(Guarding::Progress, false, |area: *mut Area| {
        // SAFETY: the lock is held, so no name changes; the counters are atomic.
        let slots = unsafe { &(*area).progress.slots };
        for slot in slots.iter().filter(|slot| slot.named.pid != 0) {
            let total = slot.total.load(Ordering::Relaxed);
            found.push((
                slot.named,
                slot.done.load(Ordering::Relaxed),
                Some(total).filter(|total| *total >= 0),
            ));
        }
    });
    found
}
