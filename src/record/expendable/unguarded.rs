//! Functions behind an `expendable` expression that call what PostgreSQL does not know of: their bodies are texts, and nothing
//! holds still what a text calls.

use super::functions::is_built_in;
use super::nodes::{any, calls};
use super::{followed, rights};
use crate::pg::{catalog_rows, objects};
use crate::report::{self, Report, sqlstate};
use pgrx::pg_sys::{self, Datum, Node, Oid, SysCacheIdentifier};
use std::cell::RefCell;

/// Warns of those that are a third role's. What the table's owner and superusers wrote they answer for.
///
/// # Safety
/// `node` must be an analysed expression; inside the guarded frame of a C function.
pub unsafe fn warn(node: *mut Node, owner: Oid) {
    let called = RefCell::new(Vec::new());
    let note = |function: Oid| {
        called.borrow_mut().push(function);
        false
    };
    // SAFETY: the caller vouches for the node.
    any(node, &|part| unsafe { calls(part, &note) });
    let mut called = called.into_inner();
    called.sort_unstable_by_key(|oid| oid.to_u32());
    called.dedup();
    for function in followed::from(called) {
        if !is_unguarded(function, owner) {
            continue;
        }
        let described = objects::described(pg_sys::ProcedureRelationId, function);
        let report = Report::new(
            sqlstate::WARNING,
            format!("what {described} calls is not guarded, and decides which rows are expendable"),
        )
        .detail(
            "Its body is a text, so that PostgreSQL does not know what it calls, and it belongs to neither the table's owner \
             nor a superuser.",
        )
        .hint("Write it in SQL with BEGIN ATOMIC, or let an owner whom you trust have it and what it calls.");
        // SAFETY: the caller vouches for the frame.
        unsafe { report::warning(&report) };
    }
}

fn is_unguarded(function: Oid, owner: Oid) -> bool {
    let cache = SysCacheIdentifier::PROCOID as i32;
    // What an aggregate calls is known.
    let author = catalog_rows::cached(cache, function, |row: &pg_sys::FormData_pg_proc| {
        (row.prokind as u8 != pg_sys::PROKIND_AGGREGATE).then_some(row.proowner)
    });
    // SAFETY: a look-up in pg_depend.
    let of_extension =
        || unsafe { pg_sys::getExtensionOfObject(pg_sys::ProcedureRelationId, function) };
    !is_built_in(function)
        && rights::is_others(author.flatten(), owner)
        && !is_atomic(function)
        && of_extension() == pg_sys::InvalidOid
}

/// Whether the body was analysed when the function was made.
fn is_atomic(function: Oid) -> bool {
    let cache = SysCacheIdentifier::PROCOID as i32;
    // SAFETY: a syscache look-up; whether the column is NULL is read before the row is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(function));
        if tuple.is_null() {
            return false;
        }
        let column = pg_sys::Anum_pg_proc_prosqlbody as pg_sys::AttrNumber;
        let mut is_null = true;
        pg_sys::SysCacheGetAttr(cache, tuple, column, &mut is_null);
        pg_sys::ReleaseSysCache(tuple);
        !is_null
    }
}
