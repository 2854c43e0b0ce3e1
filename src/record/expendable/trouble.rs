//! Errors raised over an `expendable` expression. They end a statement that has done nothing wrong, so their CONTEXT says
//! whose expression it is. For the rest they are the errors that were raised, with all their fields: an expression may call
//! what the application tells by its own SQLSTATEs, or be refused by a rule of ours.

use crate::pg::{encoding, raw, reserve};
use crate::registry::Policy;
use crate::report::{Outcome, Report};
use pgrx::PgTryBuilder;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, ErrorData, MemoryContext};
use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::AssertUnwindSafe;
use std::ptr;

/// The line of CONTEXT for errors over a policy's expression.
pub fn context_of(policy: &Policy) -> CString {
    encoding::c_string(&format!(
        "expendable expression of table \"{}\", which backstop.protect() can replace: {}",
        policy.qualified,
        policy.expendable.as_deref().unwrap_or_default()
    ))
}

/// What the callback knows, and the error it last saw.
struct Raised {
    line: *const c_char,
    /// Where the error is kept: pgrx forgets most of it on the way to where it is caught.
    memory: MemoryContext,
    error: *mut ErrorData,
}

/// Runs `work`, which reads or evaluates the expression that `line` tells. An error comes back as PostgreSQL's own, in the
/// memory context of the call.
pub fn named<R>(line: &CStr, work: impl FnOnce() -> R) -> Outcome<R> {
    let mut raised = Raised {
        line: line.as_ptr(),
        // SAFETY: reads a plain variable.
        memory: unsafe { pg_sys::CurrentMemoryContext },
        error: ptr::null_mut(),
    };
    // SAFETY: what every user of error_context_stack does. Each boundary of pgrx's that `work` passes puts the stack back as
    // it found it, with this callback on it, and the error is caught in this frame.
    let outcome = unsafe {
        let mut callback = pg_sys::ErrorContextCallback {
            previous: pg_sys::error_context_stack,
            callback: Some(keep),
            arg: (&raw mut raised).cast(),
        };
        pg_sys::error_context_stack = &raw mut callback;
        let outcome = caught(work);
        pg_sys::error_context_stack = callback.previous;
        outcome
    };
    outcome.map_err(|error| match *error {
        // SAFETY: the caller raises it, and its memory context is his.
        CaughtError::PostgresError(_) if !raised.error.is_null() => unsafe {
            Report::original(raised.error)
        },
        error => error.rethrow(),
    })
}

fn caught<R>(work: impl FnOnce() -> R) -> Result<R, Box<CaughtError>> {
    PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
        .catch_others(|error| Err(Box::new(error)))
        .catch_rust_panic(|error| Err(Box::new(error)))
        .execute()
}

/// Called by errfinish() for every message under `named`, before those of the callers: their lines come when the error is
/// raised again.
unsafe extern "C-unwind" fn keep(raised: *mut c_void) {
    // SAFETY: `named`'s own, whose frame is alive. Nothing but the strings of an error is copied; where memory is out,
    // nothing is, and pgrx's account of that error will do.
    unsafe {
        let raised = &mut *raised.cast::<Raised>();
        raw::set_errcontext_domain(ptr::null());
        raw::errcontext_msg(c"%s".as_ptr(), raised.line);
        // A position is one in the expression's text, and the client would look for it in its own.
        raw::errposition(0);
        if !raised.error.is_null() {
            raw::FreeErrorData(raised.error);
            raised.error = ptr::null_mut();
        }
        if raw::geterrcode() == reserve::OUT_OF_MEMORY {
            return;
        }
        let before = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = raised.memory;
        let error = raw::CopyErrorData();
        // Where it was raised is told by pointers, those of an error that passed through pgrx into memory that goes with it.
        (*error).filename = ptr::null();
        (*error).funcname = ptr::null();
        raised.error = error;
        if (*error).elevel < pgrx::PgLogLevel::ERROR as i32 {
            raw::FreeErrorData(error);
            raised.error = ptr::null_mut();
        }
        pg_sys::CurrentMemoryContext = before;
    }
}
