//! What counts: expressions whose values are neither given nor stored but made, one after the other.
//!
//! A list for a key may hold what it is given and what is stored. So a function that gives a list is trusted where it only
//! takes one apart or puts one together; any other of the server's that computes a list from its arguments alone makes the
//! values. What a function of somebody's own does is not read.

use core::ffi::CStr;

use pgrx::pg_sys;

use super::node::Node;
use super::operand::is_unnest;
use super::walk::names_columns;

/// Immutable functions whose lists hold only what they are given: members, pieces of a text, fields and keys of JSON.
const GIVING: [&CStr; 37] = [
    c"aclexplode",
    c"array_append",
    c"array_cat",
    c"array_fill",
    c"array_larger",
    c"array_prepend",
    c"array_remove",
    c"array_replace",
    c"array_reverse",
    c"array_smaller",
    c"array_sort",
    c"json_array_elements",
    c"json_array_elements_text",
    c"json_each",
    c"json_each_text",
    c"json_object_keys",
    c"json_populate_recordset",
    c"json_to_recordset",
    c"jsonb_array_elements",
    c"jsonb_array_elements_text",
    c"jsonb_each",
    c"jsonb_each_text",
    c"jsonb_object_keys",
    c"jsonb_path_query",
    c"jsonb_populate_recordset",
    c"jsonb_to_recordset",
    c"parse_ident",
    c"pg_snapshot_xip",
    c"regexp_match",
    c"regexp_matches",
    c"regexp_split_to_array",
    c"regexp_split_to_table",
    c"string_to_array",
    c"string_to_table",
    c"trim_array",
    c"tsvector_to_array",
    c"xpath",
];

/// Functions that make their values and depend on more than their arguments.
const MAKING: [&CStr; 5] = [
    c"enum_range",
    c"generate_series",
    c"nextval",
    c"random",
    c"random_normal",
];

/// Window functions that give back a value of one of the rows; the others number them.
const PICKING: [&CStr; 8] = [
    c"any_value",
    c"first_value",
    c"lag",
    c"last_value",
    c"lead",
    c"max",
    c"min",
    c"nth_value",
];

/// Aggregates that say how many rows a group has, or where in it a value stands.
const COUNTING: [&CStr; 4] = [c"count", c"dense_rank", c"rank", c"regr_count"];

/// Is it one of these functions of the server?
pub fn is_among(function: pg_sys::Oid, names: &[&CStr]) -> bool {
    if function.to_u32() >= pg_sys::FirstNormalObjectId {
        return false;
    }
    // SAFETY: get_func_name takes any OID and returns NULL or a C string.
    unsafe {
        let name = pg_sys::get_func_name(function);
        !name.is_null() && names.contains(&CStr::from_ptr(name))
    }
}

/// Does the function count through a series?
///
/// # Safety
/// `node` is a valid FuncExpr.
pub unsafe fn is_series(node: Node) -> bool {
    // SAFETY: the caller vouches for it; the rest are catalog look-ups of a function that exists.
    unsafe {
        let call = node.cast::<pg_sys::FuncExpr>();
        let function = (*call).funcid;
        if function.to_u32() >= pg_sys::FirstNormalObjectId {
            return false;
        }
        let result = pg_sys::getBaseType((*call).funcresulttype);
        let lists = (*call).funcretset
            || pg_sys::get_element_type(result) != pg_sys::InvalidOid
            // The places of its words.
            || result == pg_sys::TSVECTOROID;
        let computes =
            pg_sys::func_volatile(function) as u8 == pg_sys::PROVOLATILE_IMMUTABLE && lists;
        is_among(function, &MAKING)
            || (computes && !is_unnest(node) && !is_among(function, &GIVING))
    }
}

/// Does a window function number the rows that it sees?
pub fn numbers_rows(function: pg_sys::Oid) -> bool {
    !is_among(function, &PICKING)
}

/// Does an aggregate count? `sum(1)` does as well as `count(*)`.
///
/// # Safety
/// `aggregate` is a valid Aggref.
pub unsafe fn counts_rows(aggregate: *mut pg_sys::Aggref) -> bool {
    // SAFETY: passed on from the caller; the arguments are a node list.
    unsafe {
        let function = (*aggregate).aggfnoid;
        is_among(function, &COUNTING)
            || (is_among(function, &[c"sum"]) && !names_columns((*aggregate).args.cast()))
    }
}

/// A scalar subquery that names no column around it gives one number or one date, however it comes by it.
///
/// # Safety
/// `sublink` is a valid SubLink.
pub unsafe fn is_one_value(sublink: *mut pg_sys::SubLink) -> bool {
    // SAFETY: passed on from the caller; the type exists.
    unsafe {
        if (*sublink).subLinkType != pg_sys::SubLinkType::EXPR_SUBLINK {
            return false;
        }
        let (mut category, mut preferred) = (0, false);
        let result = pg_sys::exprType(sublink.cast());
        pg_sys::get_type_category_preferred(result, &mut category, &mut preferred);
        // A text, an array or a document may hold a whole list.
        let indivisible = [
            pg_sys::TYPCATEGORY_NUMERIC,
            pg_sys::TYPCATEGORY_BOOLEAN,
            pg_sys::TYPCATEGORY_DATETIME,
            pg_sys::TYPCATEGORY_TIMESPAN,
            pg_sys::TYPCATEGORY_ENUM,
        ];
        indivisible.contains(&(category as u8)) && !names_columns(sublink.cast())
    }
}
