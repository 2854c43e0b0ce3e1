//! pg_backstop: stops accidental mass deletes and updates, and undoes the ones that were approved.
//!
//! A statement goes one way through the house. The planner hook judges its Query and lets the findings ride in the plan
//! (`hooks::planner`, `hooks::verdict`); when the plan starts, an approval covers them or the statement is refused
//! (`hooks::executor`, `running`). Every row that is removed or overwritten passes the trigger condition, which counts
//! it against the limits (`ledger`) and writes its pre-image down (`record`). DDL and sequence changes meet the same
//! judge in `hooks::utility`, `hooks::access` (both through `ddl`) and `sequence`. `registry` knows what is protected; `judge` is pure and
//! decides; `report` speaks; `pg` knows PostgreSQL and no rule. What was refused outlives its rollback through
//! `rejection`, and backends see each other's long work in `shared`.

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod api;
mod approval;
mod ddl;
mod guard_triggers;
mod gucs;
mod hooks;
mod judge;
mod ledger;
mod model;
mod pg;
mod preview;
mod record;
mod registry;
mod rejection;
mod report;
mod review;
mod running;
mod sequence;
mod shared;

pgrx::pg_module_magic!();

pgrx::extension_sql_file!("../sql/10_record.sql", name = "record");
pgrx::extension_sql_file!(
    "../sql/12_rejection.sql",
    name = "rejection",
    requires = ["record"]
);
pgrx::extension_sql_file!(
    "../sql/15_definition.sql",
    name = "definition",
    requires = ["rejection"]
);
pgrx::extension_sql_file!(
    "../sql/20_registry.sql",
    name = "registry",
    requires = ["definition"]
);
pgrx::extension_sql_file!(
    "../sql/30_functions.sql",
    name = "functions",
    requires = ["registry"]
);
pgrx::extension_sql_file!(
    "../sql/40_restore.sql",
    name = "restore",
    requires = ["functions"]
);
pgrx::extension_sql_file!(
    "../sql/50_requests.sql",
    name = "requests",
    requires = ["restore"]
);
pgrx::extension_sql_file!(
    "../sql/52_preview_sequences.sql",
    name = "preview_sequences",
    requires = ["requests"]
);
pgrx::extension_sql_file!(
    "../sql/55_review.sql",
    name = "review",
    requires = ["preview_sequences"]
);
pgrx::extension_sql_file!("../sql/60_care.sql", name = "care", requires = ["review"]);
pgrx::extension_sql_file!(
    "../sql/65_progress.sql",
    name = "progress",
    requires = ["care"]
);

#[pgrx::pg_guard]
#[allow(non_snake_case)]
pub extern "C-unwind" fn _PG_init() {
    // With RUST_BACKTRACE in the server's environment, pgrx would put a backtrace into clients' error details.
    // SAFETY: a PostgreSQL process has one thread.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    pg::reserve::keep();
    gucs::define();
    if shared::install() {
        rejection::install();
    }
    running::install();
    registry::install();
    ledger::install();
    hooks::install();
}
