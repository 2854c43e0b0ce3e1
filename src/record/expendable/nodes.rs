//! The parts of an `expendable` expression: what each calls, converts, writes and selects.

use crate::ddl::object::Address;
use crate::pg::query::elements::elements;
use crate::pg::{objects, raw, types};
use pgrx::pg_sys::{self, CoercionForm, Node, NodeTag, Oid};
use std::ffi::c_void;

/// Whether the node calls the function, is told by the operator or the cast, or writes the type or the collation.
///
/// # Safety
/// `node` must be a node of an analysed expression.
pub(super) unsafe fn uses(node: *mut Node, object: Address) -> bool {
    let Address { class, oid, .. } = object;
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        if class == pg_sys::ProcedureRelationId {
            calls(node, &|function| function == oid)
        } else if class == pg_sys::OperatorRelationId {
            operators(node).contains(&oid)
        } else if class == pg_sys::TypeRelationId {
            writes_type(node) && holds(node, oid)
        } else if class == pg_sys::CollationRelationId {
            is_value(node) && pg_sys::exprCollation(node) == oid
        } else if class == pg_sys::RelationRelationId {
            relations(node).contains(&oid)
        } else {
            class == objects::CAST_RELATION
                && cast(node).is_some_and(|(source, target)| {
                    pg_sys::get_cast_oid(source, target, true) == oid
                })
        }
    }
}

/// The relations that the node is a constant of: `'public.users'::regclass`, or an array of such.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn relations(node: *mut Node) -> Vec<Oid> {
    // SAFETY: the caller vouches for the node; the cast follows its tag, and such a constant is an OID.
    unsafe {
        if (*node).type_ != NodeTag::T_Const || (*(node as *mut pg_sys::Const)).constisnull {
            return Vec::new();
        }
        let constant = &*(node as *mut pg_sys::Const);
        if constant.consttype == pg_sys::REGCLASSOID {
            return vec![Oid::from_u32(constant.constvalue.value() as u32)];
        }
        if pg_sys::get_element_type(constant.consttype) != pg_sys::REGCLASSOID {
            return Vec::new();
        }
        let elements = elements(node).unwrap_or_default().into_iter();
        elements
            .flat_map(|element: *mut Node| relations(element))
            .collect()
    }
}

/// # Safety
/// As for `uses`.
pub(super) unsafe fn calls(node: *mut Node, is_wanted: &dyn Fn(Oid) -> bool) -> bool {
    let mut wanted = is_wanted;
    // SAFETY: the caller vouches for the node; `wanted` outlives the call.
    unsafe { pg_sys::check_functions_in_node(node, Some(check), (&raw mut wanted).cast()) }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn check(function: Oid, context: *mut c_void) -> bool {
    // SAFETY: the context is what `calls` passes.
    unsafe { (*(context as *mut &dyn Fn(Oid) -> bool))(function) }
}

/// The operators that tell the node's value.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn operators(node: *mut Node) -> Vec<Oid> {
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        match (*node).type_ {
            NodeTag::T_OpExpr | NodeTag::T_DistinctExpr | NodeTag::T_NullIfExpr => {
                vec![(*(node as *mut pg_sys::OpExpr)).opno]
            }
            NodeTag::T_ScalarArrayOpExpr => vec![(*(node as *mut pg_sys::ScalarArrayOpExpr)).opno],
            NodeTag::T_RowCompareExpr => {
                crate::pg::catalog::oid_list((*(node as *mut pg_sys::RowCompareExpr)).opnos)
            }
            _ => Vec::new(),
        }
    }
}

/// From which type to which, where the node converts a value.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn cast(node: *mut Node) -> Option<(Oid, Oid)> {
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        let source = match (*node).type_ {
            NodeTag::T_FuncExpr => {
                let call = node as *mut pg_sys::FuncExpr;
                let converts = matches!(
                    (*call).funcformat,
                    CoercionForm::COERCE_EXPLICIT_CAST | CoercionForm::COERCE_IMPLICIT_CAST
                );
                if !converts {
                    return None;
                }
                raw::list_nth((*call).args, 0) as *mut Node
            }
            NodeTag::T_RelabelType => (*(node as *mut pg_sys::RelabelType)).arg.cast(),
            NodeTag::T_CoerceViaIO => (*(node as *mut pg_sys::CoerceViaIO)).arg.cast(),
            _ => return None,
        };
        Some((pg_sys::exprType(source), pg_sys::exprType(node)))
    }
}

/// Whether the node is written with its type's name.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn writes_type(node: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node.
    unsafe {
        matches!(
            (*node).type_,
            NodeTag::T_Const
                | NodeTag::T_ArrayCoerceExpr
                | NodeTag::T_CoerceToDomain
                | NodeTag::T_ConvertRowtypeExpr
                | NodeTag::T_RowExpr
                | NodeTag::T_ArrayExpr
        ) || cast(node).is_some()
    }
}

/// What the node is written with: the functions, operators, types and collations (class and OID) that it is found by.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn written(node: *mut Node) -> Vec<(Oid, Oid)> {
    let of = |class: Oid, oids: Vec<Oid>| oids.into_iter().map(move |oid| (class, oid));
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        let mut found: Vec<(Oid, Oid)> = of(pg_sys::OperatorRelationId, operators(node)).collect();
        match (*node).type_ {
            NodeTag::T_FuncExpr if cast(node).is_none() => {
                let function = (*(node as *mut pg_sys::FuncExpr)).funcid;
                found.push((pg_sys::ProcedureRelationId, function));
            }
            NodeTag::T_CollateExpr => {
                let collation = (*(node as *mut pg_sys::CollateExpr)).collOid;
                found.push((pg_sys::CollationRelationId, collation));
            }
            _ => {}
        }
        if writes_type(node) {
            let of_type = pg_sys::exprType(node);
            // An array's type is written as its element's.
            let types = vec![of_type, pg_sys::get_element_type(of_type)];
            found.extend(of(pg_sys::TypeRelationId, types));
        }
        found.extend(of(pg_sys::RelationRelationId, relations(node)));
        found
    }
}

/// Whether the node selects that field of a composite value of the relation's row type.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn selects(node: *mut Node, relid: Oid, attnum: i16) -> bool {
    // SAFETY: the caller vouches for the node; the cast follows its tag, and its argument has a type.
    unsafe {
        if (*node).type_ != NodeTag::T_FieldSelect {
            return false;
        }
        let select = node as *mut pg_sys::FieldSelect;
        let of_type = pg_sys::getBaseType(pg_sys::exprType((*select).arg.cast()));
        (*select).fieldnum == attnum && pg_sys::get_typ_typrelid(of_type) == relid
    }
}

/// The number of the column that the node is.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn variable(node: *mut Node) -> Option<i16> {
    // SAFETY: the caller vouches for the node; the cast follows its tag.
    unsafe {
        let is = (*node).type_ == NodeTag::T_Var;
        is.then(|| (*(node as *mut pg_sys::Var)).varattno)
    }
}

/// Whether exprType() and exprCollation() know the node: lists and parts of CASE are walked, too.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn is_value(node: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node.
    let tag = unsafe { (*node).type_ };
    !matches!(
        tag,
        NodeTag::T_List | NodeTag::T_OidList | NodeTag::T_IntList | NodeTag::T_CaseWhen
    )
}

/// Whether the node's value holds values of the type.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn holds(node: *mut Node, type_oid: Oid) -> bool {
    // SAFETY: the caller vouches for the node, which has a type.
    unsafe { is_value(node) && types::holds(pg_sys::exprType(node), &[type_oid]) }
}

/// # Safety
/// `list` must be NIL or a live List of nodes.
pub(super) unsafe fn members(list: *mut pg_sys::List) -> impl Iterator<Item = *mut Node> {
    // SAFETY: the caller vouches for the list.
    unsafe { (0..raw::list_length(list)).map(move |n| raw::list_nth(list, n) as *mut Node) }
}

/// Whether any node of the expression is `wanted`.
pub(super) fn any(tree: *mut Node, wanted: &dyn Fn(*mut Node) -> bool) -> bool {
    let mut wanted = wanted;
    // SAFETY: the callers pass an analysed expression; `wanted` outlives the walk.
    unsafe { walk(tree, (&raw mut wanted).cast()) }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn walk(node: *mut Node, context: *mut c_void) -> bool {
    // SAFETY: PostgreSQL's walkers pass NULL or live nodes; the context is what `any` passes.
    unsafe {
        !node.is_null()
            && ((*(context as *mut &dyn Fn(*mut Node) -> bool))(node)
                || pg_sys::expression_tree_walker(node, Some(walk), context))
    }
}
