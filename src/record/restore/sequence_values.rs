//! Where registered sequences stood comes back with the rows, in the restore's own record. A sequence does not roll back, so
//! it is set when all else is done.

use super::command::Failure;
use super::rebuild::Rebuild;
use super::step::{Step, failed};
use crate::judge::sequence::{Position, SequencePolicy};
use crate::ledger::Root;
use crate::pg::catalog;
use crate::report::Outcome;
use crate::sequence::put_back::{self, Going};
use pgrx::pg_sys::Oid;
use std::rc::Rc;

/// A registered sequence's recorded value.
pub struct Value {
    step: Step,
    relid: Oid,
    policy: Rc<SequencePolicy>,
    position: Position,
}

impl Rebuild {
    /// The values of registered sequences that are there, found while they have the recorded names.
    pub(super) fn registered_values(&self) -> Vec<Value> {
        let steps = self
            .steps
            .iter()
            .filter(|step| step.kind == "sequence value");
        let values = steps.filter_map(|step| {
            let relid = catalog::named_relation(&step.name)?;
            let policy = self.guarded.sequence(relid)?.clone();
            let known = !self.is_done(step) && !self.strangers.contains(&step.object);
            known.then_some(Value {
                step: step.clone(),
                relid,
                policy,
                position: position(step)?,
            })
        });
        values.collect()
    }

    /// Whether the step is one of those.
    pub(super) fn is_registered_value(&self, step: &Step) -> bool {
        let mut values = self.values.iter();
        values.any(|value| value.step.kind == step.kind && value.step.sql == step.sql)
    }

    /// Writes into the record which of them go back.
    ///
    /// # Errors
    /// When one cannot stand there any more.
    pub(super) fn note_values(&self, root: &mut Root, going: &mut Vec<Going>) -> Outcome<()> {
        for value in &self.values {
            let sequence = (value.relid, &value.policy);
            let gone = put_back::go(root, going, sequence, value.position, !self.rolled_back)?;
            gone.map_err(|range| {
                let message = format!(
                    "it cannot go back to {}: its values lie between {} and {} now",
                    value.position.value, range.min, range.max
                );
                failed(&value.step, &Failure::of(message))
            })?;
        }
        Ok(())
    }
}

/// Where the step's command would set the sequence.
fn position(step: &Step) -> Option<Position> {
    let name = step.name.replace('\'', "''");
    let start = format!("SELECT pg_catalog.setval('{name}', ");
    let (arguments, _) = step.sql.strip_prefix(&start)?.split_once(')')?;
    let (value, is_called) = arguments.split_once(", ")?;
    Some(Position {
        value: value.parse().ok()?,
        is_called: is_called.parse().ok()?,
    })
}
