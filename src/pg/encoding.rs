//! PostgreSQL's text in Rust and back, in a database of any encoding, without a byte lost.
//!
//! PostgreSQL's strings are in the database's encoding, Rust's are UTF-8. Nothing here needs to know what a character
//! means, only that a name read from a catalog finds its way back into one, and into the record. So text is not
//! converted: in a database of another encoding than UTF-8, bytes that are not valid UTF-8 stand as characters of their
//! own, from the end of the last private use plane, and so do the bytes of such characters themselves.

use crate::pg::memory;
use pgrx::pg_sys;
use std::borrow::Cow;
use std::ffi::{CStr, CString};

/// A byte stands as this character plus its value.
const BYTES: u32 = 0x10_ff00;

/// The byte that a character stands for.
fn stands_for(character: char) -> Option<u8> {
    u32::from(character)
        .checked_sub(BYTES)
        .filter(|byte| (0x80..0x100).contains(byte))
        .map(|byte| byte as u8)
}

fn is_utf8() -> bool {
    // SAFETY: reads a variable of the backend's.
    unsafe { pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as i32 }
}

/// The database's bytes as Rust's text.
pub fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() || is_utf8() => {
            let mut copy = String::new();
            memory::room_in(&mut copy, text.len());
            copy.push_str(text);
            copy
        }
        _ => decode_any(bytes),
    }
}

fn decode_any(bytes: &[u8]) -> String {
    let mut text = String::new();
    memory::room_in(&mut text, bytes.len());
    let byte = |text: &mut String, byte: u8| {
        text.push(char::from_u32(BYTES + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER));
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match stands_for(character) {
                Some(_) => {
                    let mut buffer = [0; 4];
                    let encoded = character.encode_utf8(&mut buffer);
                    encoded.bytes().for_each(|each| byte(&mut text, each));
                }
                None => text.push(character),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|each| byte(&mut text, *each));
    }
    text
}

/// Rust's text as the database's bytes: what `decode` was given.
pub fn encode(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() || is_utf8() {
        return Cow::Borrowed(text.as_bytes());
    }
    Cow::Owned(encode_any(text))
}

fn encode_any(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    memory::make_room(&mut bytes, text.len());
    for character in text.chars() {
        match stands_for(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// A C string's text.
pub fn decoded(text: &CStr) -> String {
    decode(text.to_bytes())
}

/// A C string for PostgreSQL; a NUL inside (impossible in PostgreSQL's text) ends it.
pub fn c_string(text: &str) -> CString {
    let bytes = encode(text);
    let end = bytes.iter().position(|byte| *byte == 0);
    let end = end.unwrap_or(bytes.len());
    let mut copy = Vec::new();
    memory::make_room(&mut copy, end + 1);
    copy.extend_from_slice(&bytes[..end]);
    CString::new(copy).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [
            &all[..],
            b"plain",
            "čeština 🙂 \u{10ff80}\u{10ffff}".as_bytes(),
            b"\xe9t\xe9 \xc3\xa9 \xf4\x8f\xbe\x80 \xf4\x8f",
        ] {
            assert_eq!(encode_any(&decode_any(bytes)), bytes);
        }
    }

    #[test]
    fn different_bytes_are_different_text() {
        assert_ne!(decode_any(b"\x80"), decode_any("\u{10ff80}".as_bytes()));
    }
}
