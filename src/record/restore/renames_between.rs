//! A statement that renamed tables or columns between its changes of columns: what it did can be followed where all of it was
//! conversion, in tables whose rows are told by a key that kept its names.

use super::present::pairs;
use super::rebuild::Rebuild;
use super::stages::{Rows, columns_then};
use super::step::Step;
use crate::report::{Outcome, Report, sqlstate};

impl Rebuild {
    /// Whether the statement renamed tables or columns between its changes of columns.
    ///
    /// # Errors
    /// Where its commands cannot tell what they meant any more.
    pub(super) fn renames_between(&self) -> Outcome<bool> {
        let mut renames = false;
        for (n, then) in self.identities.iter().enumerate() {
            let others = self.identities[..n].iter();
            for other in others.filter(|other| is_other_name(other, then)) {
                let changed = |step: &&Step| {
                    matches!(step.kind.as_str(), "column type" | "column")
                        && [&other.object, &then.object].contains(&&step.object)
                };
                let steps: Vec<&Step> = self.steps.iter().filter(changed).collect();
                let Some(first) = steps.first() else { continue };
                if other.object != then.object {
                    return Err(renamed_between(
                        first,
                        &format!(
                            "It renamed the table in between: it was \"{}\", and \"{}\" later.",
                            other.object, then.object
                        ),
                    ));
                }
                let (Some(before), Some(after)) = (columns_then(other), columns_then(then)) else {
                    continue;
                };
                let renamed = pairs(&format!(
                    "SELECT a.name::text, b.name::text FROM (VALUES {before}) AS a(attnum, name) \
                     JOIN (VALUES {after}) AS b(attnum, name) ON b.attnum = a.attnum WHERE a.name <> b.name"
                ));
                let Some((from, to)) = renamed.first() else {
                    continue;
                };
                renames = true;
                let is_renamed =
                    |name: &String| renamed.iter().any(|(from, to)| from == name || to == name);
                let told = |rows: &Rows| {
                    let key = &rows.columns[..rows.key_count];
                    rows.relation != first.relation
                        || !key.is_empty() && !key.iter().any(is_renamed)
                };
                let dropped = steps.iter().find(|step| step.kind == "column");
                if dropped.is_some() || !self.recorded_rows.iter().all(told) {
                    return Err(renamed_between(
                        dropped.unwrap_or(first),
                        &format!("It renamed column \"{from}\" to \"{to}\" in between."),
                    ));
                }
            }
        }
        Ok(renames)
    }
}

/// Whether both are one table's, of different names or columns.
fn is_other_name(one: &Step, other: &Step) -> bool {
    let of_table = one.kind == "table identity" && one.kind == other.kind;
    of_table && one.name == other.name && (&one.object, &one.sql) != (&other.object, &other.sql)
}

fn renamed_between(step: &Step, detail: &str) -> Box<Report> {
    let table = &step.object;
    let message = match step.kind.as_str() {
        "column" => format!(
            "cannot bring back column \"{}\" of table \"{table}\"",
            step.name
        ),
        _ => format!(
            "cannot change the type of column \"{}\" of table \"{table}\" back",
            step.name
        ),
    };
    Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("{message}: its statement changed names between its changes"),
    )
    .detail(detail)
    .hint("backstop.definition holds the commands, and backstop.preimage the rows: restore them by hand.")
}
