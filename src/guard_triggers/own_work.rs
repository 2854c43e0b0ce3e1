//! DDL of our own, which no rule judges. What users wrote and it calls is not ours: DDL of a function that runs meanwhile
//! is judged as any is.

use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::ProcessUtilityContext;
use std::cell::Cell;

#[derive(Clone, Copy, Default)]
struct State {
    /// The commands that run are our own.
    ours: bool,
    /// One of them has begun.
    begun: bool,
    /// None of users' may run inside it.
    alone: bool,
    /// They make, enable or drop the guard's triggers.
    triggers: bool,
}

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State { ours: false, begun: false, alone: false, triggers: false }) };
}

/// Whether the DDL that runs now is our own.
pub fn own_work() -> bool {
    STATE.get().ours
}

/// Whether the command that begins now makes, enables or drops the guard's triggers. Nothing about it is judged, so it need
/// not know what is guarded: each of these commands changes that, and a table of many partitions takes one for every
/// partition.
pub fn on_triggers() -> bool {
    STATE.get().triggers
}

/// Marks our own DDL until dropped, also after an error.
pub struct OwnWork {
    before: State,
}

impl OwnWork {
    pub fn begin() -> OwnWork {
        OwnWork::with(STATE.get().alone, false)
    }

    /// DDL that makes, enables or drops the guard's triggers.
    pub fn begin_on_triggers() -> OwnWork {
        OwnWork::with(STATE.get().alone, true)
    }

    /// DDL under rights that are lent to users: no command of theirs may have them.
    pub fn alone() -> OwnWork {
        OwnWork::with(true, false)
    }

    fn with(alone: bool, triggers: bool) -> OwnWork {
        let before = STATE.get();
        STATE.set(State {
            ours: true,
            begun: false,
            alone,
            triggers,
        });
        OwnWork { before }
    }
}

impl Drop for OwnWork {
    fn drop(&mut self) {
        STATE.set(self.before);
    }
}

/// What `leave` goes back to.
#[derive(Clone, Copy)]
pub struct Nested(State);

/// A utility statement begins.
///
/// # Errors
/// When it is a user's inside one of ours that runs alone.
pub fn enter(context: ProcessUtilityContext::Type) -> Outcome<Nested> {
    let before = STATE.get();
    if before.ours && context != ProcessUtilityContext::PROCESS_UTILITY_SUBCOMMAND {
        if before.begun && before.alone {
            return Err(Report::new(
                sqlstate::INSUFFICIENT_PRIVILEGE,
                "cannot run a command inside one that restores a definition",
            )
            .hint("What a function that a definition calls changes does not belong to the definition: the owner can make the object by hand."));
        }
        STATE.set(match before.begun {
            false => State {
                begun: true,
                ..before
            },
            true => State::default(),
        });
    }
    Ok(Nested(before))
}

/// It is over. After an error `OwnWork` goes back further.
pub fn leave(nested: Nested) {
    if nested.0.ours {
        STATE.set(nested.0);
    }
}
