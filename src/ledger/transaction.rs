//! What happens to the books at the ends of transactions and subtransactions.

use super::{LEDGER, Ledger, with};
use crate::hooks::{guarded, raise};
use crate::pg::raw;
use crate::report::Outcome;
use crate::shared::progress;
use crate::{record, registry, rejection, running};
use pgrx::pg_sys;
use std::ffi::c_void;
use std::ptr;

/// Registers the callbacks. Called once, from `_PG_init`.
pub fn install() {
    // SAFETY: plain functions that live as long as the library.
    unsafe {
        pg_sys::RegisterXactCallback(Some(transaction_ended), ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(subtransaction_ended), ptr::null_mut());
    }
}

unsafe extern "C-unwind" fn transaction_ended(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    if exiting() {
        // What other sessions see of it is in shared memory, and borrows nothing.
        progress::end();
        if event == pg_sys::XactEvent::XACT_EVENT_ABORT
            && let Ok(moved) = LEDGER.with(|ledger| {
                ledger
                    .try_borrow_mut()
                    .map(|mut ledger| ledger.left_moved())
            })
        {
            rejection::note_sequences(&moved);
        }
        return;
    }
    // SAFETY: a bare frame.
    unsafe {
        let (_, error) = guarded((), || ended(event));
        raise(error);
    }
}

/// Whether the backend is on its way out. A FATAL error (pg_terminate_backend, say) does not unwind: what was borrowed
/// when it came stays borrowed, and an error in a callback would keep PostgreSQL from giving the transaction's locks
/// back, for as long as the server runs. The books go with the process.
fn exiting() -> bool {
    // SAFETY: reads a backend variable.
    unsafe { pg_sys::proc_exit_inprogress }
}

fn ended(event: pg_sys::XactEvent::Type) -> Outcome<()> {
    use pg_sys::XactEvent::*;
    match event {
        // Errors are still allowed here, and abort the transaction: no damage commits without its record, or under a
        // token that does not show it.
        XACT_EVENT_PRE_COMMIT | XACT_EVENT_PARALLEL_PRE_COMMIT | XACT_EVENT_PRE_PREPARE => {
            record::flush_all()?
        }
        XACT_EVENT_COMMIT | XACT_EVENT_PARALLEL_COMMIT | XACT_EVENT_PREPARE => {
            registry::committed();
            with(|ledger| ledger.end_transaction(true));
            record::commit::end_transaction();
            running::end_transaction();
            record::turned::forget();
            progress::end();
        }
        XACT_EVENT_ABORT | XACT_EVENT_PARALLEL_ABORT => {
            registry::rolled_back(0);
            rejection::sequences_left(&with(Ledger::left_moved));
            with(|ledger| ledger.end_transaction(false));
            record::commit::end_transaction();
            running::end_transaction();
            record::turned::forget();
            progress::end();
        }
        _ => {}
    }
    Ok(())
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn subtransaction_ended(
    event: pg_sys::SubXactEvent::Type,
    sub: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut c_void,
) {
    use pg_sys::SubXactEvent::*;
    if exiting() {
        return;
    }
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    match event {
        SUBXACT_EVENT_START_SUB => running::begin_level(nest),
        SUBXACT_EVENT_PRE_COMMIT_SUB => record::write_complete(nest - 1),
        SUBXACT_EVENT_COMMIT_SUB => {
            with(|ledger| ledger.commit_level(nest));
            record::commit::commit_level(nest);
            running::commit_level(nest);
            progress::commit_level(nest);
        }
        SUBXACT_EVENT_ABORT_SUB => {
            registry::rolled_back(sub);
            with(|ledger| ledger.abort_level(nest, sub));
            record::commit::abort_level(nest);
            running::abort_level(nest);
            progress::abort_level(nest);
        }
        _ => {}
    }
}
