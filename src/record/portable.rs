//! The settings values are printed under, so that they read back as they were whatever the session has set.

use crate::pg::settings::OwnSettings;
use pgrx::pg_sys;

/// Makes output functions print what input functions read back exactly, whatever the session has set; undone on drop.
pub struct PortableOutput {
    date_style: i32,
    date_order: i32,
    interval_style: i32,
    float_digits: i32,
    bytea: i32,
    zone: *mut pg_sys::pg_tz,
}

impl PortableOutput {
    pub fn begin() -> PortableOutput {
        // SAFETY: these are the backend's own plain variables; assigning them is what their GUCs' assign hooks do.
        unsafe {
            let before = PortableOutput {
                date_style: pg_sys::DateStyle,
                date_order: pg_sys::DateOrder,
                interval_style: pg_sys::IntervalStyle,
                float_digits: pg_sys::extra_float_digits,
                bytea: bytea_output,
                zone: pg_sys::session_timezone,
            };
            pg_sys::DateStyle = pg_sys::USE_ISO_DATES as i32;
            pg_sys::DateOrder = pg_sys::DATEORDER_MDY as i32;
            pg_sys::IntervalStyle = pg_sys::INTSTYLE_POSTGRES as i32;
            pg_sys::extra_float_digits = 3;
            bytea_output = BYTEA_OUTPUT_HEX;
            pg_sys::session_timezone = pg_sys::pg_tzset(c"GMT".as_ptr());
            before
        }
    }
}

impl Drop for PortableOutput {
    fn drop(&mut self) {
        // SAFETY: puts back what begin() found.
        unsafe {
            pg_sys::DateStyle = self.date_style;
            pg_sys::DateOrder = self.date_order;
            pg_sys::IntervalStyle = self.interval_style;
            pg_sys::extra_float_digits = self.float_digits;
            bytea_output = self.bytea;
            pg_sys::session_timezone = self.zone;
        }
    }
}

/// `BYTEA_OUTPUT_HEX` of utils/bytea.h.
const BYTEA_OUTPUT_HEX: i32 = 1;

unsafe extern "C" {
    /// utils/bytea.h
    static mut bytea_output: i32;
}

/// Pins what decides how names and amounts of money are printed: names are qualified, amounts are the C locale's. The
/// restoring functions have the same settings.
///
/// Settings with a text cannot be swapped like those of `PortableOutput`; this goes through the GUC machinery, and is
/// for the few tables that have such columns.
pub fn pinned_names() -> OwnSettings {
    OwnSettings::of(&[
        (c"search_path", c"pg_catalog, pg_temp"),
        (c"lc_monetary", c"C"),
    ])
}
