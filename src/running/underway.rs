//! The destructive DDL that is under way: what covers it, and what of it has been captured.
//!
//! A statement is captured before it runs. What it then really destroys is met object by object in the object-access
//! hook, which lets pass what was captured and refuses the rest: nothing is destroyed half recorded.

use super::coverage::Coverage;
use pgrx::pg_sys::Oid;
use std::cell::RefCell;
use std::rc::Rc;

/// One utility statement, from the hook's first half to its second.
pub struct Underway {
    /// The (sub)transaction level it runs in.
    pub nest: i32,
    /// The approval that covers what it destroys.
    pub coverage: Coverage,
    /// The relations it names, with the children it goes down to.
    pub named: Vec<Oid>,
    /// What `cause` says of relations it doesn't name.
    pub cause: Option<Rc<str>>,
    /// Tables that are captured whole, and vanish with everything on them.
    pub tables: Vec<Oid>,
    /// Columns whose values are captured.
    pub columns: Vec<(Oid, i16)>,
    /// Columns that get another type, and the table in whose record they are: what that makes of their checks and indexes is
    /// recorded afterwards.
    pub retyped: Option<Retyped>,
    /// Tables that TRUNCATE will empty and whose trigger has not captured them yet.
    pub awaited: Vec<Oid>,
    /// Tables that TRUNCATE has come to.
    pub truncated: Vec<Oid>,
}

/// Columns (table, column) that a statement converts, in the record of a table (OID, name).
pub struct Retyped {
    pub names: Vec<(Oid, Rc<str>)>,
    pub columns: Vec<(Oid, i16)>,
}

thread_local! {
    static STACK: RefCell<Vec<Underway>> = const { RefCell::new(Vec::new()) };
}

pub fn push(statement: Underway) {
    STACK.with_borrow_mut(|stack| stack.push(statement));
}

pub fn pop() -> Option<Underway> {
    STACK.with_borrow_mut(Vec::pop)
}

/// Runs `work` on the innermost statement, if one is under way.
pub fn with<R>(work: impl FnOnce(&mut Underway) -> R) -> Option<R> {
    STACK.with_borrow_mut(|stack| stack.last_mut().map(work))
}

/// Whether TRUNCATE comes to a table for the first time. It asks once for each name, and once more whenever anybody's DDL
/// was committed between looking the name up and locking what it names.
pub fn comes_to(relid: Oid) -> bool {
    with(|statement| {
        let first = !statement.truncated.contains(&relid);
        if first {
            statement.truncated.push(relid);
        }
        first
    })
    .unwrap_or(true)
}

/// Whether the table vanishes with everything on it, and is captured.
pub fn takes_table(relid: Oid) -> bool {
    STACK.with_borrow(|stack| stack.iter().any(|s| s.tables.contains(&relid)))
}

/// Whether the column's values are captured.
pub fn takes_column(relid: Oid, attnum: i16) -> bool {
    STACK.with_borrow(|stack| stack.iter().any(|s| s.columns.contains(&(relid, attnum))))
}

/// A new root statement, or the end of the transaction: what an error left behind is gone.
pub fn clear() {
    STACK.with_borrow_mut(Vec::clear);
}

/// A subtransaction was rolled back: what ran in it is over.
pub fn abort_level(nest: i32) {
    STACK.with_borrow_mut(|stack| stack.retain(|statement| statement.nest < nest));
}
