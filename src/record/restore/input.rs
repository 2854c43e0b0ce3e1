//! Text to values: the counterpart of `encode`.

use super::json::{self, Kind, Span};
use crate::pg::catalog::ColumnFact;
use crate::record::encode::PortableOutput;
use crate::report::{Outcome, Report};
use pgrx::pg_sys::{self, Datum};

/// Types that are read without their input function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shortcut {
    Int2,
    Int4,
    Int8,
    Bool,
    /// text, and varchar without a length.
    Text,
    /// timestamp and timestamptz of full precision.
    Timestamp,
    None,
}

/// Reads the values of one column.
pub struct ColumnInput {
    name: String,
    shortcut: Shortcut,
    function: pg_sys::FmgrInfo,
    io_param: pg_sys::Oid,
    type_mod: i32,
}

impl ColumnInput {
    /// # Safety
    /// `context` must outlive the value: the input function caches in it.
    pub unsafe fn new(fact: &ColumnFact, context: pg_sys::MemoryContext) -> ColumnInput {
        let (mut function, mut io_param) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        let mut input = pg_sys::FmgrInfo::default();
        // SAFETY: catalog look-ups of a live column's type.
        unsafe {
            pg_sys::getTypeInputInfo(fact.type_oid, &mut function, &mut io_param);
            pg_sys::fmgr_info_cxt(function, &mut input, context);
        }
        let shortcut = match fact.type_oid {
            pg_sys::INT2OID => Shortcut::Int2,
            pg_sys::INT4OID => Shortcut::Int4,
            pg_sys::INT8OID => Shortcut::Int8,
            pg_sys::BOOLOID => Shortcut::Bool,
            pg_sys::TEXTOID => Shortcut::Text,
            pg_sys::VARCHAROID if fact.type_mod < 0 => Shortcut::Text,
            pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID if fact.type_mod < 0 => {
                Shortcut::Timestamp
            }
            _ => Shortcut::None,
        };
        ColumnInput {
            name: fact.name.clone(),
            shortcut,
            function: input,
            io_param,
            type_mod: fact.type_mod,
        }
    }

    /// Whether what the text means may depend on the session's settings.
    pub fn session_dependent(&self) -> bool {
        self.shortcut == Shortcut::None || self.shortcut == Shortcut::Timestamp
    }

    /// The value behind `span`, `None` for SQL NULL, in the current memory context.
    ///
    /// A domain's constraints are checked by its input function; it is called for NULL too.
    ///
    /// # Safety
    /// In a guarded frame.
    pub unsafe fn read(
        &mut self,
        text: &[u8],
        span: Span,
        scratch: &mut Vec<u8>,
    ) -> Outcome<Option<Datum>> {
        scratch.clear();
        match span.kind {
            Kind::Null => return Ok(self.read_null()),
            Kind::Escaped => {
                json::unescape(span.bytes(text), scratch).map_err(|_| self.damaged())?;
                if let Some(value) = self.short(scratch) {
                    return Ok(Some(value));
                }
            }
            Kind::Object => return Err(self.damaged()),
            _ => {
                if let Some(value) = self.short(span.bytes(text)) {
                    return Ok(Some(value));
                }
                scratch.extend_from_slice(span.bytes(text));
            }
        }
        scratch.push(0);
        // SAFETY: the text ends with a NUL; an input function copies what it keeps of it.
        unsafe {
            Ok(Some(pg_sys::InputFunctionCall(
                &mut self.function,
                scratch.as_mut_ptr().cast(),
                self.io_param,
                self.type_mod,
            )))
        }
    }

    /// NULL: a domain may forbid it, and no other type has an input function that is not strict.
    fn read_null(&mut self) -> Option<Datum> {
        if !self.function.fn_strict {
            // SAFETY: a NULL string is how an input function that isn't strict is asked about NULL.
            unsafe {
                pg_sys::InputFunctionCall(
                    &mut self.function,
                    std::ptr::null_mut(),
                    self.io_param,
                    self.type_mod,
                )
            };
        }
        None
    }

    fn short(&self, bytes: &[u8]) -> Option<Datum> {
        match self.shortcut {
            Shortcut::Int2 => integer(bytes)
                .and_then(|n| i16::try_from(n).ok())
                .map(Datum::from),
            Shortcut::Int4 => integer(bytes)
                .and_then(|n| i32::try_from(n).ok())
                .map(Datum::from),
            Shortcut::Int8 => integer(bytes).map(Datum::from),
            Shortcut::Bool => match bytes {
                b"true" => Some(Datum::from(true)),
                b"false" => Some(Datum::from(false)),
                _ => None,
            },
            Shortcut::Text => Some(crate::record::datum::text(bytes)),
            Shortcut::Timestamp => timestamp(bytes).map(Datum::from),
            Shortcut::None => None,
        }
    }

    fn damaged(&self) -> Box<Report> {
        Report::new(
            "XX001",
            format!("the record of column \"{}\" is damaged", self.name),
        )
    }
}

/// A plain decimal integer that fits; anything else is left to the input function.
fn integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff][+00]` as `encode` writes it, in microseconds since 2000-01-01; anything else is left to
/// the input function.
fn timestamp(bytes: &[u8]) -> Option<i64> {
    let bytes = bytes.strip_suffix(b"+00").unwrap_or(bytes);
    if bytes.len() < 19 {
        return None;
    }
    let number = |from: usize, to: usize| integer(&bytes[from..to]).filter(|n| *n >= 0);
    let marks = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];
    if marks.iter().any(|(place, mark)| bytes[*place] != *mark) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let fraction = match bytes.len() {
        19 => 0,
        26 if bytes[19] == b'.' => number(20, 26)?,
        _ => return None,
    };
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    // Howard Hinnant's days_from_civil, counted from 2000-01-01.
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let yoe = shifted.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468 - 10_957;
    Some((days * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000 + fraction)
}

/// The settings under which the record's texts are read back; undone on drop.
pub struct PortableInput {
    _output: PortableOutput,
    date_order: i32,
    xml_option: i32,
    array_nulls: bool,
}

impl PortableInput {
    pub fn begin() -> PortableInput {
        // SAFETY: these are the backend's own plain variables; assigning them is what their GUCs' assign hooks do.
        unsafe {
            let before = PortableInput {
                _output: PortableOutput::begin(),
                date_order: pg_sys::DateOrder,
                xml_option: xmloption,
                array_nulls: pg_sys::Array_nulls,
            };
            pg_sys::DateOrder = pg_sys::DATEORDER_YMD as i32;
            xmloption = XMLOPTION_CONTENT;
            pg_sys::Array_nulls = true;
            before
        }
    }
}

impl Drop for PortableInput {
    fn drop(&mut self) {
        // SAFETY: puts back what begin() found.
        unsafe {
            pg_sys::DateOrder = self.date_order;
            xmloption = self.xml_option;
            pg_sys::Array_nulls = self.array_nulls;
        }
    }
}

/// `XMLOPTION_CONTENT` of nodes/primnodes.h.
const XMLOPTION_CONTENT: i32 = 1;

unsafe extern "C" {
    /// utils/xml.h
    static mut xmloption: i32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_as_they_are_written() {
        assert_eq!(timestamp(b"2000-01-01 00:00:00"), Some(0));
        assert_eq!(timestamp(b"2000-01-01 00:00:00.000001+00"), Some(1));
        assert_eq!(timestamp(b"1999-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(
            timestamp(b"2026-11-21 06:00:00+00"),
            Some((9821 * 86_400 + 6 * 3600) * 1_000_000)
        );
        assert_eq!(
            timestamp(b"0001-01-01 00:00:00"),
            Some(-730_119 * 86_400 * 1_000_000)
        );
        assert_eq!(
            timestamp(b"2000-03-01 00:00:00"),
            Some(60 * 86_400 * 1_000_000)
        );
        for other in [
            "infinity",
            "0044-03-15 00:00:00 BC",
            "2000-01-01 00:00:00.5",
            "10000-01-01 00:00:00",
        ] {
            assert_eq!(timestamp(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn integers_that_fit_are_read() {
        assert_eq!(integer(b"-42"), Some(-42));
        assert_eq!(
            integer(b"999999999999999999"),
            Some(999_999_999_999_999_999)
        );
        for other in ["", "-", "1.0", "9223372036854775807", "1e5"] {
            assert_eq!(integer(other.as_bytes()), None, "{other}");
        }
    }
}
