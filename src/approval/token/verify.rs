//! Verifying: what the statement destroyed, beside what its preview showed.

use super::{Claim, EXAMPLES, State, prints};
use crate::ddl::enforce;
use crate::judge::approval::Refusal;
use crate::judge::limits::{self, Subject};
use crate::ledger::Root;
use crate::model::Violation;
use crate::pg::memory;
use crate::pg::privileged::Privileged;
use crate::pg::values::{Bytes, RowText};
use crate::record;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::Spi;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Writes what a root destroyed into the record, and ends its token: what it destroyed must be what the preview showed,
/// all of it. A root may go on afterwards (a procedure that commits), but not under the token. Returns the statement's id.
///
/// # Errors
/// SF011.
pub fn settle(root: &mut Root) -> Outcome<Option<i64>> {
    let Some(claim) = root.claim().cloned() else {
        return Ok(record::finish_root(root));
    };
    verify(root, &claim)?;
    let id = record::finish_root(root);
    became(&claim, id)?;
    root.token = State::Refused(Refusal::approval(format!(
        "The token of request {} was used by an earlier part of the statement.",
        claim.request_id
    )));
    Ok(id)
}

/// What `settle` finds out, and nothing else: for a root that is over and cannot be written yet.
///
/// # Errors
/// SF011.
pub fn check(root: &mut Root) -> Outcome<()> {
    match root.claim().cloned() {
        Some(claim) => verify(root, &claim),
        None => Ok(()),
    }
}

/// Compares what a root that is over destroyed with what its preview showed.
///
/// # Errors
/// SF011.
fn verify(root: &mut Root, claim: &Claim) -> Outcome<()> {
    let mut left = copied(&claim.expected);
    let unseen = unseen(root, &mut left);
    left.retain(|_, count| *count > 0);
    let missing: usize = left.values().map(|count| *count as usize).sum();
    if unseen == 0 && missing == 0 {
        return Ok(());
    }
    let named = describe(claim.request_id, left).unwrap_or_default();
    let examples = examples(root);
    let violation = limits::other_rows(
        subject(root),
        claim.request_id,
        (unseen, &examples),
        (missing, &named),
        true,
    );
    enforce::refuse(with_what_stands(root, violation))
}

/// A refusal takes back everything but setval.
fn with_what_stands(root: &Root, mut violation: Violation) -> Violation {
    if !root.standing.is_empty() {
        violation.detail = violation.detail.replace(
            "Nothing was changed.",
            "No row was changed; the sequences that it has set as the preview showed stay there: setval does not roll back.",
        );
    }
    violation
}

/// SF011 before the root is over: it destroys more rows than the preview showed.
pub fn more_rows(root: &mut Root, claim: &Claim) -> Violation {
    // The row that is one too many has not left its fingerprint yet.
    let unseen = unseen(root, &mut copied(&claim.expected)) + 1;
    let examples = examples(root);
    let violation = limits::other_rows(
        subject(root),
        claim.request_id,
        (unseen, &examples),
        (0, &[]),
        false,
    );
    with_what_stands(root, violation)
}

/// The protected table that the root targets: of several, the one with the smallest limit.
fn subject(root: &Root) -> Option<Subject<'_>> {
    root.limit().map(|(_, policy)| Subject {
        schema: &policy.schema,
        table: &policy.table,
        qualified: &policy.qualified,
    })
}

/// What the preview showed, to be ticked off.
fn copied(expected: &HashMap<u128, u32>) -> HashMap<u128, u32> {
    let mut copy = HashMap::new();
    for (print, count) in expected {
        memory::room_for_entry(&mut copy);
        copy.insert(*print, *count);
    }
    copy
}

/// How many rows were not shown; takes those that were out of `left`.
fn unseen(root: &mut Root, left: &mut HashMap<u128, u32>) -> usize {
    let standing = std::mem::take(&mut root.standing);
    let of_levels = root.levels().iter().flat_map(|level| &level.fingerprints);
    let prints = of_levels.chain(&standing);
    let mut unseen = 0;
    for (n, print) in prints.enumerate() {
        if n % 4096 == 0 {
            memory::check();
        }
        match left.get_mut(print) {
            Some(count) if *count > 0 => *count -= 1,
            _ => unseen += 1,
        }
    }
    root.standing = standing;
    unseen
}

fn examples(root: &mut Root) -> Vec<String> {
    let named = root.levels().iter().flat_map(|level| &level.unseen);
    named.take(EXAMPLES).cloned().collect()
}

/// The first of the previewed rows with these fingerprints, by relation and key.
fn describe(id: i64, mut wanted: HashMap<u128, u32>) -> Result<Vec<String>, pgrx::spi::Error> {
    let mut named = Vec::new();
    if wanted.is_empty() {
        return Ok(named);
    }
    let _privileged = Privileged::begin();
    Spi::connect(|client| {
        let chunks = client.select(
            "SELECT s.relation, s.operation, c.key_count, c.columns, backstop.unpacked(c.images)::pg_catalog.text, c.fingerprints
             FROM backstop.request_chunk AS c
             JOIN backstop.request_step AS s ON s.request_id OPERATOR(pg_catalog.=) c.request_id
                  AND s.step OPERATOR(pg_catalog.=) c.step
             WHERE c.request_id OPERATOR(pg_catalog.=) $1 ORDER BY c.chunk_number",
            None,
            &[id.into()],
        )?;
        for chunk in chunks {
            memory::check();
            let stored = chunk.get::<Bytes>(6)?.unwrap_or_default().0;
            if !prints(&stored).any(|print| wanted.contains_key(&print)) {
                continue;
            }
            let relation = chunk.text(1)?.unwrap_or_default();
            let operation = chunk.text(2)?.unwrap_or_default();
            let columns = chunk.texts(4)?.unwrap_or_default();
            let keys = usize::from(chunk.get::<i16>(3)?.unwrap_or(0).unsigned_abs());
            let images = chunk.text(5)?.unwrap_or_default();
            // Rows may be large: nothing of them is copied.
            let images: Vec<Vec<&RawValue>> = serde_json::from_str(&images).unwrap_or_default();
            for (print, image) in prints(&stored).zip(images) {
                let Some(count) = wanted.get_mut(&print).filter(|count| **count > 0) else {
                    continue;
                };
                *count -= 1;
                let key: Vec<String> = columns[..keys.min(columns.len())]
                    .iter()
                    .enumerate()
                    .map(|(n, column)| {
                        format!(
                            "{column} = {}",
                            image.get(n + 1).map_or("null", |value| value.get())
                        )
                    })
                    .collect();
                named.push(row_name(&operation, &relation, &key));
                if named.len() == EXAMPLES {
                    return Ok(named);
                }
            }
        }
        Ok(named)
    })
}

/// How a refusal names a row.
pub fn row_name(operation: &str, relation: &str, key: &[String]) -> String {
    format!("{operation} {relation} ({})", key.join(", "))
}

/// Notes which statement of the record the request became.
fn became(claim: &Claim, statement_id: Option<i64>) -> Outcome<()> {
    let Some(statement_id) = statement_id else {
        return Ok(());
    };
    let _privileged = Privileged::begin();
    Spi::connect_mut(|client| {
        client
            .update(
                "UPDATE backstop.request_log SET used_statement_id = $2
                 WHERE request_id OPERATOR(pg_catalog.=) $1",
                None,
                &[claim.request_id.into(), statement_id.into()],
            )
            .map(|_| ())
    })
    .map_err(|error| Report::new(sqlstate::NOT_IN_PREREQUISITE_STATE, error.to_string()))
}
