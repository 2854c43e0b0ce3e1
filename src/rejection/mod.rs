//! Refusals that outlive the rollback of what they refused.
//!
//! Every refusal, and every warning that stands for one in `observe` mode, passes `report` on its way to the client. From
//! there a copy goes into a queue in shared memory (`shared::queue`), which no rollback touches. A background worker
//! (`launcher`) starts a short-lived writer in the database it came from (`writer`), which writes `backstop.rejection`
//! and takes an entry out of the queue only when its row has been committed.
//!
//! Without shared memory nothing of this is there, and the server log alone has the refusals.

mod launcher;
mod mode;
mod moved;
mod writer;

pub use mode::{assigned, checked};
pub use moved::{note_sequences, sequences_left};

use crate::model::Rule;
use crate::pg::catalog;
use crate::record::who;
use crate::report::{self, Report};
use crate::shared::queue::{self, Entry};
use crate::shared::{self, Text};
use crate::{ledger, preview, running};
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;

/// What the table calls a change of `backstop.mode`, and refusals that found no place in the queue.
const MODE: &str = "mode";
const LOST: &str = "lost";

/// The SQLSTATE of what is no error.
const SUCCESS: &str = "00000";

/// Listens to refusals, and has PostgreSQL start the launcher. Called once, from `_PG_init`, with shared memory to come.
pub fn install() {
    report::listen(refused);
    launcher::register();
}

/// A refusal is about to be raised, or said as a warning.
fn refused(refusal: &Report) {
    // What a preview runs is rolled back in any case: a refusal there is a finding for its reviewer.
    if !can_be_noted() || preview::active() {
        return;
    }
    let rule = Rule::of_sqlstate(&refusal.sqlstate);
    let relation = match (&refusal.schema, &refusal.table) {
        (Some(schema), Some(table)) => catalog::qualified(schema, table),
        (None, Some(table)) => table.clone(),
        _ => String::new(),
    };
    let query = running::query().or_else(client_text).unwrap_or_default();
    let (own, before) = running::root_key()
        .and_then(ledger::rows_seen)
        .unwrap_or((0, 0));
    let rows = match rule {
        Some(Rule::TransactionLimit) => before + own,
        _ => own,
    };
    queue::push(&Entry {
        sqlstate: Text::of(refusal.sqlstate.as_bytes()),
        rule: Text::of(rule.map_or("", Rule::name).as_bytes()),
        relation: Text::of_text(&relation),
        message: Text::of_text(&refusal.message),
        query: Text::of(&query),
        rows_seen: rows,
        ..blank()
    });
}

/// Whether this process is a session that has a queue. Nothing is written on a standby.
fn can_be_noted() -> bool {
    // SAFETY: plain reads of backend state.
    unsafe {
        shared::is_attached()
            && pg_sys::IsUnderPostmaster
            && pg_sys::MyDatabaseId != pg_sys::InvalidOid
            && !pg_sys::RecoveryInProgress()
    }
}

/// What the client sent.
fn client_text() -> Option<Vec<u8>> {
    // SAFETY: NULL or the live text of the command that runs.
    unsafe {
        let text = pg_sys::debug_query_string;
        (!text.is_null()).then(|| CStr::from_ptr(text).to_bytes().to_vec())
    }
}

/// An entry that says who is here, and nothing else.
fn blank() -> Entry {
    // SAFETY: reads of backend state; application_name is NULL or a C string.
    unsafe {
        let application_name = pg_sys::application_name;
        let application_name = if application_name.is_null() {
            c""
        } else {
            CStr::from_ptr(application_name)
        };
        Entry {
            at: pg_sys::GetCurrentTimestamp(),
            rows_seen: -1,
            database: pg_sys::MyDatabaseId,
            session_role: pg_sys::GetSessionUserId(),
            role: pg_sys::GetOuterUserId(),
            pid: pg_sys::MyProcPid,
            sqlstate: Text::empty(),
            rule: Text::empty(),
            client_addr: Text::exactly(&who::client_address_bytes()),
            application_name: Text::of(application_name.to_bytes()),
            relation: Text::empty(),
            message: Text::empty(),
            query: Text::empty(),
        }
    }
}

/// Whether the worker has come to write what is refused: it needs one of `max_worker_processes`, and the end of recovery.
pub fn is_attended() -> bool {
    queue::is_attended()
}

/// What `status()` says: how many refusals of this database wait, and how many were lost. `None` without shared memory.
pub fn waiting_and_lost(database: Oid) -> Option<(usize, u64)> {
    queue::count(database)
}
