//! What the record's JSON looks like, value by value. Pure: no datum and no unsafe code reaches this file, so it can be
//! fuzzed without a server (`pgrx-tests/fuzz`).

mod time;

#[cfg(test)]
mod tests;

pub use time::{date, timestamp};

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
