//! Turns what the judge found, and a user's mistakes, into the one error a person reads.

use crate::model::Violation;
use crate::pg::{attempt, encoding};
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;

thread_local! {
    /// Who is told of refusals.
    static LISTENER: Cell<Option<fn(&Report)>> = const { Cell::new(None) };
}

/// An error with every field this extension uses, ready to be raised outside Rust's unwinding.
#[derive(Clone, Debug)]
pub struct Report {
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    /// PostgreSQL's own error, which is raised instead with all its fields; NULL for ours.
    original: *mut pg_sys::ErrorData,
}

/// What our functions return: a value, or the report to raise.
pub type Outcome<T> = Result<T, Box<Report>>;

impl Report {
    /// A user's mistake: SQLSTATE and message.
    pub fn new(sqlstate: &str, message: impl Into<String>) -> Box<Report> {
        Box::new(Report {
            sqlstate: sqlstate.to_owned(),
            message: message.into(),
            detail: None,
            hint: None,
            schema: None,
            table: None,
            column: None,
            original: std::ptr::null_mut(),
        })
    }

    /// An error that PostgreSQL raised and we caught.
    ///
    /// # Safety
    /// `error` must live until the report is raised.
    pub unsafe fn original(error: *mut pg_sys::ErrorData) -> Box<Report> {
        // SAFETY: the caller vouches for the error; its message is a C string or NULL.
        let (sqlstate, message) = unsafe {
            let message = (*error).message;
            let message = if message.is_null() {
                String::new()
            } else {
                encoding::decoded(CStr::from_ptr(message))
            };
            (unpacked((*error).sqlerrcode), message)
        };
        let mut report = Report::new(&sqlstate, message);
        report.original = error;
        report
    }

    /// Whether it is PostgreSQL's word that the statement is over: a cancel, a timeout, no memory.
    pub fn ends_statement(&self) -> bool {
        // SAFETY: NULL or alive until the report is raised.
        let error = unsafe { self.original.as_ref() };
        error.is_some_and(|error| attempt::ends_statement(error.sqlerrcode))
    }

    pub fn detail(mut self: Box<Self>, detail: impl Into<String>) -> Box<Report> {
        self.detail = Some(detail.into());
        self
    }

    pub fn hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Report> {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Violation> for Box<Report> {
    fn from(violation: Violation) -> Self {
        Box::new(Report {
            sqlstate: violation.rule.sqlstate().to_owned(),
            message: violation.message,
            detail: Some(violation.detail),
            hint: Some(violation.hint),
            schema: violation.schema,
            table: violation.table,
            column: violation.column,
            original: std::ptr::null_mut(),
        })
    }
}

/// SQLSTATEs of PostgreSQL's own that our functions use.
pub mod sqlstate {
    pub const WARNING: &str = "01000";
    pub const INVALID_PARAMETER: &str = "22023";
    pub const NULL_NOT_ALLOWED: &str = "22004";
    pub const NOT_IN_PREREQUISITE_STATE: &str = "55000";
    pub const UNDEFINED_COLUMN: &str = "42703";
    pub const UNDEFINED_OBJECT: &str = "42704";
    pub const UNDEFINED_TABLE: &str = "42P01";
    pub const WRONG_OBJECT_TYPE: &str = "42809";
    pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
    pub const NO_ACTIVE_SQL_TRANSACTION: &str = "25P01";
    pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
    pub const SYNTAX_ERROR: &str = "42601";
    pub const UNIQUE_VIOLATION: &str = "23505";
    pub const EXCLUSION_VIOLATION: &str = "23P01";
    pub const NUMERIC_VALUE_OUT_OF_RANGE: &str = "22003";
}

/// PostgreSQL packs five characters into an int, six bits each (`MAKE_SQLSTATE` in elog.h).
pub fn packed(sqlstate: &str) -> i32 {
    sqlstate
        .bytes()
        .take(5)
        .enumerate()
        .fold(0, |code, (place, byte)| {
            code | (i32::from(byte.wrapping_sub(b'0')) & 0x3f) << (6 * place)
        })
}

/// The five characters of a packed SQLSTATE.
pub fn unpacked(code: i32) -> String {
    (0..5)
        .map(|place| ((code >> (6 * place) & 0x3f) as u8 + b'0') as char)
        .collect()
}

/// Has `listener` told of every refusal, and of every warning that stands for one.
pub fn listen(listener: fn(&Report)) {
    LISTENER.set(Some(listener));
}

/// A refusal is on its way to the client: ours have SQLSTATEs of their own.
pub fn tell(report: &Report) {
    if report.sqlstate.starts_with("SF")
        && let Some(listener) = LISTENER.get()
    {
        listener(report);
    }
}

/// The report as an `ErrorData` in the current memory context, for `raw::ThrowErrorData`. Every refusal passes here, once.
///
/// # Safety
/// Must be called in a backend, inside a guarded frame.
pub unsafe fn error_data(report: &Report, level: u32) -> *mut pg_sys::ErrorData {
    if !report.original.is_null() {
        return report.original;
    }
    tell(report);
    let copy = |text: &Option<String>| match text {
        Some(text) => duplicate(text),
        None => std::ptr::null_mut(),
    };
    // SAFETY: palloc0 returns a zeroed ErrorData, for which zero is a valid value of every field; it raises on failure.
    unsafe {
        let data = pg_sys::palloc0(size_of::<pg_sys::ErrorData>()) as *mut pg_sys::ErrorData;
        (*data).elevel = level as i32;
        (*data).sqlerrcode = packed(&report.sqlstate);
        (*data).message = duplicate(&report.message);
        (*data).detail = copy(&report.detail);
        (*data).hint = copy(&report.hint);
        (*data).schema_name = copy(&report.schema);
        (*data).table_name = copy(&report.table);
        (*data).column_name = copy(&report.column);
        (*data).assoc_context = pg_sys::CurrentMemoryContext;
        data
    }
}

/// A palloc'd C string; a NUL inside (impossible in PostgreSQL's text) ends it.
pub fn duplicate(text: &str) -> *mut std::ffi::c_char {
    let text = encoding::c_string(text);
    // SAFETY: pstrdup copies a valid C string into the current memory context.
    unsafe { pg_sys::pstrdup(text.as_ptr()) }
}

/// Sends a violation as a WARNING: what `observe` mode does instead of refusing.
///
/// # Safety
/// Must be called in a backend, inside a guarded frame.
pub unsafe fn warn(violation: &Violation) {
    let mut report: Box<Report> = violation.clone().into();
    // The statement goes on.
    if let Some(detail) = &mut report.detail {
        *detail = detail
            .replace(" Nothing was changed.", "")
            .replace(", so the statement was refused", "")
            .replace(", so it was refused", "")
            .replace(" Sequences do not roll back, so nothing was done.", "");
    }
    // SAFETY: as above.
    unsafe { warning(&report) };
}

/// Sends a report as a WARNING.
///
/// # Safety
/// Must be called in a backend, inside a guarded frame.
pub unsafe fn warning(report: &Report) {
    // SAFETY: below ERROR, ThrowErrorData returns.
    unsafe {
        let data = error_data(report, pgrx::PgLogLevel::WARNING as u32);
        crate::pg::raw::ThrowErrorData(data);
    }
}
