//! Budgets of approvals that do not suffice.

use super::{Subject, rows};
use crate::judge::approval::Kind;
use crate::model::{Operation, Rule, Violation};

/// SF005 of a root that goes on without an approval after `covered` rows of it were approved.
pub fn beyond_approvals(
    subject: Subject,
    operation: Operation,
    limit: i64,
    covered: i64,
    asked: Kind,
) -> Violation {
    subject.violation(
        Rule::RowLimit,
        format!(
            "{} on table \"{}\" would destroy more than {} without an approval for all of them",
            operation.record_name(),
            subject.table,
            rows(limit)
        ),
        format!(
            "Approvals cover {} that the statement has destroyed, and no approval covers this one. A statement has its \
             approvals' budgets or the limit, {limit}, not one after the other.",
            rows(covered)
        ),
        subject.approve_hint(operation, asked),
    )
}

/// SF010: the approval in force has `left` rows, and the statement destroys more; `what` is the violation it would have to
/// cover, where that is one of a limit.
pub fn budget_too_small(
    subject: Subject,
    operation: Operation,
    max_rows: i64,
    left: i64,
    what: Option<&Violation>,
) -> Violation {
    let spent = match left {
        _ if left >= max_rows => String::new(),
        0 => ", and it was spent before the statement".to_owned(),
        _ => format!(", of which {left} were left"),
    };
    let without = what.map_or_else(String::new, |what| {
        format!(
            " Without an approval the statement breaks rule \"{}\": {}.",
            what.rule.name(),
            what.message
        )
    });
    subject.violation(
        Rule::ApprovalRefused,
        format!("approval covers {}, and {} destroys more", rows(max_rows), operation.record_name()),
        format!("The approval's max_rows is {max_rows}{spent}; cascades and triggers count too.{without}"),
        "See what it destroys with backstop.preview($$<statement>$$, 'why'): if all of it is meant, have that approved, or \
         set an approval with a larger max_rows."
            .to_owned(),
    )
}
