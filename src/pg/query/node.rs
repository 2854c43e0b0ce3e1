//! Small readers of PostgreSQL's nodes: lists, casts that keep a value's identity, which operator is equality.

use pgrx::pg_sys;

pub type Node = *mut pg_sys::Node;

/// The elements of a node list; empty for NIL.
///
/// # Safety
/// `list` is NULL or a valid list of pointers to `T`.
pub unsafe fn items<T>(list: *mut pg_sys::List) -> Vec<*mut T> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: a list's `length` cells are contiguous (pg_list.h); the caller vouches for what they hold.
    unsafe {
        (0..(*list).length as usize)
            .map(|i| (*(*list).elements.add(i)).ptr_value.cast())
            .collect()
    }
}

/// The range-table entry of that number, counted from one.
///
/// # Safety
/// `rtable` is a query's range table and `rtindex` numbers an entry of it.
pub unsafe fn nth_rte(rtable: *mut pg_sys::List, rtindex: i32) -> *mut pg_sys::RangeTblEntry {
    // SAFETY: the caller vouches for the number.
    unsafe {
        (*(*rtable).elements.add(rtindex as usize - 1))
            .ptr_value
            .cast()
    }
}

/// The range-table number a Var names (unsigned in PostgreSQL 14).
///
/// # Safety
/// `var` is a valid Var.
#[allow(clippy::unnecessary_cast)]
pub unsafe fn varno(var: *mut pg_sys::Var) -> i32 {
    // SAFETY: the caller vouches for the Var.
    unsafe { (*var).varno as i32 }
}

/// The node's tag.
///
/// # Safety
/// `node` is a valid, non-NULL node.
pub unsafe fn tag(node: Node) -> pg_sys::NodeTag {
    // SAFETY: every node starts with its tag.
    unsafe { (*node).type_ }
}

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
                pg_sys::NodeTag::T_CollateExpr => (*node.cast::<pg_sys::CollateExpr>()).arg.cast(),
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
        TEXTOID, TIMESTAMPOID, VARCHAROID,
    };
    match from {
        INT2OID => [INT4OID, INT8OID, NUMERICOID, FLOAT4OID, FLOAT8OID].contains(&to),
        INT4OID => [INT8OID, NUMERICOID, FLOAT8OID].contains(&to),
        INT8OID => to == NUMERICOID,
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

/// The operator's strategy in the default btree operator family of one of the types it is given; 0 when it has none.
/// What an operator is called says nothing: anyone can make a `=`.
pub fn btree_strategy(operator: pg_sys::Oid, types: [pg_sys::Oid; 2]) -> i32 {
    for oid in types {
        // SAFETY: the type cache answers for any type of a parsed expression and lives as long as the backend.
        let strategy = unsafe {
            let entry = pg_sys::lookup_type_cache(oid, pg_sys::TYPECACHE_BTREE_OPFAMILY as i32);
            if (*entry).btree_opf == pg_sys::InvalidOid {
                continue;
            }
            pg_sys::get_op_opfamily_strategy(operator, (*entry).btree_opf)
        };
        if strategy != 0 {
            return strategy;
        }
    }
    0
}

/// Is the operator equality for these two expressions?
///
/// # Safety
/// Both are valid expressions.
pub unsafe fn is_equality(operator: pg_sys::Oid, left: Node, right: pg_sys::Oid) -> bool {
    // SAFETY: the caller vouches for the expression.
    let types = [unsafe { pg_sys::exprType(left) }, right];
    btree_strategy(operator, types) == pg_sys::BTEqualStrategyNumber as i32
}

/// Does the function count through a series?
pub fn is_series(function: pg_sys::Oid) -> bool {
    if function.to_u32() >= pg_sys::FirstNormalObjectId {
        return false;
    }
    // SAFETY: get_func_name takes any OID and returns NULL or a C string.
    unsafe {
        let name = pg_sys::get_func_name(function);
        !name.is_null()
            && [c"generate_series", c"generate_subscripts", c"enum_range"]
                .contains(&core::ffi::CStr::from_ptr(name))
    }
}

/// What the expression folds to when the planner folds constants: None when it is no constant boolean.
///
/// # Safety
/// `node` is a valid boolean expression, before planning.
pub unsafe fn folds_to(node: Node) -> Option<Option<bool>> {
    // SAFETY: the folding works on a copy; without a root it reads only the expression and the catalogs.
    unsafe {
        let copy = pg_sys::copyObjectImpl(node.cast()).cast();
        let folded = pg_sys::eval_const_expressions(core::ptr::null_mut(), copy);
        constant(folded)
    }
}

/// The value of a constant boolean.
///
/// # Safety
/// `node` is NULL or a valid node.
pub unsafe fn constant(node: Node) -> Option<Option<bool>> {
    // SAFETY: the tag says that it is a Const, and a boolean's datum is passed by value.
    unsafe {
        if node.is_null() || tag(node) != pg_sys::NodeTag::T_Const {
            return None;
        }
        let value = node.cast::<pg_sys::Const>();
        if (*value).constisnull {
            Some(None)
        } else {
            Some(Some((*value).constvalue.value() != 0))
        }
    }
}
