//! What an `expendable` expression asks of the session. Whoever runs a statement has set that, and must not decide by it
//! which rows count: the questions that have no fixed answer are refused at `protect()`, the others are answered as in a
//! session of our own (`dependence`).

use super::functions::{self, Function};
use crate::pg::objects;
use crate::pg::query::walk::any_part;
use pgrx::pg_sys::{self, Node, NodeTag, SQLValueFunctionOp};

/// Functions of pg_catalog that only the session can answer, where they are not immutable (`to_tsquery` with a
/// configuration is), begin with one of these or are one of those.
const ASKING_PREFIXES: [&str; 4] = ["has_", "inet_", "to_reg", "txid_"];
const ASKING: [&str; 25] = [
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_user",
    "get_current_ts_config",
    "getpgusername",
    "json_to_tsvector",
    "jsonb_to_tsvector",
    "pg_backend_pid",
    "pg_client_encoding",
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
    "pg_has_role",
    "pg_my_temp_schema",
    "phraseto_tsquery",
    "plainto_tsquery",
    "row_security_active",
    "session_user",
    "system_user",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "websearch_to_tsquery",
];

/// The first thing in an expression that only the session can answer.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn question(node: *mut Node) -> Option<String> {
    let mut found = None;
    // SAFETY: the caller vouches for the node; the cast follows a part's tag.
    unsafe {
        any_part(node, |part| {
            found = match (*part).type_ {
                NodeTag::T_SQLValueFunction => {
                    keyword((*(part as *mut pg_sys::SQLValueFunction)).op).map(str::to_owned)
                }
                _ => functions::called(part)
                    .into_iter()
                    .find(asks)
                    .map(|function| function.name + "()"),
            };
            found.is_some()
        });
    }
    found
}

fn asks(function: &Function) -> bool {
    let name = function.name.as_str();
    let begins = |prefix: &&str| name.starts_with(prefix);
    function.is_built_in()
        && function.is_mutable
        && (ASKING_PREFIXES.iter().any(begins) || ASKING.contains(&name))
}

/// The first function in an expression that is an extension's, written in C and not immutable: it may ask for settings that
/// only the extension knows, as the operators of pg_trgm do.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn foreign(node: *mut Node) -> Option<String> {
    let wanted = |function: &Function| {
        !function.is_built_in() && function.is_mutable && !function.has_body()
    };
    // SAFETY: passed on from the caller.
    let function = unsafe { functions::first(node, wanted)? };
    let described = objects::described(pg_sys::ProcedureRelationId, function.oid);
    Some(described)
}

/// Whether an expression reads the row as a whole, which cannot be written down so that it means that again.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn reads_whole_row(node: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node; the cast follows a part's tag.
    unsafe {
        any_part(node, |part| {
            (*part).type_ == NodeTag::T_Var && (*(part as *mut pg_sys::Var)).varattno == 0
        })
    }
}

/// The word for what only the session knows. Dates and times are the transaction's, in the time zone that is pinned.
fn keyword(op: SQLValueFunctionOp::Type) -> Option<&'static str> {
    match op {
        SQLValueFunctionOp::SVFOP_CURRENT_ROLE => Some("CURRENT_ROLE"),
        SQLValueFunctionOp::SVFOP_CURRENT_USER => Some("CURRENT_USER"),
        SQLValueFunctionOp::SVFOP_USER => Some("USER"),
        SQLValueFunctionOp::SVFOP_SESSION_USER => Some("SESSION_USER"),
        SQLValueFunctionOp::SVFOP_CURRENT_SCHEMA => Some("CURRENT_SCHEMA"),
        _ => None,
    }
}
