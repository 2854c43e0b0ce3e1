//! Sequences that a transaction has moved and does not take back: the record of it rolls back, they do not.

use super::{SUCCESS, blank, can_be_noted, client_text};
use crate::judge::sequence::Position;
use crate::ledger::Moved;
use crate::model::Rule;
use crate::report::{self, Report};
use crate::shared::Text;
use crate::shared::queue::{self, Entry};

/// Called while the transaction is being aborted: shared memory, and a message, and nothing else.
pub fn sequences_left(moved: &[Moved]) {
    for Moved { change, query } in moved {
        let place =
            |position: Option<Position>| position.map(|at| at.to_string()).unwrap_or_default();
        let (from, to) = (place(change.old), place(change.new));
        let message = format!(
            "sequence \"{}\" stays at {to}: a transaction that rolled back has moved it there from {from}",
            change.name
        );
        let noted = can_be_noted();
        if noted {
            queue::push(&Entry {
                sqlstate: Text::of(SUCCESS.as_bytes()),
                rule: Text::of(Rule::SequenceGuard.name().as_bytes()),
                relation: Text::of_text(&change.name),
                message: Text::of_text(&message),
                query: Text::of(&query.clone().or_else(client_text).unwrap_or_default()),
                ..blank()
            });
        }
        let record = if noted {
            "backstop.rejection has this line, backstop.sequence_change has none"
        } else {
            "backstop.sequence_change has no row of it"
        };
        let warning = Report::new(report::sqlstate::WARNING, message)
            .detail(format!("Sequences do not roll back: {record}."))
            .hint(format!(
                "If it must go back: SELECT setval('{}', {}, {}) under an approval.",
                change.name,
                change.old.map_or(0, |old| old.value),
                change.old.is_some_and(|old| old.is_called)
            ));
        // SAFETY: a guarded frame; a warning returns.
        unsafe { report::warning(&warning) };
    }
}
