//! The background worker that writes one database's refusals and soon ends: nothing keeps a connection to a database open that
//! someone may want to drop, or copy. One refusal is seldom the last, so it looks for more for a moment first: who is refused
//! can read of it at once, and a burst of refusals does not start a process for each.
//!
//! An entry leaves the queue in the commit of its row, under a lock that only one writer of the database can hold: a
//! writer that dies at any moment has either written an entry and taken it out, or neither.

use super::launcher::sigterm;
use super::{LOST, SUCCESS};
use crate::pg::{compat, raw};
use crate::record::{datum, tables};
use crate::shared::queue::{self, Entry, Ticket};
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::ptr;

/// Rows written in one transaction.
const BATCH: usize = 100;

/// How long a writer looks for what comes next, and how often.
const LINGER_MS: i64 = 200;
const LOOK_MS: i64 = 5;

thread_local! {
    /// What the transaction that is being committed has written, and how many lost entries it told of.
    static WRITTEN: RefCell<(Vec<Ticket>, u64)> = const { RefCell::new((Vec::new(), 0)) };
}

/// The writer's main function; its argument is the database.
#[doc(hidden)]
#[unsafe(no_mangle)]
#[pgrx::pg_guard]
pub extern "C-unwind" fn backstop_rejection_writer(arg: Datum) {
    let database = Oid::from(arg.value() as u32);
    // SAFETY: what a background worker does first. A database that allows no connections is written to as well.
    unsafe {
        compat::on_signal(sigterm(), raw::die);
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnectionByOid(
            database,
            pg_sys::InvalidOid,
            pg_sys::BGWORKER_BYPASS_ALLOWCONN,
        );
        // Who locks the table makes the writer give up and come back, rather than hold up a DROP DATABASE. That a standby
        // is slow is none of its business.
        set(c"lock_timeout", c"3s");
        set(c"synchronous_commit", c"local");
        pg_sys::RegisterXactCallback(Some(transaction_ended), ptr::null_mut());
    }
    loop {
        while write_some(database) {
            pgrx::check_for_interrupts!();
        }
        if !more_comes(database) {
            break;
        }
    }
}

/// Waits a moment for another entry.
fn more_comes(database: Oid) -> bool {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    for _ in 0..LINGER_MS / LOOK_MS {
        // SAFETY: the latch is this process's own; nothing but signals sets it.
        unsafe {
            pg_sys::WaitLatch(
                pg_sys::MyLatch,
                events as i32,
                LOOK_MS,
                pg_sys::PG_WAIT_EXTENSION,
            );
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
        pgrx::check_for_interrupts!();
        if queue::oldest(database).is_some() {
            return true;
        }
    }
    false
}

/// # Safety
/// In a process that has not begun a transaction.
unsafe fn set(setting: &CStr, value: &CStr) {
    // SAFETY: settings of PostgreSQL's own.
    unsafe {
        pg_sys::SetConfigOption(
            setting.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn transaction_ended(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    let (tickets, told) = WRITTEN.take();
    // The lock is still held here, and no interrupt is let in between the commit and this.
    if event == pg_sys::XactEvent::XACT_EVENT_COMMIT {
        // SAFETY: reads a backend variable.
        queue::remove(unsafe { pg_sys::MyDatabaseId }, &tickets, told);
    } else if event != pg_sys::XactEvent::XACT_EVENT_ABORT {
        WRITTEN.set((tickets, told));
    }
}

/// Writes some entries; false when there are none.
fn write_some(database: Oid) -> bool {
    // SAFETY: a transaction of its own; an error ends the process, and the launcher starts another one.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let more = has_table() && write_batch(database);
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        more
    }
}

/// Whether this database has a place for refusals. It is locked against other writers, and against DROP EXTENSION.
fn has_table() -> bool {
    // SAFETY: catalog look-ups; what was looked up before the lock is looked up again behind it.
    unsafe {
        let extension = || pg_sys::get_extension_oid(c"pg_backstop".as_ptr(), true);
        let oid = extension();
        if oid != pg_sys::InvalidOid {
            pg_sys::LockDatabaseObject(
                pg_sys::ExtensionRelationId,
                oid,
                0,
                pg_sys::ShareUpdateExclusiveLock as i32,
            );
        }
        let there = oid != pg_sys::InvalidOid
            && extension() == oid
            && tables::own_relation(c"rejection") != pg_sys::InvalidOid;
        if !there {
            queue::discard(pg_sys::MyDatabaseId);
        }
        there
    }
}

fn write_batch(database: Oid) -> bool {
    let (entries, untold) = queue::copy(database, BATCH);
    for (_, entry) in &entries {
        tables::in_scratch(|| write_entry(entry));
    }
    if untold > 0 {
        tables::in_scratch(|| write_lost(untold));
    }
    let more = !entries.is_empty();
    let tickets = entries.iter().map(|(ticket, _)| *ticket).collect();
    WRITTEN.set((tickets, untold));
    more
}

fn write_entry(entry: &Entry) {
    let text = |bytes: Option<&[u8]>| bytes.map(datum::text);
    // SAFETY: names of roles that may be gone.
    let (session_role, role) = unsafe { (role_name(entry.session_role), role_name(entry.role)) };
    tables::insert(
        c"rejection",
        &mut [
            Some(Datum::from(tables::draw(c"rejection_id_seq"))),
            Some(Datum::from(entry.at)),
            text(entry.sqlstate.some()),
            text(entry.rule.some()),
            text(entry.message.some()),
            text(entry.query.some()),
            Some(session_role),
            Some(role),
            Some(datum::text(entry.application_name.as_bytes())),
            entry
                .client_addr
                .some()
                .map(|bytes| Datum::from(bytes.as_ptr())),
            Some(Datum::from(entry.pid)),
            text(entry.relation.some()),
            Some(entry.rows_seen)
                .filter(|rows| *rows >= 0)
                .map(Datum::from),
        ],
    );
}

/// One row says how many refusals found no place.
fn write_lost(count: u64) {
    let message = format!("{count} rejections lost: more came than could be written");
    // SAFETY: reads backend state.
    unsafe {
        let own = role_name(pg_sys::GetSessionUserId());
        let mut values = [None; 13];
        values[0] = Some(Datum::from(tables::draw(c"rejection_id_seq")));
        values[1] = Some(Datum::from(pg_sys::GetCurrentTimestamp()));
        values[2] = Some(datum::text(SUCCESS.as_bytes()));
        values[3] = Some(datum::text(LOST.as_bytes()));
        values[4] = Some(datum::text(message.as_bytes()));
        (values[6], values[7]) = (Some(own), Some(own));
        values[10] = Some(Datum::from(pg_sys::MyProcPid));
        tables::insert(c"rejection", &mut values);
    }
}

/// A role's name as a `name`; its number where it was dropped before its refusal could be written.
///
/// # Safety
/// In a transaction.
unsafe fn role_name(role: Oid) -> Datum {
    // SAFETY: noerr = true gives NULL; a name is copied with its padding.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        let owned;
        let text = if name.is_null() {
            owned = std::ffi::CString::new(format!("{}", role.to_u32())).unwrap_or_default();
            owned.as_ptr()
        } else {
            name.cast_const()
        };
        pgrx::direct_function_call_as_datum(pg_sys::namein, &[Some(Datum::from(text))])
            .unwrap_or(Datum::null())
    }
}
