//! Settings. Everything that weakens the guard is a superuser's; only the approval is everyone's.

mod mode;

use crate::approval;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;

pub use mode::{Mode, mode};

static MAX_ROWS: GucSetting<i32> = GucSetting::<i32>::new(100);
static MAX_ROWS_PER_TRANSACTION: GucSetting<i32> = GucSetting::<i32>::new(1000);
static APPROVAL_TTL: GucSetting<i32> = GucSetting::<i32>::new(900);
static PREVIEW_MAX_ROWS: GucSetting<i32> = GucSetting::<i32>::new(1_000_000);
static REQUEST_TTL: GucSetting<i32> = GucSetting::<i32>::new(86_400);
static LOG_PARAMETERS: GucSetting<bool> = GucSetting::<bool>::new(true);

/// `backstop.max_rows`: the limit of a root statement on tables that were registered without one of their own.
pub fn max_rows() -> i64 {
    i64::from(MAX_ROWS.get())
}

/// `backstop.max_rows_per_transaction`: what the unapproved statements of one transaction may destroy together.
pub fn max_rows_per_transaction() -> i64 {
    i64::from(MAX_ROWS_PER_TRANSACTION.get())
}

/// `backstop.approval_ttl` in microseconds.
pub fn approval_ttl_us() -> i64 {
    i64::from(APPROVAL_TTL.get()) * 1_000_000
}

/// `backstop.preview_max_rows`.
pub fn preview_max_rows() -> i64 {
    i64::from(PREVIEW_MAX_ROWS.get())
}

/// `backstop.request_ttl` in microseconds.
pub fn request_ttl_us() -> i64 {
    i64::from(REQUEST_TTL.get()) * 1_000_000
}

/// `backstop.log_parameters`.
pub fn log_parameters() -> bool {
    LOG_PARAMETERS.get()
}

/// Defines every setting and reserves the prefix. Called once, from `_PG_init`.
pub fn define() {
    mode::define();
    GucRegistry::define_int_guc(
        c"backstop.max_rows",
        c"Rows of protected tables and their followers that one unapproved statement may destroy.",
        c"Choose what no ordinary request of your application exceeds; a table's own max_rows goes before it.",
        &MAX_ROWS,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"backstop.max_rows_per_transaction",
        c"Rows that the unapproved statements of one transaction may destroy together.",
        c"Stops loops of small statements; choose what your largest ordinary transaction needs.",
        &MAX_ROWS_PER_TRANSACTION,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"backstop.approval_ttl",
        c"How long an approval lasts after it was set.",
        c"Choose how long a person may take from approving a batch to running it.",
        &APPROVAL_TTL,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"backstop.preview_max_rows",
        c"Rows that a previewed statement may destroy before the preview is stopped.",
        c"Every previewed row is stored for the reviewer: choose what your disk has room for and a person could review.",
        &PREVIEW_MAX_ROWS,
        1,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"backstop.request_ttl",
        c"How long a request waits for a decision.",
        c"Choose how long a reviewer may take; an older request must be previewed again.",
        &REQUEST_TTL,
        1,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_bool_guc(
        c"backstop.log_parameters",
        c"Whether the record keeps the bound parameters of destructive statements.",
        c"Turn it off where parameters must not be stored twice; the pre-images are kept in any case.",
        &LOG_PARAMETERS,
        GucContext::Suset,
        GucFlags::default(),
    );
    approval::setting::define();
    reserve_prefix();
}

fn reserve_prefix() {
    // SAFETY: called while the library is loaded, with a static string.
    unsafe {
        #[cfg(feature = "pg14")]
        pg_sys::EmitWarningsOnPlaceholders(c"backstop".as_ptr());
        #[cfg(not(feature = "pg14"))]
        pg_sys::MarkGUCPrefixReserved(c"backstop".as_ptr());
    }
}
