//! What the record and the books say of changes of registered sequences.

use super::guard::restoring_dump;
use super::preview;
use crate::approval::token::{self, Standing};
use crate::judge::sequence::Position;
use crate::ledger::{self, Move, Root};
use crate::model::Operation;
use crate::record::{self, tables, write};
use crate::registry::SequencePolicy;
use crate::report::Outcome;
use crate::running;
use pgrx::pg_sys::SubTransactionId;
use std::rc::Rc;

/// Writes a change that passes into the record.
pub fn record(
    policy: &SequencePolicy,
    operation: Operation,
    old: Option<Position>,
    new: Option<Position>,
) -> Outcome<()> {
    let change = change(policy, operation, old, new, 0)?;
    stands(change, None);
    Ok(())
}

/// The same, for a change that is yet to be made in `storage`: it is the root's when it is.
pub(super) fn change(
    policy: &SequencePolicy,
    operation: Operation,
    old: Option<Position>,
    new: Option<Position>,
    storage: SubTransactionId,
) -> Outcome<Option<Move>> {
    if restoring_dump() {
        return Ok(None);
    }
    if !announce(policy, operation, old, new)? {
        return Ok(None);
    }
    let key = running::root_key().unwrap_or(usize::MAX);
    let name: Rc<str> = Rc::from(policy.qualified.as_str());
    Ok(Some(ledger::with(|ledger| {
        let root = ledger.root(key, running::new_root);
        written(root, &name, operation, old, new, storage)
    })))
}

/// Tells a token, and a preview, of a change; false when it is not to be made, because a preview runs.
pub(super) fn announce(
    policy: &SequencePolicy,
    operation: Operation,
    old: Option<Position>,
    new: Option<Position>,
) -> Outcome<bool> {
    let name = &policy.qualified;
    let standing = match operation {
        Operation::Setval => Standing::ForGood,
        _ => Standing::WithItsLevel,
    };
    let operation = operation.record_name();
    let to = new.map_or_else(|| "another definition".to_owned(), |new| new.to_string());
    let change = format!("{operation} {name} to {to}");
    // nextval moves it between the preview and the run; that it goes the other way is another change. A run that was rolled
    // back has left it where it is to go.
    let down = format!("{change}, down");
    let again = format!("{change}, again");
    let words: &[&str] = match (old, new) {
        (Some(old), Some(new)) if new.value < old.value => &[&down],
        (Some(old), Some(new)) if new == old => &[&change, &down, &again],
        // Handed out once, it would be the next.
        (Some(old), Some(new)) if new.value == old.value && old.is_called => &[&again],
        (Some(old), Some(new)) if new.value == old.value => &[&change, &down],
        _ => &[&change],
    };
    token::mark(words, standing)?;
    if !crate::preview::active() {
        return Ok(true);
    }
    if let (Some(old), Some(new)) = (old, new) {
        preview::note_registered(policy, old, new);
    }
    Ok(false)
}

/// Writes a change of the sequence into the record, as one of the root's.
pub(super) fn note(
    root: &mut Root,
    name: &Rc<str>,
    operation: Operation,
    old: Option<Position>,
    new: Option<Position>,
    storage: SubTransactionId,
) {
    let change = written(root, name, operation, old, new, storage);
    // SAFETY: reads the transaction state.
    let nest = unsafe { crate::pg::raw::GetCurrentTransactionNestLevel() };
    root.level(nest).moved(change);
}

fn written(
    root: &mut Root,
    name: &Rc<str>,
    operation: Operation,
    old: Option<Position>,
    new: Option<Position>,
    storage: SubTransactionId,
) -> Move {
    let change = Move {
        name: name.clone(),
        operation,
        old,
        new,
        storage,
        change_id: tables::change_id(),
    };
    record::write_move(write::statement_id(root), &change);
    change
}

/// setval has moved the sequence, and nothing will take that back: neither what was spent on it, if an approval was, nor
/// what the record has to tell.
pub(super) fn stands(change: Option<Move>, serial: Option<u64>) {
    // SAFETY: reads the transaction state.
    let nest = unsafe { crate::pg::raw::GetCurrentTransactionNestLevel() };
    let key = running::root_key().unwrap_or(usize::MAX);
    ledger::with(|ledger| {
        if let Some(serial) = serial {
            ledger.spent_for_good(nest, serial);
        }
        if let Some(change) = change {
            ledger.has_moved(&change, running::query);
            let root = ledger.root(key, running::new_root);
            root.level(nest).moved(change);
        }
    });
}
