//! Casts and collations that keep a value's identity: equality under them is equality of what they are applied to.

use pgrx::pg_sys;

use super::node::{Node, items, tag};

/// The expression under casts that map different values to different values and equal ones to equal ones.
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
                pg_sys::NodeTag::T_RelabelType => (*node.cast::<pg_sys::RelabelType>()).arg.cast(),
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
                pg_sys::NodeTag::T_FuncExpr => match lossless_argument(node.cast()) {
                    Some(arg) => arg,
                    None => return node,
                },
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
        let node = strip(node);
        match tag(node) {
            pg_sys::NodeTag::T_Const => true,
            pg_sys::NodeTag::T_Param
                if (*node.cast::<pg_sys::Param>()).paramkind == pg_sys::ParamKind::PARAM_EXTERN =>
            {
                true
            }
            _ => pg_sys::exprCollation(node) == collation,
        }
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

fn widens(from: pg_sys::Oid, to: pg_sys::Oid) -> bool {
    use pg_sys::{
        BPCHAROID, DATEOID, FLOAT4OID, FLOAT8OID, INT2OID, INT4OID, INT8OID, NAMEOID, NUMERICOID,
        OIDOID, TEXTOID, TIMESTAMPOID, VARCHAROID,
    };
    match from {
        INT2OID => [INT4OID, INT8OID, NUMERICOID, FLOAT4OID, FLOAT8OID].contains(&to),
        INT4OID => [INT8OID, NUMERICOID, FLOAT8OID].contains(&to),
        INT8OID => to == NUMERICOID,
        OIDOID => to == INT8OID,
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

/// Does equality of that type's output mean equality of its values?
fn prints_uniquely(oid: pg_sys::Oid) -> bool {
    // SAFETY: catalog lookups that take any OID.
    let (base, kind) = unsafe { (pg_sys::getBaseType(oid), pg_sys::get_typtype(oid)) };
    kind as u8 == pg_sys::TYPTYPE_ENUM
        || [
            pg_sys::INT2OID,
            pg_sys::INT4OID,
            pg_sys::INT8OID,
            pg_sys::UUIDOID,
            pg_sys::TEXTOID,
            pg_sys::VARCHAROID,
        ]
        .contains(&base)
}
