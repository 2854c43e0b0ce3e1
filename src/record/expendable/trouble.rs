//! Errors that PostgreSQL raises over an `expendable` expression. They end the statement, which has done nothing wrong: so
//! they say whose they are.

use crate::pg::attempt::is_fatal_to_statement;
use crate::registry::Policy;
use pgrx::PgTryBuilder;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

/// Runs `work`, which reads or evaluates the expressions of these policies.
pub fn named<R>(policies: &[Rc<Policy>], work: impl FnOnce() -> R) -> R {
    let told = |error: CaughtError| -> R {
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic {
            ereport: report, ..
        }) = &error;
        if is_fatal_to_statement(&error) || matches!(error, CaughtError::RustPanic { .. }) {
            error.rethrow()
        }
        let mut detail = report
            .detail()
            .map_or(String::new(), |text| format!("{text} "));
        for policy in policies {
            let expression = policy.expendable.as_deref().unwrap_or_default();
            detail += &format!(
                "pg_backstop asked which rows of protected table \"{}\" are expendable: {expression}. ",
                policy.table
            );
        }
        let names: Vec<&str> = policies.iter().map(|policy| &*policy.qualified).collect();
        let hint = format!(
            "{}If that cannot be answered any more, have the table's registration ask something else: SELECT \
             backstop.protect(...) of {}; backstop.protected_table has what it is now.",
            report
                .hint()
                .map_or(String::new(), |text| format!("{text} ")),
            names.join(", ")
        );
        let code = report.sql_error_code();
        let said = ErrorReport::new(code, report.message().to_owned(), "expendable");
        said.set_detail(detail.trim_end().to_owned())
            .set_hint(hint)
            .report(pgrx::PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    };
    PgTryBuilder::new(AssertUnwindSafe(work))
        .catch_others(told)
        .execute()
}
