//! Images of before a change of a column's type have other values than that made of them: they are no values of the column any
//! more, even where its type can read them.

use super::What;
use super::chunk::{Change, Chunk};
use super::engine::Engine;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::Oid;

impl Engine {
    /// The statements that have made something else of the chunk's columns, by column. Going back to a moment undoes them first,
    /// and a drill asks whether the record can be read.
    pub(super) fn converted_since(&self, chunk: &Chunk, relid: Oid) -> Vec<Option<i64>> {
        let of_columns = Change::of(&chunk.operation) == Some(Change::Column);
        match self.request.what {
            What::Statement(id) if !of_columns && !self.request.drill => {
                self.names.converted(chunk, relid, id)
            }
            _ => vec![None; chunk.columns.len()],
        }
    }

    /// Refuses a row's values that are no values of their columns any more. An UPDATE's are those of what it changed, and of the
    /// key.
    pub(super) fn check_converted(
        &self,
        chunk: &Chunk,
        (target, shape): (usize, usize),
    ) -> Outcome<()> {
        let target = &self.targets[target];
        let shape = &target.shapes[shape];
        let some_only = chunk.operation == "UPDATE" && shape.key_count > 0 && !self.overwrites();
        let concerns = |n: usize| {
            let known = shape.known[n].as_ref();
            known.is_some_and(|known| !known.generated)
                && (!some_only
                    || n < shape.key_count
                    || self.members.iter().any(|(member, _)| *member == n))
        };
        let mut columns = shape.converted.iter().enumerate();
        let found = columns.find_map(|(n, by)| by.filter(|_| concerns(n)).map(|by| (n, by)));
        let Some((n, by)) = found else {
            return Ok(());
        };
        let column = shape.names[n].as_ref().unwrap_or(&shape.columns[n]);
        Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!(
                "cannot restore rows of table \"{}\": column \"{column}\" was converted since",
                target.name
            ),
        )
        .detail(format!(
            "Statement {by} changed its type and what its values are; the recorded ones are those of before."
        ))
        .hint(format!(
            "Restore statement {by} first (SELECT * FROM backstop.restore({by}, dry_run => false)), or go back over both with \
             backstop.restore_since()."
        )))
    }
}
