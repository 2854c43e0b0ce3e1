//! The stack's end. What a user nests, our walks follow, and nothing but a check keeps them from running past it: that
//! would end the process and with it every session of the server.

use std::panic::AssertUnwindSafe;

use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

use super::raw;

/// Raises PostgreSQL's own error where `max_stack_depth` leaves no room. Every walk that calls itself, however far round,
/// comes by here.
pub fn check_stack() {
    // SAFETY: the first only compares addresses; the second raises what it found.
    unsafe {
        if raw::stack_is_too_deep() {
            pg_sys::check_stack_depth();
        }
    }
}

/// What `read` answers; None where it is out of stack. It must hold nothing of the server's that only the end of a
/// transaction releases, for no subtransaction is rolled back.
pub fn within_stack<R>(read: impl FnOnce() -> R) -> Option<R> {
    PgTryBuilder::new(AssertUnwindSafe(|| Some(read())))
        .catch_when(PgSqlErrorCode::ERRCODE_STATEMENT_TOO_COMPLEX, |_| None)
        .execute()
}
