//! Casts and collations that keep a value's identity: what is equal under them was equal before them, by the equality of
//! the type that they are applied to. The other direction is not needed: `numeric::text = '5'` names no more than one
//! number, though it leaves 5.0 out.

use pgrx::pg_sys;

use super::node::{Node, default_family, items, tag};
use crate::pg::stack::check_stack;

/// The expression under casts that map different values to different values.
///
/// # Safety
/// `node` is NULL or a valid expression.
pub unsafe fn strip(mut node: Node) -> Node {
    loop {
        if node.is_null() {
            return node;
        }
        // SAFETY: the tag says which struct the node is; arguments of an expression are expressions.
        let inner = unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_RelabelType => {
                    let relabel = node.cast::<pg_sys::RelabelType>();
                    let arg: Node = (*relabel).arg.cast();
                    // What `=` means between a varchar and a bpchar, where nobody asked for a cast.
                    let meant = (*relabel).relabelformat
                        == pg_sys::CoercionForm::COERCE_IMPLICIT_CAST
                        && (*relabel).resulttype == pg_sys::BPCHAROID;
                    if !meant && !relabels(pg_sys::exprType(arg), pg_sys::exprType(node)) {
                        return node;
                    }
                    arg
                }
                pg_sys::NodeTag::T_CollateExpr => {
                    let collate = node.cast::<pg_sys::CollateExpr>();
                    let arg: Node = (*collate).arg.cast();
                    if !tells_apart((*collate).collOid, arg) {
                        return node;
                    }
                    arg
                }
                pg_sys::NodeTag::T_CoerceToDomain => {
                    (*node.cast::<pg_sys::CoerceToDomain>()).arg.cast()
                }
                pg_sys::NodeTag::T_CoerceViaIO => {
                    let io = node.cast::<pg_sys::CoerceViaIO>();
                    let arg: Node = (*io).arg.cast();
                    if !prints_uniquely(pg_sys::exprType(arg)) || !is_text((*io).resulttype) {
                        return node;
                    }
                    arg
                }
                pg_sys::NodeTag::T_ArrayCoerceExpr => {
                    let array = node.cast::<pg_sys::ArrayCoerceExpr>();
                    let element = strip((*array).elemexpr.cast());
                    if element.is_null() || tag(element) != pg_sys::NodeTag::T_CaseTestExpr {
                        return node;
                    }
                    (*array).arg.cast()
                }
                pg_sys::NodeTag::T_FuncExpr => {
                    let call = node.cast();
                    match lossless_argument(call).or_else(|| uncut_argument(call)) {
                        Some(arg) => arg,
                        None => return node,
                    }
                }
                _ => return node,
            }
        };
        node = inner;
    }
}

/// Does equality by that collation tell apart what is different to the expression? A nondeterministic one does not,
/// unless it is the expression's own, or the expression is a given value.
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn tells_apart(collation: pg_sys::Oid, node: Node) -> bool {
    // SAFETY: the caller vouches for the expression, whose collations are those of the catalog.
    unsafe {
        if collation == pg_sys::InvalidOid || pg_sys::get_collation_isdeterministic(collation) {
            return true;
        }
        let inner = strip(node);
        match tag(inner) {
            pg_sys::NodeTag::T_Const => true,
            pg_sys::NodeTag::T_Param
                if (*inner.cast::<pg_sys::Param>()).paramkind
                    == pg_sys::ParamKind::PARAM_EXTERN =>
            {
                true
            }
            // A citext as text is compared by its bytes, and by such a collation it is not.
            _ => {
                let [own, seen] = [inner, node].map(|n| default_family(pg_sys::exprType(n)));
                pg_sys::exprCollation(inner) == collation && own == seen
            }
        }
    }
}

/// Does equality of the type that a value is relabelled to mean equality by its own type? It does where both have one
/// equality, and where the new one compares bytes; text as citext or as bpchar is told apart less well.
fn relabels(from: pg_sys::Oid, to: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups that take any OID.
    let [from, to] = [from, to].map(|oid| unsafe { pg_sys::getBaseType(oid) });
    // SAFETY: as above.
    let [element, new] = [from, to].map(|oid| unsafe { pg_sys::get_element_type(oid) });
    if from == to {
        true
    } else if element != pg_sys::InvalidOid && new != pg_sys::InvalidOid {
        check_stack();
        relabels(element, new)
    } else {
        let family = default_family(to);
        let by_bytes = [
            pg_sys::TEXT_BTREE_FAM_OID,
            pg_sys::INTEGER_BTREE_FAM_OID,
            pg_sys::OID_BTREE_FAM_OID,
            pg_sys::BYTEA_BTREE_FAM_OID,
        ];
        family != pg_sys::InvalidOid
            && (family == default_family(from) || by_bytes.contains(&family))
    }
}

/// The argument of a cast function that loses nothing; None when `function` is anything else.
unsafe fn lossless_argument(function: *mut pg_sys::FuncExpr) -> Option<Node> {
    // SAFETY: the caller passes a valid FuncExpr; its argument list holds expressions.
    unsafe {
        let args = items::<pg_sys::Node>((*function).args);
        let [arg] = args.as_slice() else { return None };
        let from = pg_sys::getBaseType(pg_sys::exprType(*arg));
        let to = pg_sys::getBaseType((*function).funcresulttype);
        if !widens(from, to) {
            return None;
        }
        // Only the cast itself: factorial(bigint) also makes a numeric of a bigint.
        let mut cast = pg_sys::InvalidOid;
        let path = pg_sys::find_coercion_pathway(
            to,
            from,
            pg_sys::CoercionContext::COERCION_EXPLICIT,
            &mut cast,
        );
        let found =
            path == pg_sys::CoercionPathType::COERCION_PATH_FUNC && cast == (*function).funcid;
        found.then_some(*arg)
    }
}

/// The argument of a cast to varchar(n), where n has room for whatever its type prints.
unsafe fn uncut_argument(function: *mut pg_sys::FuncExpr) -> Option<Node> {
    // SAFETY: the caller passes a valid FuncExpr; this one's second argument is an integer, passed by value.
    unsafe {
        let args = items::<pg_sys::Node>((*function).args);
        let [arg, size, _] = args.as_slice() else {
            return None;
        };
        let cast = (*function).funcid.to_u32() == pg_sys::F_VARCHAR_VARCHAR_INT4_BOOL;
        if !cast
            || tag(*arg) != pg_sys::NodeTag::T_CoerceViaIO
            || tag(*size) != pg_sys::NodeTag::T_Const
        {
            return None;
        }
        let printed = (*arg.cast::<pg_sys::CoerceViaIO>()).arg.cast();
        let room = (*size.cast::<pg_sys::Const>()).constvalue.value() as i32;
        let room = room - pg_sys::VARHDRSZ as i32;
        let widest = match pg_sys::getBaseType(pg_sys::exprType(printed)) {
            pg_sys::INT2OID => 6,
            pg_sys::INT4OID => 11,
            pg_sys::INT8OID => 20,
            pg_sys::OIDOID => 10,
            pg_sys::UUIDOID => 36,
            _ => return None,
        };
        (room >= widest).then_some(*arg)
    }
}

/// Casts whose function gives no two values one result. Narrower integers are among them: what does not fit is an error.
fn widens(from: pg_sys::Oid, to: pg_sys::Oid) -> bool {
    use pg_sys::{
        BOOLOID, BPCHAROID, DATEOID, FLOAT4OID, FLOAT8OID, INT2OID, INT4OID, INT8OID, NAMEOID,
        NUMERICOID, OIDOID, TEXTOID, TIMESTAMPOID, VARCHAROID,
    };
    match from {
        INT2OID => [INT4OID, INT8OID, NUMERICOID, FLOAT4OID, FLOAT8OID].contains(&to),
        INT4OID => [INT2OID, INT8OID, NUMERICOID, FLOAT8OID].contains(&to),
        INT8OID => [INT2OID, INT4OID, OIDOID, NUMERICOID].contains(&to),
        OIDOID => to == INT8OID,
        BOOLOID => [INT4OID, TEXTOID, VARCHAROID].contains(&to),
        FLOAT4OID => to == FLOAT8OID,
        DATEOID => to == TIMESTAMPOID,
        // Trailing blanks of a bpchar mean nothing to its own equality either.
        NAMEOID | BPCHAROID => [TEXTOID, VARCHAROID].contains(&to),
        _ => false,
    }
}

fn is_text(oid: pg_sys::Oid) -> bool {
    // SAFETY: a catalog lookup that takes any OID.
    let base = unsafe { pg_sys::getBaseType(oid) };
    [pg_sys::TEXTOID, pg_sys::VARCHAROID].contains(&base)
}

/// Does equality of that type's output mean equality of its values, whatever the session's settings? Of a float it
/// doesn't: `extra_float_digits` rounds it; nor of a timestamptz: an hour comes twice where clocks are turned back.
fn prints_uniquely(oid: pg_sys::Oid) -> bool {
    // SAFETY: catalog lookups that take any OID.
    let (base, kind) = unsafe { (pg_sys::getBaseType(oid), pg_sys::get_typtype(oid)) };
    kind as u8 == pg_sys::TYPTYPE_ENUM
        || [
            pg_sys::INT2OID,
            pg_sys::INT4OID,
            pg_sys::INT8OID,
            pg_sys::NUMERICOID,
            pg_sys::OIDOID,
            pg_sys::UUIDOID,
            pg_sys::DATEOID,
            pg_sys::TEXTOID,
            pg_sys::VARCHAROID,
        ]
        .contains(&base)
}
