//! State of one backend, and Rust values that live as long as a memory context.

use crate::pg::raw;
use pgrx::pg_sys;
use std::ffi::c_void;

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
