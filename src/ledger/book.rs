//! Books one destroyed row and says whether it may stand.

use super::{Ledger, Root};
use crate::approval::{setting, token};
use crate::gucs;
use crate::judge::limits::{self, Subject};
use crate::model::{Operation, Rule, Violation};
use crate::pg::raw;
use crate::record::Cleared;
use crate::registry::{Guarded, Policy};
use crate::running;
use crate::running::coverage::Coverage;
use crate::running::queries::ActiveQuery;

/// Why an approval no longer covers a root that went on without it.
pub const BUDGET_TOO_SMALL: &str =
    "The approval's max_rows did not suffice for what the statement destroyed.";

/// A destroyed row, as the books need it.
#[derive(Clone, Copy)]
pub struct DestroyedRow<'a> {
    pub query: &'a ActiveQuery,
    pub table: &'a Guarded,
    pub operation: Operation,
    /// It neither counts nor needs an approval.
    pub expendable: bool,
    /// Columns fed by an upstream that it lost.
    pub cleared: &'a [Cleared],
}

/// Books the row. The violation it makes, if any; the row is booked in any case.
pub fn book(row: DestroyedRow) -> Option<Box<Violation>> {
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    super::with(|ledger| {
        let root = ledger.root(row.query.root, running::new_root);
        root.level(nest)
            .tally(&row.table.recorded_name, row.operation);
        if row.expendable {
            return None;
        }
        let mixed = row.cleared.iter().fold(None, |mixed, cleared| {
            root.clear(nest, &cleared.upstream).or(mixed)
        });
        if let Some(upstreams) = mixed {
            match &row.query.coverage {
                Coverage::Covered(cover) if !root.has_dropped(cover.serial) => {
                    root.break_rule(nest, cover);
                }
                _ if root.observed.contains(&Rule::MixedUpstreams) => {}
                coverage => {
                    let upstreams: Vec<&str> =
                        upstreams.iter().map(|upstream| &**upstream).collect();
                    let violation = with_subject(row.table, |subject| {
                        limits::mixed_upstreams(subject, &row.cleared[0].column, &upstreams)
                    });
                    return Some(refused(coverage, row, violation));
                }
            }
        }
        count(ledger, nest, row)
    })
}

/// What a missing or insufficient approval makes of a violation.
fn refused(coverage: &Coverage, row: DestroyedRow, violation: Violation) -> Box<Violation> {
    Box::new(match coverage {
        Coverage::Refused(why) => with_subject(row.table, |subject| {
            limits::approval_refused(subject, why, &violation)
        }),
        _ => violation,
    })
}

fn count(ledger: &mut Ledger, nest: i32, row: DestroyedRow) -> Option<Box<Violation>> {
    let root = ledger.root(row.query.root, running::new_root);
    match &row.query.coverage {
        Coverage::Covered(cover) if !root.has_dropped(cover.serial) => {
            // What a token's statement may still undo itself is weighed when it is over.
            let later = cover.claim.is_some() && running::may_be_undone();
            let spent = setting::spent(cover.serial);
            if later || spent < cover.max_rows {
                root.approve(nest, cover);
                // Unapproved, it could not stand: the approval's budget must cover all.
                if row.table.policies.iter().any(|policy| policy.always) {
                    root.break_rule(nest, cover);
                }
                ledger.spend(nest, cover.serial, 1);
                return None;
            }
            if let Some(claim) = &cover.claim {
                return Some(Box::new(token::more_rows(root, claim)));
            }
            let left = cover.max_rows - spent + root.approved_by(cover.serial);
            if root.broke_rule(cover.serial) {
                root.level(nest).counted += 1;
                return Some(too_small(row, cover.max_rows, left, None));
            }
            go_on_without(ledger, nest, row, cover.serial);
            return count_unapproved(ledger, nest, row)
                .map(|violation| too_small(row, cover.max_rows, left, Some(&violation)));
        }
        // Rows that the approval in force covered do not stand beside those for which nothing of it was left.
        Coverage::Refused(_) => {
            // Where they could not stand without it, both together must be within the limit.
            if let Some(serial) = spent_out(root)
                && !root.broke_rule(serial)
            {
                go_on_without(ledger, nest, row, serial);
            }
        }
        _ => {}
    }
    let warned = matches!(row.query.coverage, Coverage::Covered(_))
        && ledger
            .find_root(row.query.root)
            .is_some_and(|root| root.observed.contains(&Rule::ApprovalRefused));
    let violation = count_unapproved(ledger, nest, row)?;
    match &row.query.coverage {
        Coverage::Covered(_) if warned => None,
        Coverage::Covered(cover) => {
            let left = cover.max_rows - setting::spent(cover.serial);
            Some(too_small(row, cover.max_rows, left, Some(&violation)))
        }
        _ => Some(violation),
    }
}

/// The approval in force, if the root has rows under it and its budget is spent: its serial number.
fn spent_out(root: &Root) -> Option<u64> {
    let serial = setting::serial()?;
    let max_rows = root.budget_of(serial)?;
    let stands = root.approved_by(serial) > 0 && !root.has_dropped(serial);
    (stands && setting::spent(serial) >= max_rows).then_some(serial)
}

/// The approval of `max_rows` has `left` rows for the statement, which destroys more.
fn too_small(
    row: DestroyedRow,
    max_rows: i64,
    left: i64,
    what: Option<&Violation>,
) -> Box<Violation> {
    Box::new(with_subject(row.table, |subject| {
        limits::budget_too_small(subject, row.operation, max_rows, left, what)
    }))
}

/// A root that needs no approval goes on without it: its rows count against the limits, and the budget is given back. What
/// rolls back the level takes both back.
fn go_on_without(ledger: &mut Ledger, nest: i32, row: DestroyedRow, serial: u64) {
    let root = ledger.root(row.query.root, running::new_root);
    let rows = root.drop_approval(nest, serial);
    ledger.spend(nest, serial, -rows);
}

fn count_unapproved(ledger: &mut Ledger, nest: i32, row: DestroyedRow) -> Option<Box<Violation>> {
    let earlier = ledger.transaction_rows();
    let root = ledger.root(row.query.root, running::new_root);
    root.level(nest).counted += 1;
    let (limit, policy) = root.limit().cloned()?;
    let sums = root.sums();
    // What was only warned of, or noted by a preview, is not said of every further row.
    let said = |rule| root.observed.contains(&rule);
    let asked = policy.approval.max(row.table.kind());
    // `require => 'always'` is about the table's own rows: what hangs on an expendable one counts like any other.
    let always = row.table.policies.iter().find(|policy| policy.always);
    let violation = if let Some(policy) = always {
        if said(Rule::RowLimit) {
            return None;
        }
        subject_of(policy, |subject| {
            limits::approval_needed(subject, row.operation, asked)
        })
    } else if sums.unapproved() > limit {
        if said(Rule::RowLimit) {
            return None;
        }
        subject_of(&policy, |subject| {
            limits::row_limit(subject, row.operation, limit, asked)
        })
    } else if sums.approved > 0
        && sums.unapproved() + sums.approved > limit
        && sums.unapproved() > root.budget_left()
    {
        if said(Rule::RowLimit) {
            return None;
        }
        let covered = sums.approved;
        subject_of(&policy, |subject| {
            limits::beyond_approvals(subject, row.operation, limit, covered, asked)
        })
    } else if earlier + sums.counted > gucs::max_rows_per_transaction() {
        if said(Rule::TransactionLimit) {
            return None;
        }
        let limit = gucs::max_rows_per_transaction();
        subject_of(&policy, |subject| {
            limits::transaction_limit(subject, row.operation, limit, earlier, asked)
        })
    } else {
        return None;
    };
    Some(refused(&row.query.coverage, row, violation))
}

/// A root statement is over: its unapproved rows count against the transaction from now on.
pub fn close(ledger: &mut Ledger, root: &Root, nest: i32) {
    let rows = root.counted_in_transaction();
    if rows > 0 {
        ledger.add_transaction_rows(nest, rows);
    }
}

/// Calls `work` with the table as the subject of a refusal.
pub fn with_subject<R>(table: &Guarded, work: impl FnOnce(Subject) -> R) -> R {
    work(Subject {
        schema: &table.schema,
        table: &table.table,
        qualified: &table.recorded_name,
    })
}

fn subject_of<R>(policy: &Policy, work: impl FnOnce(Subject) -> R) -> R {
    work(Subject {
        schema: &policy.schema,
        table: &policy.table,
        qualified: &policy.qualified,
    })
}
