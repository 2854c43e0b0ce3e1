//! check: the verdict from planning alone.

use crate::hooks::unplanned;
use crate::model::Violation;
use crate::pg::function::{Call, Rows};
use crate::pg::raw;
use crate::record::datum;
use crate::registry;
use crate::report::{self, Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum};

crate::sql_function!(pg_finfo_backstop_check, backstop_check, check);

unsafe fn check(call: Call) -> Outcome<Datum> {
    // SAFETY: declared STRICT with one text, returning a table.
    let (text, mut rows) = unsafe { (call.text(0).unwrap_or_default(), Rows::new(call)) };
    let sql = report::duplicate(&text);
    // SAFETY: the parser's entry points on a C string in this memory context; analysis checks no privileges, so nothing
    // is learned here that EXPLAIN would not tell.
    unsafe {
        let statements = pg_sys::pg_parse_query(sql);
        if raw::list_length(statements) != 1 {
            return Err(Report::new(
                sqlstate::SYNTAX_ERROR,
                "backstop.check() takes exactly one statement",
            ));
        }
        let statement = raw::list_nth(statements, 0) as *mut pg_sys::RawStmt;
        for violation in violations(statement, sql)? {
            rows.push(vec![
                Some(datum::string(violation.rule.name())),
                Some(datum::string(violation.rule.sqlstate())),
                Some(datum::string(&violation.message)),
                Some(datum::string(&violation.detail)),
                Some(datum::string(&violation.hint)),
            ]);
        }
    }
    Ok(call.null())
}

/// # Safety
/// `statement` must be a fresh parse of `sql`.
unsafe fn violations(
    statement: *mut pg_sys::RawStmt,
    sql: *const std::ffi::c_char,
) -> Outcome<Vec<Violation>> {
    let Some(registry) = registry::current() else {
        return Ok(Vec::new());
    };
    let mut found: Vec<Violation> = Vec::new();
    // SAFETY: analysis and rewriting as for a statement with parameters whose types are inferred.
    unsafe {
        let (mut types, mut count) = (std::ptr::null_mut::<pg_sys::Oid>(), 0);
        let queries =
            crate::pg::compat::analyze_and_rewrite(statement, sql, &mut types, &mut count);
        for n in 0..raw::list_length(queries) {
            let query = raw::list_nth(queries, n) as *mut pg_sys::Query;
            if (*query).commandType == pg_sys::CmdType::CMD_UTILITY {
                found.extend(crate::hooks::utility::check(
                    (*query).utilityStmt,
                    &registry,
                ));
            } else {
                found.extend(unplanned::violations(&registry, query));
            }
        }
    }
    found.sort_by_key(|violation| violation.rule);
    Ok(found)
}
