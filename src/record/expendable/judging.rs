//! Whether an `expendable` expression is being read or evaluated, and with it code that may be anybody's.

use std::cell::Cell;

thread_local! {
    /// How many of them, one inside another.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Until dropped, which an error does, too.
pub struct Judging(());

impl Judging {
    pub fn begin() -> Judging {
        DEPTH.set(DEPTH.get() + 1);
        Judging(())
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Whether the code that runs was called by such an expression.
pub fn is_underway() -> bool {
    DEPTH.get() > 0
}
