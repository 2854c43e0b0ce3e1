//! Foreign keys after a restore.
//!
//! Triggers don't fire, so nothing has checked them yet. When all rows are back, two questions are asked of those that
//! were touched and of no others: does every restored row find the rows it references (which are locked against going
//! away, as the foreign key's own trigger does), and is no key that went away still referenced.

mod incoming;
mod outgoing;

pub use incoming::{Incoming, check_incoming};
use outgoing::check_outgoing;

use super::engine::Engine;
use super::keys::{ForeignKey, OUTGOING, keys};
use super::present::{owner_of, users_casts};
use crate::pg::acting::ActingAs;
use crate::pg::catalog;
use crate::pg::encoding;
use crate::pg::values::RowText;
use crate::report::{Outcome, Report};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};

/// Where keys of two types are compared through a cast that a user wrote, it runs as one of the tables' owners.
fn acting(key: &ForeignKey) -> Option<ActingAs> {
    let parent = key.parent_name.trim_start_matches("ONLY ");
    let owners = [catalog::display_name(key.child).as_str(), parent].map(owner_of);
    // SAFETY: a syscache look-up.
    let is_superuser = |owner: &Oid| unsafe { pg_sys::superuser_arg(*owner) };
    let owner = owners
        .into_iter()
        .flatten()
        .find(|owner| !is_superuser(owner));
    owner.map(ActingAs::restricted)
}

/// Runs a query; the number of rows, and the first row's text.
fn ask(sql: &str, arguments: &[DatumWithOid]) -> (usize, Option<String>) {
    Spi::connect_mut(|client| {
        let rows = client.update(&encoding::c_string(sql), None, arguments)?;
        let count = rows.len();
        let text = if count > 0 {
            rows.first().text(1)?
        } else {
            None
        };
        Ok::<_, pgrx::spi::Error>((count, text))
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
        let casts = users_casts();
        for target in &mut self.targets {
            for leaf in &mut target.leaves {
                if leaf.inserted.is_empty() && leaf.updated.is_empty() {
                    continue;
                }
                for key in keys(OUTGOING, leaf.relid) {
                    let _acting = casts.then(|| acting(&key)).flatten();
                    check_outgoing(leaf, &key, self.xid)?;
                }
            }
            for reference in target
                .leaves
                .iter_mut()
                .flat_map(|leaf| leaf.incoming.iter_mut().flatten())
            {
                let _acting = casts.then(|| acting(&reference.key)).flatten();
                // SAFETY: the arrays were built by `remember`.
                unsafe { check_incoming(reference)? };
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
