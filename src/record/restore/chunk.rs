//! A statement's rows in the record: chunks, and what undoing them means.

use crate::record::json::Rows;
use pgrx::pg_sys::Oid;
use std::cell::Cell;
use std::rc::Rc;

/// What undoing an operation means for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The row was removed, by whatever means.
    Removed,
    /// Some of its columns were overwritten.
    Updated,
    /// It was put back, by a restore.
    Inserted,
    /// A column was dropped, or its values converted.
    Column,
}

impl Change {
    pub fn of(operation: &str) -> Option<Change> {
        Some(match operation {
            "DELETE" | "TRUNCATE" | "DROP TABLE" => Change::Removed,
            "UPDATE" => Change::Updated,
            "INSERT" => Change::Inserted,
            "DROP COLUMN" | "ALTER COLUMN TYPE" => Change::Column,
            _ => return None,
        })
    }
}

/// What the rows of a chunk have in common.
#[derive(Debug)]
pub struct Chunk {
    /// Its place in the order of changes.
    pub id: i64,
    pub relation: String,
    pub relid: Oid,
    pub operation: String,
    pub key_count: usize,
    pub columns: Rc<[String]>,
    pub rows: i64,
    /// The ordinal of the row to begin with.
    pub(super) ordinal: i64,
    pub(super) place: Place,
    pub(super) open: Option<Open>,
}

/// Where a chunk's images are.
#[derive(Debug)]
pub(super) enum Place {
    /// In the statement's own row.
    Statement(Vec<u8>),
    Chunk(i64),
}

/// A chunk whose rows are being undone.
#[derive(Debug)]
pub struct Open {
    pub text: Vec<u8>,
    /// The images as they are stored, if compressed: a varlena.
    pub packed: Option<Vec<u8>>,
    pub rows: Rows,
    /// How many of its first rows are back as they were recorded, in which leaf, without being recorded yet; `None` when
    /// its rows are recorded one by one (see `copy`).
    pub standing: Cell<Option<(usize, usize)>>,
    /// Rows that are done.
    pub(super) done: usize,
}

impl Open {
    /// The text of row `n` behind its ordinal: `,value,...]`.
    pub fn body(&self, n: usize) -> &[u8] {
        let (start, end) = self.rows.rows[n].body;
        &self.text[start as usize..end as usize]
    }
}

impl Chunk {
    /// The chunk's images, once one of its rows has been taken.
    pub fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }
}
