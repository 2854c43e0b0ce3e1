//! Putting sequences back where they stood before a recorded statement.
//!
//! A sequence that goes back over values it has handed out would hand them out again, so it goes back only where nothing
//! was: forward, or from exactly where the statement left it. Everything else is a conflict. The sequence is locked like
//! by ALTER SEQUENCE, so that nobody draws from it between the look and the move, nor before the transaction ends; the
//! move itself does not roll back, as no `setval` does.

use super::{changes, put_back, state};
use crate::judge::sequence::{Position, Range, WayBack, way_back};
use crate::ledger;
use crate::model::Operation;
use crate::pg::catalog;
use crate::pg::values::RowText;
use crate::record;
use crate::record::restore::{OnConflict, What, new_root};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// What became of a sequence, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Unchanged,
    Restored,
    Conflict,
    Overwritten,
}

/// A sequence that the statement moved.
pub struct Moved {
    pub name: Rc<str>,
    /// Where it stands, `None` when it is gone.
    pub present: Option<Position>,
    pub old: Position,
    pub fate: Fate,
    relid: Oid,
}

/// What the record says of a sequence: where it stood first, and where it was left.
struct Recorded {
    name: String,
    old: Position,
    left: Option<Position>,
}

/// Puts the statement's sequences back, or finds out what doing so would do.
///
/// # Errors
/// When the statement moved no sequence, one is gone or cannot stand there any more, or a conflict aborts it.
pub fn restore(statement_id: i64, dry_run: bool, on_conflict: OnConflict) -> Outcome<Vec<Moved>> {
    let recorded = recorded(statement_id);
    if recorded.is_empty() {
        return Err(Report::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("the record has no sequence that statement {statement_id} moved"),
        )
        .hint("backstop.sequence_change lists what is."));
    }
    let mut moved = recorded
        .into_iter()
        .map(|sequence| look(sequence, dry_run, on_conflict))
        .collect::<Outcome<Vec<_>>>()?;
    if dry_run {
        return Ok(moved);
    }
    if on_conflict == OnConflict::Abort
        && let Some(conflict) = moved.iter().find(|moved| moved.fate == Fate::Conflict)
    {
        return Err(refuse(statement_id, conflict));
    }
    let goes = |moved: &&mut Moved| matches!(moved.fate, Fate::Restored | Fate::Overwritten);
    if crate::preview::active() {
        return Err(Report::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "cannot preview backstop.restore_sequence()",
        )
        .hint("Its own dry run says what it would do."));
    }
    // The record first: it rolls back if something fails, and a move doesn't.
    let mut root = new_root(What::Statement(statement_id));
    for moved in moved.iter_mut().filter(goes) {
        check_bounds(moved)?;
        let new = Some(moved.old);
        changes::note(
            &mut root,
            &moved.name,
            Operation::Setval,
            moved.present,
            new,
            state::storage(moved.relid),
        );
    }
    record::finish_root(&mut root);
    for moved in moved.iter_mut().filter(goes) {
        put_back::set(moved.relid, moved.old);
    }
    ledger::with(|ledger| ledger.keep_moves(root));
    Ok(moved)
}

/// The statement's sequences by name: ALTER SEQUENCE's other changes move nothing.
fn recorded(statement_id: i64) -> Vec<Recorded> {
    let found = Spi::connect_mut(|client| {
        // SAFETY: a bigint argument.
        let id = unsafe { DatumWithOid::new(statement_id, pg_sys::INT8OID) };
        let rows = client.update(
            "SELECT sequence, old_value, old_is_called, new_value, new_is_called FROM backstop.sequence_change
             WHERE statement_id = $1 AND old_value IS NOT NULL AND (new_value IS NOT NULL OR operation = 'DROP')
             ORDER BY sequence, change_id",
            None,
            &[id],
        )?;
        let mut found: Vec<Recorded> = Vec::new();
        for row in rows {
            let position = |value: Option<i64>, is_called: Option<bool>| {
                value.map(|value| Position {
                    value,
                    is_called: is_called.unwrap_or(true),
                })
            };
            let name = row.text(1)?.unwrap_or_default();
            let left = position(row.get(4)?, row.get(5)?);
            match found.last_mut() {
                Some(last) if last.name == name => last.left = left,
                _ => {
                    if let Some(old) = position(row.get(2)?, row.get(3)?) {
                        found.push(Recorded { name, old, left });
                    }
                }
            }
        }
        Ok::<_, pgrx::spi::Error>(found)
    });
    found.unwrap_or_else(|error| pgrx::error!("{error}"))
}

/// Looks where the sequence stands, and locks it unless this is a dry run.
fn look(recorded: Recorded, dry_run: bool, on_conflict: OnConflict) -> Outcome<Moved> {
    let name: Rc<str> = Rc::from(recorded.name);
    // SAFETY: catalog look-ups.
    let found = catalog::named_relation(&name).filter(|relid| unsafe {
        pg_sys::get_rel_relkind(*relid) as u8 == pg_sys::RELKIND_SEQUENCE
    });
    let Some(relid) = found else {
        if on_conflict == OnConflict::Skip {
            return Ok(Moved {
                name,
                present: None,
                old: recorded.old,
                fate: Fate::Conflict,
                relid: pg_sys::InvalidOid,
            });
        }
        return Err(Report::new(
            sqlstate::UNDEFINED_TABLE,
            format!("sequence \"{name}\" of the record does not exist"),
        )
        .hint("Create it again, or leave it out with on_conflict => 'skip'."));
    };
    if !dry_run {
        put_back::lock(relid);
    }
    let present = state::stored_position(relid);
    let (increment, _) = state::definition(relid);
    let fate = match way_back(present, recorded.left, recorded.old, increment) {
        WayBack::Unchanged => Fate::Unchanged,
        WayBack::Safe => Fate::Restored,
        WayBack::Reissues if on_conflict == OnConflict::Overwrite => Fate::Overwritten,
        WayBack::Reissues => Fate::Conflict,
    };
    Ok(Moved {
        name,
        present: Some(present),
        old: recorded.old,
        fate,
        relid,
    })
}

/// As setval would, but before any sequence has moved.
fn check_bounds(moved: &Moved) -> Outcome<()> {
    let Some(Range { min, max, .. }) = state::range(moved.relid) else {
        return Ok(());
    };
    if (min..=max).contains(&moved.old.value) {
        return Ok(());
    }
    Err(Report::new(
        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        format!(
            "sequence \"{}\" cannot go back to {}",
            moved.name, moved.old.value
        ),
    )
    .detail(format!("Its values lie between {min} and {max} now.")))
}

fn refuse(statement_id: i64, conflict: &Moved) -> Box<Report> {
    let (name, old) = (&conflict.name, conflict.old.value);
    let present = conflict.present.map_or(old, |present| present.value);
    Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("cannot restore sequence \"{name}\" of statement {statement_id}: it has moved since"),
    )
    .detail(format!(
        "It stands at {present} and would go back to {old}: values that were handed out would come again."
    ))
    .hint("on_conflict => 'skip' leaves it where it is, 'overwrite' moves it back all the same.")
}
