//! The guard's triggers as a dump makes them again: exactly as the guard would.

use crate::pg::{catalog, compat, raw};
use pgrx::pg_sys;

/// Whether CREATE TRIGGER makes one of the guard's triggers, word for word. Making it is no harm: where it is there
/// already, PostgreSQL refuses, and replacing it is not among this.
///
/// # Safety
/// `statement` must be live.
pub unsafe fn made_as_ours(statement: *const pg_sys::CreateTrigStmt) -> bool {
    // SAFETY: the caller vouches for the node, whose lists hold nodes.
    unsafe {
        let statement = &*statement;
        let events = i32::from(statement.events);
        let named = |name: &str| is_own(statement.funcname, name);
        let plain = !statement.replace
            && !statement.isconstraint
            && statement.args.is_null()
            && statement.columns.is_null()
            && statement.transitionRels.is_null();
        let timing = i32::from(statement.timing);
        plain
            && match catalog::owned(statement.trigname).as_deref() {
                Some("backstop_capture") => {
                    statement.row
                        && timing == pg_sys::TRIGGER_TYPE_AFTER as i32
                        && events
                            == (pg_sys::TRIGGER_TYPE_DELETE | pg_sys::TRIGGER_TYPE_UPDATE) as i32
                        && named("capture")
                        && calls_condition(statement.whenClause)
                }
                Some("backstop_guard_truncate") => {
                    !statement.row
                        && timing == pg_sys::TRIGGER_TYPE_BEFORE as i32
                        && events == pg_sys::TRIGGER_TYPE_TRUNCATE as i32
                        && named("guard_truncate")
                        && statement.whenClause.is_null()
                }
                _ => false,
            }
    }
}

/// pg_restore --jobs makes a foreign key in one session, which brings the follower's trigger, and the trigger of the dump
/// in another: there it takes the place of the same one.
///
/// # Safety
/// `statement` must be live and PostgreSQL's own to change.
pub unsafe fn replace_same(statement: *mut pg_sys::CreateTrigStmt) {
    // SAFETY: the caller vouches for the node.
    unsafe {
        if made_as_ours(statement) && crate::sequence::guard::sent_by_pg_restore() {
            (*statement).replace = true;
        }
    }
}

/// `backstop.capture_row()`, not analysed yet.
///
/// # Safety
/// `condition` must be NULL or live.
unsafe fn calls_condition(condition: *mut pg_sys::Node) -> bool {
    // SAFETY: the caller vouches for the node; the cast follows its tag.
    unsafe {
        if condition.is_null() || (*condition).type_ != pg_sys::NodeTag::T_FuncCall {
            return false;
        }
        let call = &*(condition as *const pg_sys::FuncCall);
        call.args.is_null() && is_own(call.funcname, "capture_row")
    }
}

/// Whether the name is `backstop.name`.
///
/// # Safety
/// `list` must be NIL or a name's parts.
unsafe fn is_own(list: *mut pg_sys::List, name: &str) -> bool {
    // SAFETY: the caller vouches for the list, whose members are String nodes.
    unsafe {
        let part = |n| catalog::owned(compat::string_value(raw::list_nth(list, n).cast()));
        raw::list_length(list) == 2
            && part(0).as_deref() == Some("backstop")
            && part(1).as_deref() == Some(name)
    }
}
