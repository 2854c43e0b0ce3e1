//! The rules that count: row limit, transaction limit, budgets, and mixed upstreams. What they say.

mod budget;

use super::approval::{Kind, Refusal};
use super::spelling;
use crate::model::{Operation, Rule, Violation};

pub use budget::{beyond_approvals, budget_too_small};

/// The relation a refusal is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub schema: &'a str,
    pub table: &'a str,
    /// Qualified and quoted, as SQL needs it.
    pub qualified: &'a str,
}

impl Subject<'_> {
    fn violation(&self, rule: Rule, message: String, detail: String, hint: String) -> Violation {
        Violation {
            rule,
            message,
            detail,
            hint,
            schema: Some(self.schema.to_owned()),
            table: Some(self.table.to_owned()),
            column: None,
        }
    }

    /// The next step after a limit: narrow the statement, or have exactly what it destroys approved, in a way that is
    /// of the kind asked for.
    pub fn approve_hint(&self, operation: Operation, asked: Kind) -> String {
        if let Some(approve) = approve_previewed(asked) {
            return format!("Narrow the statement, or see what it would destroy: {approve}");
        }
        format!(
            "Narrow the statement, or see what it would destroy: SELECT * FROM backstop.preview($$<statement>$$, 'why') \
             (programs: backstop.preview_json). Then have that approved with backstop.approve(<request_id>, 'why'), or \
             approve so many rows yourself in the same transaction: SELECT backstop.approve_batch('why', max_rows => \
             <rows>, relations => {}, operations => '{{{}}}').",
            spelling::array(&[self.qualified]),
            operation.approval_name()
        )
    }
}

/// How to come to an approval of the kind asked for; `None` where a statement of intent will do.
pub fn approve_previewed(asked: Kind) -> Option<String> {
    let by = match asked {
        Kind::Session => return None,
        Kind::Preview => "",
        Kind::SecondPerson => " by someone else, in a session of another role",
    };
    Some(format!(
        "SELECT * FROM backstop.preview($$<statement>$$, 'why') (programs: backstop.preview_json). Then have that \
         approved{by}: SELECT backstop.approve(<request_id>, 'why'), and run it: SELECT * FROM backstop.run('<token>'). \
         The table asks for an approval of kind \"{}\".",
        asked.name()
    ))
}

pub fn rows(count: i64) -> String {
    if count == 1 {
        "1 row".to_owned()
    } else {
        format!("{count} rows")
    }
}

/// SF005.
pub fn row_limit(subject: Subject, operation: Operation, limit: i64, asked: Kind) -> Violation {
    subject.violation(
        Rule::RowLimit,
        format!(
            "{} on table \"{}\" would destroy more than {}",
            operation.record_name(),
            subject.table,
            rows(limit)
        ),
        format!(
            "The statement, its cascades and its triggers reached row {}; the limit is {limit}. Nothing was changed.",
            limit + 1
        ),
        subject.approve_hint(operation, asked),
    )
}

/// SF005 of a table that is protected with `require => 'always'`, for its first row that is not expendable.
pub fn approval_needed(subject: Subject, operation: Operation, asked: Kind) -> Violation {
    subject.violation(
        Rule::RowLimit,
        format!(
            "{} on table \"{}\" needs an approval",
            operation.record_name(),
            subject.table
        ),
        format!(
            "Table \"{}\" is protected with require => 'always'.",
            subject.table
        ),
        subject.approve_hint(operation, asked),
    )
}

/// SF006.
pub fn transaction_limit(
    subject: Subject,
    operation: Operation,
    limit: i64,
    earlier: i64,
    asked: Kind,
) -> Violation {
    subject.violation(
        Rule::TransactionLimit,
        format!("transaction would destroy more than {} unapproved", rows(limit)),
        format!(
            "Earlier statements of this transaction destroyed {}; backstop.max_rows_per_transaction is {limit}.",
            rows(earlier)
        ),
        subject.approve_hint(operation, asked),
    )
}

/// SF010 or SF011: an approval is set, and does not cover what needs one; `what` is the violation it would have to cover.
pub fn approval_refused(subject: Subject, refusal: &Refusal, what: &Violation) -> Violation {
    let why = &refusal.why;
    if refusal.rule == Rule::ApprovalMismatch {
        return subject.violation(
            refusal.rule,
            format!("statement on \"{}\" is not the one that was approved", subject.table),
            format!("{why} Without an approval the statement breaks rule \"{}\": {}.", what.rule.name(), what.message),
            "Run exactly the approved statement (SELECT * FROM backstop.run('<token>') does), or preview this one: \
             SELECT * FROM backstop.preview($$<statement>$$, 'why')."
                .to_owned(),
        );
    }
    subject.violation(
        Rule::ApprovalRefused,
        format!("approval does not cover the statement on \"{}\"", subject.table),
        format!("{why} Without an approval the statement breaks rule \"{}\": {}.", what.rule.name(), what.message),
        "See what the statement destroys with backstop.preview($$<statement>$$, 'why') and have that approved with \
         backstop.approve(<request_id>, 'why'); or, where the table accepts it, set an approval that covers it: SET \
         LOCAL backstop.approval = '{\"reason\": ..., \"max_rows\": ..., \
         \"relations\": [...], \"operations\": [...]}', or SELECT backstop.approve_batch(...)."
            .to_owned(),
    )
}

/// SF011: the statement destroys, or leaves alone, other rows than its preview showed. `unseen` are rows that were not
/// shown as they are, `missing` those that were shown and not destroyed: how many, and the first of them; `subject` is the
/// protected table it targets.
pub fn other_rows(
    subject: Option<Subject>,
    request_id: i64,
    unseen: (usize, &[String]),
    missing: (usize, &[String]),
    complete: bool,
) -> Violation {
    let part = |(count, examples): (usize, &[String])| {
        let more = if count > examples.len() { ", ..." } else { "" };
        let at_least = if complete { "" } else { "at least " };
        let count = rows(i64::try_from(count).unwrap_or(i64::MAX));
        if examples.is_empty() {
            format!("{at_least}{count}")
        } else {
            format!("{at_least}{count} ({}{more})", examples.join(", "))
        }
    };
    let mut detail = Vec::new();
    if unseen.0 > 0 {
        detail.push(format!(
            "Changed since, or not shown in the preview: {}.",
            part(unseen)
        ));
    }
    if missing.0 > 0 {
        detail.push(format!(
            "Shown in the preview, and no longer destroyed in that way: {}.",
            part(missing)
        ));
    }
    detail.push("Nothing was changed.".to_owned());
    Violation {
        rule: Rule::ApprovalMismatch,
        message: format!(
            "statement destroys other rows than the preview of request {request_id} showed"
        ),
        detail: detail.join(" "),
        hint: "The data, or what the statement means, has changed since: preview it again and have that approved. Where \
               its values differ from run to run (random(), clock_timestamp(), gen_random_uuid()), write them into it."
            .to_owned(),
        schema: subject.map(|subject| subject.schema.to_owned()),
        table: subject.map(|subject| subject.table.to_owned()),
        column: None,
    }
}

/// SF009.
pub fn mixed_upstreams(subject: Subject, column: &str, upstreams: &[&str]) -> Violation {
    let violation = subject.violation(
        Rule::MixedUpstreams,
        format!(
            "UPDATE on table \"{}\" clears columns of several upstreams",
            subject.table
        ),
        format!("It would empty columns fed by {}.", listed(upstreams)),
        "Clear only the columns whose own upstream was broken, one upstream to a statement. What a statement would \
         clear: SELECT * FROM backstop.preview($$<statement>$$, 'why')."
            .to_owned(),
    );
    Violation {
        column: Some(column.to_owned()),
        ..violation
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests;
