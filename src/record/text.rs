//! What the record's JSON looks like, value by value. Pure: no datum and no unsafe code reaches this file, so it can be
//! fuzzed without a server (`pgrx-tests/fuzz`).

use crate::pg::memory::make_room;

/// What a value of a type without a varying length takes at most, twice: the rest is for the signs around it and the
/// brackets behind the last one, which are added without asking for room.
pub const FIXED: usize = 128;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// `00` to `ff`.
const HEX_PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut n = 0;
    while n < 256 {
        pairs[n] = [HEX[n >> 4], HEX[n & 15]];
        n += 1;
    }
    pairs
};

/// The last two decimal digits.
pub fn pair(number: u16) -> [u8; 2] {
    PAIRS[usize::from(number % 100)]
}

/// Appends a JSON number.
pub fn integer(out: &mut Vec<u8>, value: i64) {
    let mut buffer = [0u8; 20];
    let mut place = buffer.len();
    let mut rest = value.unsigned_abs();
    while rest >= 100 {
        place -= 2;
        buffer[place..place + 2].copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
    if rest >= 10 {
        place -= 2;
        buffer[place..place + 2].copy_from_slice(&PAIRS[rest as usize]);
    } else {
        place -= 1;
        buffer[place] = b'0' + rest as u8;
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
        out.extend_from_slice(&HEX_PAIRS[usize::from(*byte)]);
    }
    out.push(b'"');
}

/// Appends `text` as a JSON string. The bytes are in the server's encoding, every byte of which above 0x7f passes.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    make_room(out, text.len() + FIXED);
    out.push(b'"');
    let (mut copied, mut place) = (0, 0);
    while place < text.len() {
        let plain = plain_bytes(&text[place..]);
        if plain > 0 {
            place += plain;
            continue;
        }
        let end = text.len().min(place + WORD);
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

/// Bytes that fit into one register.
const WORD: usize = 8;

/// How many bytes at the beginning of `text` were found at once to need no escape; 0 where it takes a closer look.
fn plain_bytes(text: &[u8]) -> usize {
    /// What the compiler checks at once.
    const BLOCK: usize = 32;
    if let Some(block) = text.first_chunk::<BLOCK>()
        && !block.iter().fold(false, |any, byte| any | special(*byte))
    {
        return BLOCK;
    }
    match text.first_chunk::<WORD>() {
        Some(word) if !any_special(u64::from_ne_bytes(*word)) => WORD,
        _ => 0,
    }
}

/// `special` of any of a word's bytes (Bit Twiddling Hacks, "Determine if a word has a byte less than n").
fn any_special(word: u64) -> bool {
    const fn every(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; WORD])
    }
    let below = |word: u64, limit: u8| word.wrapping_sub(every(limit)) & !word & every(0x80);
    let control = below(word, 0x20);
    let quote = below(word ^ every(b'"'), 1);
    let backslash = below(word ^ every(b'\\'), 1);
    control | quote | backslash != 0
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
    let mut text = *b"\"00000000-0000-0000-0000-000000000000\"";
    let mut place = 1;
    for (n, byte) in bytes.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            place += 1;
        }
        text[place..place + 2].copy_from_slice(&HEX_PAIRS[usize::from(*byte)]);
        place += 2;
    }
    out.extend_from_slice(&text);
}

/// Fills `text`, of an even length, with a number's last digits, zeros in front.
fn digits(text: &mut [u8], number: i64) {
    let mut rest = number as u32;
    for pair in text.rchunks_exact_mut(2) {
        pair.copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
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
        for value in [
            0,
            1,
            -1,
            9,
            10,
            42,
            99,
            100,
            -100,
            12_345,
            i64::MAX,
            i64::MIN,
        ] {
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
            "seven \"",
            "eight \u{7f}\u{1f}",
            "\u{ff}\u{80} \u{20}\u{21}\u{23}\u{5b}\u{5d}",
        ] {
            let json = written(|out| string(out, text.as_bytes()));
            assert_eq!(
                serde_json::from_str::<String>(&json).expect("valid JSON"),
                text
            );
        }
    }

    #[test]
    fn a_word_is_checked_as_its_bytes_are() {
        for byte in 0..=u8::MAX {
            for place in 0..WORD {
                for around in [b' ', 0x7f, 0x80, 0xff] {
                    let mut bytes = [around; WORD];
                    bytes[place] = byte;
                    let word = u64::from_ne_bytes(bytes);
                    assert_eq!(any_special(word), special(byte), "{byte} among {around}");
                }
            }
        }
    }

    #[test]
    fn bytes_are_written_in_hexadecimal() {
        let bytes: [u8; 16] = std::array::from_fn(|n| (n * 17) as u8);
        assert_eq!(
            written(|out| uuid(out, &bytes)),
            "\"00112233-4455-6677-8899-aabbccddeeff\""
        );
        assert_eq!(written(|out| hexadecimal(out, &[0, 0xa1])), "\"\\\\x00a1\"");
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
