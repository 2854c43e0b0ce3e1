//! Work whose only effect is its answer. PostgreSQL evaluates what we ask it to, and what fails half-way leaves catalog
//! entries pinned and SPI connections open: a subtransaction of its own takes all of that back.
//!
//! Work must call no `#[pg_guard]` function of ours itself, only hand it to PostgreSQL: called from Rust, such a function
//! raises its error past this one, and the subtransaction stays open.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::ResourceReleasePhase::{
    RESOURCE_RELEASE_AFTER_LOCKS, RESOURCE_RELEASE_BEFORE_LOCKS, RESOURCE_RELEASE_LOCKS,
};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};

use super::attempt::is_fatal_to_statement;

type Outcome<R> = Result<R, Box<CaughtError>>;

/// What `work` answers; None where it raises an error that does not end the statement. It is rolled back in any case, for
/// a commit would count a command.
pub fn undone<R>(work: impl FnOnce() -> R) -> Option<R> {
    // SAFETY: in a transaction, as everything that is planned or executed.
    let outcome = unsafe {
        match pg_sys::IsInParallelMode() {
            true => in_owner(work),
            false => in_subtransaction(work),
        }
    };
    match outcome {
        Ok(answer) => Some(answer),
        Err(error)
            if matches!(*error, CaughtError::RustPanic { .. }) || is_fatal_to_statement(&error) =>
        {
            error.rethrow()
        }
        Err(_) => None,
    }
}

unsafe fn in_subtransaction<R>(work: impl FnOnce() -> R) -> Outcome<R> {
    // SAFETY: what PL/pgSQL does around a block with an EXCEPTION clause. The rollback comes on every way out, and what
    // `work` allocates is the caller's.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(core::ptr::null());
        pg_sys::CurrentMemoryContext = context;
        let outcome = caught(work);
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::CurrentMemoryContext = context;
        pg_sys::CurrentResourceOwner = owner;
        outcome
    }
}

/// A parallel operation can have no subtransaction, but its plans are kept like others and must not lack what was to be
/// found in them. Nothing is changed there: what work leaves are entries of a resource owner, snapshots and latches.
unsafe fn in_owner<R>(work: impl FnOnce() -> R) -> Outcome<R> {
    // SAFETY: what a subtransaction's abort does (AbortSubTransaction() of xact.c), of what there can be. The snapshots
    // that are popped were pushed by `work`, above those that there were.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        let snapshot = active_snapshot();
        let own = pg_sys::ResourceOwnerCreate(owner, c"pg_backstop".as_ptr());
        pg_sys::CurrentResourceOwner = own;
        let outcome = caught(work);
        if outcome.is_err() {
            pg_sys::LWLockReleaseAll();
        }
        while active_snapshot() != snapshot {
            pg_sys::PopActiveSnapshot();
        }
        for phase in [
            RESOURCE_RELEASE_BEFORE_LOCKS,
            RESOURCE_RELEASE_LOCKS,
            RESOURCE_RELEASE_AFTER_LOCKS,
        ] {
            pg_sys::ResourceOwnerRelease(own, phase, false, false);
        }
        pg_sys::CurrentMemoryContext = context;
        pg_sys::CurrentResourceOwner = owner;
        pg_sys::ResourceOwnerDelete(own);
        outcome
    }
}

/// The snapshot that queries run with; NULL where there is none.
unsafe fn active_snapshot() -> pg_sys::Snapshot {
    // SAFETY: the second is only asked where there is one.
    unsafe {
        match pg_sys::ActiveSnapshotSet() {
            true => pg_sys::GetActiveSnapshot(),
            false => core::ptr::null_mut(),
        }
    }
}

fn caught<R>(work: impl FnOnce() -> R) -> Outcome<R> {
    PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
        .catch_others(|error| Err(Box::new(error)))
        .catch_rust_panic(|error| Err(Box::new(error)))
        .execute()
}
