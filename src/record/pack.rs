//! Compressing chunks: zstd frames, made here rather than by TOAST.
//!
//! PostgreSQL's own methods find repetition and no more: numbers, names and hexadecimal digits stay as long as they are. zstd
//! writes them with as many bits as they need, in the same time, and needs nothing that a server may have been built without.
//!
//! What one chunk was compressed to tells how long the next should be: TOAST stores a value in pieces of 1996 bytes, four to
//! a page. The last piece of a chunk is half empty on average, and leaves as much of its page unused: one twentieth of the
//! record, unless chunks end where a piece does.

use crate::pg::memory::{make_room, no_room};
use crate::record::datum::{HEADER, LONGEST, varlena_header};
use pgrx::pg_sys;
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Cursor;
use zstd_safe::{CCtx, CParameter, DCtx, ParamSwitch};

/// A chunk is written when one more row would make it longer than this: one block of zstd's. A restore holds a whole chunk of
/// each table; twice the length saves a twenty-fifth of the disk.
pub const CHUNK_BYTES: usize = 128 * 1024 - 256;

/// `TOAST_MAX_CHUNK_SIZE` of access/heaptoast.h: what a quarter of a page holds besides the headers of page, line and
/// tuple, and the piece's own OID, number and length.
pub const PIECE: usize = (((pg_sys::BLCKSZ as usize - 40) / 4) & !7) - 24 - 12;

/// Images in a statement's own row are compressed from here on: what is longer would be stored out of line with PIECE bytes of
/// everything else in the row.
pub const IN_ROW: usize = PIECE / 2;

/// Chunks of fewer pieces than this are as long as they can be: shorter ones would be many more.
const FEWEST_PIECES: usize = 4;

/// Chunks are compressed while the rows' locks are held: the quickest level, and quicker than it comes. Only matches of seven
/// bytes count, and what did not match is searched in steps of three, which rows of a table bear: what repeats in them is
/// longer. The codes for single characters, which higher steps go without by themselves, are what digits need. Against level 1
/// as it is: a sixth less time for the same disk.
const PARAMETERS: [CParameter; 6] = [
    CParameter::CompressionLevel(1),
    CParameter::MinMatch(7),
    CParameter::TargetLength(3),
    CParameter::LiteralCompressionMode(ParamSwitch::Enable),
    CParameter::HashLog(14),
    // What was damaged on disk is not put back.
    CParameter::ChecksumFlag(true),
];

/// Compressors larger than this are not kept: they were made for a row of many megabytes.
const KEPT: usize = 1 << 20;

/// About what a decompressor takes.
const DECOMPRESSOR_BYTES: usize = 96 * 1024;

thread_local! {
    static COMPRESSOR: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// A stored value is neither what was packed nor what was left as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Damaged;

/// `images`, a varlena with its header of more than `at_least` bytes, as a varlena that holds a zstd frame; `None` when that
/// does not pay, or there is no memory for a compressor.
pub fn packed(images: &[u8], at_least: usize) -> Option<Vec<u8>> {
    if images.len() <= at_least {
        return None;
    }
    let plain = &images[HEADER..];
    let mut frame = Vec::new();
    // A frame that is as long as what it holds is not made.
    make_room(&mut frame, images.len());
    frame.extend_from_slice(&[0; HEADER]);
    let mut frame = Cursor::new(frame);
    frame.set_position(HEADER as u64);
    COMPRESSOR.with_borrow_mut(|compressor| {
        if compressor.is_none() {
            *compressor = Some(compressor_of_ours()?);
        }
        let done = compressor.as_mut()?.compress2(&mut frame, plain);
        if compressor.as_ref().is_some_and(|made| made.sizeof() > KEPT) {
            *compressor = None;
        }
        done.ok()
    })?;
    let mut frame = frame.into_inner();
    let length = frame.len();
    frame[..HEADER].copy_from_slice(&varlena_header(length));
    (length < images.len()).then_some(frame)
}

fn compressor_of_ours() -> Option<CCtx<'static>> {
    let mut new = CCtx::try_create()?;
    for parameter in PARAMETERS {
        new.set_parameter(parameter).ok()?;
    }
    Some(new)
}

/// Whether stored images, without their header, are a zstd frame; else they are the JSON array itself.
pub fn is_packed(stored: &[u8]) -> bool {
    stored.starts_with(&zstd_safe::MAGICNUMBER.to_le_bytes())
}

/// The JSON array that was stored.
///
/// # Errors
/// When the frame is damaged.
pub fn unpacked(stored: &[u8]) -> Result<Cow<'_, [u8]>, Damaged> {
    if !is_packed(stored) {
        return Ok(Cow::Borrowed(stored));
    }
    let length = zstd_safe::get_frame_content_size(stored)
        .ok()
        .flatten()
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| *length <= LONGEST)
        .ok_or(Damaged)?;
    let mut plain = Vec::new();
    make_room(&mut plain, length);
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        if decompressor.is_none() {
            *decompressor = DCtx::try_create();
        }
        if decompressor.is_none() {
            no_room(DECOMPRESSOR_BYTES);
        }
        let decompressor = decompressor.as_mut().ok_or(Damaged)?;
        let done = decompressor.decompress(&mut plain, stored);
        done.map_err(|_| Damaged)
    })?;
    match plain.len() == length {
        true => Ok(Cow::Owned(plain)),
        false => Err(Damaged),
    }
}

/// How long the next chunk should be after one of `plain` bytes that was packed into `packed`: so long that it fills its
/// pieces, if it is like this one.
pub fn next_length(plain: usize, packed: usize) -> usize {
    let pieces = CHUNK_BYTES * packed / plain.max(1) / PIECE;
    if pieces < FEWEST_PIECES {
        return CHUNK_BYTES;
    }
    // No two chunks are quite alike: one that needs a few bytes of another piece is worse than one that leaves some.
    let wanted = pieces * PIECE * 995 / 1000;
    (wanted * plain / packed.max(1)).min(CHUNK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::datum::varlena;

    #[test]
    fn what_was_packed_is_unpacked() {
        for rows in [100, 2_000, 50_000] {
            let text: Vec<u8> = (0..rows)
                .flat_map(|n| format!("[{n},\"{:x}\"],", n * 2_654_435_761_u64).into_bytes())
                .collect();
            let images = varlena(&text);
            let Some(packed) = packed(&images, PIECE) else {
                assert!(images.len() <= PIECE);
                continue;
            };
            assert!(packed.len() < images.len() * 3 / 4);
            assert_eq!(packed[..HEADER], varlena_header(packed.len()));
            assert!(is_packed(&packed[HEADER..]));
            assert_eq!(unpacked(&packed[HEADER..]).as_deref(), Ok(&*text));
            for damaged in [
                &packed[HEADER..packed.len() - 1],
                &packed[HEADER..HEADER + 5],
                &[&packed[HEADER..HEADER + 20], &[0xff; 40][..]].concat(),
            ] {
                assert_eq!(unpacked(damaged), Err(Damaged));
            }
        }
    }

    #[test]
    fn what_does_not_pay_is_left_as_it_is() {
        let mut state = 1_u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        let text: Vec<u8> = std::iter::once(b'[')
            .chain((0..60_000).map(|_| noise()))
            .collect();
        assert_eq!(packed(&varlena(&text), PIECE), None);
        assert_eq!(packed(&varlena(b"[[1,1]]"), PIECE), None);
        assert_eq!(unpacked(&text).as_deref(), Ok(&*text));
    }

    #[test]
    fn chunks_fill_their_pieces() {
        assert_eq!(PIECE, 1996, "as PostgreSQL says of its usual page");
        for packed in [18_000, 30_000, 44_800, 80_000, 120_000] {
            let plain = 122_000;
            let length = next_length(plain, packed);
            assert!(
                length <= CHUNK_BYTES && length > CHUNK_BYTES * 3 / 4,
                "{length}"
            );
            let filled = (length * packed) as f64 / (plain * PIECE) as f64;
            assert!(filled.fract() > 0.6, "{packed}: {filled}");
        }
    }

    #[test]
    fn chunks_of_few_pieces_are_as_long_as_they_can_be() {
        for packed in [1, 1_000, 7_000] {
            assert_eq!(next_length(122_000, packed), CHUNK_BYTES);
        }
        assert_eq!(next_length(0, 0), CHUNK_BYTES);
    }
}
