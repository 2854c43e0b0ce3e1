//! Settings for SQL of our own, which must not run as the session has tuned its own.

use pgrx::pg_sys;
use std::ffi::{CStr, c_int};

/// A session that has set `enable_seqscan = off` or lowered the costs of parallel plans would have our small queries on
/// catalogs compiled, which takes seconds, or given to workers.
const PLAIN_PLANS: [(&CStr, &CStr); 2] =
    [(c"jit", c"off"), (c"max_parallel_workers_per_gather", c"0")];

/// A search_path in which nobody can have put anything.
const SEARCH_PATH: (&CStr, &CStr) = (c"search_path", c"pg_catalog, pg_temp");

/// What PostgreSQL prints for us must not depend on the session either, and mean the same in the session that reads it: a
/// date of `DateStyle = 'SQL, DMY'` is another one where the month comes first. Most of them change what is read, too: what a
/// user has written is read before they are set.
const PRINTED: [(&CStr, &CStr); 6] = [
    (c"quote_all_identifiers", c"off"),
    (c"standard_conforming_strings", c"on"),
    (c"DateStyle", c"ISO"),
    (c"IntervalStyle", c"postgres"),
    (c"extra_float_digits", c"1"),
    (c"lc_monetary", c"C"),
];

/// Our settings until dropped, when whatever else was set meanwhile goes with them, by a function that a user wrote, say; after
/// an error the abort puts the session's back.
pub struct OwnSettings(c_int);

impl OwnSettings {
    /// Some settings and their values, all of them any user's.
    pub fn of(values: &[(&CStr, &CStr)]) -> OwnSettings {
        // SAFETY: a level of settings that Drop (or the abort) ends.
        let settings = OwnSettings(unsafe { pg_sys::NewGUCNestLevel() });
        for (name, value) in values {
            set(name, value);
        }
        settings
    }

    /// Plain plans; names must be written in full.
    pub fn plain_plans() -> OwnSettings {
        OwnSettings::of(&PLAIN_PLANS)
    }

    /// Plain plans, and names that mean the same in every session.
    pub fn plain_names() -> OwnSettings {
        let settings = OwnSettings::plain_plans();
        set(SEARCH_PATH.0, SEARCH_PATH.1);
        settings
    }

    /// Plain plans, and names and constants that mean the same in every session.
    pub fn pinned() -> OwnSettings {
        let settings = OwnSettings::plain_names();
        for (name, value) in PRINTED {
            set(name, value);
        }
        settings
    }
}

impl Drop for OwnSettings {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: ends the level begun above; after an error the abort ends it.
            unsafe { pg_sys::AtEOXact_GUC(false, self.0) };
        }
    }
}

/// Whether a built-in setting has that value.
pub fn is_so(name: &CStr, value: &CStr) -> bool {
    // SAFETY: looks a built-in setting up; its value is a C string or NULL, and read at once.
    unsafe {
        let current = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        !current.is_null() && CStr::from_ptr(current) == value
    }
}

/// Nothing is done where the session has that value already: `timezone_abbreviations` reads a file each time it is set.
fn set(name: &CStr, value: &CStr) {
    if is_so(name, value) {
        return;
    }
    // SAFETY: built-in settings and values they take; undone with the level.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}
