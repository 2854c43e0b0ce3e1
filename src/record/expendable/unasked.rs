//! Conversions that nobody wrote.

use super::nodes::{any, cast};
use crate::pg::{objects, raw};
use pgrx::pg_sys::{self, CoercionForm, Node, NodeTag, Oid};

/// The type of a value, not PostgreSQL's own, that an operator or a function takes for one of another type though nobody wrote
/// so: one of that name for the type itself is not found in pg_catalog, and would mean something else (citext's `=`).
///
/// # Safety
/// `tree` must be an analysed expression.
pub unsafe fn converted(tree: *mut Node) -> Option<String> {
    let found = std::cell::Cell::new(None);
    // SAFETY: the caller vouches for the nodes; casts follow their tags, and what is converted has a type.
    any(tree, &|node| unsafe {
        let (format, argument) = match (*node).type_ {
            NodeTag::T_RelabelType => {
                let relabel = &*(node as *mut pg_sys::RelabelType);
                (relabel.relabelformat, relabel.arg)
            }
            NodeTag::T_CoerceViaIO => {
                let coerce = &*(node as *mut pg_sys::CoerceViaIO);
                (coerce.coerceformat, coerce.arg)
            }
            NodeTag::T_ArrayCoerceExpr => {
                let coerce = &*(node as *mut pg_sys::ArrayCoerceExpr);
                (coerce.coerceformat, coerce.arg)
            }
            NodeTag::T_FuncExpr if cast(node).is_some() => {
                let call = &*(node as *mut pg_sys::FuncExpr);
                (call.funcformat, raw::list_nth(call.args, 0).cast())
            }
            _ => return false,
        };
        // A domain's value is one of its base type, an array's are its elements.
        let of = |type_oid: Oid| {
            let base = pg_sys::getBaseType(type_oid);
            match pg_sys::get_element_type(base) {
                pg_sys::InvalidOid => base,
                element => pg_sys::getBaseType(element),
            }
        };
        let (from, to) = (
            of(pg_sys::exprType(argument.cast())),
            of(pg_sys::exprType(node)),
        );
        // Operators on enums, records and ranges of any type are PostgreSQL's own.
        let polymorphic = pg_sys::get_typtype(to) as u8 == pg_sys::TYPTYPE_PSEUDO;
        let is = format == CoercionForm::COERCE_IMPLICIT_CAST
            && from.to_u32() >= pg_sys::FirstNormalObjectId
            && from != to
            && !polymorphic;
        if is {
            found.set(Some(from));
        }
        is
    });
    let from = found.get()?;
    Some(objects::described(pg_sys::TypeRelationId, from))
}
