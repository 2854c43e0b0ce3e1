//! Arbitrary bytes in place of a record: reading them never panics, and what they are read as is written and read again as
//! the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_backstop_fuzz::record::json::{self, Kind};
use pg_backstop_fuzz::record::restore::shortcut;
use pg_backstop_fuzz::record::{numeric, text};

fuzz_target!(|bytes: &[u8]| {
    let _ = json::last_ordinal(bytes, 1);
    if let Ok(all) = json::rows(bytes) {
        for row in 0..all.rows.len() {
            for span in all.of(row) {
                read(bytes, span);
                let mut members = Vec::new();
                if span.kind == Kind::Object && json::members(bytes, *span, &mut members).is_ok() {
                    members
                        .iter()
                        .flat_map(|(name, value)| [name, value])
                        .for_each(|span| read(bytes, span));
                }
            }
        }
    }
    values(bytes);
    let mut out = Vec::new();
    if !numeric::finite(&mut out, bytes) {
        assert!(out.is_empty());
    }
});

fn read(bytes: &[u8], span: &json::Span) {
    let _ = span.raw(bytes);
    let mut value = Vec::new();
    match span.kind {
        Kind::Escaped if json::unescape(span.bytes(bytes), &mut value).is_ok() => values(&value),
        Kind::Plain | Kind::Number => values(span.bytes(bytes)),
        _ => {}
    }
}

/// Every reading of a value's text that makes sense is stable.
fn values(bytes: &[u8]) {
    if let Some(value) = shortcut::integer(bytes) {
        stable(value, |out| text::integer(out, value), shortcut::integer);
    }
    if let Some(value) = shortcut::uuid(bytes) {
        stable(value, |out| text::uuid(out, &value), shortcut::uuid);
    }
    if let Some(value) = shortcut::char_byte(bytes) {
        stable(
            value,
            |out| text::char(out, value as u8),
            shortcut::char_byte,
        );
    }
    if let Some(value) = shortcut::hexadecimal(bytes) {
        let again = value.clone();
        stable(
            value,
            |out| text::hexadecimal(out, &again),
            shortcut::hexadecimal,
        );
    }
    if let Some(value) = shortcut::date(bytes) {
        stable(
            value,
            |out| assert!(text::date(out, value), "{value}"),
            shortcut::date,
        );
    }
    if let Some(value) = shortcut::timestamp(bytes) {
        let write = |out: &mut Vec<u8>| assert!(text::timestamp(out, value, b"+00"), "{value}");
        stable(value, write, shortcut::timestamp);
    }
}

fn stable<T: PartialEq + std::fmt::Debug>(
    value: T,
    write: impl FnOnce(&mut Vec<u8>),
    read: impl FnOnce(&[u8]) -> Option<T>,
) {
    let mut chunk = b"[[1,".to_vec();
    write(&mut chunk);
    chunk.extend_from_slice(b"]]");
    let all = json::rows(&chunk).expect("what is written is well formed");
    let span = all.of(0)[0];
    let mut plain = Vec::new();
    match span.kind {
        Kind::Escaped => json::unescape(span.bytes(&chunk), &mut plain).expect("well formed"),
        _ => plain.extend_from_slice(span.bytes(&chunk)),
    }
    // Nineteen digits are left to PostgreSQL's input function; no shorter text was read as that many.
    assert_eq!(
        read(&plain),
        Some(value),
        "{}",
        String::from_utf8_lossy(&plain)
    );
}
