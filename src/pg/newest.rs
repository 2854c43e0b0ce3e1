//! Queries that see what every session has committed, whatever snapshot the transaction goes by.

use super::encoding::c_string;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::spi::SpiHeapTupleData;
use pgrx::{Spi, spi};
use std::cell::Cell;
use std::ptr;

thread_local! {
    static WITHIN_COMMAND: Cell<bool> = const { Cell::new(false) };
}

/// What `work` reads is as it was when PostgreSQL's running command began. Half of what a command does must not be seen by its
/// own other half: DETACH PARTITION asks for the parent of a partition that it has just taken from it.
pub fn within_command<R>(work: impl FnOnce() -> R) -> R {
    struct Within(bool);
    impl Drop for Within {
        fn drop(&mut self) {
            WITHIN_COMMAND.set(self.0);
        }
    }
    let _within = Within(WITHIN_COMMAND.replace(true));
    work()
}

/// Makes what this transaction has done so far visible to the snapshot to come.
pub(super) fn see_own_changes() {
    if !WITHIN_COMMAND.get() {
        // SAFETY: in a transaction, and between two commands.
        unsafe { pg_sys::CommandCounterIncrement() };
    }
}

/// Rows of a query by the newest snapshot. SPI takes that of the transaction for what it may not take for read-only, and
/// `client.select` says so as soon as the transaction has written: under REPEATABLE READ that one is old.
/// Not in parallel mode, where no snapshot can be taken.
pub fn select<T>(
    sql: &str,
    arguments: &[DatumWithOid],
    map: impl Fn(&SpiHeapTupleData) -> spi::Result<Option<T>>,
) -> Vec<T> {
    let text = c_string(sql);
    let mut types: Vec<Oid> = arguments.iter().map(DatumWithOid::oid).collect();
    let given = |argument: &DatumWithOid| argument.datum().map(|datum| datum.sans_lifetime());
    let mut datums: Vec<Datum> = arguments
        .iter()
        .map(|argument| given(argument).unwrap_or(Datum::null()))
        .collect();
    let nulls: Vec<_> = arguments
        .iter()
        .map(|argument| if given(argument).is_some() { b' ' } else { b'n' } as std::ffi::c_char)
        .collect();
    see_own_changes();
    // SAFETY: popped below; after an error the abort pops it.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
    let found = Spi::connect(|_| {
        // SAFETY: connected; the three arrays are as long as the arguments. The rows live until SPI is left.
        unsafe {
            pg_sys::SPI_tuptable = ptr::null_mut();
            let status = pg_sys::SPI_execute_with_args(
                text.as_ptr(),
                types.len() as i32,
                types.as_mut_ptr(),
                datums.as_mut_ptr(),
                nulls.as_ptr(),
                true,
                0,
            );
            Spi::check_status(status)?;
            let table = pg_sys::SPI_tuptable;
            let mut found = Vec::new();
            for n in 0..pg_sys::SPI_processed as usize {
                let row = SpiHeapTupleData::new((*table).tupdesc, *(*table).vals.add(n))?;
                if let Some(row) = row {
                    found.extend(map(&row)?);
                }
            }
            Ok::<_, spi::Error>(found)
        }
    });
    // SAFETY: pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
    found.unwrap_or_else(|error| pgrx::error!("{error}"))
}
