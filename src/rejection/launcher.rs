//! The background worker that starts a writer for each database that has something to write.
//!
//! It sleeps until a refusal or the end of a writer wakes it, and has no timeout while nothing waits. It is connected to
//! no database, so none is kept from being dropped or copied. When it dies PostgreSQL starts it again, and it finds the
//! queue as it was.

use crate::pg::{compat, raw};
use crate::shared::queue;
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;

const LIBRARY: &CStr = c"pg_backstop";
const MAIN: &CStr = c"backstop_rejection_launcher";
const WRITER: &CStr = c"backstop_rejection_writer";

/// Databases written to at once; each takes one of `max_worker_processes`.
const WRITERS: usize = 3;

/// After a writer that failed, doubled for each that follows.
const RETRY_MS: i64 = 1000;
const RETRY_AT_MOST_MS: i64 = 60_000;

/// After its death, in seconds.
const RESTART_S: i32 = 5;

/// Has the postmaster start the launcher, once recovery has ended.
pub fn register() {
    let mut worker = described(c"pg_backstop rejection launcher", MAIN);
    worker.bgw_restart_time = RESTART_S;
    // SAFETY: the postmaster copies it. During pg_upgrade nothing is refused, and nothing may be written.
    unsafe {
        if !pg_sys::IsBinaryUpgrade {
            pg_sys::RegisterBackgroundWorker(&mut worker);
        }
    }
}

fn described(name: &CStr, function: &CStr) -> pg_sys::BackgroundWorker {
    fn copy<const N: usize>(into: &mut [std::ffi::c_char; N], text: &CStr) {
        for (to, from) in into.iter_mut().zip(text.to_bytes_with_nul()) {
            *to = *from as std::ffi::c_char;
        }
    }
    let mut worker = pg_sys::BackgroundWorker {
        bgw_flags: (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION)
            as i32,
        bgw_start_time: pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished,
        bgw_restart_time: pg_sys::BGW_NEVER_RESTART,
        ..Default::default()
    };
    copy(&mut worker.bgw_name, name);
    copy(&mut worker.bgw_type, name);
    copy(&mut worker.bgw_library_name, LIBRARY);
    copy(&mut worker.bgw_function_name, function);
    worker
}

/// A database the launcher has to do with.
struct Client {
    database: Oid,
    /// Its running writer, and the newest entry when that began.
    writer: Option<(*mut pg_sys::BackgroundWorkerHandle, u64)>,
    failures: u32,
    /// Not before.
    next: i64,
}

/// The launcher's main function.
#[doc(hidden)]
#[unsafe(no_mangle)]
#[pgrx::pg_guard]
pub extern "C-unwind" fn backstop_rejection_launcher(_arg: pg_sys::Datum) {
    // SAFETY: what a background worker does first.
    unsafe {
        compat::on_signal(sigterm(), raw::die);
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnectionByOid(
            pg_sys::InvalidOid,
            pg_sys::InvalidOid,
            0,
        );
        queue::attend(pg_sys::MyLatch);
    }
    let mut clients = Vec::new();
    loop {
        // SAFETY: the latch is this process's own; reset before looking, so that no refusal is overlooked.
        unsafe { pg_sys::ResetLatch(pg_sys::MyLatch) };
        pgrx::check_for_interrupts!();
        let wait = supervise(&mut clients);
        let mut events = pg_sys::WL_LATCH_SET | pg_sys::WL_EXIT_ON_PM_DEATH;
        if wait.is_some() {
            events |= pg_sys::WL_TIMEOUT;
        }
        // SAFETY: as above.
        unsafe {
            pg_sys::WaitLatch(
                pg_sys::MyLatch,
                events as i32,
                wait.unwrap_or(-1),
                pg_sys::PG_WAIT_EXTENSION,
            );
        }
    }
}

/// `SIGTERM`, the same number wherever PostgreSQL runs.
pub(super) const fn sigterm() -> i32 {
    15
}

/// Looks after the writers, and starts those that are needed. How long to wait at most, in milliseconds.
fn supervise(clients: &mut Vec<Client>) -> Option<i64> {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    for client in clients.iter_mut() {
        reap(client, now);
    }
    let waiting = queue::databases();
    clients.retain(|client| {
        client.writer.is_some() || waiting.iter().any(|(of, _)| *of == client.database)
    });
    let mut wait: Option<i64> = None;
    for (database, newest) in waiting {
        let running = clients.iter().filter(|c| c.writer.is_some()).count();
        let place = clients.iter().position(|c| c.database == database);
        let place = place.unwrap_or_else(|| {
            clients.push(Client {
                database,
                writer: None,
                failures: 0,
                next: now,
            });
            clients.len() - 1
        });
        let client = &mut clients[place];
        if client.writer.is_some() {
            continue;
        }
        if client.next <= now && running < WRITERS {
            start(client, newest, now);
        }
        if client.writer.is_none() && (client.next > now) {
            let left = (client.next - now) / 1000 + 1;
            wait = Some(wait.map_or(left, |wait| wait.min(left)));
        }
    }
    wait
}

/// Takes note of a writer that has ended.
fn reap(client: &mut Client, now: i64) {
    let Some((handle, newest)) = client.writer else {
        return;
    };
    let mut pid = 0;
    // SAFETY: the handle is live until it is freed here.
    unsafe {
        let status = pg_sys::GetBackgroundWorkerPid(handle, &mut pid);
        if status != pg_sys::BgwHandleStatus::BGWH_STOPPED {
            return;
        }
        pg_sys::pfree(handle.cast());
    }
    client.writer = None;
    // What was there when it began is still there: it could not do its work.
    let failed = queue::oldest(client.database).is_some_and(|oldest| oldest <= newest);
    if failed {
        later(client, now);
    } else {
        client.failures = 0;
        client.next = now;
    }
}

fn later(client: &mut Client, now: i64) {
    let delay = RETRY_MS << client.failures.min(16);
    client.failures += 1;
    client.next = now + delay.min(RETRY_AT_MOST_MS) * 1000;
}

/// Starts a writer.
fn start(client: &mut Client, newest: u64, now: i64) {
    if !exists(client.database) {
        queue::discard(client.database);
        return;
    }
    let mut worker = described(c"pg_backstop rejection writer", WRITER);
    worker.bgw_main_arg = pg_sys::Datum::from(client.database);
    let mut handle = std::ptr::null_mut();
    // SAFETY: the handle is allocated in the memory context that lives as long as this process.
    let started = unsafe {
        worker.bgw_notify_pid = pg_sys::MyProcPid;
        pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
        pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle)
    };
    if started {
        client.writer = Some((handle, newest));
    } else {
        // All of max_worker_processes are taken.
        later(client, now);
    }
}

/// Whether the database has not been dropped meanwhile.
fn exists(database: Oid) -> bool {
    // SAFETY: a transaction of its own around a look into a shared catalog.
    unsafe {
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let name = pg_sys::get_database_name(database);
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        !name.is_null()
    }
}
