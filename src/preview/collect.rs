//! What a running preview has seen.

use crate::judge::sequence::Position;
use crate::model::Violation;
use pgrx::pg_sys::Oid;
use std::cell::{Cell, RefCell};

/// A sequence that the previewed statement would move.
#[derive(Clone, Debug)]
pub struct Movement {
    pub sequence: Oid,
    /// Qualified and quoted.
    pub name: String,
    /// Registered sequences stay where they were; others have moved, and cannot be taken back.
    pub registered: bool,
    pub from: Position,
    pub to: Position,
    /// What the next nextval would return; `None` when it would raise (the sequence's end).
    pub next: Option<i64>,
}

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    /// What is destroyed now is the work of deferred triggers.
    static DEFERRED: Cell<bool> = const { Cell::new(false) };
    static VIOLATIONS: RefCell<Vec<Violation>> = const { RefCell::new(Vec::new()) };
    /// One for each sequence, in the order in which they were first moved.
    static MOVEMENTS: RefCell<Vec<Movement>> = const { RefCell::new(Vec::new()) };
}

/// Whether a preview is running: rules are noted instead of enforced.
pub fn active() -> bool {
    ACTIVE.get()
}

/// Notes what a rule would have refused.
pub fn note_violation(violation: &Violation) {
    VIOLATIONS.with_borrow_mut(|known| {
        let seen = known
            .iter()
            .any(|other| other.rule == violation.rule && other.table == violation.table);
        if !seen {
            known.push(violation.clone());
        }
    });
}

/// Notes a sequence's movement; a later one of the same sequence extends it.
pub fn note_movement(movement: Movement) {
    MOVEMENTS.with_borrow_mut(|known| {
        match known
            .iter_mut()
            .find(|other| other.sequence == movement.sequence)
        {
            Some(earlier) => {
                earlier.to = movement.to;
                earlier.next = movement.next;
            }
            None => known.push(movement),
        }
    });
}

/// Where a sequence stands within the running preview, if the preview has moved it.
pub fn virtual_position(sequence: Oid) -> Option<Position> {
    MOVEMENTS.with_borrow(|known| {
        known
            .iter()
            .find(|movement| movement.sequence == sequence && movement.registered)
            .map(|movement| movement.to)
    })
}

/// A preview begins.
pub fn begin() {
    ACTIVE.set(true);
    DEFERRED.set(false);
    VIOLATIONS.with_borrow_mut(Vec::clear);
    MOVEMENTS.with_borrow_mut(Vec::clear);
}

/// Takes out what was noted.
pub fn take() -> (Vec<Violation>, Vec<Movement>) {
    (VIOLATIONS.take(), MOVEMENTS.take())
}

/// The statement is over; what its deferred triggers do belongs to COMMIT.
pub fn defer() {
    DEFERRED.set(true);
}

pub fn is_deferred() -> bool {
    DEFERRED.get()
}

/// The preview is over.
pub fn end() {
    ACTIVE.set(false);
    DEFERRED.set(false);
}
