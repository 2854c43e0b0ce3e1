//! Refuses findings, unless an approval covers them or the mode only observes.

use super::{Change, Finding, Table};
use crate::approval::token;
use crate::gucs::{self, Mode};
use crate::judge::ddl::{Action, Approvable};
use crate::judge::limits;
use crate::model::Violation;
use crate::preview;
use crate::report::{self, Outcome};
use crate::running::queries::{self, Coverage};
use crate::sequence::guard;
use std::cell::RefCell;

thread_local! {
    /// What `observe` has warned of in this statement: one DROP reaches a table through many objects.
    static WARNED: RefCell<Vec<Violation>> = const { RefCell::new(Vec::new()) };
}

/// A new root statement: it is warned anew.
pub fn begin() {
    WARNED.with_borrow_mut(Vec::clear);
}

/// Lets the findings pass, or refuses the first that may not.
pub fn all(findings: &[Finding]) -> Outcome<()> {
    findings.iter().try_for_each(one)
}

fn one(finding: &Finding) -> Outcome<()> {
    match finding {
        Finding::Table { table, action } => {
            let violation = table_violation(table, action);
            token::mark(&format!(
                "{} of {}: {action:?}",
                action.kind.operation().record_name(),
                table.names[0]
            ))?;
            violation.map_or(Ok(()), refuse)
        }
        Finding::Sequence {
            policy,
            operation,
            change,
            ahead,
        } => {
            if *ahead {
                return match gucs::mode() {
                    Mode::Enforce if !guard::is_covered(policy) => {
                        guard::allow(policy, finding.violation())
                    }
                    _ => Ok(()),
                };
            }
            guard::allow(policy, finding.violation())?;
            let (old, new) = match change {
                Change::Move { old, new, .. } => (*old, Some(*new)),
                Change::Altered { old, .. } => (*old, None),
            };
            guard::record(policy, *operation, Some(old), new)
        }
        Finding::Guard { .. } => finding.violation().map_or(Ok(()), refuse),
    }
}

/// What stands against the action under the approval in force.
fn table_violation(table: &Table, action: &Action) -> Option<Violation> {
    let violation = action.violation(table.subject());
    let approvable = action.kind.approvable();
    if approvable == Approvable::Never {
        return Some(violation);
    }
    let operation = action.kind.operation();
    match queries::named_coverage(&table.names, operation, table.kind) {
        Coverage::Covered(_) if approvable == Approvable::Yes => None,
        Coverage::Covered(_) => Some(action.unrecorded(table.subject())),
        Coverage::Refused(why) => Some(limits::approval_refused(table.subject(), &why, &violation)),
        Coverage::Absent => Some(violation),
    }
}

/// As the mode has it: an error, or a warning.
pub fn refuse(violation: Violation) -> Outcome<()> {
    if preview::active() {
        preview::note_violation(&violation);
        return Ok(());
    }
    match gucs::mode() {
        Mode::Enforce => return Err(violation.into()),
        Mode::Observe => {
            let known = WARNED.with_borrow(|warned| {
                warned
                    .iter()
                    .any(|other| other.rule == violation.rule && other.table == violation.table)
            });
            if !known {
                // SAFETY: inside a guarded frame.
                unsafe { report::warn(&violation) };
                WARNED.with_borrow_mut(|warned| warned.push(violation));
            }
        }
        Mode::Off => {}
    }
    Ok(())
}
