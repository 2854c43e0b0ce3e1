//! A recorded row on its way back, and what became of it.

use super::chunk::Open;
use crate::record::json::Span;

/// One recorded row.
#[derive(Clone, Copy)]
pub(super) struct Image<'a> {
    pub open: &'a Open,
    /// Its chunk's id.
    pub chunk: i64,
    /// Its place in its chunk.
    pub n: usize,
    pub text: &'a [u8],
    /// Its columns; an UPDATE's changed columns are in the engine's `members`.
    pub spans: &'a [Span],
    pub target: usize,
    pub shape: usize,
    pub count: usize,
}

impl Image<'_> {
    /// `,value,...]`
    pub(super) fn body(&self) -> &[u8] {
        self.open.body(self.n)
    }
}

/// What happened to the images of one relation and operation.
#[derive(Clone, Debug, Default)]
pub struct Count {
    pub relation: String,
    pub operation: String,
    pub captured: i64,
    pub restored: i64,
    pub unchanged: i64,
    pub conflicts: i64,
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Restored,
    Unchanged,
    Conflict,
    /// A conflict that was overwritten.
    Overwritten,
}

/// A row that was not set back, and the images that say so.
pub(super) struct Settled {
    pub fate: Fate,
    /// (count, images)
    pub images: Vec<(usize, i64)>,
    /// Its place in `conflicts`.
    pub conflict: Option<usize>,
    /// In a conflict: its columns that are not as they were before the images, by their places in the target.
    pub unlike: Vec<usize>,
    /// What the last image says the statement left, when conflicts are asked for in full.
    pub left_as: Option<Vec<u8>>,
}

/// A conflict in JSON, for people.
#[derive(Default)]
pub struct Conflict {
    pub relation: String,
    pub key: Option<Vec<u8>>,
    pub old_row: Option<Vec<u8>>,
    pub left_as: Option<Vec<u8>>,
    pub current_row: Option<Vec<u8>>,
    /// An earlier restore put the row back, and nothing tells it from others.
    pub back_before: bool,
    /// The row belongs into a partition that is gone.
    pub nowhere: bool,
}
