//! Refuses findings, unless an approval covers them or the mode only observes.

use super::{Change, Finding, Table};
use crate::approval::token::{self, Standing};
use crate::gucs::{self, Mode};
use crate::judge::approval::Kind as ApprovalKind;
use crate::judge::ddl::{Action, Approvable, Kind};
use crate::judge::limits;
use crate::ledger::{self, Cover};
use crate::model::Violation;
use crate::pg::{objects, raw};
use crate::preview;
use crate::report::{self, Outcome};
use crate::running::coverage::{self, Coverage};
use crate::running::{self, underway};
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

/// When a finding is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The statement is about to begin: what it destroys will be captured.
    Statement,
    /// The object is about to go: what it destroys has been captured, or may not go.
    Object,
}

/// Lets the findings pass, or refuses the first that may not: what is found of sequences (SF007) stands before the tables'.
pub fn all(findings: &[Finding], stage: Stage) -> Outcome<()> {
    let of_sequence = |finding: &&Finding| matches!(finding, Finding::Sequence { .. });
    let sequences = findings.iter().filter(of_sequence);
    let others = findings.iter().filter(|finding| !of_sequence(finding));
    sequences
        .chain(others)
        .try_for_each(|finding| one(finding, stage))
}

/// Judges once more, under the table's lock, what was let pass before: a token has its mark already.
pub fn again(table: &Table, action: &Action, stage: Stage) -> Outcome<()> {
    table_violation(table, action, stage).map_or(Ok(()), refuse)
}

/// As `all` before a statement, where `before` were its findings until now: what was among them leaves no second mark, and no
/// second row of the record.
pub fn once_more(findings: &[Finding], before: &[Finding]) -> Outcome<()> {
    for finding in findings {
        match finding {
            Finding::Table { table, action } if before.iter().any(|known| known.is(finding)) => {
                again(table, action, Stage::Statement)?;
            }
            Finding::Sequence { .. } if before.iter().any(|known| known.is(finding)) => {}
            _ => one(finding, Stage::Statement)?,
        }
    }
    Ok(())
}

fn one(finding: &Finding, stage: Stage) -> Outcome<()> {
    match finding {
        Finding::Table { table, action } => {
            let violation = table_violation(table, action, stage);
            token::mark(&[&action.change(&table.names[0])], Standing::WithItsLevel)?;
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
        Finding::Guard { .. } | Finding::OwnRows(_) => finding.violation().map_or(Ok(()), refuse),
    }
}

/// What stands against the action under the approval in force.
fn table_violation(table: &Table, action: &Action, stage: Stage) -> Option<Violation> {
    let violation = action.violation(table.subject(), &table.registration, table.kind);
    let approvable = action.kind.approvable();
    if approvable == Approvable::Never {
        return Some(violation);
    }
    let operation = action.kind.operation();
    let mut coverage = coverage::named_coverage(&table.names, operation, table.kind);
    if stage == Stage::Object && table.kind == ApprovalKind::Session {
        // What a covered statement cascades to is covered with it.
        let inherited = underway::with(|statement| statement.coverage.clone());
        if let Some(inherited @ Coverage::Covered(_)) = inherited {
            coverage = inherited;
        }
    }
    match coverage {
        Coverage::Covered(cover) if stage == Stage::Statement || is_captured(table, action) => {
            approved(&cover);
            None
        }
        Coverage::Covered(_) => Some(action.unrecorded(table.subject(), &table.registration)),
        Coverage::Refused(why) => Some(limits::approval_refused(table.subject(), &why, &violation)),
        Coverage::Absent => Some(violation),
    }
}

/// The statement's row, if it gets one, names the approval, whether or not a row of the table goes with it.
fn approved(cover: &Cover) {
    let key = running::root_key().unwrap_or(usize::MAX);
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    ledger::with(|ledger| {
        let root = ledger.root(key, running::new_root);
        root.approve_change(nest, cover);
    });
}

/// Whether the record has what the action destroys, or will have it before the statement ends.
fn is_captured(table: &Table, action: &Action) -> bool {
    match action.kind {
        Kind::DropTable => underway::takes_table(table.relid),
        Kind::DropColumn => {
            let name = action.object.as_deref().unwrap_or_default();
            objects::column(table.relid, name)
                .is_some_and(|attnum| underway::takes_column(table.relid, attnum))
        }
        _ => true,
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
