//! Settings of our own, under which an `expendable` expression is evaluated whatever the session has set.

use crate::pg::settings::OwnSettings;
use crate::record::portable::PortableOutput;
use pgrx::pg_sys;
use std::ffi::{CStr, c_int};

/// What functions may depend on and anybody may set, and is no plain variable. Dates, times and their zone are among them for
/// functions that have settings of their own: when such a function returns, PostgreSQL goes back to what it knows to be set.
const SETTINGS: [(&CStr, &CStr); 7] = [
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"lc_monetary", c"C"),
    (c"lc_numeric", c"C"),
    (c"lc_time", c"C"),
    (c"timezone_abbreviations", c"Default"),
    (c"DateStyle", c"ISO, MDY"),
    (c"TimeZone", c"GMT"),
];

/// Settings of our own until dropped, in this order.
pub struct Pinned {
    _portable: PortableOutput,
    _variables: Option<Variables>,
    _settings: Option<OwnSettings>,
}

impl Pinned {
    /// What is a plain variable and decides how times and numbers are read and printed.
    pub fn time() -> Pinned {
        Pinned {
            _settings: None,
            _variables: None,
            _portable: PortableOutput::begin(),
        }
    }

    /// All that a session may have set and that decides anything.
    pub fn session() -> Pinned {
        Pinned {
            _settings: Some(OwnSettings::of(&SETTINGS)),
            _variables: Some(Variables::begin()),
            _portable: PortableOutput::begin(),
        }
    }
}

/// Settings that are plain variables: each row costs a few assignments.
#[derive(Clone, Copy)]
struct Values {
    array_nulls: bool,
    quote_all_identifiers: bool,
    standard_conforming_strings: bool,
    transform_null_equals: bool,
    xml_binary: c_int,
    xml_option: c_int,
}

/// What they are where nobody says otherwise.
const USUAL: Values = Values {
    array_nulls: true,
    quote_all_identifiers: false,
    standard_conforming_strings: true,
    transform_null_equals: false,
    xml_binary: XMLBINARY_BASE64,
    xml_option: XMLOPTION_CONTENT,
};

impl Values {
    fn of_session() -> Values {
        // SAFETY: the backend's own plain variables.
        unsafe {
            Values {
                array_nulls: pg_sys::Array_nulls,
                quote_all_identifiers: pg_sys::quote_all_identifiers,
                standard_conforming_strings: pg_sys::standard_conforming_strings,
                transform_null_equals: pg_sys::Transform_null_equals,
                xml_binary: xmlbinary,
                xml_option: xmloption,
            }
        }
    }

    fn set(self) {
        // SAFETY: as above; assigning them is all that their GUCs do.
        unsafe {
            pg_sys::Array_nulls = self.array_nulls;
            pg_sys::quote_all_identifiers = self.quote_all_identifiers;
            pg_sys::standard_conforming_strings = self.standard_conforming_strings;
            pg_sys::Transform_null_equals = self.transform_null_equals;
            xmlbinary = self.xml_binary;
            xmloption = self.xml_option;
        }
    }
}

/// `USUAL` until dropped; then what the session had.
struct Variables(Values);

impl Variables {
    fn begin() -> Variables {
        let before = Variables(Values::of_session());
        USUAL.set();
        before
    }
}

impl Drop for Variables {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// `XMLBINARY_BASE64` of utils/xml.h, `XMLOPTION_CONTENT` of nodes/primnodes.h.
const XMLBINARY_BASE64: c_int = 0;
const XMLOPTION_CONTENT: c_int = 1;

unsafe extern "C" {
    /// utils/xml.h
    static mut xmlbinary: c_int;
    static mut xmloption: c_int;
}
