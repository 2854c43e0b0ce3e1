//! With whose rights an `expendable` expression is read, prepared and evaluated.
//!
//! Reading it evaluates its literals, preparing it what is constant in it, and both ask for the rights to what it names. Who
//! changes a row has nothing to do with that, and must not lend his rights to it: it is the table's owner's, as the checks
//! and indexes of the table are under maintenance commands. Evaluated for a row, the owner's own code (or a superuser's) runs
//! as the owner. That of anybody else runs as whoever changes the row, as a check's would: the owner's rights are nothing
//! that an expression may give away either.

use super::nodes::{any, calls, is_value, variable, writes_type};
use crate::pg::acting::ActingAs;
use crate::pg::{catalog_rows, classes, encoding, objects, types};
use crate::registry::Policy;
use pgrx::pg_sys::{self, Datum, Node, Oid, SysCacheIdentifier};

/// An expression that is ready for rows.
pub struct Prepared {
    pub state: *mut pg_sys::ExprState,
    /// Whom it is evaluated as, where that is not whoever runs the statement.
    pub acting: Option<Oid>,
}

/// The owner of the policy's table.
pub fn owner(policy: &Policy) -> Oid {
    classes::before(policy.relid).map_or(pg_sys::InvalidOid, |row| row.owner)
}

/// `ExecPrepareExpr`, as a table's owner. `own`: what `runs_code` says of the expression.
///
/// # Safety
/// `node` must be an analysed expression, and the memory context the query's.
pub unsafe fn prepared(node: *mut Node, owner: Oid, own: bool) -> Prepared {
    // SAFETY: the caller vouches for the node and the context.
    unsafe {
        let acting = Some(owner).filter(|owner| own && !runs_others(node, *owner));
        let planned = {
            let _acting = acting.map(ActingAs::restricted);
            pg_sys::expression_planner(node.cast())
        };
        // EXECUTE is asked for here.
        let _acting = ActingAs::restricted(owner);
        Prepared {
            state: pg_sys::ExecInitExpr(planned, std::ptr::null_mut()),
            acting,
        }
    }
}

/// The first function that the expression calls and the table's owner may not.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn lacking(node: *mut Node, owner: Oid) -> Option<String> {
    let found = std::cell::Cell::new(None);
    let lacks = |function: Oid| {
        let asked = !may_execute(owner, function);
        if asked {
            found.set(Some(function));
        }
        asked
    };
    // SAFETY: the caller vouches for the node, whose parts are looked at.
    any(node, &|part| unsafe { calls(part, &lacks) });
    let function = found.get()?;
    Some(objects::described(pg_sys::ProcedureRelationId, function))
}

/// The first type of a value that the expression makes, some of which belongs to neither the table's owner nor a superuser:
/// its checks run when the value is read, with the owner's rights.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn strangers_type(node: *mut Node, owner: Oid) -> Option<String> {
    let found = std::cell::Cell::new(None);
    let strangers = |oid: Oid| {
        let is = is_others(author_of_type(oid), owner);
        if is {
            found.set(Some(oid));
        }
        is
    };
    // SAFETY: the caller vouches for the node; what is written with its type has one. What is stored is only read.
    any(node, &|part| unsafe {
        writes_type(part) && types::is_made_of(pg_sys::exprType(part), &strangers)
    });
    let of_type = found.get()?;
    Some(objects::described(pg_sys::TypeRelationId, of_type))
}

fn is_others(author: Option<Oid>, owner: Oid) -> bool {
    // SAFETY: a syscache look-up.
    author.is_some_and(|author| author != owner && unsafe { !pg_sys::superuser_arg(author) })
}

fn may_execute(role: Oid, function: Oid) -> bool {
    let privilege = encoding::encode("EXECUTE");
    // SAFETY: takes a role, a function and a text; NULL for a function that is gone.
    let may = unsafe {
        let text =
            pg_sys::cstring_to_text_with_len(privilege.as_ptr().cast(), privilege.len() as i32);
        let arguments = [
            Some(Datum::from(role)),
            Some(Datum::from(function)),
            Some(Datum::from(text)),
        ];
        pgrx::direct_function_call::<bool>(pg_sys::has_function_privilege_id_id, &arguments)
    };
    may.unwrap_or(false)
}

/// Whether any code runs in the expression that is not PostgreSQL's own.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn runs_code(node: *mut Node) -> bool {
    let of_type = |oid: Oid| author_of_type(oid).is_some();
    // SAFETY: passed on from the caller.
    unsafe { runs(node, &is_made, &of_type) }
}

/// Whether code runs in the expression that is neither the owner's nor a superuser's.
///
/// # Safety
/// `node` must be an analysed expression.
unsafe fn runs_others(node: *mut Node, owner: Oid) -> bool {
    let function = |oid: Oid| is_made(oid) && is_others(author_of_function(oid), owner);
    let of_type = |oid: Oid| is_others(author_of_type(oid), owner);
    // SAFETY: passed on from the caller.
    unsafe { runs(node, &function, &of_type) }
}

/// Whether the expression calls a `function`, or makes a value `of_type`, which may bring code of its own.
///
/// # Safety
/// `node` must be an analysed expression.
unsafe fn runs(
    node: *mut Node,
    function: &dyn Fn(Oid) -> bool,
    of_type: &dyn Fn(Oid) -> bool,
) -> bool {
    // SAFETY: the caller vouches for the node; a value has a type. What is stored is only read.
    any(node, &|part| unsafe {
        let made = is_value(part) && variable(part).is_none();
        calls(part, function) || (made && types::is_made_of(pg_sys::exprType(part), of_type))
    })
}

/// Whether an object is not initdb's.
fn is_made(oid: Oid) -> bool {
    oid.to_u32() >= pg_sys::FirstNormalObjectId
}

fn author_of_function(oid: Oid) -> Option<Oid> {
    let cache = SysCacheIdentifier::PROCOID as i32;
    catalog_rows::cached(cache, oid, |row: &pg_sys::FormData_pg_proc| row.proowner)
}

/// Who made a type. Values of an enum run no code.
fn author_of_type(oid: Oid) -> Option<Oid> {
    let read = |row: &pg_sys::FormData_pg_type| {
        (row.typtype as u8 != pg_sys::TYPTYPE_ENUM).then_some(row.typowner)
    };
    is_made(oid)
        .then(|| catalog_rows::cached(SysCacheIdentifier::TYPEOID as i32, oid, read))
        .flatten()
        .flatten()
}
