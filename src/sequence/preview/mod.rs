//! Sequences while a preview runs. A sequence does not roll back, so a registered one is not moved: setval, nextval and
//! the columns that draw from it work on a position of the preview's own, which is noted. An unregistered sequence
//! moves as ever, and is listed as what cannot be taken back.
//!
//! The substitutes stand in plans that were made during the preview. One that survives it anyway (or is called by hand)
//! is the function it stands for. What is not seen: a value that the session still has cached of a sequence with CACHE,
//! and `last_value` read from the sequence's relation.

mod calls;

use super::rewrite::NEXTVAL;
use super::{guard, state};
use crate::judge::sequence::{Position, SequencePolicy, judge};
use crate::model::Operation;
use crate::pg::catalog::{self, OpenRelation};
use crate::preview::{self, Movement};
use crate::registry;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

thread_local! {
    /// What currval would return, of registered sequences that the preview has moved.
    static ISSUED: RefCell<HashMap<Oid, i64>> = RefCell::new(HashMap::new());
    /// The sequence that lastval would speak of, when it is one of them.
    static LAST: Cell<Option<Oid>> = const { Cell::new(None) };
    /// The preview's subtransaction.
    static LEVEL: Cell<pg_sys::SubTransactionId> = const { Cell::new(0) };
}

/// A preview begins, and its subtransaction with it: plans are made anew, with the substitutes in them.
pub fn begin() {
    clear();
    // SAFETY: inside a transaction; marks saved plans as invalid.
    unsafe {
        LEVEL.set(pg_sys::GetCurrentSubTransactionId());
        pg_sys::ResetPlanCache();
    }
}

/// The preview is over, well or not: plans are made anew, without the substitutes.
pub fn end() {
    clear();
    // SAFETY: as above.
    unsafe { pg_sys::ResetPlanCache() };
}

fn clear() {
    ISSUED.with_borrow_mut(HashMap::clear);
    LAST.set(None);
}

/// A call that no planned query makes, so that it could not be replaced: which sequence it means can't be known.
pub fn unseen(function: Oid) -> Box<Report> {
    let name = if function == NEXTVAL {
        "nextval"
    } else {
        "setval"
    };
    Report::new(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!("cannot preview a statement that calls {name} outside a query"),
    )
    .detail(format!(
        "{name} is called from a column default, a constraint or a function call that no query plans, so the sequence \
         would really move. Sequences do not roll back, so nothing was done."
    ))
}

/// The policy of a registered sequence, whatever the mode.
fn registered(sequence: Oid) -> Option<Rc<SequencePolicy>> {
    registry::current_even_if_off().and_then(|registry| registry.sequence(sequence).cloned())
}

/// setval within a preview. `really` is PostgreSQL's own.
pub(super) fn setval(
    sequence: Oid,
    new: Position,
    really: impl FnOnce() -> Datum,
) -> Outcome<Datum> {
    let Some(policy) = registered(sequence) else {
        return Ok(unregistered(sequence, really));
    };
    may_use(sequence, &policy, pg_sys::ACL_UPDATE, Some(c"setval()"))?;
    let range = state::range(sequence).ok_or_else(|| gone(sequence))?;
    if !range.contains(new.value) {
        return Err(Report::new(
            "22003",
            format!(
                "setval: value {} is out of bounds for sequence \"{}\" ({}..{})",
                new.value, policy.sequence, range.min, range.max
            ),
        ));
    }
    let old = state::position(sequence);
    if let Some(violation) = judge(&policy, old, new, range.increment) {
        preview::note_violation(&violation);
    }
    if new.is_called {
        ISSUED.with_borrow_mut(|issued| issued.insert(sequence, new.value));
    }
    guard::record(&policy, Operation::Setval, Some(old), Some(new))?;
    Ok(Datum::from(new.value))
}

/// What PostgreSQL checks before it touches a sequence: any of `privileges` (none: no question), and that the
/// transaction may write.
fn may_use(
    sequence: Oid,
    policy: &SequencePolicy,
    privileges: u32,
    writes: Option<&std::ffi::CStr>,
) -> Outcome<()> {
    // SAFETY: a lock as sequence.c takes it, a look at an ACL, and two checks that raise as sequence.c has them raise.
    let allowed = unsafe {
        pg_sys::LockRelationOid(sequence, pg_sys::RowExclusiveLock as i32);
        let mode = privileges as pg_sys::AclMode;
        privileges == 0
            || pg_sys::pg_class_aclcheck(sequence, pg_sys::GetUserId(), mode)
                == pg_sys::AclResult::ACLCHECK_OK
    };
    if !allowed {
        return Err(Report::new(
            sqlstate::INSUFFICIENT_PRIVILEGE,
            format!("permission denied for sequence {}", policy.sequence),
        ));
    }
    if let Some(command) = writes {
        // SAFETY: as above.
        unsafe {
            pg_sys::PreventCommandIfReadOnly(command.as_ptr());
            pg_sys::PreventCommandIfParallelMode(command.as_ptr());
        }
    }
    Ok(())
}

fn gone(sequence: Oid) -> Box<Report> {
    Report::new(
        sqlstate::UNDEFINED_TABLE,
        format!("relation with OID {} does not exist", sequence.to_u32()),
    )
}

/// An unregistered sequence really moves. One that the previewed statement made, or gave new storage, goes back with it.
fn unregistered(sequence: Oid, really: impl FnOnce() -> Datum) -> Datum {
    let before = is_sequence(sequence).then(|| state::stored_position(sequence));
    let value = really();
    if let Some(before) = before
        && !rolls_back(sequence)
    {
        note(sequence, false, before, state::stored_position(sequence));
    }
    value
}

/// Whether the sequence can be looked at; PostgreSQL's function says what is wrong with what is none.
fn is_sequence(sequence: Oid) -> bool {
    OpenRelation::open(sequence, pg_sys::AccessShareLock)
        .is_some_and(|relation| relation.kind() == 'S')
}

fn rolls_back(sequence: Oid) -> bool {
    let storage = state::storage(sequence);
    storage != 0 && storage >= LEVEL.get()
}

/// A registered sequence's movement by DDL.
pub(super) fn note_registered(policy: &SequencePolicy, old: Position, new: Position) {
    let Some(registry) = registry::current_even_if_off() else {
        return;
    };
    let sequence = registry.sequences().find(|relid| {
        registry.sequence(*relid).is_some_and(|known| {
            (&known.schema, &known.sequence) == (&policy.schema, &policy.sequence)
        })
    });
    if let Some(sequence) = sequence {
        note(sequence, true, old, new);
    }
}

fn note(sequence: Oid, registered: bool, from: Position, to: Position) {
    preview::note_movement(Movement {
        sequence,
        name: catalog::display_name(sequence),
        registered,
        from,
        to,
        next: state::range(sequence).and_then(|range| to.following(range)),
    });
}
