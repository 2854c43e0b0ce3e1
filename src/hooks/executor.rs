//! The executor hooks: they know which root statement is running, find out before a destructive query starts whether an
//! approval covers it, and close the root's books when it is over. Rows are counted and captured by the trigger.

use super::starting::{Entered, after_start, before_start};
use super::{guarded, raise};
use crate::approval::token;
use crate::ledger::{self, Root};
use crate::pg::raw;
use crate::record;
use crate::registry;
use crate::report::Outcome;
use crate::running::queries;
use crate::running::{self, Frame};
use pgrx::pg_sys;
use std::ffi::c_int;

static mut PREVIOUS_START: pg_sys::ExecutorStart_hook_type = None;
static mut PREVIOUS_RUN: pg_sys::ExecutorRun_hook_type = None;
static mut PREVIOUS_FINISH: pg_sys::ExecutorFinish_hook_type = None;
static mut PREVIOUS_END: pg_sys::ExecutorEnd_hook_type = None;

pub fn install() {
    // SAFETY: hooks are installed once, while the library is loaded, before any statement runs.
    unsafe {
        PREVIOUS_START = pg_sys::ExecutorStart_hook;
        pg_sys::ExecutorStart_hook = Some(start);
        PREVIOUS_RUN = pg_sys::ExecutorRun_hook;
        pg_sys::ExecutorRun_hook = Some(run);
        PREVIOUS_FINISH = pg_sys::ExecutorFinish_hook;
        pg_sys::ExecutorFinish_hook = Some(finish);
        PREVIOUS_END = pg_sys::ExecutorEnd_hook;
        pg_sys::ExecutorEnd_hook = Some(end);
    }
}

unsafe extern "C-unwind" fn start(desc: *mut pg_sys::QueryDesc, eflags: c_int) {
    // SAFETY: a bare frame; the executor passes its live QueryDesc.
    unsafe {
        let (entered, error) = guarded(Entered::default(), || before_start(desc, eflags));
        raise(error);
        match PREVIOUS_START {
            Some(previous) => previous(desc, eflags),
            None => raw::standard_ExecutorStart(desc, eflags),
        }
        if entered.changes {
            let (_, error) = guarded((), || after_start(desc, entered));
            raise(error);
        }
        if entered.root {
            running::leave();
        }
    }
}

#[cfg(not(feature = "pg18"))]
unsafe extern "C-unwind" fn run(
    desc: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    execute_once: bool,
) {
    // SAFETY: a bare frame.
    unsafe {
        let (root, error) = guarded(false, || open(desc));
        raise(error);
        match PREVIOUS_RUN {
            Some(previous) => previous(desc, direction, count, execute_once),
            None => raw::standard_ExecutorRun(desc, direction, count, execute_once),
        }
        if root {
            let (_, error) = guarded((), || after_run(desc, direction, count));
            raise(error);
        }
    }
}

#[cfg(feature = "pg18")]
unsafe extern "C-unwind" fn run(
    desc: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    // SAFETY: a bare frame.
    unsafe {
        let (root, error) = guarded(false, || open(desc));
        raise(error);
        match PREVIOUS_RUN {
            Some(previous) => previous(desc, direction, count),
            None => raw::standard_ExecutorRun(desc, direction, count),
        }
        if root {
            let (_, error) = guarded((), || after_run(desc, direction, count));
            raise(error);
        }
    }
}

unsafe extern "C-unwind" fn finish(desc: *mut pg_sys::QueryDesc) {
    // SAFETY: a bare frame.
    unsafe {
        let (root, error) = guarded(false, || open(desc));
        raise(error);
        match PREVIOUS_FINISH {
            Some(previous) => previous(desc),
            None => raw::standard_ExecutorFinish(desc),
        }
        if root {
            let (_, error) = guarded((), || close_root(desc as usize, true).map(drop));
            raise(error);
        }
    }
}

unsafe extern "C-unwind" fn end(desc: *mut pg_sys::QueryDesc) {
    queries::ended(desc as usize);
    // SAFETY: a bare frame.
    unsafe {
        match PREVIOUS_END {
            Some(previous) => previous(desc),
            None => raw::standard_ExecutorEnd(desc),
        }
    }
}

/// Opens the root statement of a query that a client sent.
pub(super) fn open(desc: *mut pg_sys::QueryDesc) -> Outcome<bool> {
    if registry::current().is_none() {
        return Ok(false);
    }
    // SAFETY: the executor's live QueryDesc; its texts and parameters outlive the statement.
    unsafe {
        let planned = (*desc).plannedstmt;
        Ok(running::enter(Frame {
            key: desc as usize,
            source: (*desc).sourceText,
            location: (*planned).stmt_location,
            length: (*planned).stmt_len,
            params: (*desc).params,
        }))
    }
}

fn after_run(
    desc: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) -> Outcome<()> {
    // A statement that destroys rows itself is over after ExecutorFinish, where its AFTER triggers and cascades have run.
    // A SELECT may be one of many fetches from its portal: what its functions destroyed is written now.
    // SAFETY: the executor's live QueryDesc.
    let select = unsafe {
        (*desc).operation == pg_sys::CmdType::CMD_SELECT && !(*(*desc).plannedstmt).hasModifyingCTE
    };
    // SAFETY: a query that ran has its estate.
    let exhausted = direction == pg_sys::ScanDirection::ForwardScanDirection
        && (count == 0 || unsafe { (*(*desc).estate).es_processed } < count);
    // Whether a token's rows are all there shows when the last one was fetched, or the portal is dropped.
    let waits = select
        && !exhausted
        && ledger::with(|ledger| {
            let root = ledger.find_root(desc as usize);
            root.is_some_and(|root| root.claim().is_some())
        });
    if select && !waits {
        close_root(desc as usize, false)?;
        return Ok(());
    }
    if waits {
        // Images are part of the subtransaction that the rows were destroyed in, and stand before what comes after.
        // SAFETY: reads the transaction state.
        let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
        ledger::with(|ledger| {
            let root = ledger.find_root(desc as usize);
            root.into_iter()
                .for_each(|root| record::settle_in(root, nest));
        });
    }
    running::leave();
    Ok(())
}

/// Writes the root's record and closes it. `over`: nothing more can come from it. Returns the statement's id.
///
/// # Errors
/// SF011, when it ran under a token and destroyed other rows than its preview showed.
pub fn close_root(key: usize, over: bool) -> Outcome<Option<i64>> {
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    let mut id = None;
    // What is written may run SQL of ours, so the ledger is not borrowed meanwhile.
    if let Some(mut root) = ledger::with(|ledger| ledger.remove_root(key)) {
        if root.acted_outside(nest) {
            put_off(PutOff {
                root: Some(root),
                over,
            })?;
            running::leave();
            return Ok(None);
        }
        id = token::settle(&mut root)?;
        ledger::with(|ledger| {
            ledger::close(ledger, &root, nest);
            if over {
                ledger.keep_moves(root);
            } else {
                root.next_part();
                ledger.root(key, || root);
            }
        });
    }
    running::leave();
    Ok(id)
}

/// A root that goes back on the books however its check ends, by an error of PostgreSQL's, too.
struct PutOff {
    root: Option<Root>,
    over: bool,
}

impl Drop for PutOff {
    fn drop(&mut self) {
        let Some(root) = self.root.take() else { return };
        ledger::with(|ledger| match self.over {
            true => ledger.keep(root),
            false => {
                ledger.root(root.key, || root);
            }
        });
    }
}

/// A portal that is finished behind a savepoint: what is written now, its statement row and the end of its token, is lost
/// with that, and what it destroyed before is not. So it is written when the transaction commits; that the token's rows are
/// not all there is said now, and again then.
fn put_off(mut off: PutOff) -> Outcome<()> {
    match &mut off.root {
        Some(root) => token::check(root),
        None => Ok(()),
    }
}
