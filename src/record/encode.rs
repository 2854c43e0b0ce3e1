//! Values to JSON text, losslessly and fast: this runs for every captured column.

use super::format::{Codec, ColumnFormat};
use super::portable::PortableOutput;
use crate::pg::memory::make_room;
use pgrx::pg_sys;
use std::ffi::CStr;

/// What a value of a type without a varying length takes at most, twice: the rest is for the signs around it and the
/// brackets behind the last one, which are added without asking for room.
pub const FIXED: usize = 128;

/// Appends one value.
///
/// # Safety
/// `value` must be a non-NULL datum of the column's type.
pub unsafe fn value(out: &mut Vec<u8>, column: &ColumnFormat, value: pg_sys::Datum) {
    // SAFETY: the codec was chosen by the column's type.
    unsafe {
        match column.codec {
            Codec::Bool => out.extend_from_slice(if value.value() as u8 != 0 {
                b"true"
            } else {
                b"false"
            }),
            Codec::Int2 => integer(out, i64::from(value.value() as i16)),
            Codec::Int4 => integer(out, i64::from(value.value() as i32)),
            Codec::Int8 => integer(out, value.value() as i64),
            Codec::Text | Codec::Json => varlena_string(out, value),
            Codec::Uuid => uuid(out, &*(value.cast_mut_ptr::<[u8; 16]>())),
            Codec::Timestamp => timestamp(out, column, value, b""),
            Codec::TimestampTz => timestamp(out, column, value, b"+00"),
            Codec::Date => date(out, column, value),
            Codec::Numeric => {
                let written =
                    plain_varlena(value).is_some_and(|stored| super::numeric::finite(out, stored));
                if !written {
                    number(out, printed(column, value).to_bytes())
                }
            }
            Codec::Float4 | Codec::Float8 => number(out, printed(column, value).to_bytes()),
            Codec::Char => char_string(out, value.value() as u8),
            Codec::Routine => string(out, &routine(column, value)),
            Codec::Routines => string(out, routines(column, value).to_bytes()),
            Codec::Bytes => bytes_string(out, value),
            Codec::Output => {
                let text = printed(column, value);
                string(out, text.to_bytes());
            }
        }
    }
}

/// The type's own text. It stays in the current memory context, which the caller resets.
///
/// # Safety
/// As for `value`.
unsafe fn printed<'a>(column: &ColumnFormat, value: pg_sys::Datum) -> &'a CStr {
    // SAFETY: an output function returns a palloc'd C string; the look-up may cache in fn_extra, which is its own.
    unsafe {
        CStr::from_ptr(pg_sys::OutputFunctionCall(
            (&raw const column.output).cast_mut(),
            value,
        ))
    }
}

pub fn integer(out: &mut Vec<u8>, value: i64) {
    let mut buffer = [0u8; 20];
    let mut place = buffer.len();
    let mut rest = value.unsigned_abs();
    // Most integers need no 64-bit division.
    while rest > u64::from(u32::MAX) {
        place -= 1;
        buffer[place] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut rest = rest as u32;
    loop {
        place -= 1;
        buffer[place] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        place -= 1;
        buffer[place] = b'-';
    }
    out.extend_from_slice(&buffer[place..]);
}

/// A printed number: JSON's own where JSON can say it; NaN, the infinities and negative zero (which jsonb forgets) as
/// strings.
fn number(out: &mut Vec<u8>, text: &[u8]) {
    let finite = text
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
    if finite && text != b"-0" {
        make_room(out, text.len() + FIXED);
        out.extend_from_slice(text);
    } else {
        string(out, text);
    }
}

/// The bytes of a varlena value that is neither compressed nor out of line.
///
/// # Safety
/// `value` must be a varlena datum that outlives the slice.
pub unsafe fn plain_varlena<'a>(value: pg_sys::Datum) -> Option<&'a [u8]> {
    let original = value.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: a varlena has at least one byte; plain ones carry their own length.
    unsafe {
        let first = *original.cast::<u8>();
        // On little-endian machines: low bit set = one-byte header, unless it is exactly 1 (out of line); else two low
        // bits 00 = plain four-byte header.
        let plain =
            cfg!(target_endian = "little") && (first & 3 == 0 || (first & 1 == 1 && first != 1));
        plain.then(|| pgrx::varlena_to_byte_slice(original))
    }
}

/// # Safety
/// `value` must be a varlena datum.
unsafe fn varlena_string(out: &mut Vec<u8>, value: pg_sys::Datum) {
    // SAFETY: detoasting returns the value itself when it is neither compressed nor out of line; the bytes are read
    // before anything can free them.
    unsafe {
        if let Some(stored) = plain_varlena(value) {
            return string(out, stored);
        }
        let original = value.cast_mut_ptr::<pg_sys::varlena>();
        let flat = pg_sys::pg_detoast_datum_packed(original);
        string(out, pgrx::varlena_to_byte_slice(flat));
        if flat != original {
            pg_sys::pfree(flat.cast());
        }
    }
}

/// A `"char"`: one byte, which need not be a character of the server's encoding. Like PostgreSQL since 16.
fn char_string(out: &mut Vec<u8>, byte: u8) {
    match byte {
        0 => string(out, b""),
        1..0x80 => string(out, &[byte]),
        _ => string(out, format!("\\{byte:03o}").as_bytes()),
    }
}

/// A function's or operator's name, or its OID where the name does not lead back to it.
///
/// # Safety
/// `value` must be a regproc or regoper.
unsafe fn routine(column: &ColumnFormat, value: pg_sys::Datum) -> Vec<u8> {
    // SAFETY: the caller vouches for the value.
    unsafe {
        let name = printed(column, value).to_bytes();
        // SAFETY: a syscache look-up.
        let is_function = pg_sys::getBaseType(column.fact.type_oid) == pg_sys::REGPROCOID;
        match leads_back(is_function, name, value) {
            true => name.to_vec(),
            false => (value.value() as u32).to_string().into_bytes(),
        }
    }
}

/// Whether a name leads to this function or operator and to no other.
fn leads_back(is_function: bool, name: &[u8], value: pg_sys::Datum) -> bool {
    // SAFETY: the look-up functions take a text and answer NULL for a name that leads nowhere or to several.
    let found = unsafe {
        let argument = [Some(super::datum::text(name))];
        match is_function {
            true => pgrx::direct_function_call::<pg_sys::Oid>(pg_sys::to_regproc, &argument),
            false => pgrx::direct_function_call::<pg_sys::Oid>(pg_sys::to_regoper, &argument),
        }
    };
    let oid = value.value() as u32;
    oid == 0 || found.is_some_and(|found| found.to_u32() == oid)
}

/// An array of functions or operators: their names, or all their OIDs where one name does not lead back.
///
/// # Safety
/// `value` must be an array whose elements are regproc, regoper or domains over them.
unsafe fn routines<'a>(column: &ColumnFormat, value: pg_sys::Datum) -> &'a CStr {
    // SAFETY: the caller vouches for the array; the copy is ours to change, and an oid is stored like both types.
    unsafe {
        let array = pg_sys::pg_detoast_datum_copy(value.cast_mut_ptr()) as *mut pg_sys::ArrayType;
        let is_function = pg_sys::getBaseType((*array).elemtype) == pg_sys::REGPROCOID;
        let (mut elements, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        let align = std::ffi::c_char::from_ne_bytes([b'i']);
        pg_sys::deconstruct_array(
            array,
            (*array).elemtype,
            4,
            true,
            align,
            &mut elements,
            &mut nulls,
            &mut count,
        );
        let certain = (0..count as usize).filter(|n| !*nulls.add(*n)).all(|n| {
            let element = *elements.add(n);
            let output = match is_function {
                true => pg_sys::F_REGPROCOUT,
                false => pg_sys::F_REGOPEROUT,
            };
            let name = pg_sys::OidOutputFunctionCall(output.into(), element);
            leads_back(is_function, CStr::from_ptr(name).to_bytes(), element)
        });
        if certain {
            return printed(column, value);
        }
        (*array).elemtype = pg_sys::OIDOID;
        CStr::from_ptr(pg_sys::OidOutputFunctionCall(
            pg_sys::F_ARRAY_OUT.into(),
            pg_sys::Datum::from(array),
        ))
    }
}

/// The bytes of a varlena value in hexadecimal.
///
/// # Safety
/// `value` must be a varlena datum.
unsafe fn bytes_string(out: &mut Vec<u8>, value: pg_sys::Datum) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // SAFETY: the caller vouches for the value; the copy lives in the current memory context.
    let bytes = unsafe {
        let flat = pg_sys::pg_detoast_datum_packed(value.cast_mut_ptr());
        pgrx::varlena_to_byte_slice(flat)
    };
    out.extend_from_slice(b"\"\\\\x");
    for byte in bytes {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

/// Appends `text` as a JSON string. The bytes are in the server's encoding, every byte of which above 0x7f passes.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    /// What the compiler checks at once.
    const BLOCK: usize = 32;
    make_room(out, text.len() + FIXED);
    out.push(b'"');
    let (mut copied, mut place) = (0, 0);
    while place < text.len() {
        if let Some(block) = text[place..].first_chunk::<BLOCK>()
            && !block.iter().fold(false, |any, byte| any | special(*byte))
        {
            place += BLOCK;
            continue;
        }
        let end = text.len().min(place + BLOCK);
        for at in place..end {
            if special(text[at]) {
                // What is escaped needs more than was made room for.
                make_room(out, text.len() - copied + FIXED);
                out.extend_from_slice(&text[copied..at]);
                copied = at + 1;
                escape(out, text[at]);
            }
        }
        place = end;
    }
    out.extend_from_slice(&text[copied..]);
    out.push(b'"');
}

/// Bytes that JSON does not take as they are.
fn special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        other => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let digits = [HEX[usize::from(other >> 4)], HEX[usize::from(other & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
    }
}

fn uuid(out: &mut Vec<u8>, bytes: &[u8; 16]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

/// Fills `text` with a number's last digits, zeros in front.
fn digits(text: &mut [u8], mut number: i64) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Fills in `0000-00-00`.
fn ymd(text: &mut [u8], year: i64, month: i64, day: i64) {
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
}

const DAY_US: i64 = 86_400_000_000;

/// Year, month and day of a day counted from 2000-01-01 (Howard Hinnant's civil_from_days).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 10_957 + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + i64::from(month <= 2),
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

/// # Safety
/// `value` must be a timestamp or timestamptz.
unsafe fn timestamp(out: &mut Vec<u8>, column: &ColumnFormat, value: pg_sys::Datum, zone: &[u8]) {
    let at = value.value() as i64;
    let (year, month, day) = civil(at.div_euclid(DAY_US));
    if at == i64::MIN || at == i64::MAX || !(1..=9999).contains(&year) {
        // Infinities and years that ISO 8601 does not write: PostgreSQL's own text.
        let _portable = PortableOutput::begin();
        // SAFETY: as for `value`.
        return string(out, unsafe { printed(column, value) }.to_bytes());
    }
    let of_day = at.rem_euclid(DAY_US);
    let seconds = of_day / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = *b"\"0000-00-00 00:00:00.000000";
    ymd(&mut text[1..11], year, month, day);
    digits(&mut text[12..14], hour);
    digits(&mut text[15..17], minute);
    digits(&mut text[18..20], second);
    let fraction = of_day % 1_000_000;
    digits(&mut text[21..27], fraction);
    out.extend_from_slice(&text[..if fraction == 0 { 20 } else { 27 }]);
    out.extend_from_slice(zone);
    out.push(b'"');
}

/// # Safety
/// `value` must be a date.
unsafe fn date(out: &mut Vec<u8>, column: &ColumnFormat, value: pg_sys::Datum) {
    let days = value.value() as i32;
    let (year, month, day) = civil(i64::from(days));
    if days == i32::MIN || days == i32::MAX || !(1..=9999).contains(&year) {
        let _portable = PortableOutput::begin();
        // SAFETY: as for `value`.
        return string(out, unsafe { printed(column, value) }.to_bytes());
    }
    let mut text = *b"\"0000-00-00\"";
    ymd(&mut text[1..11], year, month, day);
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn integers_are_written_whole() {
        for value in [0, 1, -1, 42, i64::MAX, i64::MIN] {
            assert_eq!(written(|out| integer(out, value)), value.to_string());
        }
    }

    #[test]
    fn strings_come_back_from_a_json_parser() {
        for text in [
            "",
            "plain",
            "q\"uo\\te",
            "line\nfeed\ttab\r",
            "\u{1}\u{1f}\u{7f}",
            "ünï © 😀",
            "a text of more than thirty-two bytes, with nothing special at first; then \"quotes\" and \\ and",
            "thirty-two bytes without one ....\n",
        ] {
            let json = written(|out| string(out, text.as_bytes()));
            assert_eq!(
                serde_json::from_str::<String>(&json).expect("valid JSON"),
                text
            );
        }
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (2000, 1, 1));
        assert_eq!(civil(-1), (1999, 12, 31));
        assert_eq!(civil(59), (2000, 2, 29));
        assert_eq!(civil(9821), (2026, 11, 21));
        assert_eq!(civil(-730_119), (1, 1, 1));
    }

    #[test]
    fn numbers_json_cannot_say_are_strings() {
        assert_eq!(written(|out| number(out, b"1.10")), "1.10");
        assert_eq!(written(|out| number(out, b"NaN")), "\"NaN\"");
        assert_eq!(written(|out| number(out, b"-Infinity")), "\"-Infinity\"");
        assert_eq!(written(|out| number(out, b"-0")), "\"-0\"");
        assert_eq!(written(|out| number(out, b"1e+300")), "1e+300");
    }
}
