//! Functions of the guard that everyone must be able to execute: PostgreSQL calls them with the rights of whoever changes
//! what is guarded. Taken from PUBLIC, they would make every UPDATE and DELETE fail with "permission denied".
//!
//! What a REVOKE leaves depends on who granted what to whom: it is judged by what holds when it has run.

use crate::judge::ddl::withheld;
use crate::pg::privileged::Privileged;
use crate::pg::{newest, values::Text};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, NodeTag, ObjectType::*};

/// Those of the functions that PUBLIC may not execute: the condition of the row trigger, the trigger function (for whoever
/// makes a partition, and with it the clone of the trigger), and what setval becomes.
const WITHHELD: &str = "SELECT needed FROM pg_catalog.unnest(ARRAY['backstop.capture_row()', 'backstop.capture()', \
     'backstop.guarded_setval(pg_catalog.regclass,bigint)', 'backstop.guarded_setval(pg_catalog.regclass,bigint,boolean)']) \
     AS needed WHERE NOT pg_catalog.has_function_privilege('public'::pg_catalog.name, \
         pg_catalog.to_regprocedure(needed)::pg_catalog.oid, 'EXECUTE')";

/// As SQL writes them.
pub fn functions_withheld() -> Vec<String> {
    let _privileged = Privileged::begin();
    newest::select(WITHHELD, &[], |row| {
        Ok(row
            .get::<Text>(1)?
            .map(|Text(name)| name.replace("pg_catalog.", "").replace(',', ", ")))
    })
}

/// Whether the statement may take rights to functions away.
///
/// # Safety
/// `statement` must be live.
pub unsafe fn may_withhold(statement: *const pg_sys::Node) -> bool {
    // SAFETY: the cast follows the tag.
    unsafe {
        match (*statement).type_ {
            NodeTag::T_GrantStmt => {
                let statement = &*(statement as *const pg_sys::GrantStmt);
                let functions = [OBJECT_FUNCTION, OBJECT_PROCEDURE, OBJECT_ROUTINE];
                !statement.is_grant && functions.contains(&statement.objtype)
            }
            // What the role has passed on goes with its own rights.
            NodeTag::T_DropOwnedStmt => true,
            _ => false,
        }
    }
}

/// Refuses the statement that has just run if it took more than what was taken `before`.
pub fn judge(before: &[String]) -> Outcome<()> {
    let taken = functions_withheld();
    let new = taken.iter().find(|function| !before.contains(function));
    new.map_or(Ok(()), |function| {
        super::enforce::refuse(withheld(function))
    })
}

/// For registering: nothing may be guarded where the guard would be in the way of everyone.
///
/// # Errors
/// When there is a function of these that PUBLIC may not execute.
pub fn require() -> Outcome<()> {
    let functions = functions_withheld();
    let Some(first) = functions.first() else {
        return Ok(());
    };
    Err(Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("function \"{first}\" is not executable by everyone"),
    )
    .detail("Guarded tables and sequences call it with the rights of whoever changes them.")
    .hint(format!(
        "GRANT EXECUTE ON FUNCTION {} TO PUBLIC.",
        functions.join(", ")
    )))
}
