//! Which root statement is running.
//!
//! The outermost hook frame opens the root, every other one finds it open. A frame that ends with an error cannot close
//! it (no Rust code runs while PostgreSQL unwinds), so the portal's memory does: a callback on its reset closes a root
//! that is still open. A procedure that rolls back in the middle keeps its portal, and its root.

pub mod coverage;
pub mod judged;
pub mod queries;
pub mod statement_text;
pub mod trigger;
pub mod underway;

use crate::ledger::Root;
use crate::pg::raw;
use crate::{gucs, record};
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

/// The key of the root that is open while an outermost statement is planned: functions that the planner folds into
/// constants run then.
pub const PLANNING: usize = 1;

/// The key of everything that runs outside a portal: what deferred triggers do at COMMIT belongs together, and is
/// written before the transaction ends.
pub const OUTSIDE: usize = 2;

/// The key of the statement that a preview runs.
pub const PREVIEW: usize = 3;

/// The key of the statement that `backstop.run` runs.
pub const RUN: usize = 4;

/// The outermost statement, as its hook saw it.
#[derive(Clone, Copy)]
pub struct Frame {
    /// The QueryDesc's address, 0 for a utility statement.
    pub key: usize,
    pub source: *const c_char,
    pub location: i32,
    pub length: i32,
    pub params: pg_sys::ParamListInfo,
}

thread_local! {
    /// The open root and the (sub)transaction level it was opened in.
    static OPEN: Cell<Option<(Frame, i32)>> = const { Cell::new(None) };
    /// The memory whose reset closes the open root.
    static CONTEXT: Cell<pg_sys::MemoryContext> = const { Cell::new(ptr::null_mut()) };
}

thread_local! {
    /// The utility statement that runs is an EXPLAIN which executes nothing, and its query is yet to be planned.
    static EXPLAINED: Cell<bool> = const { Cell::new(false) };
}

/// A utility statement begins or ends: whether it is an EXPLAIN that executes nothing.
pub fn explains(only: bool) {
    EXPLAINED.set(only);
}

/// Whether what is planned now is what such an EXPLAIN shows: once, because what is planned meanwhile, or later, is executed.
pub fn take_explained() -> bool {
    EXPLAINED.take()
}

unsafe extern "C-unwind" fn context_reset(context: *mut c_void) {
    if CONTEXT.get() == context as pg_sys::MemoryContext {
        CONTEXT.set(ptr::null_mut());
        OPEN.set(None);
    }
}

/// A subtransaction begins.
pub fn begin_level(nest: i32) {
    trigger::begin_level(nest);
}

/// A subtransaction ended well: its queries (a cursor's, say) belong to its parent.
pub fn commit_level(nest: i32) {
    queries::commit_level(nest);
    trigger::commit_level(nest);
}

/// A subtransaction was rolled back: its queries are gone.
pub fn abort_level(nest: i32) {
    EXPLAINED.set(false);
    queries::abort_level(nest);
    underway::abort_level(nest);
    judged::abort_level(nest);
    // What was opened inside ended with the error: its texts are freed, whatever portal it ran in.
    if OPEN.get().is_some_and(|(_, opened)| opened >= nest) {
        OPEN.set(None);
    }
    trigger::abort_level(nest);
}

/// The transaction is over.
pub fn end_transaction() {
    EXPLAINED.set(false);
    queries::end_transaction();
    underway::clear();
    judged::clear();
    trigger::end_transaction();
}

/// Opens the root statement unless one is open already; the frame that gets `true` closes it with `leave`.
///
/// # Safety
/// Inside a transaction, with pointers that live as long as the statement.
pub unsafe fn enter(mut frame: Frame) -> bool {
    if OPEN.get().is_some() {
        return false;
    }
    // SAFETY: reads backend variables; the client's text is live while its transaction is being committed.
    unsafe {
        if pg_sys::PortalContext.is_null() && frame.key != PLANNING {
            frame = Frame {
                key: OUTSIDE,
                source: pg_sys::debug_query_string,
                location: -1,
                length: 0,
                ..frame
            };
        }
    }
    // SAFETY: PortalContext is live while a portal runs; a backend without a portal (a background worker's SPI) closes
    // its root with the transaction. The callback struct is allocated in the context it watches.
    unsafe {
        let context = if pg_sys::PortalContext.is_null() {
            pg_sys::TopTransactionContext
        } else {
            pg_sys::PortalContext
        };
        if CONTEXT.get() != context && !context.is_null() {
            let callback =
                raw::MemoryContextAllocZero(context, size_of::<pg_sys::MemoryContextCallback>())
                    as *mut pg_sys::MemoryContextCallback;
            (*callback).func = Some(context_reset);
            (*callback).arg = context.cast();
            raw::MemoryContextRegisterResetCallback(context, callback);
            CONTEXT.set(context);
        }
    }
    // SAFETY: reads the transaction state.
    OPEN.set(Some((frame, unsafe {
        raw::GetCurrentTransactionNestLevel()
    })));
    true
}

/// Opens a root in place of the one that is open, for a statement that one of our functions runs as if a client had sent
/// it. What is returned goes to `put_back`, also after an error.
pub fn put_aside(frame: Frame) -> Option<(Frame, i32)> {
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    OPEN.replace(Some((frame, nest)))
}

pub fn put_back(outer: Option<(Frame, i32)>) {
    OPEN.set(outer);
}

/// The values of the open root's parameters, where they are known only after it was opened.
pub fn bind(params: pg_sys::ParamListInfo) {
    OPEN.set(
        OPEN.get()
            .map(|(frame, nest)| (Frame { params, ..frame }, nest)),
    );
}

/// Closes the root that the calling frame opened.
pub fn leave() {
    OPEN.set(None);
}

thread_local! {
    /// When the statement began in which the library was loaded.
    static LOADED_IN: Cell<pg_sys::TimestampTz> = const { Cell::new(0) };
}

/// Called when the library is loaded.
pub fn install() {
    // SAFETY: reads the backend's clock of statements, which stands at 0 before the first one.
    LOADED_IN.set(unsafe { pg_sys::GetCurrentStatementStartTimestamp() });
    // Plans made until now were judged by nobody.
    // SAFETY: marks saved plans as invalid.
    unsafe { pg_sys::ResetPlanCache() };
}

/// Whether the hooks were there when the client's statement began.
pub fn seen_from_the_beginning() -> bool {
    // SAFETY: as above.
    LOADED_IN.get() != unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// The open root's key.
pub fn root_key() -> Option<usize> {
    OPEN.get().map(|(frame, _)| frame.key)
}

/// The text of the open root.
pub fn query() -> Option<Vec<u8>> {
    let (frame, _) = OPEN.get()?;
    // SAFETY: the frame is open, so its source is live.
    unsafe { own_text(&frame) }
}

/// Whether what is done now may be rolled back while the open root goes on: inside an EXCEPTION block of its own.
pub fn may_be_undone() -> bool {
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    OPEN.get().is_some_and(|(_, opened)| nest > opened)
}

/// A new page in the ledger for the open root.
pub fn new_root() -> Root {
    let Some((frame, _)) = OPEN.get() else {
        return Root::new(usize::MAX, None, None);
    };
    // SAFETY: the frame is open, so its source and parameters are live.
    let (query, parameters) = unsafe {
        let parameters = if gucs::log_parameters() {
            record::parameters_json(frame.params)
        } else {
            None
        };
        (own_text(&frame), parameters)
    };
    Root::new(frame.key, query, parameters)
}

/// The statement's own text: its part of a string of several.
///
/// # Safety
/// `frame.source` must be NULL or a live C string.
unsafe fn own_text(frame: &Frame) -> Option<Vec<u8>> {
    if frame.source.is_null() {
        return None;
    }
    // SAFETY: checked above.
    let text = unsafe { CStr::from_ptr(frame.source) }.to_bytes();
    let own = statement_text::own(text, frame.location, frame.length);
    Some(crate::pg::memory::copied(own))
}
