//! Switching the guard off, and on again, is recorded with the refusals it does away with. `observe` needs no such note: all
//! that would have been refused is recorded itself.
//!
//! The hooks of the setting run at any moment, also while a transaction is being aborted: they touch shared memory and
//! nothing else.

use super::{MODE, SUCCESS, blank, can_be_noted, client_text};
use crate::gucs::Mode;
use crate::shared::Text;
use crate::shared::queue::{self, Entry};
use pgrx::pg_sys::{self, GucSource::*};
use std::cell::Cell;

thread_local! {
    /// The mode in force was set by this session, not by a configuration that others see.
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// The setting was given a value to check: ALTER ROLE, ALTER DATABASE and ALTER SYSTEM store it.
pub fn checked(mode: Mode, source: pg_sys::GucSource::Type) {
    // A configuration file is read while no statement runs.
    let stored = match source {
        PGC_S_TEST => true,
        // SAFETY: reads a backend variable.
        PGC_S_FILE => unsafe { !pg_sys::debug_query_string.is_null() },
        _ => false,
    };
    if stored && mode == Mode::Off {
        note(mode, "stored as");
    }
}

/// The setting takes effect, with the source `checked` was given for it.
pub fn assigned(before: Mode, mode: Mode, source: pg_sys::GucSource::Type) {
    let own = source >= PGC_S_CLIENT;
    let was_own = OWN.replace(own);
    let off = before == Mode::Off || mode == Mode::Off;
    if off && before != mode && (own || was_own) {
        note(mode, "set to");
    }
}

fn note(mode: Mode, how: &str) {
    // SAFETY: reads a backend variable: a parallel worker only repeats its leader.
    if !can_be_noted() || unsafe { pg_sys::ParallelWorkerNumber >= 0 } {
        return;
    }
    queue::push(&Entry {
        sqlstate: Text::of(SUCCESS.as_bytes()),
        rule: Text::of(MODE.as_bytes()),
        message: Text::of(format!("backstop.mode {how} {}", mode.name()).as_bytes()),
        query: Text::of(&client_text().unwrap_or_default()),
        ..blank()
    });
}
