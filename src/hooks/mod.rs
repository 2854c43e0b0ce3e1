//! PostgreSQL's hooks. Each gathers facts, asks the judge, reports, and chains; none decides.
//!
//! The outer function of every hook is bare: no guard, nothing with a destructor across the chain call, so that errors
//! from below pass with all their fields (see `pg::raw`). Its Rust work sits in guarded functions before and after.

pub mod access;
mod early_lock;
mod enforce;
mod executor;
mod kinds;
pub mod planner;
mod record;
mod starting;
mod targets;
pub mod unplanned;
pub mod utility;
mod verdict;

pub use enforce::enforce;
pub use executor::close_root;

use crate::pg::{raw, reserve};
use crate::report::{self, Outcome};
use pgrx::pg_sys;
use std::ptr;

/// Installs every hook. Called once, from `_PG_init`.
pub fn install() {
    verdict::register();
    planner::install();
    executor::install();
    utility::install();
    access::install();
}

/// Runs the Rust work of a hook; a report comes back as an ErrorData for the bare frame to raise.
///
/// # Safety
/// Only in a hook's bare frame, which owns nothing with a destructor.
pub unsafe fn guarded<R: Copy>(
    fallback: R,
    work: impl FnOnce() -> Outcome<R>,
) -> (R, *mut pg_sys::ErrorData) {
    // SAFETY: pgrx's guard turns panics and PostgreSQL errors raised inside into one ERROR.
    unsafe {
        reserve::spent_on_errors(|| {
            pg_sys::submodules::panic::pgrx_extern_c_guard(|| match work() {
                Ok(value) => (value, ptr::null_mut()),
                Err(report) => (
                    fallback,
                    report::error_data(&report, pgrx::PgLogLevel::ERROR as u32),
                ),
            })
        })
    }
}

/// Raises the report, if there is one.
///
/// # Safety
/// Only in a bare frame: the call may not return.
pub unsafe fn raise(error: *mut pg_sys::ErrorData) {
    if !error.is_null() {
        // SAFETY: made by report::error_data.
        unsafe { raw::ThrowErrorData(error) };
    }
}
