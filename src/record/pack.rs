//! Compressing chunks: as TOAST would, but early enough to learn from it how long the next chunk should be.
//!
//! TOAST stores a value in pieces of 1996 bytes, four to a page. The last piece of a chunk is half empty on average, and
//! leaves as much of its page unused: one twentieth of the record, unless chunks end where a piece does.

use crate::pg::{compat, raw};
use crate::record::tables;
use pgrx::pg_sys::{self, Datum};
use std::ffi::{CStr, c_char};

/// A chunk is written when one more row would make it longer than this. lz4 looks for repetition within 64 kB, and looks
/// more closely where all of its input is that small; a row that is longer than the others still fits.
pub const CHUNK_BYTES: usize = 64 * 1024 - 256;

/// `TOAST_MAX_CHUNK_SIZE` of access/heaptoast.h: what a quarter of a page holds besides the headers of page, line and
/// tuple, and the piece's own OID, number and length.
pub const PIECE: usize = (((pg_sys::BLCKSZ as usize - 40) / 4) & !7) - 24 - 12;

/// Chunks of fewer pieces than this are as long as they can be: shorter ones would be many more.
const FEWEST_PIECES: usize = 4;

/// How a column of one of the record's tables (from 0) is compressed.
pub fn method(table: &CStr, column: usize) -> c_char {
    // SAFETY: our own table, which has the column.
    unsafe {
        let lock = pg_sys::AccessShareLock as i32;
        let relation = pg_sys::table_open(tables::own_relation(table), lock);
        let method = compat::attribute((*relation).rd_att, column).attcompression;
        pg_sys::table_close(relation, lock);
        if method == 0 {
            raw::default_compression()
        } else {
            method
        }
    }
}

/// `images`, a varlena with its header, compressed in the current memory context; `None` when that does not pay.
pub fn packed(images: &[u8], method: c_char) -> Option<Datum> {
    let plain = Datum::from(images.as_ptr());
    // SAFETY: the caller's varlena, which is not compressed.
    let packed = unsafe {
        pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| raw::toast_compress_datum(plain, method))
    };
    (!packed.is_null()).then_some(packed)
}

/// The bytes of a packed chunk.
pub fn size(packed: Datum) -> usize {
    // SAFETY: what `packed` returned.
    unsafe { pgrx::varsize_any(packed.cast_mut_ptr::<pg_sys::varlena>()) }
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

    #[test]
    fn chunks_fill_their_pieces() {
        assert_eq!(PIECE, 1996, "as PostgreSQL says of its usual page");
        for packed in [9_000, 15_000, 22_400, 40_000, 60_000] {
            let plain = 61_000;
            let length = next_length(plain, packed);
            assert!(
                length <= CHUNK_BYTES && length > CHUNK_BYTES * 3 / 4,
                "{length}"
            );
            let filled = (length * packed) as f64 / (plain * PIECE) as f64;
            assert!(filled.fract() > 0.8, "{packed}: {filled}");
        }
    }

    #[test]
    fn chunks_of_few_pieces_are_as_long_as_they_can_be() {
        for packed in [1, 1_000, 7_000] {
            assert_eq!(next_length(61_000, packed), CHUNK_BYTES);
        }
        assert_eq!(next_length(0, 0), CHUNK_BYTES);
    }
}
