//! Datums built by hand for the record's own tables.

use crate::pg::encoding;
use crate::pg::memory::{self, make_room};
use pgrx::pg_sys;

/// A `text` value around `bytes`, in the current memory context.
pub fn text(bytes: &[u8]) -> pg_sys::Datum {
    // SAFETY: cstring_to_text_with_len copies exactly `len` bytes.
    unsafe {
        pg_sys::Datum::from(pg_sys::cstring_to_text_with_len(
            bytes.as_ptr().cast(),
            bytes.len() as i32,
        ))
    }
}

/// A `text` value of Rust's text.
pub fn string(text: &str) -> pg_sys::Datum {
    self::text(&encoding::encode(text))
}

/// A one-dimensional `text[]` (no NULLs) as bytes that can be used as a datum as they are: 8-byte aligned storage is
/// the allocator's, which aligns boxes of this size to 16.
pub fn text_array(items: &[impl AsRef<str>]) -> Box<[u8]> {
    const HEADER: usize = 24;
    let align = |n: usize| n.div_ceil(4) * 4;
    let dimensions = i32::from(!items.is_empty());
    let header = if items.is_empty() { 16 } else { HEADER };
    let mut bytes = vec![0u8; header];
    for item in items {
        let item = encoding::encode(item.as_ref());
        bytes.extend_from_slice(&varlena_header(4 + item.len()));
        bytes.extend_from_slice(&item);
        // The last member is padded like the others: readers step over it by its aligned length.
        bytes.resize(align(bytes.len()), 0);
    }
    // Every element is padded, the last one too (construct_md_array).
    bytes.resize(align(bytes.len()), 0);
    let length = bytes.len();
    bytes[0..4].copy_from_slice(&varlena_header(length));
    bytes[4..8].copy_from_slice(&dimensions.to_ne_bytes());
    bytes[12..16].copy_from_slice(&u32::from(pg_sys::TEXTOID).to_ne_bytes());
    if !items.is_empty() {
        bytes[16..20].copy_from_slice(&(items.len() as i32).to_ne_bytes());
        bytes[20..24].copy_from_slice(&1i32.to_ne_bytes());
    }
    bytes.into_boxed_slice()
}

/// Bytes of a varlena's header.
pub const HEADER: usize = 4;

/// `MaxAllocSize` of utils/memutils.h: no value of PostgreSQL's is longer, header included.
pub const LONGEST: usize = 0x3FFF_FFFF;

/// `bytes` as a varlena.
pub fn varlena(bytes: &[u8]) -> Vec<u8> {
    let mut varlena = Vec::new();
    make_room(&mut varlena, HEADER + bytes.len());
    varlena.extend_from_slice(&varlena_header(HEADER + bytes.len()));
    varlena.extend_from_slice(bytes);
    varlena
}

/// The four-byte varlena header (`SET_VARSIZE`) for a value of `length` bytes, header included.
pub fn varlena_header(length: usize) -> [u8; 4] {
    #[cfg(target_endian = "little")]
    let word = (length as u32) << 2;
    #[cfg(target_endian = "big")]
    let word = length as u32 & 0x3FFF_FFFF;
    word.to_ne_bytes()
}

/// A jsonb value from JSON text.
pub fn jsonb(json: &[u8]) -> pg_sys::Datum {
    let mut text = Vec::new();
    memory::make_room(&mut text, json.len() + 1);
    text.extend_from_slice(json);
    text.push(0);
    // SAFETY: jsonb_in reads a C string; JSON text has no NUL inside.
    unsafe {
        pgrx::direct_function_call_as_datum(
            pg_sys::jsonb_in,
            &[Some(pg_sys::Datum::from(text.as_ptr()))],
        )
        .unwrap_or(pg_sys::Datum::from(0))
    }
}
