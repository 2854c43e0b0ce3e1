//! `backstop.mode`: an enum whose changes are recorded.

use crate::pg::compat;
use crate::rejection;
use pgrx::pg_sys;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

/// What the guard does with a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Mode {
    Enforce = 0,
    Observe = 1,
    Off = 2,
}

impl Mode {
    fn of(value: c_int) -> Mode {
        match value {
            1 => Mode::Observe,
            2 => Mode::Off,
            _ => Mode::Enforce,
        }
    }

    /// As the setting spells it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Observe => "observe",
            Mode::Off => "off",
        }
    }
}

/// PostgreSQL's own variable of the setting.
static mut MODE: c_int = Mode::Enforce as c_int;

struct Options([pg_sys::config_enum_entry; 4]);
// SAFETY: constant, and a backend has one thread.
unsafe impl Sync for Options {}

static OPTIONS: Options = Options([
    option(c"enforce".as_ptr(), Mode::Enforce),
    option(c"observe".as_ptr(), Mode::Observe),
    option(c"off".as_ptr(), Mode::Off),
    option(ptr::null(), Mode::Enforce),
]);

const fn option(name: *const std::ffi::c_char, mode: Mode) -> pg_sys::config_enum_entry {
    pg_sys::config_enum_entry {
        name,
        val: mode as c_int,
        hidden: false,
    }
}

/// `backstop.mode`.
pub fn mode() -> Mode {
    // SAFETY: a plain read of the backend's only thread.
    Mode::of(unsafe { MODE })
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn check(
    new_value: *mut c_int,
    extra: *mut *mut c_void,
    source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes a valid value; the source is left with it in memory that PostgreSQL frees.
    unsafe {
        rejection::checked(Mode::of(*new_value), source);
        let memory = compat::guc_memory(size_of::<pg_sys::GucSource::Type>());
        if memory.is_null() {
            return false;
        }
        memory.cast::<pg_sys::GucSource::Type>().write(source);
        *extra = memory;
    }
    true
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn assign(new_value: c_int, extra: *mut c_void) {
    // SAFETY: extra is what `check` made for this value. The variable still has the old one.
    let source = unsafe { extra.cast::<pg_sys::GucSource::Type>().as_ref() };
    let source = source.copied().unwrap_or(pg_sys::GucSource::PGC_S_DEFAULT);
    if mode() == Mode::Off && new_value != Mode::Off as c_int {
        // Plans made until now were judged by nobody.
        // SAFETY: marks saved plans as invalid; needs no transaction.
        unsafe { pg_sys::ResetPlanCache() };
    }
    rejection::assigned(mode(), Mode::of(new_value), source);
}

const SHORT: &CStr =
    c"What happens to a statement that breaks a rule: it is refused, only reported, or let through unseen.";
const LONG: &CStr = c"Roll out with observe (a WARNING instead of a refusal, capture stays on), then enforce. off disables pg_backstop.";

/// Defines the setting.
pub fn define() {
    // SAFETY: called once at load, with static strings, options and functions that live as long as the library.
    unsafe {
        pg_sys::DefineCustomEnumVariable(
            c"backstop.mode".as_ptr(),
            SHORT.as_ptr(),
            LONG.as_ptr(),
            &raw mut MODE,
            Mode::Enforce as c_int,
            OPTIONS.0.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            0,
            Some(check),
            Some(assign),
            None,
        );
    }
}
