//! approve: a reviewer gives a token out.

use super::arguments;
use crate::approval::{fingerprint, token};
use crate::judge::approval::Kind;
use crate::judge::token::Token;
use crate::model::Rule;
use crate::pg::function::Call;
use crate::pg::privileged::Privileged;
use crate::pg::values::RowText;
use crate::pg::values::{Text, typed};
use crate::record::datum;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum};

crate::sql_function!(pg_finfo_backstop_approve, backstop_approve, approve);

/// A request as its reviewer finds it.
struct Open {
    session_role: String,
    kind: Kind,
    /// `None` when it can be approved: why not, otherwise.
    closed: Option<String>,
}

unsafe fn approve(call: Call) -> Outcome<Datum> {
    arguments::not_in_expendable("approve")?;
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
        )
        .hint("Say why these rows may go: it stays in the record."));
    }
    let roles = token::roles();
    let open = find(id)?;
    if let Some(why) = open.closed {
        return Err(Report::new(
            Rule::ApprovalRefused.sqlstate(),
            format!("request {id} cannot be approved"),
        )
        .detail(why)
        .hint("SELECT * FROM backstop.request shows every request's state; preview the statement again for a new one."));
    }
    let kind = if roles.session == open.session_role {
        Kind::Preview
    } else {
        Kind::SecondPerson
    };
    if kind < open.kind {
        return Err(Report::new(
            Rule::ApprovalRefused.sqlstate(),
            format!("request {id} needs a second person"),
        )
        .detail(format!(
            "It was made in a session of role \"{}\", and so is this approval.",
            open.session_role
        ))
        .hint("Someone who logs in as another role, and may execute backstop.approve, must approve it: SET ROLE does not count."));
    }
    let Some(secret) = fingerprint::random() else {
        return Err(Report::new(
            "XX000",
            "the operating system gives no random bytes",
        ));
    };
    let token = Token {
        request_id: id,
        secret,
    };
    decide(&token, kind, &roles.session, &reason).map_err(unreadable)?;
    Ok(datum::string(&token.to_string()))
}

pub(super) fn unreadable(error: pgrx::spi::Error) -> Box<Report> {
    Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("cannot read the requests: {error}"),
    )
}

/// Finds a request, and locks it until the transaction ends.
fn find(id: i64) -> Outcome<Open> {
    let _privileged = Privileged::begin();
    let found = Spi::connect_mut(|client| {
        let rows = client.update(
            "SELECT session_role, kind, decision, used_at::pg_catalog.text,
                    expires_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
             FROM backstop.request_log WHERE request_id OPERATOR(pg_catalog.=) $1 FOR UPDATE",
            Some(1),
            &[id.into()],
        )?;
        if rows.is_empty() {
            return Ok(None);
        }
        let row = rows.first();
        let decision = row.text(3)?;
        let used = row.text(4)?;
        let expired = row.get::<bool>(5)?.unwrap_or(true);
        let closed = match (used, decision.as_deref()) {
            (Some(at), _) => Some(format!("It was run at {at}.")),
            (None, Some("denied")) => Some("It was denied.".to_owned()),
            _ if expired => Some("It has expired.".to_owned()),
            _ => None,
        };
        Ok::<_, pgrx::spi::Error>(Some(Open {
            session_role: row.text(1)?.unwrap_or_default(),
            kind: row
                .text(2)?
                .and_then(|name| Kind::from_name(&name))
                .unwrap_or(Kind::SecondPerson),
            closed,
        }))
    });
    match found {
        Ok(Some(open)) => Ok(open),
        Ok(None) => Err(Report::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("request {id} does not exist"),
        )
        .hint("SELECT * FROM backstop.request lists the requests.")),
        Err(error) => Err(unreadable(error)),
    }
}

/// Writes the decision down. A new token replaces one that was given out before.
fn decide(token: &Token, kind: Kind, by: &str, reason: &str) -> Result<(), pgrx::spi::Error> {
    let _privileged = Privileged::begin();
    Spi::connect_mut(|client| {
        // SAFETY: a bytea datum in the current memory context.
        let hash = unsafe { DatumWithOid::new(token::hash(&token.secret), pg_sys::BYTEAOID) };
        let arguments = [
            token.request_id.into(),
            typed(Text(by.to_owned())),
            typed(Text(reason.to_owned())),
            hash,
            kind.name().into(),
            (crate::gucs::approval_ttl_us() / 1_000_000).into(),
        ];
        client
            .update(
                "UPDATE backstop.request_log
                 SET decision = 'approved', decided_at = pg_catalog.clock_timestamp(), decided_by = $2,
                     decision_reason = $3, token_hash = $4, token_kind = $5,
                     token_expires_at = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+)
                         pg_catalog.make_interval(secs => $6)
                 WHERE request_id OPERATOR(pg_catalog.=) $1",
                None,
                &arguments,
            )
            .map(|_| ())
    })
}
