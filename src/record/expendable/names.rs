//! What things are called, where an `expendable` expression prints or reads it: values of `regclass` and its like are OIDs,
//! whose texts go with every rename.

use super::functions;
use super::nodes::is_value;
use super::rights::is_strangers;
use crate::pg::query::walk::{Step, any_part, walk};
use crate::pg::types;
use pgrx::pg_sys::{self, Node, NodeTag, Oid};

/// Types whose values are OIDs, and printed as what has them is called.
const NAMES: [Oid; 12] = [
    pg_sys::ACLITEMOID,
    pg_sys::REGCLASSOID,
    pg_sys::REGCOLLATIONOID,
    pg_sys::REGCONFIGOID,
    pg_sys::REGDICTIONARYOID,
    pg_sys::REGNAMESPACEOID,
    pg_sys::REGOPERATOROID,
    pg_sys::REGOPEROID,
    pg_sys::REGPROCEDUREOID,
    pg_sys::REGPROCOID,
    pg_sys::REGROLEOID,
    pg_sys::REGTYPEOID,
];

/// Whether an expression prints what something is called, or reads it: not where a constant was read when the expression was.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn prints(node: *mut Node, owner: Oid) -> bool {
    let is_name = |oid: Oid| NAMES.contains(&oid);
    let is_called = |oid: Oid| is_name(oid) || has_named_parts(oid) && is_strangers(oid, owner);
    // SAFETY: passed on from the caller.
    unsafe {
        any_part(node, |part| {
            (may_print(part) || counts_parts(part)) && touches(part, &is_called)
        })
    }
}

/// Whether values of a type are told by labels or have parts with names, both of which the type's owner may change.
fn has_named_parts(oid: Oid) -> bool {
    // SAFETY: a syscache look-up.
    let kind = unsafe { pg_sys::get_typtype(oid) } as u8;
    kind == pg_sys::TYPTYPE_ENUM || kind == pg_sys::TYPTYPE_COMPOSITE
}

/// Whether this part of an expression asks whether all parts of a value are NULL, or none: another one may come.
///
/// # Safety
/// `part` must be a node of an analysed expression.
unsafe fn counts_parts(part: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node; the cast follows its tag.
    unsafe { (*part).type_ == NodeTag::T_NullTest && (*(part as *mut pg_sys::NullTest)).argisrow }
}

/// Whether the value of this very part of an expression, or one of its arguments, holds values of a type that is `wanted`.
///
/// # Safety
/// `part` must be a node of an analysed expression.
unsafe fn touches(part: *mut Node, wanted: &dyn Fn(Oid) -> bool) -> bool {
    // SAFETY: the caller vouches for the node; a value has a type.
    unsafe {
        let has = |node| is_value(node) && types::is_made_of(pg_sys::exprType(node), wanted);
        walk(part, |node| {
            if has(node) {
                Step::Out
            } else if node == part || !is_value(node) {
                Step::Into
            } else {
                Step::Over
            }
        })
    }
}

/// Whether this very part of an expression may print its arguments or read its result, whatever types they have.
///
/// # Safety
/// `part` must be a node of an analysed expression.
unsafe fn may_print(part: *mut Node) -> bool {
    const RECORDS: [Oid; 2] = [pg_sys::RECORDOID, pg_sys::RECORDARRAYOID];
    // SAFETY: the caller vouches for the node; a value has a type.
    unsafe {
        // The types of a record's fields are not told by its own: it is looked at where it is made.
        if is_value(part) && RECORDS.contains(&pg_sys::exprType(part)) {
            return true;
        }
        match (*part).type_ {
            NodeTag::T_FuncExpr
            | NodeTag::T_OpExpr
            | NodeTag::T_DistinctExpr
            | NodeTag::T_NullIfExpr
            | NodeTag::T_ScalarArrayOpExpr => functions::called(part).iter().any(|function| {
                match function.is_built_in() {
                    true => function.is_mutable && function.name != "pg_typeof",
                    // What an extension marks immutable may print what it is given; hstore(record) does.
                    false => !function.has_body(),
                }
            }),
            NodeTag::T_ArrayCoerceExpr
            | NodeTag::T_ArrayExpr
            | NodeTag::T_BoolExpr
            | NodeTag::T_BooleanTest
            | NodeTag::T_CaseExpr
            | NodeTag::T_CaseTestExpr
            | NodeTag::T_CaseWhen
            | NodeTag::T_CoalesceExpr
            | NodeTag::T_CoerceToDomain
            | NodeTag::T_CollateExpr
            | NodeTag::T_Const
            | NodeTag::T_ConvertRowtypeExpr
            | NodeTag::T_FieldSelect
            | NodeTag::T_List
            | NodeTag::T_MinMaxExpr
            | NodeTag::T_NamedArgExpr
            | NodeTag::T_NullTest
            | NodeTag::T_RelabelType
            | NodeTag::T_RowCompareExpr
            | NodeTag::T_SQLValueFunction
            | NodeTag::T_SubscriptingRef
            | NodeTag::T_Var => false,
            _ => true,
        }
    }
}
