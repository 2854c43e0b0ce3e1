//! The words of a refusal: message in PostgreSQL's error style, DETAIL and HINT in sentences.

mod key_range;

use super::predicate::{ExprId, InstanceId};
use super::statement::{Statement, Verb};
use super::verdict::Finding;
use crate::model::{ProtectedTarget, Rule, Violation};

const OR_APPROVE: &str = "or see what the statement would destroy (SELECT * FROM backstop.preview($$<statement>$$, 'why'); programs: backstop.preview_json) and have that approved";

/// What the words need to know of names and expressions, from whoever gathered the statement.
pub trait Texts {
    /// The expression as SQL, when it can be shown.
    fn expression(&self, expr: ExprId) -> Option<String>;
    fn column(&self, instance: InstanceId, attno: i16) -> String;
    /// A column of that instance's table that is no key, for an example; `None` when there is no other.
    fn attribute(&self, instance: InstanceId) -> Option<String>;
    /// The name as SQL needs it: which words are reserved is the server's to say.
    fn quoted(&self, name: &str) -> String;
    /// Where the instance is partitioned, or a partition, by that column among others of its key: the command that
    /// registers it as it is, with the columns it is partitioned by left out of the key. A partition key has to be part
    /// of the primary key, though it identifies nothing: rows are rightly picked by its ranges, and it need not be guarded.
    fn without_partition_key(&self, instance: InstanceId, column: &str) -> Option<String>;
}

/// One violation per finding; readings of one key are told together.
pub fn violations(
    statement: &Statement,
    findings: &[Finding],
    texts: &dyn Texts,
) -> Vec<Violation> {
    let mut told: Vec<(String, String, Option<String>, Rule)> = Vec::new();
    let mut violations = Vec::new();
    for finding in findings {
        let violation = match finding {
            Finding::KeyRange(reading) => key_range::violation(statement, findings, reading, texts),
            Finding::Unqualified {
                target,
                verb,
                conditional,
            } => protected(statement, *target)
                .map(|p| unqualified(p, *target, *verb, *conditional, texts)),
            Finding::KeyUpsert {
                target,
                merge,
                columns,
            } => protected(statement, *target)
                .map(|p| key_upsert(p, *target, *merge, columns, texts)),
            Finding::KeyUpdate {
                target,
                verb,
                attno,
            } => {
                protected(statement, *target).map(|p| key_update(p, *target, *verb, *attno, texts))
            }
            Finding::MixedUpstreams { target, columns } => {
                protected(statement, *target).map(|p| mixed_upstreams(p, columns, texts))
            }
        };
        let Some(violation) = violation else { continue };
        let subject = (
            violation.schema.clone().unwrap_or_default(),
            violation.table.clone().unwrap_or_default(),
            violation.column.clone(),
            violation.rule,
        );
        if !told.contains(&subject) {
            told.push(subject);
            violations.push(violation);
        }
    }
    violations
}

fn protected(statement: &Statement, instance: InstanceId) -> Option<&ProtectedTarget> {
    statement.instances[instance].target.as_deref()
}

fn violation(
    rule: Rule,
    p: &ProtectedTarget,
    message: String,
    detail: String,
    hint: String,
) -> Violation {
    Violation {
        rule,
        message,
        detail,
        hint,
        schema: Some(p.schema.clone()),
        table: Some(p.table.clone()),
        column: None,
    }
}

/// How to name rows, after "names": by the whole key, or by what they share.
fn named_rows(p: &ProtectedTarget, instance: InstanceId, texts: &dyn Texts) -> String {
    let key: Vec<String> = p.key.iter().map(|k| texts.quoted(&k.name)).collect();
    let condition = match key.as_slice() {
        [one] => format!("{one} = ANY (...)"),
        // A part of a key says nothing of how many rows it means.
        several => format!("({}) IN (...)", several.join(", ")),
    };
    let attribute = match texts.attribute(instance) {
        Some(name) => format!(
            " or an attribute they share (for example {} = '...')",
            texts.quoted(&name)
        ),
        None => String::new(),
    };
    format!("the rows ({condition}){attribute}")
}

fn sql_name(verb: Verb) -> &'static str {
    match verb {
        Verb::Update => "UPDATE",
        Verb::Delete => "DELETE",
        Verb::MergeUpdate => "MERGE with UPDATE",
        Verb::MergeDelete => "MERGE with DELETE",
        Verb::MergeNothing => "MERGE",
        Verb::Upsert => "INSERT ... ON CONFLICT DO UPDATE",
        Verb::Cursor => "SELECT",
    }
}

fn unqualified(
    p: &ProtectedTarget,
    target: InstanceId,
    verb: Verb,
    conditional: bool,
    texts: &dyn Texts,
) -> Violation {
    let detail = if conditional {
        format!(
            "Its conditions are always true, true where a parameter is NULL, or say nothing about the rows of \"{}\".",
            p.table
        )
    } else {
        "It would touch every row.".to_owned()
    };
    let hint = format!(
        "Add a condition that names {}, {OR_APPROVE}.",
        named_rows(p, target, texts)
    );
    let without = if conditional {
        "without an effective condition"
    } else {
        "without a condition"
    };
    let message = format!("{} {without} on table \"{}\"", sql_name(verb), p.table);
    violation(Rule::Unqualified, p, message, detail, hint)
}

fn key_upsert(
    p: &ProtectedTarget,
    target: InstanceId,
    merge: bool,
    columns: &[i16],
    texts: &dyn Texts,
) -> Violation {
    let names: Vec<String> = columns.iter().map(|&a| texts.column(target, a)).collect();
    let quoted: Vec<String> = names.iter().map(|name| texts.quoted(name)).collect();
    let list = quoted.join(", ");
    let message = format!("upsert on protected key ({list}) of table \"{}\"", p.table);
    let detail = if merge {
        format!(
            "MERGE matches on ({list}), updates the rows that exist and inserts the others, so it overwrites a row wherever it meant to add one."
        )
    } else {
        format!(
            "ON CONFLICT ({list}) DO UPDATE overwrites the row that already holds the key where a plain INSERT would fail."
        )
    };
    // An arbiter has its index; nothing says that a protected key other than the primary one has.
    let arbiter = match merge && columns != p.primary_key.as_slice() {
        true => String::new(),
        false => format!("({list}) "),
    };
    let one: Vec<String> = quoted.iter().map(|name| format!("{name} = ...")).collect();
    let hint = format!(
        "Use INSERT ... ON CONFLICT {arbiter}DO NOTHING to add rows and UPDATE ... WHERE {} to change one, {OR_APPROVE}.",
        one.join(" AND ")
    );
    let mut v = violation(Rule::KeyUpsert, p, message, detail, hint);
    v.column = names.into_iter().next();
    v
}

fn key_update(
    p: &ProtectedTarget,
    target: InstanceId,
    verb: Verb,
    attno: i16,
    texts: &dyn Texts,
) -> Violation {
    let key = texts.column(target, attno);
    let message = format!(
        "assignment to protected key \"{key}\" of table \"{}\"",
        p.table
    );
    let detail = format!(
        "{} sets \"{key}\", which other rows and systems know the row by.",
        sql_name(verb)
    );
    let hint = format!("Leave \"{key}\" out of the SET list, {OR_APPROVE}.");
    let mut v = violation(Rule::KeyUpdate, p, message, detail, hint);
    v.column = Some(key);
    v
}

fn mixed_upstreams(p: &ProtectedTarget, columns: &[i16], texts: &dyn Texts) -> Violation {
    let fed: Vec<_> = p
        .fed_columns
        .iter()
        .filter(|f| columns.contains(&f.attnum))
        .collect();
    let list: Vec<String> = fed
        .iter()
        .map(|f| format!("\"{}\" (fed by {})", f.name, f.upstream))
        .collect();
    let message = format!(
        "columns of several upstreams cleared together on table \"{}\"",
        p.table
    );
    let detail = format!("The statement clears {}.", list.join(", "));
    let first = fed
        .first()
        .map_or_else(|| "...".to_owned(), |f| texts.quoted(&f.name));
    let hint = format!(
        "Clear only the columns whose own upstream was broken, one upstream per statement (for example SET {first} = NULL), {OR_APPROVE}."
    );
    let mut v = violation(Rule::MixedUpstreams, p, message, detail, hint);
    v.column = fed.first().map(|f| f.name.clone());
    v
}
