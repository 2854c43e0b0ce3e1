//! State of one backend, and Rust values that live as long as a memory context.

use crate::pg::raw;
use pgrx::pg_sys;
use std::collections::HashMap;
use std::ffi::c_void;
use std::hash::{BuildHasher, Hash};

/// Room for `more` bytes, where they may be many (a row's values): without memory, PostgreSQL's own error. Rust's way of
/// not having it ends the process, and with it every session of the server.
pub fn make_room(bytes: &mut Vec<u8>, more: usize) {
    if bytes.try_reserve(more).is_err() {
        no_room(more);
    }
}

/// As `make_room`, for a text.
pub fn room_in(text: &mut String, more: usize) {
    if text.try_reserve(more).is_err() {
        no_room(more);
    }
}

/// A copy of `bytes`; without memory, PostgreSQL's own error.
pub fn copied(bytes: &[u8]) -> Vec<u8> {
    let mut copy = Vec::new();
    if copy.try_reserve_exact(bytes.len()).is_err() {
        no_room(bytes.len());
    }
    copy.extend_from_slice(bytes);
    copy
}

/// `text` behind what is there already.
pub fn append(bytes: &mut Vec<u8>, text: &[u8]) {
    make_room(bytes, text.len());
    bytes.extend_from_slice(text);
}

/// One more member of a list that grows with the number of rows.
pub fn push<T>(list: &mut Vec<T>, member: T) {
    if list.len() == list.capacity() && list.try_reserve(1).is_err() {
        no_room(list.len() * size_of::<T>());
    }
    list.push(member);
}

/// Room for one more entry of a map that grows with the number of rows.
pub fn room_for_entry<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.len() == map.capacity() && map.try_reserve(1).is_err() {
        no_room(map.len() * size_of::<(K, V)>());
    }
}

/// For loops of ours that may be long: a cancelled statement ends there, and so does one that has no memory left.
pub fn check() {
    pgrx::check_for_interrupts!();
    super::reserve::refill();
}

/// Raises the error: does not return.
#[cold]
pub fn no_room(bytes: usize) {
    // The encoder's unit tests run without a server, and so without PostgreSQL's functions.
    #[cfg(test)]
    panic!("out of memory: {bytes} bytes");
    #[cfg(not(test))]
    pgrx::ereport!(
        ERROR,
        pgrx::PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
        "out of memory",
        format!("Failed on request of size {bytes} for the record of destroyed rows.")
    );
}

/// Moves `value` to the heap and drops it when `context` is reset or deleted, on success and on error alike.
///
/// # Safety
/// `context` must be live. The pointer is valid until the context's end.
pub unsafe fn leak_into<T>(context: pg_sys::MemoryContext, value: T) -> *mut T {
    unsafe extern "C-unwind" fn drop_it<T>(arg: *mut c_void) {
        // SAFETY: arg is the Box leaked below, and a reset callback runs once.
        drop(unsafe { Box::from_raw(arg as *mut T) });
    }
    let value = Box::into_raw(Box::new(value));
    // SAFETY: the callback struct is allocated in the context it is registered with, as memutils.h asks.
    unsafe {
        let callback =
            pg_sys::MemoryContextAllocZero(context, size_of::<pg_sys::MemoryContextCallback>())
                as *mut pg_sys::MemoryContextCallback;
        (*callback).func = Some(drop_it::<T>);
        (*callback).arg = value as *mut c_void;
        raw::MemoryContextRegisterResetCallback(context, callback);
    }
    value
}
