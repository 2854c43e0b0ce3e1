//! status: what is loaded, how, and what is protected.

use crate::ddl::everyone;
use crate::pg::catalog;
use crate::pg::function::{Call, Rows};
use crate::record::{datum, uses};
use crate::registry::{Policy, Registry};
use crate::report::Outcome;
use crate::{guard_triggers, gucs, registry, rejection};
use pgrx::pg_sys::{self, Datum};
use std::ffi::CStr;
use std::rc::Rc;

crate::sql_function!(pg_finfo_backstop_status, backstop_status, status);

unsafe fn status(call: Call) -> Outcome<Datum> {
    // SAFETY: declared to return a table.
    let mut rows = unsafe { Rows::new(call) };
    let mut row = |property: &str, value: String| {
        rows.push(vec![
            Some(datum::string(property)),
            Some(datum::string(&value)),
        ]);
    };
    row("version", env!("CARGO_PKG_VERSION").to_owned());
    row("loaded by", loaded_by().to_owned());
    row("mode", gucs::mode().name().to_owned());
    row("max_rows", gucs::max_rows().to_string());
    row(
        "max_rows_per_transaction",
        gucs::max_rows_per_transaction().to_string(),
    );
    // SAFETY: reads a backend variable.
    match rejection::waiting_and_lost(unsafe { pg_sys::MyDatabaseId }) {
        Some((waiting, lost)) => {
            // SAFETY: reads shared state.
            let how = if unsafe { pg_sys::RecoveryInProgress() } {
                "in the server log only: a standby writes nothing"
            } else if rejection::is_attended() {
                "written to backstop.rejection by a background worker"
            } else {
                "kept in memory: the background worker that writes them has not started (max_worker_processes)"
            };
            row("rejections", how.to_owned());
            row("rejections waiting", waiting.to_string());
            row("rejections lost", lost.to_string());
        }
        None => row(
            "rejections",
            "in the server log only: pg_backstop is not in shared_preload_libraries".to_owned(),
        ),
    }
    for function in everyone::functions_withheld() {
        row("function without EXECUTE for PUBLIC", function);
    }
    let Some(registry) = registry::current_even_if_off() else {
        row("protected tables", "0".to_owned());
        row("followers", "0".to_owned());
        row("protected columns", "0".to_owned());
        row("protected sequences", "0".to_owned());
        return Ok(call.null());
    };
    let mut protected: Vec<String> = registry
        .tables()
        .filter(|table| {
            table
                .policies
                .iter()
                .any(|policy| policy.relid == table.relid)
        })
        .map(|table| catalog::qualified(&table.schema, &table.table))
        .collect();
    protected.sort();
    let followers = registry
        .tables()
        .filter(|table| !table.is_protected() && !table.cascades.is_empty())
        .count();
    row("protected tables", protected.len().to_string());
    for table in protected {
        row("protected table", table);
    }
    row("followers", followers.to_string());
    for table in guard_triggers::incomplete(&registry) {
        let name = catalog::qualified(&table.schema, &table.table);
        row("table without enabled triggers", name);
    }
    for policy in unreadable(&registry) {
        row("table whose expendable expression fails", policy);
    }
    let fed = |relid: &pg_sys::Oid| {
        registry
            .table(*relid)
            .is_some_and(|table| !table.fed.is_empty())
    };
    // A child's are its parent's.
    let columns: usize = registry
        .tables()
        .filter(|table| !registry.parents(table.relid).iter().any(fed))
        .map(|table| table.fed.len())
        .sum();
    row("protected columns", columns.to_string());
    row("protected sequences", registry.sequence_count().to_string());
    Ok(call.null())
}

/// The registered tables whose `expendable` PostgreSQL cannot read any more: every UPDATE and DELETE on them fails.
fn unreadable(registry: &Registry) -> Vec<String> {
    let policies = registry.tables().flat_map(|table| {
        let own = |policy: &&Rc<Policy>| policy.relid == table.relid;
        table.policies.iter().find(own)
    });
    let mut names: Vec<String> = policies
        .filter(|policy| !uses::is_readable(policy))
        .map(|policy| policy.qualified.clone())
        .collect();
    names.sort();
    names
}

/// How this session came to load the library.
pub fn loaded_by() -> &'static str {
    let lists = |setting: &CStr| {
        // SAFETY: the settings exist in every version; missing_ok.
        let text =
            unsafe { catalog::owned(pg_sys::GetConfigOption(setting.as_ptr(), true, false)) };
        text.is_some_and(|text| {
            text.split(',')
                .any(|name| name.trim().trim_matches('"').ends_with("pg_backstop"))
        })
    };
    if lists(c"shared_preload_libraries") {
        "shared_preload_libraries"
    } else if lists(c"session_preload_libraries") {
        "session_preload_libraries"
    } else {
        "first use in this session: statements planned earlier are refused with SF012"
    }
}
