//! Work whose only effect is its answer. PostgreSQL evaluates what we ask it to, and what fails half-way leaves catalog
//! entries pinned and SPI connections open: a subtransaction of its own takes all of that back.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};

use super::attempt::is_fatal_to_statement;

/// What `work` answers; None where it raises an error that does not end the statement. It is rolled back in any case, for
/// a commit would count a command. A parallel operation can have no subtransaction, and changes nothing either: None.
pub fn undone<R>(work: impl FnOnce() -> R) -> Option<R> {
    // SAFETY: what PL/pgSQL does around a block with an EXCEPTION clause. The rollback comes on every way out, and what
    // `work` allocates is the caller's.
    unsafe {
        if pg_sys::IsInParallelMode() {
            return None;
        }
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(core::ptr::null());
        pg_sys::CurrentMemoryContext = context;
        let outcome: Result<R, Box<CaughtError>> =
            PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
                .catch_others(|error| Err(Box::new(error)))
                .catch_rust_panic(|error| Err(Box::new(error)))
                .execute();
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::CurrentMemoryContext = context;
        pg_sys::CurrentResourceOwner = owner;
        match outcome {
            Ok(answer) => Some(answer),
            Err(error)
                if matches!(*error, CaughtError::RustPanic { .. })
                    || is_fatal_to_statement(&error) =>
            {
                error.rethrow()
            }
            Err(_) => None,
        }
    }
}
