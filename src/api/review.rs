//! preview_tree and deny.

use super::arguments;
use super::policy::typed;
use crate::pg::function::{Call, Rows};
use crate::pg::values::RowText;
use crate::pg::values::Text;
use crate::record::datum;
use crate::report::{Outcome, Report, sqlstate};
use crate::review::tree::{self, Movement, Request, Step};
use pgrx::pg_sys::{self, Datum};
use pgrx::spi::{self, Spi, SpiHeapTupleData};

crate::sql_function!(
    pg_finfo_backstop_preview_tree,
    backstop_preview_tree,
    preview_tree
);
crate::sql_function!(pg_finfo_backstop_deny, backstop_deny, deny);

/// Reads as the caller: the views decide what he sees.
unsafe fn preview_tree(call: Call) -> Outcome<Datum> {
    // SAFETY: declared with one bigint, returning a set of text.
    let (id, mut rows) = unsafe {
        (
            arguments::required::<i64>(call, 0, "request_id")?,
            Rows::single(call),
        )
    };
    let Some(request) = request(id).unwrap_or_else(|error| pgrx::error!("{error}")) else {
        return Err(unknown(id));
    };
    let steps = steps(id).unwrap_or_else(|error| pgrx::error!("{error}"));
    for line in tree::tree(&request, &steps) {
        rows.push(vec![Some(datum::string(&line))]);
    }
    Ok(call.null())
}

fn request(id: i64) -> spi::Result<Option<Request>> {
    Spi::connect(|client| {
        let rows = client.select(
            "SELECT state, session_role::pg_catalog.text, role::pg_catalog.text, \
                    pg_catalog.to_char(requested_at, 'YYYY-MM-DD HH24:MI:SSOF'), \
                    pg_catalog.to_char(coalesce(token_expires_at, expires_at), 'YYYY-MM-DD HH24:MI:SSOF'), \
                    reason, statement, parameters::pg_catalog.text, kind, rows, expendable_rows, \
                    decided_by::pg_catalog.text, pg_catalog.to_char(decided_at, 'YYYY-MM-DD HH24:MI:SSOF'), \
                    decision_reason, pg_catalog.to_char(used_at, 'YYYY-MM-DD HH24:MI:SSOF'), used_statement_id \
             FROM backstop.request WHERE request_id OPERATOR(pg_catalog.=) $1",
            Some(1),
            &[typed(id, pg_sys::INT8OID)],
        )?;
        let mut found = None;
        for row in rows {
            let decision = match (row.text(12)?, row.text(13)?) {
                (Some(by), Some(at)) => Some((by, at, row.text(14)?)),
                _ => None,
            };
            let used = match row.text(15)? {
                Some(at) => Some((at, row.get(16)?)),
                None => None,
            };
            found = Some(Request {
                id,
                state: row.text(1)?.unwrap_or_default(),
                session_role: row.text(2)?.unwrap_or_default(),
                role: row.text(3)?.unwrap_or_default(),
                requested_at: row.text(4)?.unwrap_or_default(),
                until: row.text(5)?.unwrap_or_default(),
                reason: row.text(6)?,
                statement: row.text(7)?.unwrap_or_default(),
                parameters: row.text(8)?,
                kind: row.text(9)?.unwrap_or_default(),
                rows: row.get(10)?.unwrap_or_default(),
                expendable_rows: row.get(11)?.unwrap_or_default(),
                decision,
                used,
            });
        }
        Ok(found)
    })
}

fn steps(id: i64) -> spi::Result<Vec<Step>> {
    Spi::connect(|client| {
        let rows = client.select(
            "SELECT relation, operation, cause, rows, expendable_rows, columns, cleared_columns, rules, \
                    operation OPERATOR(pg_catalog.=) 'SETVAL', sample OPERATOR(pg_catalog.->>) 'from', \
                    (sample OPERATOR(pg_catalog.->>) 'from_is_called')::pg_catalog.bool, \
                    sample OPERATOR(pg_catalog.->>) 'to', \
                    (sample OPERATOR(pg_catalog.->>) 'to_is_called')::pg_catalog.bool, \
                    sample OPERATOR(pg_catalog.->>) 'next', sample OPERATOR(pg_catalog.->>) 'warning' \
             FROM backstop.request_detail WHERE request_id OPERATOR(pg_catalog.=) $1 \
             ORDER BY step USING OPERATOR(pg_catalog.<)",
            None,
            &[typed(id, pg_sys::INT8OID)],
        )?;
        rows.map(|row| step(&row)).collect()
    })
}

fn step(row: &SpiHeapTupleData<'_>) -> spi::Result<Step> {
    let position = |value: usize| -> spi::Result<String> {
        let text = row.text(value)?.unwrap_or_default();
        Ok(match row.get::<bool>(value + 1)? {
            Some(false) => format!("{text} (not handed out yet)"),
            _ => text,
        })
    };
    let movement = if row.get(9)?.unwrap_or(false) {
        Some(Movement {
            from: position(10)?,
            to: position(12)?,
            next: row.text(14)?,
            warning: row.text(15)?,
        })
    } else {
        None
    };
    Ok(Step {
        relation: row.text(1)?.unwrap_or_default(),
        operation: row.text(2)?.unwrap_or_default(),
        cause: row.text(3)?,
        rows: row.get(4)?.unwrap_or_default(),
        expendable_rows: row.get(5)?.unwrap_or_default(),
        columns: row.texts(6)?.unwrap_or_default(),
        cleared_columns: row.texts(7)?.unwrap_or_default(),
        rules: row.texts(8)?.unwrap_or_default(),
        movement,
    })
}

/// SECURITY DEFINER: whoever may execute it decides.
unsafe fn deny(call: Call) -> Outcome<Datum> {
    arguments::not_in_expendable("deny")?;
    // SAFETY: the types of the SQL declaration.
    let (id, reason) = unsafe {
        (
            arguments::required::<i64>(call, 0, "request_id")?,
            arguments::required_text(call, 1, "reason")?,
        )
    };
    if reason.trim().is_empty() {
        return Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            "argument \"reason\" must not be empty",
        ));
    }
    // A run that uses the token at the same time holds the row: one of the two waits, and finds what the other did. A
    // request whose token ran out can be approved again until it expires itself, so it can be denied as long.
    let denied = Spi::connect_mut(|client| {
        client
            .update(
                "UPDATE backstop.request_log \
                 SET decision = 'denied', decided_at = pg_catalog.clock_timestamp(), decided_by = SESSION_USER, \
                     decision_reason = $2, token_hash = NULL, token_kind = NULL, token_expires_at = NULL \
                 WHERE request_id = $1 AND used_at IS NULL AND decision IS DISTINCT FROM 'denied' \
                   AND greatest(token_expires_at, expires_at) > pg_catalog.clock_timestamp() \
                 RETURNING 1",
                None,
                &[
                    typed(id, pg_sys::INT8OID),
                    typed(Text(reason), pg_sys::TEXTOID),
                ],
            )
            .map(|rows| rows.len())
    });
    if denied.unwrap_or_else(|error| pgrx::error!("{error}")) == 1 {
        return Ok(call.null());
    }
    let request = Spi::connect_mut(|client| {
        let sql = "SELECT CASE WHEN used_at IS NOT NULL THEN 'was already used' \
                               WHEN decision = 'denied' THEN 'is already denied' \
                               ELSE 'has expired' END \
                   FROM backstop.request_log WHERE request_id = $1";
        let rows = client.update(sql, Some(1), &[typed(id, pg_sys::INT8OID)])?;
        rows.first().text(1)
    });
    match request {
        Ok(Some(state)) => Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!("request {id} {state}"),
        )
        .hint("backstop.request lists the requests with their states.")),
        Ok(None) | Err(spi::Error::InvalidPosition) => Err(unknown(id)),
        Err(error) => pgrx::error!("{error}"),
    }
}

fn unknown(id: i64) -> Box<Report> {
    Report::new(
        sqlstate::UNDEFINED_OBJECT,
        format!("request {id} does not exist"),
    )
    .hint("backstop.request lists the requests that you may see.")
}
