//! The queries that change rows and are executing now: roots' own, and those of functions, triggers and referential actions.

use super::coverage::Coverage;
use crate::model::Violation;
use pgrx::pg_sys::{self, Oid};
use std::cell::RefCell;
use std::rc::Rc;

/// A query that changes rows, from its ExecutorStart to its ExecutorEnd.
#[derive(Clone)]
pub struct ActiveQuery {
    /// The QueryDesc's address.
    pub desc: usize,
    /// The protected tables whose rules it was judged by; `None` where it targets nothing guarded, as far as was known when
    /// it started.
    pub judged_by: Option<Rc<[Oid]>>,
    /// Set once the executor has started.
    pub estate: *mut pg_sys::EState,
    /// The resource owner that it was started under, with `estate`.
    pub owner: pg_sys::ResourceOwner,
    pub root: usize,
    pub nest: i32,
    /// What is found in it concerns the rows of protected tables that it may come to.
    pub waiting: Vec<Violation>,
    /// What led here, `None` for a statement's own target.
    pub cause: Option<Rc<str>>,
    pub coverage: Coverage,
    /// How deep in triggers it runs: what runs deeper was set off by one of its own.
    pub trigger_depth: i32,
    /// A referential action's: the AFTER triggers of what it changes are fired by the query around it.
    pub referential: bool,
}

thread_local! {
    static ACTIVE: RefCell<Vec<ActiveQuery>> = const { RefCell::new(Vec::new()) };
}

pub fn push(query: ActiveQuery) {
    ACTIVE.with_borrow_mut(|active| active.push(query));
}

/// The executor has started `desc`: its state is known.
pub fn started(desc: usize, estate: *mut pg_sys::EState) {
    ACTIVE.with_borrow_mut(|active| {
        if let Some(query) = active.iter_mut().rfind(|query| query.desc == desc) {
            query.estate = estate;
            // SAFETY: reads a backend variable.
            query.owner = unsafe { pg_sys::CurrentResourceOwner };
        }
    });
}

pub fn ended(desc: usize) {
    ACTIVE.with_borrow_mut(|active| active.retain(|query| query.desc != desc));
}

/// Findings in the query that is starting, enforced when it comes to a row of a protected table.
pub fn wait_for_rows(violations: Vec<Violation>) {
    ACTIVE.with_borrow_mut(|active| {
        if let Some(query) = active.last_mut() {
            query.waiting = violations;
        }
    });
}

/// Takes what waits for the first row of a protected table that `desc` comes to.
pub fn take_waiting(desc: usize) -> Vec<Violation> {
    ACTIVE.with_borrow_mut(|active| {
        let query = active.iter_mut().rfind(|query| query.desc == desc);
        query.map_or_else(Vec::new, |query| std::mem::take(&mut query.waiting))
    })
}

/// The state of the query that fires the AFTER triggers of what the referential action `desc` changes; NULL at COMMIT, or where
/// that query is not known. What is opened for it now must be its own to close: SET CONSTRAINTS may stand in a
/// subtransaction or a cursor of its own.
pub fn fires_triggers_of(desc: usize) -> *mut pg_sys::EState {
    ACTIVE.with_borrow(|active| {
        let mut around = active.iter().rev().skip_while(|query| query.desc != desc);
        let action = around.next();
        let found = around.find(|query| !query.referential);
        match (action, found) {
            (Some(action), Some(found)) if action.owner == found.owner => found.estate,
            _ => std::ptr::null_mut(),
        }
    })
}

/// How deep in triggers the backend is (`pg_trigger_depth()`).
pub fn trigger_depth() -> i32 {
    // SAFETY: a function without arguments that reads a variable.
    unsafe { pgrx::direct_function_call(pg_sys::pg_trigger_depth, &[]) }.unwrap_or(0)
}

/// The innermost query that targets a guarded table.
pub fn innermost() -> Option<ActiveQuery> {
    ACTIVE.with_borrow(|active| {
        let guarded = active.iter().rfind(|query| query.judged_by.is_some());
        guarded.cloned()
    })
}

/// The innermost query that changes rows, if the one that starts is a referential action's or one of its triggers', and an
/// approval covers it or was refused for guarded rows.
pub fn parent_of(referential: bool, trigger_depth: i32) -> Option<ActiveQuery> {
    ACTIVE.with_borrow(|active| {
        let parent = active.last()?;
        let matters = match parent.coverage {
            Coverage::Covered(_) => true,
            Coverage::Refused(_) => parent.judged_by.is_some(),
            Coverage::Absent => false,
        };
        let sets_off = referential || trigger_depth > parent.trigger_depth;
        (matters && sets_off).then(|| parent.clone())
    })
}

/// The query in whose memory an expression was compiled.
pub fn of_context(context: pg_sys::MemoryContext) -> Option<ActiveQuery> {
    ACTIVE.with_borrow(|active| {
        let found = active.iter().rfind(|query| {
            // SAFETY: a query's estate is live until ExecutorEnd or the abort that removes the query from this list.
            !query.estate.is_null() && unsafe { (*query.estate).es_query_cxt } == context
        });
        found.cloned()
    })
}

/// A subtransaction ended well: its queries (a cursor's, say) belong to its parent.
pub fn commit_level(nest: i32) {
    ACTIVE.with_borrow_mut(|active| {
        for query in active.iter_mut().filter(|query| query.nest >= nest) {
            query.nest = nest - 1;
        }
    });
}

/// A subtransaction was rolled back: its queries are gone.
pub fn abort_level(nest: i32) {
    ACTIVE.with_borrow_mut(|active| active.retain(|query| query.nest < nest));
}

pub fn end_transaction() {
    ACTIVE.with_borrow_mut(Vec::clear);
}
