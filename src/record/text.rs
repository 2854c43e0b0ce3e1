//! What the record's JSON looks like, value by value. Pure: no datum and no unsafe code reaches this file, so it can be
//! fuzzed without a server (`pgrx-tests/fuzz`).

use crate::pg::memory::make_room;

/// What a value of a type without a varying length takes at most, twice: the rest is for the signs around it and the
/// brackets behind the last one, which are added without asking for room.
pub const FIXED: usize = 128;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a JSON number.
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
pub fn number(out: &mut Vec<u8>, text: &[u8]) {
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

/// A `"char"`: one byte, which need not be a character of the server's encoding. Like PostgreSQL since 16.
pub fn char(out: &mut Vec<u8>, byte: u8) {
    match byte {
        0 => string(out, b""),
        1..0x80 => string(out, &[byte]),
        _ => string(out, format!("\\{byte:03o}").as_bytes()),
    }
}

/// Appends bytes in hexadecimal, as a JSON string.
pub fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    make_room(out, 2 * bytes.len() + FIXED);
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
            let digits = [HEX[usize::from(other >> 4)], HEX[usize::from(other & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
    }
}

pub fn uuid(out: &mut Vec<u8>, bytes: &[u8; 16]) {
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

/// Appends a timestamp, in microseconds since 2000-01-01, and its zone. `false`, with nothing appended, for the
/// infinities and for years that ISO 8601 does not write.
pub fn timestamp(out: &mut Vec<u8>, at: i64, zone: &[u8]) -> bool {
    let (year, month, day) = civil(at.div_euclid(DAY_US));
    if at == i64::MIN || at == i64::MAX || !(1..=9999).contains(&year) {
        return false;
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
    true
}

/// Appends a date, in days since 2000-01-01; `false` as for a timestamp.
pub fn date(out: &mut Vec<u8>, days: i32) -> bool {
    let (year, month, day) = civil(i64::from(days));
    if days == i32::MIN || days == i32::MAX || !(1..=9999).contains(&year) {
        return false;
    }
    let mut text = *b"\"0000-00-00\"";
    ymd(&mut text[1..11], year, month, day);
    out.extend_from_slice(&text);
    true
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
