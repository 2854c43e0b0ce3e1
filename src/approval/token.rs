//! Tokens in use: claimed by the statement they were made for, and checked against the rows it really destroys.
//!
//! Claiming marks the request as used in the statement's own transaction: if that rolls back, to a savepoint or whole,
//! the token is good again, and nothing was destroyed; a second session waits for the first one's end. While the
//! statement runs, every destroyed row leaves its fingerprint; when its root is over they must be the preview's, one for
//! one.

use super::fingerprint::Key;
use super::setting::Held;
use crate::judge::approval::{Kind, Refusal};
use crate::judge::limits;
use crate::judge::token::{Issued, Roles, Token};
use crate::ledger::{self, Root};
use crate::model::Violation;
use crate::pg::encoding;
use crate::pg::encoding::RowText;
use crate::pg::privileged::Privileged;
use crate::pg::raw;
use crate::preview;
use crate::record;
use crate::report::{Outcome, Report, sqlstate};
use crate::running::{self, queries};
use pgrx::Spi;
use pgrx::pg_sys::{self, Datum};
use std::collections::HashMap;
use std::ffi::CStr;
use std::fmt;
use std::rc::Rc;

/// How many differing rows a refusal names.
pub const EXAMPLES: usize = 5;

/// A token's place in a root statement.
#[derive(Clone, Default)]
pub enum State {
    /// Not asked for yet.
    #[default]
    Untried,
    Claimed(Rc<Claim>),
    Refused(Refusal),
}

/// A request that this statement has claimed.
pub struct Claim {
    pub request_id: i64,
    pub kind: Kind,
    /// Rows that count, as previewed.
    pub rows: i64,
    /// For the record.
    pub json: Rc<str>,
    pub key: Key,
    /// The previewed rows' fingerprints, and how many rows have each.
    expected: HashMap<u128, u32>,
    /// All previewed rows.
    pub total: usize,
}

/// The key stays out of debug output.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}", self.request_id)
    }
}

impl Claim {
    /// Whether the preview showed a row with this fingerprint.
    pub fn showed(&self, print: u128) -> bool {
        self.expected.contains_key(&print)
    }
}

/// SHA-256 of a token's secret, as a bytea datum.
pub fn hash(secret: &[u8]) -> Datum {
    // SAFETY: sha256(bytea) of a fresh bytea.
    unsafe {
        let argument = crate::record::datum::text(secret);
        pgrx::direct_function_call_as_datum(pg_sys::sha256_bytea, &[Some(argument)])
            .unwrap_or(Datum::from(0))
    }
}

/// Who the running statement runs for.
pub fn roles() -> Roles {
    let name = |role: pg_sys::Oid| {
        // SAFETY: noerr = true gives NULL for a role that was dropped meanwhile.
        unsafe {
            let name = pg_sys::GetUserNameFromId(role, true);
            if name.is_null() {
                String::new()
            } else {
                encoding::decoded(CStr::from_ptr(name))
            }
        }
    };
    // SAFETY: reads backend state.
    unsafe {
        Roles {
            session: name(pg_sys::GetSessionUserId()),
            current: name(pg_sys::GetOuterUserId()),
        }
    }
}

/// The request whose token this is, locked until the transaction ends.
pub fn issued(token: &Token) -> Result<Issued, Refusal> {
    let _privileged = Privileged::begin();
    let found = Spi::connect_mut(|client| {
        let arguments = [
            token.request_id.into(),
            // SAFETY: a bytea datum.
            unsafe { pgrx::datum::DatumWithOid::new(hash(&token.secret), pg_sys::BYTEAOID) },
        ];
        let rows = client.update(
            "SELECT session_role, role, statement, token_kind, used_at::pg_catalog.text,
                    token_expires_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
             FROM backstop.request_log
             WHERE request_id OPERATOR(pg_catalog.=) $1 AND token_hash OPERATOR(pg_catalog.=) $2
                   AND decision OPERATOR(pg_catalog.=) 'approved'
             FOR UPDATE",
            Some(1),
            &arguments,
        )?;
        if rows.is_empty() {
            return Ok(None);
        }
        let row = rows.first();
        Ok::<_, pgrx::spi::Error>(Some(Issued {
            request_id: token.request_id,
            roles: Roles {
                session: row.text(1)?.unwrap_or_default(),
                current: row.text(2)?.unwrap_or_default(),
            },
            statement: row.text(3)?.unwrap_or_default(),
            kind: row
                .text(4)?
                .and_then(|name| Kind::from_name(&name))
                .unwrap_or(Kind::Preview),
            used_at: row.text(5)?,
            expired: row.get::<bool>(6)?.unwrap_or(true),
        }))
    });
    match found {
        Ok(Some(issued)) => Ok(issued),
        Ok(None) => Err(Refusal::approval(
            "The token is unknown: it was never given out, or a later approval of the same request replaced it."
                .to_owned(),
        )),
        Err(error) => Err(Refusal::approval(format!("The token cannot be read: {error}."))),
    }
}

/// Claims `token` for a root statement with this text.
pub fn claim(token: &Token, statement: Option<&[u8]>) -> State {
    let issued = match issued(token) {
        Ok(issued) => issued,
        Err(refusal) => return State::Refused(refusal),
    };
    let text = statement.map(encoding::decode);
    if let Some(refusal) = issued.refusal(&roles(), text.as_deref()) {
        return State::Refused(refusal);
    }
    match take(&issued) {
        Ok(claim) => State::Claimed(Rc::new(claim)),
        Err(error) => State::Refused(Refusal::approval(format!(
            "The request cannot be read: {error}."
        ))),
    }
}

/// Marks the request as used, and reads what it showed.
fn take(issued: &Issued) -> Result<Claim, pgrx::spi::Error> {
    let _privileged = Privileged::begin();
    Spi::connect_mut(|client| {
        let id = issued.request_id;
        let row = client
            .update(
                "UPDATE backstop.request_log SET used_at = pg_catalog.clock_timestamp()
                 WHERE request_id OPERATOR(pg_catalog.=) $1
                 RETURNING rows, fingerprint_key, decided_by, decision_reason, reason",
                Some(1),
                &[id.into()],
            )?
            .first();
        let mut key = [0; 16];
        let stored = row.get::<Vec<u8>>(2)?.unwrap_or_default();
        if stored.len() == key.len() {
            key.copy_from_slice(&stored);
        }
        let json = serde_json::json!({
            "request_id": id,
            "kind": issued.kind.name(),
            "approved_by": row.text(3)?,
            "reason": row.text(4)?,
            "requested_for": row.text(5)?,
        });
        let rows = row.get::<i64>(1)?.unwrap_or(0);
        let mut expected: HashMap<u128, u32> = HashMap::new();
        let mut total = 0;
        for chunk in client.select(
            "SELECT fingerprints FROM backstop.request_chunk
             WHERE request_id OPERATOR(pg_catalog.=) $1",
            None,
            &[id.into()],
        )? {
            for print in prints(&chunk.get::<Vec<u8>>(1)?.unwrap_or_default()) {
                // What deferred triggers do at COMMIT is not the statement's.
                if print == 0 {
                    continue;
                }
                *expected.entry(print).or_default() += 1;
                total += 1;
            }
        }
        Ok(Claim {
            request_id: id,
            kind: issued.kind,
            rows,
            json: Rc::from(json.to_string()),
            key: Key(key),
            expected,
            total,
        })
    })
}

/// The fingerprints of a chunk.
fn prints(bytes: &[u8]) -> impl Iterator<Item = u128> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|print| u128::from_le_bytes(*print))
}

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

/// Compares what a root that is over destroyed with what its preview showed.
///
/// # Errors
/// SF011.
fn verify(root: &mut Root, claim: &Claim) -> Outcome<()> {
    let mut left = claim.expected.clone();
    let unseen = unseen(root, &mut left);
    left.retain(|_, count| *count > 0);
    let missing: usize = left.values().map(|count| *count as usize).sum();
    if unseen == 0 && missing == 0 {
        return Ok(());
    }
    let named = describe(claim.request_id, left).unwrap_or_default();
    let examples = examples(root);
    let violation = limits::other_rows(
        claim.request_id,
        (unseen, &examples),
        (missing, &named),
        true,
    );
    Err(violation.into())
}

/// SF011 before the root is over: it destroys more rows than the preview showed.
pub fn more_rows(root: &mut Root, claim: &Claim) -> Violation {
    // The row that is one too many has not left its fingerprint yet.
    let unseen = unseen(root, &mut claim.expected.clone()) + 1;
    let examples = examples(root);
    limits::other_rows(claim.request_id, (unseen, &examples), (0, &[]), false)
}

/// How many rows were not shown; takes those that were out of `left`.
fn unseen(root: &mut Root, left: &mut HashMap<u128, u32>) -> usize {
    let prints = root.levels().iter().flat_map(|level| &level.fingerprints);
    let mut unseen = 0;
    for print in prints {
        match left.get_mut(print) {
            Some(count) if *count > 0 => *count -= 1,
            _ => unseen += 1,
        }
    }
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
            "SELECT s.relation, s.operation, c.key_count, c.columns, c.images::pg_catalog.text, c.fingerprints
             FROM backstop.request_chunk AS c
             JOIN backstop.request_step AS s ON s.request_id OPERATOR(pg_catalog.=) c.request_id
                  AND s.step OPERATOR(pg_catalog.=) c.step
             WHERE c.request_id OPERATOR(pg_catalog.=) $1 ORDER BY c.chunk_number",
            None,
            &[id.into()],
        )?;
        for chunk in chunks {
            let stored = chunk.get::<Vec<u8>>(6)?.unwrap_or_default();
            if !prints(&stored).any(|print| wanted.contains_key(&print)) {
                continue;
            }
            let relation = chunk.text(1)?.unwrap_or_default();
            let operation = chunk.text(2)?.unwrap_or_default();
            let columns = chunk.texts(4)?.unwrap_or_default();
            let keys = usize::from(chunk.get::<i16>(3)?.unwrap_or(0).unsigned_abs());
            let images = chunk.text(5)?.unwrap_or_default();
            let images: Vec<serde_json::Value> = serde_json::from_str(&images).unwrap_or_default();
            for (print, image) in prints(&stored).zip(images) {
                let Some(count) = wanted.get_mut(&print).filter(|count| **count > 0) else {
                    continue;
                };
                *count -= 1;
                let key: Vec<String> = columns[..keys.min(columns.len())]
                    .iter()
                    .enumerate()
                    .map(|(n, column)| format!("{column} = {}", image[n + 1]))
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

/// Leaves the fingerprint of a change that is not a row (DDL, a sequence) with the preview or the token that the open
/// root runs under.
///
/// # Errors
/// SF011, when the preview showed fewer changes.
pub fn mark(change: &str) -> Outcome<()> {
    if let Some((_, Held::Token(token))) = super::setting::current()
        && !preview::active()
    {
        queries::claim_token(&token);
    }
    let root_key = running::root_key().unwrap_or(usize::MAX);
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    ledger::with(|ledger| {
        let Some(root) = ledger.find_root(root_key) else {
            return Ok(());
        };
        let Some(key) = root.fingerprint_key() else {
            return Ok(());
        };
        let print = key.of(pg_sys::InvalidOid, "", &encoding::encode(change));
        if root.preview.is_some() {
            root.level(nest).seen.marks.push(print);
            return Ok(());
        }
        let Some(claim) = root.claim().cloned() else {
            return Ok(());
        };
        let one_too_many = root.fingerprints() >= claim.total;
        if one_too_many || !claim.showed(print) {
            root.level(nest).unseen.push(change.to_owned());
        }
        if one_too_many {
            return Err(more_rows(root, &claim).into());
        }
        root.level(nest).fingerprints.push(print);
        Ok(())
    })
}
