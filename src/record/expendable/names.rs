//! What things are called, where an `expendable` expression prints or reads it: values of `regclass` and its like are OIDs,
//! whose texts go with every rename.

use super::functions;
use super::nodes::is_value;
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
pub unsafe fn prints(node: *mut Node) -> bool {
    // SAFETY: passed on from the caller.
    unsafe { any_part(node, |part| may_print(part) && touches_a_name(part)) }
}

/// Whether the value of this very part of an expression, or one of its arguments, has such a type.
///
/// # Safety
/// `part` must be a node of an analysed expression.
unsafe fn touches_a_name(part: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node; a value has a type.
    unsafe {
        let is_name = |node| is_value(node) && types::holds(pg_sys::exprType(node), &NAMES);
        walk(part, |node| {
            if is_name(node) {
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
