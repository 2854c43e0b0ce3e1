//! What was guarded when the utility statement that runs now was judged.
//!
//! PostgreSQL locks what DDL names after our hook has judged it. Where that waits for a `protect()` of another session, or
//! hears of one only then, the statement meets a protection that it was not judged by.

use crate::pg::raw;
use crate::registry::Registry;
use pgrx::pg_sys::Oid;
use std::cell::RefCell;
use std::rc::Rc;

/// A statement that was judged.
struct Judged {
    /// The (sub)transaction level it runs in.
    nest: i32,
    /// What it was judged by; `None`: nothing was guarded.
    registry: Option<Rc<Registry>>,
    /// The relation it had locked by then, so that nothing about it is news.
    locked: Oid,
}

thread_local! {
    static STACK: RefCell<Vec<Judged>> = const { RefCell::new(Vec::new()) };
}

/// A utility statement is about to be judged.
pub fn push(registry: Option<Rc<Registry>>, locked: Oid) {
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    STACK.with_borrow_mut(|stack| {
        stack.push(Judged {
            nest,
            registry,
            locked,
        })
    });
}

/// The running statement has been judged once more, by this.
pub fn again(registry: Rc<Registry>) {
    STACK.with_borrow_mut(|stack| {
        if let Some(judged) = stack.last_mut() {
            judged.registry = Some(registry);
        }
    });
}

/// It is over.
pub fn pop() {
    STACK.with_borrow_mut(Vec::pop);
}

/// Whether the running statement was judged by what protects the table; true outside utility statements.
pub fn knew(relid: Oid) -> bool {
    STACK.with_borrow(|stack| match stack.last() {
        None => true,
        Some(judged) => {
            let known = judged.registry.as_ref();
            judged.locked == relid
                || known
                    .and_then(|registry| registry.table(relid))
                    .is_some_and(|table| table.is_protected())
        }
    })
}

/// The end of the transaction: what an error left behind is gone.
pub fn clear() {
    STACK.with_borrow_mut(Vec::clear);
}

/// A subtransaction was rolled back: what ran in it is over.
pub fn abort_level(nest: i32) {
    STACK.with_borrow_mut(|stack| stack.retain(|judged| judged.nest < nest));
}
