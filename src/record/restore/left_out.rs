//! Recorded values that no column takes, because theirs was dropped: a restore puts back the rest of the row, and says so.

use super::chunk::{Change, Chunk};
use super::engine::Engine;
use super::image::Image;
use crate::record::json::Kind;

/// A column whose recorded values are not put back.
pub(super) struct LeftOut {
    target: usize,
    column: String,
    /// The statement that dropped it, where that was noted.
    by: Option<i64>,
}

impl Engine {
    /// Takes note of the columns that the image has values of and its table has not.
    pub(super) fn note_left_out(&mut self, chunk: &Chunk, image: Image) {
        let target = &self.targets[image.target];
        let shape = &target.shapes[image.shape];
        let has_value = |n: usize| match Change::of(&chunk.operation) {
            Some(Change::Removed) => image.spans[n].kind != Kind::Null,
            Some(Change::Updated) => self.members.iter().any(|(member, _)| *member == n),
            _ => false,
        };
        for (n, column) in shape.columns.iter().enumerate() {
            let known = |left: &LeftOut| left.target == image.target && left.column == *column;
            if shape.known[n].is_some() || !has_value(n) || self.left_out.iter().any(known) {
                continue;
            }
            let became = self.names.of_chunk(chunk, target.relid, column);
            self.left_out.push(LeftOut {
                target: image.target,
                column: column.clone(),
                by: became.dropped_by(),
            });
        }
    }

    /// Names the columns whose values the restore has left out.
    pub(super) fn tell_left_out(&self) {
        for LeftOut { target, column, by } in &self.left_out {
            let table = &self.targets[*target].name;
            let way = match by {
                Some(by) => format!(
                    "restore statement {by} first, which dropped it (SELECT * FROM backstop.restore({by}, dry_run => false))"
                ),
                None => "add the column first".to_owned(),
            };
            pgrx::warning!(
                "recorded values of column \"{column}\" are not restored: table \"{table}\" has it no more; to have them, {way}"
            );
        }
    }
}
