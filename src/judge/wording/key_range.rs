//! What a refusal of a key range says.

use super::{OR_APPROVE, Texts, named_rows, protected};
use crate::judge::key_range::{KeyReading, Why};
use crate::judge::predicate::Reading;
use crate::judge::statement::Statement;
use crate::judge::verdict::Finding;
use crate::model::{Rule, Violation};

/// SF001, told once for everything that one conjunction says of one key.
pub(super) fn violation(
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
    let shown = shown(all, reading, reading.conjunction, texts);
    let what = match reading.why {
        Why::Read(Reading::Compared) => "range condition on",
        Why::Read(Reading::Ordered) => "row selection by order of",
        Why::Read(Reading::Excepted) => "exclusion by",
        Why::Read(Reading::Unreadable | Reading::TooLarge) => {
            "condition that pg_backstop cannot read on"
        }
        Why::Negated => "negated condition on",
        Why::Series => "computed series of",
    };
    let message = format!(
        "{what} protected key \"{key}\" of table \"{}\"",
        target.table
    );
    // Arms of one OR have successive numbers.
    let sql = match shown.len() {
        2 => symmetric(
            &shown,
            &self::shown(all, reading, reading.conjunction + 1, texts),
        ),
        _ => None,
    };
    let sql = sql.unwrap_or_else(|| shown.join(" AND "));
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
        (Why::Read(Reading::TooLarge), _) => {
            "The statement has more subqueries, set operations or levels of nesting than pg_backstop reads: what selects its \
             rows cannot be told."
                .to_owned()
        }
        (Why::Negated, false) => format!("The statement would select every row but those where \"{sql}\"."),
        (_, true) => format!("The statement would select rows by an expression of \"{key}\" that is not an equality."),
        (_, false) => format!("The statement would select rows by \"{sql}\"."),
    };
    let named = named_rows(target, column.instance, texts);
    let reordered = match reading.why {
        Why::Read(Reading::Ordered) => " order by another column first,",
        Why::Read(Reading::TooLarge) => " do it in smaller statements,",
        _ => "",
    };
    let mut hint = format!("Name {named},{reordered} {OR_APPROVE}.");
    if target.key.len() > 1
        && let Some(register) = texts.without_partition_key(column.instance, &key)
    {
        hint += &format!(
            " If \"{key}\" only says which partition a row is in, it can be left out of the protected key: {register}"
        );
    }
    let mut v = super::violation(Rule::KeyRange, target, message, detail, hint);
    v.column = Some(key);
    Some(v)
}

/// What one conjunction says of the reading's key, each condition once: BETWEEN arrives as two comparisons.
fn shown(
    all: &[Finding],
    reading: &KeyReading,
    conjunction: usize,
    texts: &dyn Texts,
) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for finding in all {
        if let Finding::KeyRange(r) = finding
            && (r.key, r.conjunction, r.why) == (reading.key, conjunction, reading.why)
            && let Some(text) = r.expr.and_then(|e| texts.expression(e))
            && !shown.contains(&text)
        {
            shown.push(text);
        }
    }
    shown
}

/// BETWEEN SYMMETRIC arrives as two ranges, one of which is empty.
fn symmetric(one: &[String], other: &[String]) -> Option<String> {
    let [low, high] = one else { return None };
    let (subject, low) = low.split_once(" >= ")?;
    let high = high.strip_prefix(subject)?.strip_prefix(" <= ")?;
    let turned = [
        format!("{subject} >= {high}"),
        format!("{subject} <= {low}"),
    ];
    (*other == turned).then(|| format!("{subject} BETWEEN SYMMETRIC {low} AND {high}"))
}
