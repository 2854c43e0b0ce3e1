//! Memory for the moment in which there is none.
//!
//! What grows with a row or with the number of rows asks before it takes (`memory::make_room` and its like). What is small
//! and everywhere, a name or a node of a map, does not, and Rust's way of not getting it ends the process, and with it
//! every session of the server. So this library's allocator keeps a block back: it is given up for small allocations when
//! there is nothing else, and the next loop of ours that comes by `refill` reports that memory is out.

use crate::pg::{memory, raw};
use pgrx::pg_sys;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Untouched, it is address space and no memory.
const BLOCK: Layout = Layout::new::<[u64; 512 * 1024]>();

/// What is larger asks before it takes.
const SMALL: usize = 1024 * 1024;

static KEPT: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// The library's allocator; PostgreSQL has its own.
pub struct Reserved;

#[global_allocator]
static ALLOCATOR: Reserved = Reserved;

// SAFETY: the system's allocator, asked a second time.
unsafe impl GlobalAlloc for Reserved {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, here and below.
        unsafe { retried(layout.size(), || System.alloc(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { retried(layout.size(), || System.alloc_zeroed(layout)) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; what fails leaves the old block as it was.
        unsafe { retried(size, || System.realloc(old, layout, size)) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the system's allocator made it.
        unsafe { System.dealloc(block, layout) };
    }
}

fn retried(size: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let block = allocate();
    if block.is_null() && size <= SMALL && give_up() {
        return allocate();
    }
    block
}

#[cold]
fn give_up() -> bool {
    let kept = KEPT.swap(ptr::null_mut(), Ordering::Relaxed);
    if kept.is_null() {
        return false;
    }
    // SAFETY: made by `keep`, and taken out by this swap alone.
    unsafe { System.dealloc(kept, BLOCK) };
    true
}

/// Sets the block aside. Called once, from `_PG_init`, and again by `refill`.
pub fn keep() -> bool {
    // SAFETY: a layout of some size.
    let block = unsafe { System.alloc(BLOCK) };
    KEPT.store(block, Ordering::Relaxed);
    !block.is_null()
}

/// Runs `work`, during which the block is given up for an error of PostgreSQL's that it is out of memory.
///
/// pgrx catches an error where PostgreSQL raised it, and copies it before it lets go of the place that PostgreSQL jumps to. A
/// copy that finds no memory either is an error that comes back to the same place, and the fifth of them is a PANIC, which
/// restarts the server.
///
/// # Safety
/// Around the guard of a C function's outermost frame: an error that the guard raises still finds the callback.
pub unsafe fn spent_on_errors<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: what every user of error_context_stack does; whoever catches an error takes the callback off with his own.
    unsafe {
        let mut callback = pg_sys::ErrorContextCallback {
            previous: pg_sys::error_context_stack,
            callback: Some(give_up_when_out),
            arg: ptr::null_mut(),
        };
        pg_sys::error_context_stack = &raw mut callback;
        let result = work();
        pg_sys::error_context_stack = callback.previous;
        result
    }
}

/// Called by errfinish(), before anybody catches the error. It must not raise: nothing here does.
unsafe extern "C-unwind" fn give_up_when_out(_: *mut c_void) {
    // SAFETY: reads the error that is being raised.
    if unsafe { raw::geterrcode() } == OUT_OF_MEMORY {
        give_up();
    }
}

/// SQLSTATE 53200, as MAKE_SQLSTATE of elog.h packs it.
pub const OUT_OF_MEMORY: i32 = 5 + (3 << 6) + (2 << 12);

/// For every loop of ours: PostgreSQL's error where the block was given up and cannot be had back.
pub fn refill() {
    if KEPT.load(Ordering::Relaxed).is_null() && !keep() {
        memory::no_room(BLOCK.size());
    }
}
