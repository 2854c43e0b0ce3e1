//! What backends share: refusals on their way into the record (`queue`), and how far long work has come (`progress`).
//!
//! There is shared memory only where the library is in `shared_preload_libraries`: PostgreSQL gives it out once, when the
//! server starts. Everywhere else `area()` is `None`, and both rooms are quietly closed. After a crash of any backend
//! PostgreSQL makes all shared memory anew, and both start empty.

pub mod progress;
pub mod queue;
mod text;

pub use text::Text;

use pgrx::pg_sys;
use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

const NAME: &CStr = c"pg_backstop";

/// One for the queue, one for the names in the progress slots.
const LOCKS: i32 = 2;

/// All of it. Zeroed memory is a valid empty state of every part.
#[repr(C)]
struct Area {
    queue: queue::Queue,
    progress: progress::Slots,
}

/// Where it is: set in the postmaster, inherited by every backend.
static AREA: AtomicPtr<Area> = AtomicPtr::new(ptr::null_mut());
static LOCK: AtomicPtr<pg_sys::LWLockPadded> = AtomicPtr::new(ptr::null_mut());

#[cfg(not(feature = "pg14"))]
static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// Asks for the memory, when the server is starting. Called once, from `_PG_init`. Returns whether it is.
pub fn install() -> bool {
    // SAFETY: hooks are installed once, in the postmaster, before it makes its shared memory.
    unsafe {
        if !pg_sys::process_shared_preload_libraries_in_progress {
            return false;
        }
        #[cfg(feature = "pg14")]
        request_memory();
        #[cfg(not(feature = "pg14"))]
        {
            PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
            pg_sys::shmem_request_hook = Some(request);
        }
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(startup);
    }
    true
}

/// Whether there is shared memory.
pub fn is_attached() -> bool {
    !AREA.load(Ordering::Relaxed).is_null()
}

fn request_memory() {
    // SAFETY: at the moment PostgreSQL has for it.
    unsafe {
        pg_sys::RequestAddinShmemSpace(size_of::<Area>());
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), LOCKS);
    }
}

#[cfg(not(feature = "pg14"))]
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: chains to whoever was here before.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            previous();
        }
    }
    request_memory();
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn startup() {
    // SAFETY: chains to whoever was here before; the memory was asked for, and nobody uses it yet.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
        let mut found = false;
        let area = pg_sys::ShmemInitStruct(NAME.as_ptr(), size_of::<Area>(), &mut found);
        if !found {
            ptr::write_bytes(area.cast::<u8>(), 0, size_of::<Area>());
        }
        LOCK.store(
            pg_sys::GetNamedLWLockTranche(NAME.as_ptr()),
            Ordering::Relaxed,
        );
        AREA.store(area.cast(), Ordering::Release);
    }
}

/// Which lock.
#[derive(Clone, Copy)]
enum Guarding {
    Queue = 0,
    Progress = 1,
}

/// Runs `work` on the shared memory under one of its locks; `None` where there is none, or no process to hold a lock.
/// `work` must not raise errors, run SQL or allocate from PostgreSQL.
fn locked<R>(lock: Guarding, alone: bool, work: impl FnOnce(*mut Area) -> R) -> Option<R> {
    let (area, locks) = (AREA.load(Ordering::Acquire), LOCK.load(Ordering::Relaxed));
    // SAFETY: the locks of our tranche lie side by side; a process with a PGPROC may wait for them.
    unsafe {
        if area.is_null() || locks.is_null() || pg_sys::MyProc.is_null() {
            return None;
        }
        let lock = &raw mut (*locks.add(lock as usize)).lock;
        let mode = if alone {
            pg_sys::LWLockMode::LW_EXCLUSIVE
        } else {
            pg_sys::LWLockMode::LW_SHARED
        };
        pg_sys::LWLockAcquire(lock, mode);
        let result = work(area);
        pg_sys::LWLockRelease(lock);
        Some(result)
    }
}
