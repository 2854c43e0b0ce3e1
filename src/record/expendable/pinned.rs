//! Settings of our own, under which an `expendable` expression is evaluated whatever the session has set.

use super::judging::Judging;
use crate::pg::settings::{self, OwnSettings};
use crate::record::portable::PortableOutput;
use pgrx::pg_sys;
use std::ffi::{CStr, c_char, c_int};

type Setting = (&'static CStr, &'static CStr);

/// What functions may depend on and anybody may set, and is no plain variable.
const SEARCH_PATH: Setting = (c"search_path", c"pg_catalog, pg_temp");
const LC_MONETARY: Setting = (c"lc_monetary", c"C");
const LC_NUMERIC: Setting = (c"lc_numeric", c"C");
const LC_TIME: Setting = (c"lc_time", c"C");
const ABBREVIATIONS: Setting = (c"timezone_abbreviations", c"Default");

/// `PortableOutput` sets the variables behind these. They are settings, too, for functions that bring their own: when such a
/// function returns, PostgreSQL goes back to what it knows to be set.
const DATE_STYLE: Setting = (c"DateStyle", c"ISO, MDY");
const TIME_ZONE: Setting = (c"TimeZone", c"GMT");

/// Settings of our own until dropped, in this order: what a function has set is undone first, which puts the plain variables
/// back as we had set them.
pub struct Pinned {
    _settings: Option<OwnSettings>,
    _variables: Option<Variables>,
    _portable: PortableOutput,
    _judging: Option<Judging>,
}

impl Pinned {
    /// What is a plain variable and decides how times and numbers are read and printed.
    pub fn time() -> Pinned {
        Pinned {
            _settings: None,
            _variables: None,
            _portable: PortableOutput::begin(),
            _judging: None,
        }
    }

    /// All that a session may have set and that decides anything. Code that is not PostgreSQL's own may run, and leaves no
    /// setting behind.
    pub fn session() -> Pinned {
        let unlike = unlike_ours();
        let judging = Judging::begin();
        let portable = PortableOutput::begin();
        let variables = Variables::begin();
        Pinned {
            _settings: Some(OwnSettings::of(&unlike)),
            _variables: Some(variables),
            _portable: portable,
            _judging: Some(judging),
        }
    }
}

/// Those of the settings that the session has otherwise. This is asked for each row: where there is a variable behind a
/// setting, it answers.
fn unlike_ours() -> Vec<Setting> {
    // SAFETY: the backend's own variables, texts among them; a time zone's address is its name's.
    let settings = unsafe {
        let is = |current: *const c_char, (_, value): Setting| {
            !current.is_null() && CStr::from_ptr(current) == value
        };
        let dates = pg_sys::DateStyle == pg_sys::USE_ISO_DATES as c_int
            && pg_sys::DateOrder == pg_sys::DATEORDER_MDY as c_int;
        let zone = pg_sys::session_timezone == pg_sys::pg_tzset(TIME_ZONE.1.as_ptr());
        [
            (SEARCH_PATH, is(pg_sys::namespace_search_path, SEARCH_PATH)),
            (LC_MONETARY, is(locale_monetary, LC_MONETARY)),
            (LC_NUMERIC, is(locale_numeric, LC_NUMERIC)),
            (LC_TIME, is(locale_time, LC_TIME)),
            (
                ABBREVIATIONS,
                settings::is_so(ABBREVIATIONS.0, ABBREVIATIONS.1),
            ),
            (DATE_STYLE, dates),
            (TIME_ZONE, zone),
        ]
    };
    let unlike = settings.into_iter().filter(|(_, is_so)| !is_so);
    unlike.map(|(setting, _)| setting).collect()
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
    /// utils/pg_locale.h
    static mut locale_monetary: *mut c_char;
    static mut locale_numeric: *mut c_char;
    static mut locale_time: *mut c_char;
}
