//! Runs the record's commands, each as who may and under no rule of ours.

use super::present::{
    owner_of, role_called, role_named, schema_closed_to, schema_of_closed_to, table_closed_to,
};
use crate::guard_triggers::OwnWork;
use crate::pg::acting::ActingAs;
use crate::pg::attempt::is_fatal_to_statement;
use crate::pg::privileged::Privileged;
use crate::pg::settings::OwnSettings;
use crate::pg::values;
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, pg_sys};
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Functions and tables may name each other; and where the session puts what it makes says nothing of where this was.
const MAKING: [(&CStr, &CStr); 3] = [
    (c"check_function_bodies", c"off"),
    (c"default_tablespace", c""),
    (c"default_table_access_method", c"heap"),
];

/// Why a command failed.
pub(super) struct Failure {
    pub message: String,
    pub detail: Option<String>,
    /// Something it names does not exist (any more).
    pub missing: bool,
}

impl Failure {
    /// One that the command itself did not come to.
    pub fn of(message: String) -> Failure {
        Failure {
            message,
            detail: None,
            missing: false,
        }
    }
}

/// Runs one command as a superuser, or as the owner of `relation`, under no rule of ours, in a subtransaction.
pub(super) fn execute(sql: &str, relation: Option<&str>) -> Result<(), Failure> {
    let owner = relation.map(|name| {
        owner_of(name).ok_or_else(|| Failure {
            message: format!("relation \"{name}\" does not exist"),
            detail: None,
            missing: true,
        })
    });
    match (owner.transpose()?, relation) {
        (Some(owner), Some(relation)) => reaching(sql, owner, relation),
        _ => run_as(sql, None),
    }
}

/// Runs one command about two relations as the owner of the first.
pub(super) fn execute_on(sql: &str, relation: &str, other: &str) -> Result<(), Failure> {
    let Some(owner) = owner_of(relation) else {
        return execute(sql, Some(relation));
    };
    let schema = schema_closed_to(other, owner);
    lending(on_schema(schema), "USAGE", owner, || {
        reaching(sql, owner, relation)
    })
}

/// Runs one command about `relation` as a role, whose name is as SQL has it.
pub(super) fn execute_as(sql: &str, role: &str, relation: &str) -> Result<(), Failure> {
    reaching(sql, called(role)?, relation)
}

/// Runs one command that makes `name` as the role that is to own it, whose name is as SQL has it.
pub(super) fn execute_making(sql: &str, role: &str, name: &str) -> Result<(), Failure> {
    let role = called(role)?;
    let lacks = |privilege| schema_of_closed_to(name, role, privilege);
    lending(on_schema(lacks("USAGE")), "USAGE", role, || {
        let Some(schema) = lacks("CREATE") else {
            return run_as(sql, Some(role));
        };
        lending(on_schema(Some(schema)), "CREATE", role, || {
            let _alone = OwnWork::alone();
            run_as(sql, Some(role))
        })
    })
}

fn called(role: &str) -> Result<Oid, Failure> {
    role_called(role).ok_or_else(|| Failure {
        message: format!("role {role} does not exist"),
        detail: None,
        missing: true,
    })
}

/// Runs one command about `relation` as `user`, who may have lost the way to it.
fn reaching(sql: &str, user: Oid, relation: &str) -> Result<(), Failure> {
    let schema = schema_closed_to(relation, user);
    lending(on_schema(schema), "USAGE", user, || run_as(sql, Some(user)))
}

/// Reads and locks rows of a table as its owner, who may have taken those rights away from himself.
pub(super) fn reading<T>(table: &str, owner: Oid, work: impl FnOnce() -> T) -> Result<T, Failure> {
    let lacks =
        |privilege| table_closed_to(table, owner, privilege).then(|| format!("TABLE {table}"));
    let schema = schema_closed_to(table, owner);
    lending(on_schema(schema), "USAGE", owner, || {
        lending(lacks("SELECT"), "SELECT", owner, || {
            lending(lacks("UPDATE"), "UPDATE", owner, || {
                let _acting = ActingAs::reading(owner);
                Ok(work())
            })
        })
    })
}

fn on_schema(schema: Option<String>) -> Option<String> {
    schema.map(|schema| format!("SCHEMA {schema}"))
}

/// Lends a privilege on an object for one command, whatever comes of that.
fn lending<T>(
    object: Option<String>,
    privilege: &str,
    user: Oid,
    run: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(object) = object else {
        return run();
    };
    let role = role_named(user);
    execute(&format!("GRANT {privilege} ON {object} TO {role}"), None)?;
    let done = run();
    execute(&format!("REVOKE {privilege} ON {object} FROM {role}"), None)?;
    done
}

fn run_as(sql: &str, user: Option<Oid>) -> Result<(), Failure> {
    // SAFETY: an internal subtransaction, left by the same memory context and resource owner it was begun with.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _privileged = Privileged::for_ddl();
            let _own = OwnWork::begin();
            let _acting = user.map(ActingAs::restricted);
            let _settings = OwnSettings::of(&MAKING);
            values::run(sql).unwrap_or_else(|error| pgrx::error!("{error}"));
        }));
        let result = match outcome {
            Ok(()) => {
                pg_sys::ReleaseCurrentSubTransaction();
                Ok(())
            }
            Err(panic) => {
                pg_sys::MemoryContextSwitchTo(context);
                pg_sys::RollbackAndReleaseCurrentSubTransaction();
                Err(failure(panic))
            }
        };
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        result
    }
}

fn failure(panic: Box<dyn std::any::Any + Send>) -> Failure {
    let caught = panic.downcast_ref::<CaughtError>();
    let Some(CaughtError::PostgresError(report) | CaughtError::ErrorReport(report)) =
        caught.filter(|error| !is_fatal_to_statement(error))
    else {
        std::panic::resume_unwind(panic)
    };
    use PgSqlErrorCode::*;
    Failure {
        message: report.message().to_owned(),
        detail: report.detail().map(str::to_owned),
        missing: matches!(
            report.sql_error_code(),
            ERRCODE_UNDEFINED_TABLE
                | ERRCODE_UNDEFINED_OBJECT
                | ERRCODE_UNDEFINED_FUNCTION
                | ERRCODE_UNDEFINED_COLUMN
                | ERRCODE_INVALID_SCHEMA_NAME
        ),
    }
}
