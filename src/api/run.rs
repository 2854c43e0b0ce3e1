//! run: the statement that was approved.

use super::arguments;
use super::grant::unreadable;
use crate::approval::token;
use crate::hooks;
use crate::judge::approval::Refusal;
use crate::judge::token::Token;
use crate::ledger;
use crate::pg::encoding;
use crate::pg::function::{Call, Rows};
use crate::pg::privileged::Privileged;
use crate::pg::spi;
use crate::pg::values;
use crate::record::datum;
use crate::report::{self, Outcome, Report, sqlstate};
use crate::running::{self, Frame};
use pgrx::Spi;
use pgrx::pg_sys::{self, Datum};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

crate::sql_function!(pg_finfo_backstop_run, backstop_run, run);

/// Puts back the client's root, however the statement ends.
struct Running(Option<(Frame, i32)>);

impl Drop for Running {
    fn drop(&mut self) {
        running::put_back(self.0);
        ledger::with(|ledger| ledger.leave_page(running::RUN));
    }
}

unsafe fn run(call: Call) -> Outcome<Datum> {
    arguments::not_on_standby(c"backstop.run()");
    arguments::not_in_expendable("run")?;
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
            spi::execute(&statement, parameters.as_ref(), |params| {
                running::bind(params);
                // Claimed even if the statement turns out to need no approval: it is the one that was approved.
                running::coverage::claim_token(&token);
            })?;
            finish()
        }));
        drop(client);
        let (tallies, id) = outcome.unwrap_or_else(|error| resume_unwind(error))?;
        // What the statement set stays, as without us.
        pg_sys::AtEOXact_GUC(true, level);
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
        Ok(row.get::<values::Jsonb>(1)?.map(|json| json.0))
    })
}
