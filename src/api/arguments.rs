//! Arguments of the policy functions: read, checked, and refused by name.

use crate::pg::catalog::{self, OpenRelation};
use crate::pg::function::Call;
use crate::pg::values;
use crate::record::judging;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::FromDatum;
use pgrx::pg_sys::{self, Oid};

/// Refuses to run on a standby: what writes the record, even to take it back, needs a transaction id.
pub fn not_on_standby(function: &std::ffi::CStr) {
    // SAFETY: raises PostgreSQL's own error in recovery, and does nothing else.
    unsafe { pg_sys::PreventCommandDuringRecovery(function.as_ptr()) }
}

/// Refuses to approve, to preview and to run what was approved inside an `expendable` expression: its functions may be
/// anybody's, and run in the session of whoever changes a row.
pub fn not_in_expendable(function: &str) -> Outcome<()> {
    if !judging::is_underway() {
        return Ok(());
    }
    Err(Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("backstop.{function}() cannot be called inside an expendable expression"),
    )
    .detail("The expression says which rows count, in the session of whoever changes them, and may leave nothing behind there.")
    .hint("Take the call out of the function that the expression calls."))
}

/// Argument `n`, refused when it is NULL.
///
/// # Safety
/// The SQL declaration must give argument `n` the type that `T` reads.
pub unsafe fn required<T: FromDatum>(call: Call, n: usize, name: &str) -> Outcome<T> {
    // SAFETY: the caller vouches for the type.
    unsafe { call.arg(n) }.ok_or_else(|| {
        Report::new(
            sqlstate::NULL_NOT_ALLOWED,
            format!("argument \"{name}\" must not be null"),
        )
    })
}

/// A text argument, refused when it is NULL.
///
/// # Safety
/// The SQL declaration must give argument `n` the type text.
pub unsafe fn required_text(call: Call, n: usize, name: &str) -> Outcome<String> {
    // SAFETY: the caller vouches for the type.
    unsafe { required::<values::Text>(call, n, name) }.map(|text| text.0)
}

/// A `text[]` argument without NULL members.
///
/// # Safety
/// Argument `n` must be declared text[].
pub unsafe fn texts(call: Call, n: usize, name: &str) -> Outcome<Option<Vec<String>>> {
    // SAFETY: the caller vouches for the type.
    let Some(array) = (unsafe { call.arg::<Vec<Option<values::Text>>>(n) }) else {
        return Ok(None);
    };
    let whole: Option<Vec<String>> = array
        .into_iter()
        .map(|text| text.map(|text| text.0))
        .collect();
    whole.map(Some).ok_or_else(|| {
        Report::new(
            sqlstate::NULL_NOT_ALLOWED,
            format!("argument \"{name}\" must not contain null"),
        )
    })
}

/// One of the words an argument accepts.
pub fn word<'a>(value: &str, name: &str, words: &[&'a str]) -> Outcome<&'a str> {
    words
        .iter()
        .copied()
        .find(|word| *word == value)
        .ok_or_else(|| {
            Report::new(
                sqlstate::INVALID_PARAMETER,
                format!("invalid value for argument \"{name}\": \"{value}\""),
            )
            .hint(format!("Use one of: {}.", words.join(", ")))
        })
}

/// The table an argument names, opened and locked: an ordinary or partitioned table that is neither temporary nor
/// PostgreSQL's or the extension's own.
pub fn table(relid: Oid, lock: u32) -> Outcome<OpenRelation> {
    let Some(relation) = OpenRelation::open(relid, lock) else {
        return Err(Report::new(
            sqlstate::UNDEFINED_TABLE,
            format!("relation with OID {} does not exist", relid.to_u32()),
        ));
    };
    let (schema, name) = catalog::relation_name(relid).unwrap_or_default();
    let wrong = |what: &str| {
        Err(Report::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("cannot protect relation \"{name}\""),
        )
        .detail(format!("\"{name}\" is {what}."))
        .hint("Protect an ordinary or partitioned table."))
    };
    match relation.kind() {
        'r' | 'p' => {}
        'v' => return wrong("a view"),
        'm' => return wrong("a materialized view"),
        'f' => return wrong("a foreign table"),
        'S' => return wrong("a sequence"),
        'i' | 'I' => return wrong("an index"),
        'c' => return wrong("a composite type"),
        _ => return wrong("not a table"),
    }
    if relation.persistence() == 't' {
        return wrong("a temporary table");
    }
    // SAFETY: a catalog check of an existing relation.
    let system = unsafe { pg_sys::IsCatalogRelationOid(relid) };
    if system
        || matches!(
            schema.as_str(),
            "pg_catalog" | "information_schema" | "pg_toast"
        )
    {
        return wrong("a system table");
    }
    if schema == "backstop" {
        return wrong("a table of pg_backstop itself");
    }
    Ok(relation)
}

/// Refuses columns that the table does not have, system columns, duplicates and an empty list.
pub fn columns(
    relation: &OpenRelation,
    relid: Oid,
    names: &[String],
    argument: &str,
) -> Outcome<()> {
    let table = catalog::relation_name(relid)
        .map(|(_, name)| name)
        .unwrap_or_default();
    if names.is_empty() {
        return Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            format!("argument \"{argument}\" must name a column"),
        ));
    }
    let known = relation.columns();
    for (place, name) in names.iter().enumerate() {
        if !known.iter().any(|column| column.name == *name) {
            return Err(Report::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{table}\" does not exist"),
            ));
        }
        if names[..place].contains(name) {
            return Err(Report::new(
                sqlstate::INVALID_PARAMETER,
                format!("column \"{name}\" appears twice in argument \"{argument}\""),
            ));
        }
    }
    Ok(())
}
