//! A call that may raise a PostgreSQL error, caught with all its fields.
//!
//! pgrx's own boundary turns an error into a Rust panic and forgets constraint, context and position on the way. Where
//! we run a user's statement and have to clean up after it, the error he gets must be the one PostgreSQL raised.

use crate::report::Report;
use cee_scape::{SigJmpBufFields, call_with_sigsetjmp};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, MemoryContext};
use std::mem::MaybeUninit;

/// Whether an error ends the statement, whoever could go on without what failed: it was cancelled, ran out of its time, or
/// the server is out of something (SQLSTATE classes 57 and 53). A timeout comes once.
pub fn ends_statement(sqlerrcode: i32) -> bool {
    const CLASS: i32 = (1 << 12) - 1;
    const INTERVENTION: i32 = 5 + (7 << 6);
    const RESOURCES: i32 = 5 + (3 << 6);
    [INTERVENTION, RESOURCES].contains(&(sqlerrcode & CLASS))
}

/// The same of an error that pgrx has caught.
pub fn is_fatal_to_statement(error: &CaughtError) -> bool {
    let (CaughtError::PostgresError(report)
    | CaughtError::ErrorReport(report)
    | CaughtError::RustPanic {
        ereport: report, ..
    }) = error;
    ends_statement(report.sql_error_code() as i32)
}

/// Runs `work`; an error comes back as a report that raises PostgreSQL's own ErrorData, kept in `context`. The caller
/// must raise it or roll back a subtransaction that was begun before the call.
///
/// # Safety
/// `work` must own nothing with a destructor when PostgreSQL raises, must not panic, and calls PostgreSQL through
/// `raw` only. `context` must outlive the report.
pub unsafe fn attempt<R: Copy>(
    context: MemoryContext,
    work: impl FnOnce() -> R,
) -> Result<R, Box<Report>> {
    let mut result = MaybeUninit::uninit();
    // SAFETY: what PG_TRY and PG_CATCH do; the caller vouches for `work`, so that the jump passes no destructor.
    unsafe {
        let before = pg_sys::CurrentMemoryContext;
        let (stack, callbacks) = (pg_sys::PG_exception_stack, pg_sys::error_context_stack);
        let jumped = call_with_sigsetjmp(false, |buffer| {
            pg_sys::PG_exception_stack = buffer as *const SigJmpBufFields as *mut _;
            result.write(work());
            0
        });
        pg_sys::PG_exception_stack = stack;
        pg_sys::error_context_stack = callbacks;
        if jumped == 0 {
            return Ok(result.assume_init());
        }
        pg_sys::CurrentMemoryContext = context;
        let error = pg_sys::CopyErrorData();
        pg_sys::FlushErrorState();
        pg_sys::CurrentMemoryContext = before;
        Err(Report::original(error))
    }
}
