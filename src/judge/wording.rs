//! The words of a refusal: message in PostgreSQL's error style, DETAIL and HINT in sentences.

use super::key_range::{KeyReading, Why};
use super::predicate::{ExprId, InstanceId, Reading};
use super::statement::{Statement, Verb};
use super::verdict::Finding;
use crate::model::{ProtectedTarget, Rule, Violation};

const OR_APPROVE: &str = "or see what the statement would destroy (SELECT * FROM backstop.preview($$<statement>$$, 'why'); programs: backstop.preview_json) and have that approved";

/// What the words need to know of names and expressions, from whoever gathered the statement.
pub trait Texts {
    /// The expression as SQL, when it can be shown.
    fn expression(&self, expr: ExprId) -> Option<String>;
    fn column(&self, instance: InstanceId, attno: i16) -> String;
    /// A column of that instance's table that is no key, for an example.
    fn attribute(&self, instance: InstanceId) -> String;
    /// The partitioned table that the instance is or is a part of, as SQL, and the columns it is partitioned by.
    fn partitioned(&self, instance: InstanceId) -> Option<(String, Vec<String>)>;
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
            Finding::KeyRange(reading) => key_range(statement, findings, reading, texts),
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
                protected(statement, *target).map(|p| mixed_upstreams(p, columns))
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

fn key_range(
    s: &Statement,
    all: &[Finding],
    reading: &KeyReading,
    texts: &dyn Texts,
) -> Option<Violation> {
    let column = &s.columns[reading.key];
    let target = protected(s, column.instance)?;
    let key = match column.attno {
        0 => target
            .key
            .first()
            .map_or_else(|| "?".to_owned(), |k| k.name.clone()),
        attno => texts.column(column.instance, attno),
    };
    // BETWEEN arrives as two comparisons: show what one conjunction says of one key together.
    let mut shown: Vec<String> = Vec::new();
    for finding in all {
        if let Finding::KeyRange(r) = finding
            && (r.key, r.conjunction, r.why) == (reading.key, reading.conjunction, reading.why)
            && let Some(text) = r.expr.and_then(|e| texts.expression(e))
            && !shown.contains(&text)
        {
            shown.push(text);
        }
    }
    let what = match reading.why {
        Why::Read(Reading::Compared) => "range condition on",
        Why::Read(Reading::Ordered) => "row selection by order of",
        Why::Read(Reading::Excepted) => "exclusion by",
        Why::Read(Reading::Unreadable) => "condition that pg_backstop cannot read on",
        Why::Negated => "negated condition on",
        Why::Series => "computed series of",
    };
    let message = format!(
        "{what} protected key \"{key}\" of table \"{}\"",
        target.table
    );
    let sql = shown.join(" AND ");
    let detail = match (reading.why, sql.is_empty()) {
        (Why::Series, true) => "The statement would select rows by a computed series of keys.".to_owned(),
        (Why::Series, false) => {
            format!("The statement would select rows by \"{sql}\", where the keys come from a computed series.")
        }
        (Why::Read(Reading::Ordered), _) => {
            format!("A subquery that feeds the statement picks rows by \"{key}\" with ORDER BY and a limit.")
        }
        (Why::Read(Reading::Excepted), _) => {
            format!("A subquery that feeds the statement removes values of \"{key}\" with EXCEPT.")
        }
        (Why::Read(Reading::Unreadable), true) => {
            "The statement selects rows by an expression that this version of pg_backstop does not know.".to_owned()
        }
        (Why::Negated, false) => format!("The statement would select every row but those where \"{sql}\"."),
        (_, true) => format!("The statement would select rows by an expression of \"{key}\" that is not an equality."),
        (_, false) => format!("The statement would select rows by \"{sql}\"."),
    };
    let attribute = texts.attribute(column.instance);
    let reordered = match reading.why {
        Why::Read(Reading::Ordered) => " order by another column first,",
        _ => "",
    };
    let mut hint = format!(
        "Name the rows ({key} = ANY (...)) or an attribute they share (for example {attribute} = '...'),{reordered} {OR_APPROVE}."
    );
    if target.key.len() > 1
        && let Some((root, columns)) = texts.partitioned(column.instance)
    {
        hint.extend(narrower_key(target, &key, &root, &columns));
    }
    let mut v = violation(Rule::KeyRange, target, message, detail, hint);
    v.column = Some(key);
    Some(v)
}

/// A partition key has to be part of the primary key, though it identifies nothing: rows are rightly picked by its
/// ranges, and it need not be guarded.
fn narrower_key(
    target: &ProtectedTarget,
    key: &str,
    root: &str,
    partitioned_by: &[String],
) -> Option<String> {
    let partitions = |name: &str| partitioned_by.iter().any(|p| p == name);
    let rest: Vec<&str> = target
        .key
        .iter()
        .map(|k| k.name.as_str())
        .filter(|&name| !partitions(name))
        .collect();
    (partitions(key) && !rest.is_empty()).then(|| {
        format!(
            " If \"{key}\" only says which partition a row is in, it can be left out of the protected key: \
             SELECT backstop.protect('{}', key_columns => '{{{}}}').",
            root.replace('\'', "''"),
            rest.join(",")
        )
    })
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
    let attribute = texts.attribute(target);
    let key = p.key.first().map_or("id", |k| k.name.as_str());
    let hint = format!(
        "Add a condition that names the rows ({key} = ANY (...)) or an attribute they share (for example {attribute} = '...'), {OR_APPROVE}."
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
    let list = names.join(", ");
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
    let hint = format!(
        "Use INSERT ... ON CONFLICT ({list}) DO NOTHING to add rows and UPDATE ... WHERE {} = ... to change one, {OR_APPROVE}.",
        names.first().map_or("id", String::as_str)
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

fn mixed_upstreams(p: &ProtectedTarget, columns: &[i16]) -> Violation {
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
    let first = fed.first().map_or("...", |f| f.name.as_str());
    let hint = format!(
        "Clear only the columns whose own upstream was broken, one upstream per statement (for example SET {first} = NULL), {OR_APPROVE}."
    );
    let mut v = violation(Rule::MixedUpstreams, p, message, detail, hint);
    v.column = fed.first().map(|f| f.name.clone());
    v
}
