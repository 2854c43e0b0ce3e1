//! Foreign keys after a restore.
//!
//! Triggers don't fire, so nothing has checked them yet. When all rows are back, two questions are asked of those that
//! were touched and of no others: does every restored row find the rows it references (which are locked against going
//! away, as the foreign key's own trigger does), and is no key that went away still referenced.

mod incoming;
mod making;
mod outgoing;
mod side;
mod values;

pub use incoming::{Incoming, check_incoming};
pub use making::{make, make_before_attaching};
use outgoing::check_outgoing;
pub(super) use side::owners;

use super::engine::Engine;
use super::keys::{ForeignKey, OUTGOING, keys};
use crate::pg::catalog;
use crate::pg::encoding;
use crate::pg::newest;
use crate::report::{Outcome, Report};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;

/// Runs a query; the number of rows.
fn ask(sql: &str, arguments: &[DatumWithOid]) -> usize {
    Spi::connect_mut(|client| {
        let rows = client.update(&encoding::c_string(sql), None, arguments)?;
        Ok::<_, pgrx::spi::Error>(rows.len())
    })
    .unwrap_or_else(|error| pgrx::error!("{error}"))
}

/// Runs a query whose only row is two counts. `newest`: by the newest snapshot, whatever the transaction's is.
fn counts(sql: &str, arguments: &[DatumWithOid], newest: bool) -> [i64; 2] {
    if newest {
        let rows = newest::select(sql, arguments, |row| Ok(row.get(1)?.zip(row.get(2)?)));
        return rows.first().map_or([0, 0], |(a, b)| [*a, *b]);
    }
    Spi::connect_mut(|client| {
        let rows = client.update(&encoding::c_string(sql), None, arguments)?;
        let (a, b) = rows.first().get_two::<i64, i64>()?;
        Ok::<_, pgrx::spi::Error>([a, b].map(Option::unwrap_or_default))
    })
    .unwrap_or_else(|error| pgrx::error!("{error}"))
}

impl Engine {
    /// Checks the foreign keys of all that was touched.
    ///
    /// # Safety
    /// When all rows are back, outside the per-row memory context.
    pub(super) unsafe fn check_foreign_keys(&mut self) -> Outcome<()> {
        self.dirty = true;
        self.make_visible();
        for target in &mut self.targets {
            for leaf in &mut target.leaves {
                if leaf.inserted.is_empty() && leaf.updated.is_empty() {
                    continue;
                }
                for key in keys(OUTGOING, leaf.relid) {
                    check_outgoing(leaf, &key, self.xid)?;
                }
            }
            for reference in target
                .leaves
                .iter_mut()
                .flat_map(|leaf| leaf.incoming.iter_mut().flatten())
            {
                check_incoming(reference)?;
            }
        }
        Ok(())
    }
}

fn violated(
    key: &ForeignKey,
    columns: &[String],
    value: &str,
    how: &str,
    other: &str,
) -> Box<Report> {
    let table = catalog::relation_name(key.child);
    let name = catalog::display_name(key.child);
    let gone = how.contains("referenced");
    let mut report = Report::new(
        "23503",
        format!(
            "restoring would violate foreign key constraint \"{}\" of table \"{name}\"",
            key.name
        ),
    )
    .detail(format!(
        "Key ({})=({value}) {how} table \"{}\".",
        columns.join(", "),
        other.trim_start_matches("ONLY ")
    ))
    .hint(if gone {
        "Remove or repoint the rows that reference it, or leave the relation out."
    } else {
        "Restore what destroyed the missing rows first, or more of this statement's relations."
    });
    if let Some((schema, table)) = table {
        report.schema = Some(schema);
        report.table = Some(table);
    }
    report
}
