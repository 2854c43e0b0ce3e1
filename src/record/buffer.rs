//! Captured rows that are not written yet.

use super::datum::{HEADER, LONGEST};
use super::format::RowFormat;
use super::json::rows;
use super::pack;
use crate::model::Operation;
use crate::pg::memory::{append, make_room};
use std::rc::Rc;

/// The rows of one relation, destroyed by one operation for one cause, as the elements of a JSON array.
pub struct Buffer {
    pub format: Rc<RowFormat>,
    pub operation: Operation,
    pub cause: Option<Rc<str>>,
    pub rows: i32,
    /// The first row's ordinal.
    pub first_ordinal: i64,
    /// A varlena in the making: room for its header, then the array without its last bracket.
    pub bytes: Vec<u8>,
    /// In a preview: 16 bytes for each row.
    pub fingerprints: Vec<u8>,
    /// The bytes of a chunk, after what the last one was compressed to.
    length: usize,
    /// Its rows are in the table too, written in an inner subtransaction of this level: they stay here until that is a
    /// part of the buffer's own level, because what aborts it takes the chunk along and leaves the damage.
    pub written: Option<i32>,
}

impl Buffer {
    pub fn new(format: Rc<RowFormat>, operation: Operation, cause: Option<Rc<str>>) -> Buffer {
        Buffer {
            format,
            operation,
            cause,
            rows: 0,
            first_ordinal: 0,
            bytes: Vec::new(),
            fingerprints: Vec::new(),
            length: pack::CHUNK_BYTES,
            written: None,
        }
    }

    /// Whether it holds rows of this relation, destroyed by this operation for this cause.
    pub fn takes(
        &self,
        format: &Rc<RowFormat>,
        operation: Operation,
        cause: Option<&Rc<str>>,
    ) -> bool {
        Rc::ptr_eq(&self.format, format)
            && self.operation == operation
            && self.cause.as_ref() == cause
    }

    /// Whether `other` holds rows of the same kind.
    pub fn is_like(&self, other: &Buffer) -> bool {
        self.takes(&other.format, other.operation, other.cause.as_ref())
    }

    /// Whether it has room for `other`'s rows: chunks stay short, however many subtransactions their rows come from.
    pub fn has_room_for(&self, other: &Buffer) -> bool {
        self.rows == 0 || self.bytes.len() + other.bytes.len() <= self.length
    }

    /// Whether it holds rows that are nowhere else.
    pub fn waits(&self) -> bool {
        self.rows > 0 && self.written.is_none()
    }

    /// Whether it has no room for another row like those it holds.
    pub fn is_full(&self) -> bool {
        let length = self.bytes.len();
        length >= self.length / 2 && length + length / self.rows.max(1) as usize >= self.length
    }

    /// Adds one encoded row, `,value,...]`, behind its number: its ordinal less the rows before it in the chunk, which
    /// is the same number for all rows of most chunks.
    pub fn push(&mut self, ordinal: i64, row: &[u8]) {
        if self.bytes.len().saturating_add(row.len() + 40) > LONGEST {
            self.refuse_row();
        }
        // Headers, brackets, commas and the ordinal, and the array's last bracket.
        make_room(&mut self.bytes, row.len() + 40);
        if self.rows == 0 {
            self.first_ordinal = ordinal;
            self.bytes.clear();
            self.bytes.extend_from_slice(&[0; HEADER]);
            self.bytes.push(b'[');
        } else {
            self.bytes.push(b',');
        }
        self.bytes.push(b'[');
        super::text::integer(&mut self.bytes, ordinal - i64::from(self.rows));
        self.bytes.extend_from_slice(row);
        self.rows += 1;
    }

    /// A row that no value can hold could not be read back: it is not destroyed.
    #[cold]
    fn refuse_row(&self) {
        pgrx::ereport!(
            ERROR,
            pgrx::PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!(
                "a row of relation \"{}\" is too large for the record",
                self.format.relation
            ),
            "Its values are longer than 1 GB together, as the record writes them. Nothing was changed."
        );
    }

    /// Adds the rows of a committed subtransaction's buffer.
    pub fn absorb(&mut self, mut other: Buffer) {
        if other.rows == 0 {
            // They are written.
            return;
        }
        append(&mut self.fingerprints, &other.fingerprints);
        if self.rows == 0 {
            (self.bytes, self.rows) = (other.bytes, other.rows);
            self.first_ordinal = other.first_ordinal;
            return;
        }
        let (_, images) = other.take();
        let text = &images[HEADER..];
        let Ok(read) = rows(text) else {
            pgrx::error!(
                "pg_backstop cannot read the rows of relation \"{}\" it has captured",
                self.format.relation
            )
        };
        for row in read.rows {
            let (start, end) = row.body;
            self.push(row.ordinal, &text[start as usize..end as usize]);
        }
    }

    /// Takes the rows out, with their number: a JSON array as a varlena that can be used as a datum as it is.
    pub fn take(&mut self) -> (i32, Vec<u8>) {
        let mut bytes = std::mem::take(&mut self.bytes);
        append(&mut bytes, b"]");
        let length = bytes.len();
        bytes[..HEADER].copy_from_slice(&super::datum::varlena_header(length));
        (std::mem::take(&mut self.rows), bytes)
    }

    /// The rows, which stay, as `take` gives them.
    pub fn copy(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        make_room(&mut bytes, self.bytes.len() + 1);
        bytes.extend_from_slice(&self.bytes);
        bytes.push(b']');
        let length = bytes.len();
        bytes[..HEADER].copy_from_slice(&super::datum::varlena_header(length));
        bytes
    }

    /// Gives back the memory of rows that are written, for the next ones; `packed` is what they were compressed to.
    pub fn reuse(&mut self, mut bytes: Vec<u8>, packed: Option<usize>) {
        if let Some(packed) = packed {
            self.length = pack::next_length(bytes.len(), packed);
        }
        if self.rows == 0 {
            bytes.clear();
            self.bytes = bytes;
        }
    }
}
