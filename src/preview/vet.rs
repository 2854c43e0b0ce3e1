//! Which statements can be previewed: one at a time, and only what a rollback takes back.

use crate::pg::encoding;
use crate::pg::raw;
use crate::report::{self, Outcome, Report, sqlstate};
use crate::running::statement_text;
use pgrx::pg_sys::{self, NodeTag};
use std::ffi::{CStr, CString};

/// A statement that can be run and rolled back.
pub struct Statement {
    /// Its own text, without what stands around it.
    pub text: CString,
    /// PostgreSQL's name of the command.
    pub command: String,
}

/// Reads a text that must be one such statement.
pub fn statement(function: &str, text: &str) -> Outcome<Statement> {
    let sql = report::duplicate(text);
    // SAFETY: the raw parser on a C string of this memory context; it raises PostgreSQL's own syntax errors.
    unsafe {
        let statements = pg_sys::pg_parse_query(sql);
        if raw::list_length(statements) != 1 {
            return Err(Report::new(
                sqlstate::SYNTAX_ERROR,
                format!("{function} takes exactly one statement"),
            )
            .detail(format!(
                "The text has {} statements.",
                raw::list_length(statements)
            ))
            .hint("Preview each statement by itself, or put them into one with WITH."));
        }
        let parsed = raw::list_nth(statements, 0) as *mut pg_sys::RawStmt;
        if let Some(why) = cannot_roll_back((*parsed).stmt) {
            return Err(Report::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("cannot preview {}", why.0),
            )
            .detail(why.1));
        }
        let bytes = encoding::encode(text);
        let own = statement_text::own(&bytes, (*parsed).stmt_location, (*parsed).stmt_len);
        let text = CString::new(own).map_err(|_| {
            Report::new(
                sqlstate::INVALID_PARAMETER,
                "argument \"statement\" is invalid",
            )
        })?;
        let tag = pg_sys::GetCommandTagName(pg_sys::CreateCommandTag((*parsed).stmt));
        Ok(Statement {
            text,
            command: CStr::from_ptr(tag).to_string_lossy().into_owned(),
        })
    }
}

/// What a rollback would not take back: its name, and why, as a sentence.
///
/// # Safety
/// `statement` must be a fresh raw parse tree.
unsafe fn cannot_roll_back(statement: *mut pg_sys::Node) -> Option<(&'static str, &'static str)> {
    const BLOCK: &str = "It cannot run inside a transaction block, so it cannot be rolled back.";
    const OUTSIDE: &str = "It acts outside the database, where nothing can be rolled back.";
    const NOTHING: &str = "It destroys nothing: preview the statement itself.";
    // SAFETY: node casts follow the node's tag.
    unsafe {
        Some(match (*statement).type_ {
            NodeTag::T_TransactionStmt => {
                ("transaction control", "It would end the preview itself.")
            }
            NodeTag::T_VacuumStmt if (*(statement as *mut pg_sys::VacuumStmt)).is_vacuumcmd => {
                ("VACUUM", BLOCK)
            }
            NodeTag::T_CreatedbStmt => ("CREATE DATABASE", BLOCK),
            NodeTag::T_DropdbStmt => ("DROP DATABASE", BLOCK),
            NodeTag::T_CreateTableSpaceStmt => ("CREATE TABLESPACE", BLOCK),
            NodeTag::T_DropTableSpaceStmt => ("DROP TABLESPACE", BLOCK),
            NodeTag::T_AlterSystemStmt => ("ALTER SYSTEM", BLOCK),
            NodeTag::T_CreateSubscriptionStmt => ("CREATE SUBSCRIPTION", BLOCK),
            NodeTag::T_AlterSubscriptionStmt => ("ALTER SUBSCRIPTION", BLOCK),
            NodeTag::T_DropSubscriptionStmt => ("DROP SUBSCRIPTION", BLOCK),
            NodeTag::T_IndexStmt if (*(statement as *mut pg_sys::IndexStmt)).concurrent => {
                ("CREATE INDEX CONCURRENTLY", BLOCK)
            }
            NodeTag::T_DropStmt if (*(statement as *mut pg_sys::DropStmt)).concurrent => {
                ("DROP INDEX CONCURRENTLY", BLOCK)
            }
            NodeTag::T_CopyStmt => {
                let copy = &*(statement as *mut pg_sys::CopyStmt);
                if copy.is_program {
                    ("COPY with PROGRAM", OUTSIDE)
                } else if copy.filename.is_null() {
                    (
                        "COPY from or to the client",
                        "A function has no client to copy from or to.",
                    )
                } else if !copy.is_from {
                    ("COPY to a file", OUTSIDE)
                } else {
                    return None;
                }
            }
            NodeTag::T_LoadStmt => ("LOAD", OUTSIDE),
            NodeTag::T_CheckPointStmt => ("CHECKPOINT", NOTHING),
            NodeTag::T_DeclareCursorStmt => ("DECLARE CURSOR", NOTHING),
            NodeTag::T_FetchStmt => ("FETCH and MOVE", "Its cursor belongs to another statement."),
            NodeTag::T_ClosePortalStmt => ("CLOSE", NOTHING),
            NodeTag::T_PrepareStmt => ("PREPARE", NOTHING),
            NodeTag::T_DeallocateStmt => ("DEALLOCATE", NOTHING),
            NodeTag::T_DiscardStmt => ("DISCARD", BLOCK),
            NodeTag::T_ListenStmt => ("LISTEN", NOTHING),
            NodeTag::T_UnlistenStmt => ("UNLISTEN", NOTHING),
            NodeTag::T_VariableShowStmt => ("SHOW", NOTHING),
            _ => return None,
        })
    }
}
