//! Who is writing the registry: its rows are changed by the functions that are there for it, and by nobody else.

use std::cell::Cell;

thread_local! {
    static WRITING: Cell<u32> = const { Cell::new(0) };
}

/// Marks changes of the registry as our own until dropped.
pub struct Writing;

impl Writing {
    pub fn begin() -> Writing {
        WRITING.set(WRITING.get() + 1);
        Writing
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        WRITING.set(WRITING.get() - 1);
    }
}

/// Whether the statement that changes the registry is our own.
pub fn is_writing() -> bool {
    WRITING.get() > 0
}
