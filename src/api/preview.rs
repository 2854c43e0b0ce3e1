//! preview and preview_json: what a statement would destroy.

use super::arguments;
use super::policy::typed;
use crate::judge::limits::rows;
use crate::pg::encoding;
use crate::pg::function::{Call, Rows};
use crate::pg::values::Jsonb;
use crate::preview::lines::{Line, lines};
use crate::preview::{self, request};
use crate::record::datum;
use crate::report::{self, Outcome, Report, sqlstate};
use crate::shared::progress;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{IntoDatum, Spi};

crate::sql_function!(pg_finfo_backstop_preview, backstop_preview, preview);
crate::sql_function!(
    pg_finfo_backstop_preview_json,
    backstop_preview_json,
    preview_json
);

/// Runs the preview and writes its request.
///
/// # Safety
/// The arguments must be declared (text, text, jsonb).
unsafe fn requested(call: Call) -> Outcome<(i64, Vec<Line>)> {
    arguments::not_on_standby(c"backstop.preview()");
    arguments::not_in_expendable("preview")?;
    // SAFETY: the caller vouches for the types.
    let (text, reason, parameters) = unsafe {
        (
            arguments::required_text(call, 0, "statement")?,
            call.text(1),
            call.arg::<Jsonb>(2),
        )
    };
    let parameters = parameters.map(|json| json.0);
    // SAFETY: from a SQL function.
    let previewed = unsafe { preview::run(&text, parameters.as_ref())? };
    progress::preview_stored();
    let (lines, numbers) = lines(&previewed);
    let stored = parameters
        .as_ref()
        .map(|json| datum::jsonb(&encoding::encode(&json.to_string())));
    let id = request::write(&previewed, &lines, &numbers, reason.as_deref(), stored);
    preview::done();
    progress::end();
    if lines.is_empty() {
        pgrx::notice!("request {id}: the statement destroys nothing that is protected");
    }
    let late = previewed.seen.deferred_rows();
    if late > 0 {
        let report = Report::new(
            sqlstate::WARNING,
            format!(
                "deferred triggers destroy {} at COMMIT, which a token for this statement does not cover",
                rows(late)
            ),
        )
        .detail("What COMMIT fires is not a part of the statement.")
        .hint("To have it in the statement, write SET CONSTRAINTS ALL IMMEDIATE before it in the same transaction, here and where it runs.");
        // SAFETY: below ERROR, it returns.
        unsafe { report::warning(&report) };
    }
    if let Some(problem) = &previewed.deferred {
        pgrx::warning!("at COMMIT, a deferred trigger would say: {problem}");
    }
    Ok((id, lines))
}

unsafe fn preview_json(call: Call) -> Outcome<Datum> {
    // SAFETY: the types of the SQL declaration.
    let (id, _) = unsafe { requested(call)? };
    // The view behind it shows the caller what he may see of his own request.
    let json = Spi::connect_mut(|client| {
        let sql = "SELECT backstop.request_json($1)";
        let rows = client.update(sql, Some(1), &[typed(id, pg_sys::INT8OID)])?;
        rows.first().get_one::<Jsonb>()
    });
    let json = json.unwrap_or_else(|error| pgrx::error!("{error}"));
    Ok(json
        .and_then(Jsonb::into_datum)
        .unwrap_or_else(|| call.null()))
}

unsafe fn preview(call: Call) -> Outcome<Datum> {
    // SAFETY: the types of the SQL declaration, which RETURNS TABLE.
    let (id, lines, mut rows) = unsafe {
        let (id, lines) = requested(call)?;
        (id, lines, Rows::new(call))
    };
    for (n, line) in lines.into_iter().enumerate() {
        let columns = datum::text_array(&line.columns);
        let cleared = datum::text_array(&line.cleared_columns);
        let rules = datum::text_array(&line.rules);
        let readable = line.relid == pg_sys::InvalidOid || may_read(line.relid);
        rows.push(vec![
            Some(Datum::from(id)),
            Some(Datum::from((n + 1) as i32)),
            Some(datum::string(&line.relation)),
            Some(datum::string(&line.operation)),
            line.cause.map(|cause| datum::string(&cause)),
            Some(Datum::from(line.rows)),
            Some(Datum::from(line.expendable_rows)),
            Some(Datum::from(columns.as_ptr())),
            Some(Datum::from(cleared.as_ptr())),
            Some(Datum::from(rules.as_ptr())),
            line.sample
                .filter(|_| readable)
                .map(|json| datum::jsonb(&encoding::encode(&json))),
        ]);
    }
    Ok(call.null())
}

/// Whether the caller could read every row of the relation himself: a cascade may reach tables that he cannot.
fn may_read(relid: Oid) -> bool {
    // SAFETY: privilege look-ups for a relation that exists; noError = true for row security.
    unsafe {
        let user = pg_sys::GetUserId();
        let granted = pg_sys::pg_class_aclcheck(relid, user, u64::from(pg_sys::ACL_SELECT) as _);
        granted == pg_sys::AclResult::ACLCHECK_OK
            && (pg_sys::get_rel_relkind(relid) as u8 == pg_sys::RELKIND_SEQUENCE
                || pg_sys::check_enable_rls(relid, pg_sys::InvalidOid, true)
                    != pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32)
    }
}
