//! With whose rights an `expendable` expression is read, prepared and evaluated.
//!
//! Reading it asks for the rights to what it names. Who changes a row has nothing to do with that: they are the table
//! owner's, and no literal is let in whose reading runs code. Its functions run as the current user, as those of a check
//! would, and as the table's owner where that is a superuser. Where what they find by names may be of the making of somebody
//! with fewer rights, they do not run, and no row is expendable.

use super::nodes::{any, calls, is_value, variable, writes_type};
use crate::pg::acting::ActingAs;
use crate::pg::{catalog_rows, classes, encoding, objects, types};
use crate::registry::Policy;
use pgrx::pg_sys::{self, Datum, Node, Oid, SysCacheIdentifier};

/// An expression that is ready for rows.
pub struct Prepared {
    pub state: *mut pg_sys::ExprState,
    /// The table's owner, where code runs in it that is not PostgreSQL's own.
    pub vouching: Option<Oid>,
}

/// The owner of the policy's table.
pub fn owner(policy: &Policy) -> Oid {
    classes::before(policy.relid).map_or(pg_sys::InvalidOid, |row| row.owner)
}

/// `ExecPrepareExpr`. `own`: what `runs_code` says of the expression.
///
/// # Safety
/// `node` must be an analysed expression, and the memory context the query's.
pub unsafe fn prepared(node: *mut Node, owner: Oid, own: bool) -> Option<Prepared> {
    let vouching = Some(owner).filter(|_| own);
    // SAFETY: the caller vouches for the node and the context.
    unsafe {
        let planned = {
            let _acting = acting(vouching)?;
            pg_sys::expression_planner(node.cast())
        };
        // EXECUTE is asked for here, of the owner; a domain's checks are planned here, which may run them.
        let _acting = match vouching.filter(|_| checks_a_domain(planned.cast())) {
            Some(owner) => ActingAs::vouched_for(owner)?,
            None => ActingAs::restricted(owner),
        };
        Some(Prepared {
            state: pg_sys::ExecInitExpr(planned, std::ptr::null_mut()),
            vouching,
        })
    }
}

/// Whom an expression is evaluated as that `vouching` answers for, if any code runs in it; `None` where it may not be.
pub fn acting(vouching: Option<Oid>) -> Option<Option<ActingAs>> {
    match vouching {
        Some(owner) => ActingAs::vouched_for(owner).map(Some),
        None => Some(None),
    }
}

/// # Safety
/// `node` must be an expression.
unsafe fn checks_a_domain(node: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node.
    any(node, &|part| unsafe {
        (*part).type_ == pg_sys::NodeTag::T_CoerceToDomain
    })
}

/// The type of the first literal whose reading checks a domain's values, which is code.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn checked_literal(node: *mut Node) -> Option<String> {
    let found = std::cell::Cell::new(None);
    // SAFETY: the caller vouches for the node; what is a domain's own literal is converted when it is evaluated.
    any(node, &|part| unsafe {
        let is = (*part).type_ == pg_sys::NodeTag::T_Const
            && types::is_made_of(pg_sys::exprType(part), &is_domain);
        if is {
            found.set(Some(pg_sys::exprType(part)));
        }
        is
    });
    let of_type = found.get()?;
    Some(objects::described(pg_sys::TypeRelationId, of_type))
}

fn is_domain(oid: Oid) -> bool {
    // SAFETY: a syscache look-up.
    is_made(oid) && unsafe { pg_sys::get_typtype(oid) } as u8 == pg_sys::TYPTYPE_DOMAIN
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

pub(super) fn is_others(author: Option<Oid>, owner: Oid) -> bool {
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

/// Whether any code runs in the expression that is not PostgreSQL's own: it calls such a function, or makes a value of a type
/// that may bring its own.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn runs_code(node: *mut Node) -> bool {
    let of_type = |oid: Oid| author_of_type(oid).is_some();
    // SAFETY: the caller vouches for the node; a value has a type. What is stored is only read.
    any(node, &|part| unsafe {
        let made = is_value(part) && variable(part).is_none();
        calls(part, &is_made) || (made && types::is_made_of(pg_sys::exprType(part), &of_type))
    })
}

/// Whether somebody else than the table's owner and a superuser may change the type: what its values are called, and what
/// parts they have.
pub fn is_strangers(oid: Oid, owner: Oid) -> bool {
    let read = |row: &pg_sys::FormData_pg_type| row.typowner;
    let author = || catalog_rows::cached(SysCacheIdentifier::TYPEOID as i32, oid, read);
    is_made(oid) && is_others(author(), owner)
}

/// Whether an object is not initdb's.
fn is_made(oid: Oid) -> bool {
    oid.to_u32() >= pg_sys::FirstNormalObjectId
}

/// Who made a type. Values of an enum run no code, and those of an array only their elements'.
fn author_of_type(oid: Oid) -> Option<Oid> {
    // SAFETY: a syscache look-up.
    if unsafe { pg_sys::get_element_type(oid) } != pg_sys::InvalidOid {
        return None;
    }
    let read = |row: &pg_sys::FormData_pg_type| {
        (row.typtype as u8 != pg_sys::TYPTYPE_ENUM).then_some(row.typowner)
    };
    is_made(oid)
        .then(|| catalog_rows::cached(SysCacheIdentifier::TYPEOID as i32, oid, read))
        .flatten()
        .flatten()
}
