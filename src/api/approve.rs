//! approve_batch: a statement of intent for the rest of the transaction.

use super::arguments;
use crate::judge::approval::{self, Intent};
use crate::model::Operation;
use crate::pg::catalog;
use crate::pg::function::Call;
use crate::report::{self, Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum};

crate::sql_function!(
    pg_finfo_backstop_approve_batch,
    backstop_approve_batch,
    approve_batch
);

unsafe fn approve_batch(call: Call) -> Outcome<Datum> {
    arguments::not_in_expendable("approve_batch")?;
    // SAFETY: the types of the SQL declaration.
    let (reason, max_rows, relations, operations) = unsafe {
        (
            arguments::required_text(call, 0, "reason")?,
            arguments::required::<i64>(call, 1, "max_rows")?,
            arguments::texts(call, 2, "relations")?,
            arguments::texts(call, 3, "operations")?,
        )
    };
    let relations = relations
        .map(|names| names.iter().map(|name| qualified(name)).collect())
        .transpose()?;
    let operations = operations
        .map(|words| words.iter().map(|word| operation(word)).collect())
        .transpose()?;
    let intent = Intent {
        reason,
        max_rows,
        relations,
        operations,
        expires: None,
    };
    let json = serde_json::to_string(&intent)
        .map_err(|error| Report::new(sqlstate::INVALID_PARAMETER, error.to_string()))?;
    if let Err(why) = Intent::parse(&json) {
        return Err(Report::new("SF010", "malformed approval")
            .detail(why)
            .hint("Say why in \"reason\", and in \"max_rows\" how many rows may go, as backstop.preview(statement) counts them."));
    }
    // SAFETY: SET LOCAL, as set_config(..., true) does it.
    unsafe {
        pg_sys::set_config_option(
            c"backstop.approval".as_ptr(),
            report::duplicate(&json),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            0,
            false,
        );
    }
    // SAFETY: the call in progress.
    if unsafe { ends_with_the_call(call) } {
        let report = Report::new(
            sqlstate::NO_ACTIVE_SQL_TRANSACTION,
            "backstop.approve_batch() outside a transaction block approves nothing",
        )
        .detail("Its approval ends with the transaction, which is this statement's own.")
        .hint("BEGIN; SELECT backstop.approve_batch(...); then the statement, in the same session; COMMIT.");
        // SAFETY: inside the guarded frame of a C function.
        unsafe { report::warning(&report) };
    }
    Ok(call.null())
}

/// Whether the call is the client's own statement, which is a transaction by itself, as PostgreSQL asks it for SET LOCAL. In
/// a function or a DO block, something may follow.
///
/// # Safety
/// `call` must be in progress.
unsafe fn ends_with_the_call(call: Call) -> bool {
    // SAFETY: a portal that runs a query has its descriptor, and that its state; the expressions of a query are compiled in
    // its memory.
    unsafe {
        if pg_sys::IsInTransactionBlock(true) || pg_sys::ActivePortal.is_null() {
            return false;
        }
        let query = (*pg_sys::ActivePortal).queryDesc;
        !query.is_null()
            && !(*query).estate.is_null()
            && (*(*query).estate).es_query_cxt == (*(*call.0).flinfo).fn_mcxt
    }
}

/// The qualified name of a relation that exists.
fn qualified(name: &str) -> Outcome<String> {
    // SAFETY: to_regclass(text) returns NULL for a relation that does not exist.
    let found = unsafe {
        let argument = crate::record::datum::string(name);
        pgrx::direct_function_call::<pg_sys::Oid>(pg_sys::to_regclass, &[Some(argument)])
    };
    match found {
        Some(relid) => Ok(catalog::display_name(relid)),
        None => Err(Report::new(
            "SF010",
            format!("relation \"{name}\" in argument \"relations\" does not exist"),
        )
        .detail("Nothing goes by that name with this search_path.")
        .hint(
            "Name relations with their schema, such as public.users, or leave \"relations\" out.",
        )),
    }
}

fn operation(word: &str) -> Outcome<Operation> {
    approval::operation(word).ok_or_else(|| {
        Report::new(
            "SF010",
            format!("invalid value for argument \"operations\": \"{word}\""),
        )
        .detail("There is no such operation.")
        .hint(format!("Use {}.", approval::known_operations()))
    })
}
