//! Sequences that a transaction has moved and does not take back: the record of it rolls back, they do not.

use super::{SUCCESS, blank, can_be_noted, client_text};
use crate::judge::sequence::Position;
use crate::judge::spelling::literal;
use crate::ledger::Moved;
use crate::model::Rule;
use crate::report::{self, Report};
use crate::shared::Text;
use crate::shared::queue::{self, Entry};

/// What there is to say: the message, and whether there is a queue that has it.
fn note(Moved { change, query }: &Moved) -> (String, bool) {
    let place = |position: Option<Position>| position.map(|at| at.to_string()).unwrap_or_default();
    let message = format!(
        "sequence \"{}\" was moved from {} to {} by a transaction that rolled back",
        change.name,
        place(change.old),
        place(change.new)
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
    (message, noted)
}

/// Of a session that ends: shared memory, and nothing else.
pub fn note_sequences(moved: &[Moved]) {
    for moved in moved {
        note(moved);
    }
}

/// Of a transaction that is being aborted: shared memory, and a message, and nothing else.
pub fn sequences_left(moved: &[Moved]) {
    for moved in moved {
        let (message, noted) = note(moved);
        let record = match noted {
            true => "backstop.rejection has this line, backstop.sequence_change has none",
            false => "backstop.sequence_change has no row of it",
        };
        let mut warning = Report::new(report::sqlstate::WARNING, message)
            .detail(format!("Sequences do not roll back: {record}."));
        if let Some(old) = moved.change.old {
            warning = warning.hint(format!(
                "If it must go back, and has handed out no value since: SELECT setval({}, {}, {}) under an approval.",
                literal(&moved.change.name),
                old.value,
                old.is_called
            ));
        }
        // SAFETY: a guarded frame; a warning returns.
        unsafe { report::warning(&warning) };
    }
}
