//! Registered sequences that go back while rows are restored. As with `restore_sequence`, the record comes first, the sequence
//! is locked meanwhile, and no policy is asked: who may restore may put back what the record says. They only ever go
//! forward: one that has gone on since stays where it is.

use super::{changes, state};
use crate::judge::sequence::{Position, Range, SequencePolicy, WayBack, way_back};
use crate::ledger::Root;
use crate::model::Operation;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Datum, Oid};
use std::rc::Rc;

/// A sequence on its way.
pub struct Going {
    relid: Oid,
    to: Position,
}

/// Writes into the record of `root` that the sequence goes to `to`, if that is forward; `going`: those that go already.
/// `for_good`: it is really going to be set (see `set_all`).
///
/// # Errors
/// The values that it may have now, when it cannot stand there any more.
pub fn go(
    root: &mut Root,
    going: &mut Vec<Going>,
    (relid, policy): (Oid, &Rc<SequencePolicy>),
    to: Position,
    for_good: bool,
) -> Outcome<Result<(), Range>> {
    if for_good {
        lock(relid);
    }
    let earlier = going.iter().rfind(|earlier| earlier.relid == relid);
    let present = earlier.map_or_else(|| state::position(relid), |earlier| earlier.to);
    let (increment, _) = state::definition(relid);
    if way_back(present, None, to, increment) != WayBack::Safe {
        return Ok(Ok(()));
    }
    if let Some(range) = state::range(relid).filter(|range| !range.contains(to.value)) {
        return Ok(Err(range));
    }
    if for_good && changes::announce(policy, Operation::Setval, Some(present), Some(to))? {
        let name = Rc::from(policy.qualified.as_str());
        let storage = state::storage(relid);
        changes::note(
            root,
            &name,
            Operation::Setval,
            Some(present),
            Some(to),
            storage,
        );
        going.push(Going { relid, to });
    }
    Ok(Ok(()))
}

/// Sets what is in the record by now.
pub fn set_all(going: &[Going]) {
    for sequence in going {
        set(sequence.relid, sequence.to);
    }
}

/// ALTER SEQUENCE's lock, which nextval waits for; kept to the end of the transaction.
pub(super) fn lock(relid: Oid) {
    // SAFETY: as LOCK would take it.
    unsafe { pg_sys::LockRelationOid(relid, pg_sys::ShareRowExclusiveLock as i32) };
}

pub(super) fn set(relid: Oid, to: Position) {
    // SAFETY: PostgreSQL's own setval(regclass, bigint, boolean) of a locked sequence.
    unsafe {
        pgrx::direct_function_call_as_datum(
            pg_sys::setval3_oid,
            &[
                Some(Datum::from(relid)),
                Some(Datum::from(to.value)),
                Some(Datum::from(to.is_called)),
            ],
        );
    }
}
