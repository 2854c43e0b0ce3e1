//! What the value of an `expendable` expression depends on besides the row. What is known to depend on nothing costs a row
//! nothing; what is not known is evaluated under all settings of our own.

use super::functions::{self, Function};
use super::pinned::Pinned;
use crate::pg::query::walk::any_part;
use pgrx::pg_sys::{self, Node, NodeTag, Oid};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependence {
    Nothing,
    /// The clock and settings that are plain variables, such as the time zone: a few assignments for each row.
    Time,
    /// Other settings, too, such as the search_path by which a function's body finds what it names.
    Session,
}

/// Mutable functions of pg_catalog that depend on the clock, the time zone and how times are written, and on nothing else,
/// begin with one of these or are one of those.
const TIME_PREFIXES: [&str; 3] = ["date", "time", "interval"];
const TIME: [&str; 7] = [
    "age",
    "extract",
    "make_timestamptz",
    "now",
    "overlaps",
    "statement_timestamp",
    "transaction_timestamp",
];

/// Functions of pg_catalog that read a time zone's abbreviation where they take a text as their first or last argument,
/// marked immutable or not.
const ZONED: [&str; 5] = [
    "date_add",
    "date_subtract",
    "date_trunc",
    "make_timestamptz",
    "timezone",
];

/// Types whose values are the same text whatever is set.
const PLAIN: [Oid; 14] = [
    pg_sys::BOOLOID,
    pg_sys::BPCHAROID,
    pg_sys::CHAROID,
    pg_sys::INT2OID,
    pg_sys::INT4OID,
    pg_sys::INT8OID,
    pg_sys::JSONBOID,
    pg_sys::JSONOID,
    pg_sys::NAMEOID,
    pg_sys::NUMERICOID,
    pg_sys::OIDOID,
    pg_sys::TEXTOID,
    pg_sys::UUIDOID,
    pg_sys::VARCHAROID,
];

impl Dependence {
    /// # Safety
    /// `node` must be an analysed expression.
    pub unsafe fn of(node: *mut Node) -> Dependence {
        let mut most = Dependence::Nothing;
        // SAFETY: the caller vouches for the node, which is only read.
        unsafe {
            any_part(node, |part| {
                most = most.max(of_part(part));
                most == Dependence::Session
            });
        }
        most
    }

    pub fn pinned(self) -> Option<Pinned> {
        match self {
            Dependence::Nothing => None,
            Dependence::Time => Some(Pinned::time()),
            Dependence::Session => Some(Pinned::session()),
        }
    }
}

/// # Safety
/// `part` must be a node of an analysed expression.
unsafe fn of_part(part: *mut Node) -> Dependence {
    let of_functions = || {
        // SAFETY: passed on from the caller.
        let called = unsafe { functions::called(part) };
        let dependences = called.iter().map(of_function);
        dependences.max().unwrap_or(Dependence::Nothing)
    };
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        match (*part).type_ {
            NodeTag::T_SQLValueFunction => Dependence::Time,
            NodeTag::T_CoerceViaIO => {
                let text = (*(part as *mut pg_sys::CoerceViaIO)).arg.cast();
                let is_plain =
                    |value| PLAIN.contains(&pg_sys::getBaseType(pg_sys::exprType(value)));
                match is_plain(text) && is_plain(part) {
                    true => Dependence::Nothing,
                    false => Dependence::Session,
                }
            }
            // The type's own functions do it.
            NodeTag::T_MinMaxExpr | NodeTag::T_SubscriptingRef => {
                match functions::is_built_in(pg_sys::exprType(part)) {
                    true => of_functions(),
                    false => Dependence::Session,
                }
            }
            NodeTag::T_ArrayCoerceExpr
            | NodeTag::T_ArrayExpr
            | NodeTag::T_BoolExpr
            | NodeTag::T_BooleanTest
            | NodeTag::T_CaseExpr
            | NodeTag::T_CaseTestExpr
            | NodeTag::T_CaseWhen
            | NodeTag::T_CoalesceExpr
            | NodeTag::T_CollateExpr
            | NodeTag::T_Const
            | NodeTag::T_ConvertRowtypeExpr
            | NodeTag::T_DistinctExpr
            | NodeTag::T_FieldSelect
            | NodeTag::T_FuncExpr
            | NodeTag::T_List
            | NodeTag::T_NamedArgExpr
            | NodeTag::T_NullIfExpr
            | NodeTag::T_NullTest
            | NodeTag::T_OpExpr
            | NodeTag::T_RelabelType
            | NodeTag::T_RowCompareExpr
            | NodeTag::T_RowExpr
            | NodeTag::T_ScalarArrayOpExpr
            | NodeTag::T_Var => of_functions(),
            _ => Dependence::Session,
        }
    }
}

fn of_function(function: &Function) -> Dependence {
    let name = function.name.as_str();
    let text = Some(&pg_sys::TEXTOID);
    let ends = [function.arguments.first(), function.arguments.last()];
    let reads_zone = ZONED.contains(&name)
        && match name {
            // Its first argument is the field.
            "date_trunc" => function.arguments.len() > 2,
            _ => ends.contains(&text),
        };
    // Marked immutable, too: what float8out() and its like print is set.
    let is_printing =
        function.result == pg_sys::CSTRINGOID || function.arguments.contains(&pg_sys::CSTRINGOID);
    if !function.is_built_in() || reads_zone || is_printing || name == "quote_ident" {
        Dependence::Session
    } else if !function.is_mutable {
        Dependence::Nothing
    } else if TIME.contains(&name) || TIME_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        Dependence::Time
    } else {
        Dependence::Session
    }
}
