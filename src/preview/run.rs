//! Runs the statement, and takes out what was seen before everything is rolled back.

use super::collect::{self, Movement};
use super::seen::{Seen, keep_chunk};
use super::{store, vet};
use crate::approval::fingerprint::Key;
use crate::ledger::{self, Root};
use crate::model::Violation;
use crate::pg::attempt::attempt;
use crate::pg::{raw, spi};
use crate::record::turned::{self, Turned};
use crate::report::{Outcome, Report, sqlstate};
use crate::running::{self, Frame};
use crate::shared::progress;
use crate::{registry, sequence};
use pgrx::pg_sys;
use serde_json::Value;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

/// What a statement would do.
pub struct Previewed {
    pub statement: CString,
    /// PostgreSQL's name of the command.
    pub command: String,
    pub key: Key,
    pub seen: Seen,
    pub violations: Vec<Violation>,
    pub movements: Vec<Movement>,
    /// Fingerprints of changes that are not rows.
    pub marks: Vec<u128>,
    /// What deferred triggers would say at COMMIT.
    pub deferred: Option<String>,
}

/// Ends the preview's state, however it ends.
struct Running {
    outer: Option<(Frame, i32)>,
    turned: Turned,
}

impl Drop for Running {
    fn drop(&mut self) {
        collect::end();
        running::put_back(self.outer);
        ledger::with(|ledger| drop(ledger.remove_root(running::PREVIEW)));
        sequence::preview::end();
        turned::put_back(std::mem::take(&mut self.turned));
    }
}

/// Runs `text` in a subtransaction and rolls it back.
///
/// # Errors
/// Those of the statement, as PostgreSQL raises them; when it cannot be previewed.
///
/// # Safety
/// In a transaction, from a SQL function.
pub unsafe fn run(text: &str, parameters: Option<&Value>) -> Outcome<Previewed> {
    if collect::active() {
        return Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            "a preview cannot run inside a preview",
        ));
    }
    let statement = vet::statement("backstop.preview()", text)?;
    if registry::current().is_none() {
        return Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            "cannot preview: nothing is protected, or backstop.mode is off",
        )
        .hint("SELECT * FROM backstop.status() says which."));
    }
    let Some(key) = Key::random() else {
        return Err(Report::new(
            "XX000",
            "the operating system gives no random bytes",
        ));
    };
    store::open();
    progress::preview();
    // SAFETY: an internal subtransaction, left by the same memory context and resource owner it was begun with, on
    // success, on our own errors and on PostgreSQL's.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let frame = Frame {
            key: running::PREVIEW,
            source: statement.text.as_ptr(),
            location: -1,
            length: 0,
            params: ptr::null_mut(),
        };
        let ended = Running {
            outer: running::put_aside(frame),
            turned: turned::known(),
        };
        sequence::preview::begin();
        collect::begin();
        ledger::with(|ledger| {
            ledger.root(running::PREVIEW, running::new_root).preview = Some(key);
        });
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&statement.text, parameters)));
        let (violations, movements) = collect::take();
        drop(ended);
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        let outcome = outcome.unwrap_or_else(|error| {
            store::close();
            resume_unwind(error)
        });
        let (mut seen, deferred) = outcome.inspect_err(|_| store::end())?;
        let marks = std::mem::take(&mut seen.marks);
        Ok(Previewed {
            statement: statement.text,
            command: statement.command,
            key,
            seen,
            violations,
            movements,
            marks,
            deferred,
        })
    }
}

/// # Safety
/// Inside the subtransaction.
unsafe fn work(statement: &CString, parameters: Option<&Value>) -> Outcome<(Seen, Option<String>)> {
    // SAFETY: the ledger is not borrowed.
    let deferred = unsafe {
        spi::execute(statement, parameters, |_| ())?;
        collect::defer();
        fire_deferred()?
    };
    let root = ledger::with(|ledger| ledger.remove_root(running::PREVIEW));
    Ok((root.map(collected).unwrap_or_default(), deferred))
}

/// Everything the root saw, in one.
fn collected(mut root: Root) -> Seen {
    let mut all = Seen::default();
    all.marks.append(&mut root.standing);
    for level in root.levels() {
        for buffer in level.buffers.iter_mut().filter(|buffer| buffer.rows > 0) {
            keep_chunk(&mut level.seen.chunks, buffer);
        }
        all.absorb(std::mem::take(&mut level.seen));
    }
    all
}

/// Fires what is deferred to COMMIT, so that the preview shows what it would destroy. An error of theirs may be one that
/// a later statement of the transaction would have mended: it is told, not raised. A cancelled statement is over.
///
/// # Safety
/// Inside the subtransaction.
unsafe fn fire_deferred() -> Outcome<Option<String>> {
    // SAFETY: a subtransaction of its own around the triggers; the closure owns nothing.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let fired = attempt(context, || {
            let mut all: pg_sys::ConstraintsSetStmt = std::mem::zeroed();
            all.type_ = pg_sys::NodeTag::T_ConstraintsSetStmt;
            all.deferred = false;
            raw::AfterTriggerSetState(&raw mut all);
        });
        match fired {
            Ok(()) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        match fired {
            Err(report) if report.ends_statement() => Err(report),
            fired => Ok(fired.err().map(|report| report.message)),
        }
    }
}
