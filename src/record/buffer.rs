//! Captured rows that are not written yet.

use super::format::RowFormat;
use crate::model::Operation;
use std::rc::Rc;

/// A chunk is written when it holds this many bytes: large enough for lz4 to find the repetition between rows, small
/// enough to stay out of the way of the statement's own memory.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// The rows of one relation, destroyed by one operation for one cause, as the elements of a JSON array.
pub struct Buffer {
    pub format: Rc<RowFormat>,
    pub operation: Operation,
    pub cause: Option<Rc<str>>,
    pub rows: i32,
    pub bytes: Vec<u8>,
}

impl Buffer {
    pub fn new(format: Rc<RowFormat>, operation: Operation, cause: Option<Rc<str>>) -> Buffer {
        Buffer {
            format,
            operation,
            cause,
            rows: 0,
            bytes: Vec::new(),
        }
    }

    /// Whether `other`'s rows can stand behind this buffer's in one chunk.
    pub fn continues(&self, other: &Buffer) -> bool {
        Rc::ptr_eq(&self.format, &other.format)
            && self.operation == other.operation
            && self.cause == other.cause
    }

    /// Adds one encoded row, `,value,...]`, behind its ordinal.
    pub fn push_numbered(&mut self, ordinal: i64, row: &[u8]) {
        self.bytes.push(if self.rows == 0 { b'[' } else { b',' });
        self.bytes.push(b'[');
        super::encode::integer(&mut self.bytes, ordinal);
        self.bytes.extend_from_slice(row);
        self.rows += 1;
    }

    /// Adds the rows of a committed subtransaction's buffer.
    pub fn append(&mut self, other: Buffer) {
        if self.rows == 0 {
            self.bytes = other.bytes;
        } else if other.rows > 0 {
            self.bytes.push(b',');
            self.bytes.extend_from_slice(&other.bytes[1..]);
        }
        self.rows += other.rows;
    }

    /// Takes the rows out as a finished JSON array, with their number.
    pub fn take(&mut self) -> (i32, Vec<u8>) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.push(b']');
        (std::mem::take(&mut self.rows), bytes)
    }
}
