//! approve and run: a reviewer's decision, and the statement it is for.

use super::arguments;
use crate::approval::{fingerprint, token};
use crate::hooks;
use crate::judge::approval::{Kind, Refusal};
use crate::judge::token::Token;
use crate::ledger;
use crate::model::Rule;
use crate::pg::encoding;
use crate::pg::encoding::RowText;
use crate::pg::encoding::{Text, typed};
use crate::pg::function::{Call, Rows};
use crate::pg::privileged::Privileged;
use crate::pg::spi;
use crate::record::datum;
use crate::report::{self, Outcome, Report, sqlstate};
use crate::running::{self, Frame};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

crate::sql_function!(pg_finfo_backstop_approve, backstop_approve, approve);
crate::sql_function!(pg_finfo_backstop_run, backstop_run, run);

/// A request as its reviewer finds it.
struct Open {
    session_role: String,
    kind: Kind,
    /// `None` when it can be approved: why not, otherwise.
    closed: Option<String>,
}

unsafe fn approve(call: Call) -> Outcome<Datum> {
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

fn unreadable(error: pgrx::spi::Error) -> Box<Report> {
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

/// Puts back the client's root, however the statement ends.
struct Running(Option<(Frame, i32)>);

impl Drop for Running {
    fn drop(&mut self) {
        running::put_back(self.0);
        ledger::with(|ledger| drop(ledger.remove_root(running::RUN)));
    }
}

unsafe fn run(call: Call) -> Outcome<Datum> {
    arguments::not_on_standby(c"backstop.run()");
    // SAFETY: the types of the SQL declaration, which RETURNS TABLE.
    let (text, mut rows) =
        unsafe { (arguments::required_text(call, 0, "token")?, Rows::new(call)) };
    let refused = |refusal: Refusal| {
        Report::new(
            refusal.rule.sqlstate(),
            "token cannot be used",
        )
        .detail(refusal.why)
        .hint("SELECT * FROM backstop.request shows the state of your requests; backstop.approve(request_id, reason) \
               gives a token out.")
    };
    let token = Token::parse(&text)
        .map_err(Refusal::approval)
        .map_err(refused)?;
    let issued = token::issued(&token).map_err(refused)?;
    if let Some(refusal) = issued.refusal(&token::roles(), Some(&issued.statement)) {
        return Err(refused(refusal));
    }
    let inside = if crate::preview::active() {
        Some("a preview")
    } else if running::root_key() == Some(running::RUN) {
        Some("another one")
    } else {
        None
    };
    if let Some(inside) = inside {
        return Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!("an approved statement cannot be run inside {inside}"),
        ));
    }
    let parameters = parameters_of(token.request_id).map_err(unreadable)?;
    let statement = encoding::c_string(&issued.statement);
    // SAFETY: the frame's text lives until the statement is over; the setting ends with its level, or with the abort.
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            c"backstop.approval".as_ptr(),
            report::duplicate(&text),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        let client = Running(running::put_aside(Frame {
            key: running::RUN,
            source: statement.as_ptr(),
            location: -1,
            length: 0,
            params: ptr::null_mut(),
        }));
        let outcome = catch_unwind(AssertUnwindSafe(|| -> Outcome<_> {
            // Claimed even if the statement turns out to need no approval: it is the one that was approved.
            crate::running::queries::claim_token(&token);
            spi::execute(&statement, parameters.as_ref())?;
            finish()
        }));
        drop(client);
        let (tallies, id) = outcome.unwrap_or_else(|error| resume_unwind(error))?;
        pg_sys::AtEOXact_GUC(false, level);
        for tally in tallies {
            rows.push(vec![
                Some(datum::string(&tally.relation)),
                Some(datum::string(tally.operation.record_name())),
                Some(Datum::from(tally.rows)),
                id.map(Datum::from),
            ]);
        }
    }
    Ok(call.null())
}

/// Writes the record of the statement that ran, and returns what it destroyed.
fn finish() -> Outcome<(Vec<ledger::Tally>, Option<i64>)> {
    let tallies = ledger::with(|ledger| {
        let mut all: Vec<ledger::Tally> = Vec::new();
        let levels = ledger
            .find_root(running::RUN)
            .map(|root| root.levels())
            .unwrap_or_default();
        for tally in levels.iter().flat_map(|level| &level.tallies) {
            match all.iter_mut().find(|known| {
                known.relation == tally.relation && known.operation == tally.operation
            }) {
                Some(known) => known.rows += tally.rows,
                None => all.push(tally.clone()),
            }
        }
        all
    });
    let id = hooks::close_root(running::RUN, true)?;
    Ok((tallies, id))
}

fn parameters_of(id: i64) -> Result<Option<serde_json::Value>, pgrx::spi::Error> {
    let _privileged = Privileged::begin();
    Spi::connect(|client| {
        let row = client
            .select(
                "SELECT parameters FROM backstop.request_log WHERE request_id OPERATOR(pg_catalog.=) $1",
                Some(1),
                &[id.into()],
            )?
            .first();
        Ok(row.get::<encoding::Jsonb>(1)?.map(|json| json.0))
    })
}
