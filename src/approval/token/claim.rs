//! Claiming: is the token good, and for this statement?

use super::{Claim, State, prints};
use crate::approval::fingerprint::Key;
use crate::judge::approval::{Kind, Refusal};
use crate::judge::token::{Issued, Roles, Token};
use crate::pg::encoding;
use crate::pg::memory;
use crate::pg::privileged::Privileged;
use crate::pg::values::{Bytes, RowText};
use pgrx::Spi;
use pgrx::pg_sys::{self, Datum};
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::Rc;

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
            memory::check();
            for print in prints(&chunk.get::<Bytes>(1)?.unwrap_or_default().0) {
                // What deferred triggers do at COMMIT is not the statement's.
                if print == 0 {
                    continue;
                }
                memory::room_for_entry(&mut expected);
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
