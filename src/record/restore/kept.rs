//! Present values that stay while their column gets its former type back: none of them becomes another one.
//!
//! A cast that is written out truncates and rounds. So a value that the former type does not show in the same words is
//! converted forth again, and has to come back as it was.

use super::present::{literal, pairs};
use crate::pg::encoding::decode;
use crate::pg::function::Call;
use crate::pg::memory;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::CStr;

crate::sql_function!(
    pg_finfo_backstop_comes_back,
    backstop_comes_back,
    comes_back
);

/// Characters of a value that an error shows.
const SHOWN: usize = 60;

/// The branches of a CASE that convert the present value of a column (its number, and its quoted name) to a type.
pub(super) fn as_it_is(relid: Oid, number: i16, column: &str, of_type: &str) -> String {
    let now = format!("{column}::text::{of_type}");
    let forth = match types(relid, number, of_type) {
        Some((name, present, former)) if is_cast(former, present) => format!("({now})::{name}"),
        Some((name, ..)) => format!("({now})::text::{name}"),
        // The command says what is missing.
        None => column.to_owned(),
    };
    // Casts to text leave out what pads a value, and its output does not: either will do. IS NULL does not do for a table with
    // children: ALTER TABLE analyses the expression once for each, and NullTest has its argument analysed in place (parse_expr.c).
    format!(
        "WHEN pg_catalog.num_nulls({column}::text) OPERATOR(pg_catalog.=) 1 THEN {now} \
         WHEN ({column}::text COLLATE pg_catalog.\"C\") OPERATOR(pg_catalog.=) ({now})::text THEN {now} \
         WHEN (pg_catalog.format('%s', {column}) COLLATE pg_catalog.\"C\") OPERATOR(pg_catalog.=) pg_catalog.format('%s', {now}) \
         THEN {now} \
         WHEN backstop.comes_back({column}, {forth}, {}) THEN {now}",
        literal(of_type)
    )
}

/// A column's type as SQL has it, its OID, and that of another type.
fn types(relid: Oid, number: i16, of_type: &str) -> Option<(String, Oid, Oid)> {
    let sql = format!(
        "SELECT pg_catalog.format_type(atttypid, atttypmod),
                pg_catalog.concat_ws(' ', atttypid::oid, COALESCE(pg_catalog.to_regtype({})::oid, 0))
         FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attnum = {number}",
        literal(of_type),
        relid.to_u32()
    );
    let (name, oids) = pairs(&sql).into_iter().next()?;
    let (present, former) = oids.split_once(' ')?;
    let oid = |text: &str| Some(Oid::from(text.parse::<u32>().ok()?));
    Some((name, oid(present)?, oid(former)?))
}

/// Whether SQL has a cast from one type to another.
fn is_cast(from: Oid, to: Oid) -> bool {
    let mut function = pg_sys::InvalidOid;
    // SAFETY: catalog look-ups.
    let path = unsafe {
        pg_sys::find_coercion_pathway(
            to,
            from,
            pg_sys::CoercionContext::COERCION_EXPLICIT,
            &mut function,
        )
    };
    path != pg_sys::CoercionPathType::COERCION_PATH_NONE
}

/// Whether a value (argument 0) is what came back (argument 1) from a type, whose name is argument 2.
unsafe fn comes_back(call: Call) -> Outcome<Datum> {
    // SAFETY: declared with two values of one type, which are asked for as they are, and a text.
    unsafe {
        let of_type = pg_sys::get_fn_expr_argtype((*call.0).flinfo, 0);
        let args = (*call.0).args.as_slice(2);
        let from = call.text(2).unwrap_or_default();
        let (present, back) = (args[0], args[1]);
        let shown = match (present.isnull, back.isnull) {
            (true, _) => String::from("NULL"),
            (false, false) if is_same(of_type, present.value, back.value, &from) => {
                return Ok(Datum::from(true));
            }
            _ => decode(&printed(of_type, present.value)),
        };
        let mut short: String = shown.chars().take(SHOWN).collect();
        if short.len() < shown.len() {
            short.push_str("...");
        }
        let message = format!("type {from} does not hold \"{short}\" as it is");
        Err(Report::new(sqlstate::NOT_IN_PREREQUISITE_STATE, message))
    }
}

/// Whether two values of a type are the same by its own equality, or else in its words. `from`: where the second one has been.
///
/// # Safety
/// In a guarded frame, with values of the type that are not NULL.
unsafe fn is_same(of_type: Oid, one: Datum, other: Datum, from: &str) -> bool {
    // SAFETY: the cache's entry lives as long as the session; the caller vouches for the values.
    unsafe {
        let cache = pg_sys::lookup_type_cache(of_type, pg_sys::TYPECACHE_EQ_OPR_FINFO as i32);
        let equal = &raw mut (*cache).eq_opr_finfo;
        if (*equal).fn_oid != pg_sys::InvalidOid {
            // No other collation takes different texts for the same, or says of some that it cannot tell.
            let collation = pg_sys::C_COLLATION_OID;
            return pg_sys::FunctionCall2Coll(equal, collation, one, other).value() as u8 != 0;
        }
        let (one, other) = (printed(of_type, one), printed(of_type, other));
        // jsonb orders members and drops those whose name comes again; all else says the same.
        let is_json = pg_sys::getBaseType(of_type) == pg_sys::JSONOID;
        one == other || is_json && from == "jsonb" && members(&one) == members(&other)
    }
}

/// A value in its type's own words.
///
/// # Safety
/// As for `is_same`.
unsafe fn printed(of_type: Oid, value: Datum) -> Vec<u8> {
    let (mut output, mut is_varlena) = (pg_sys::InvalidOid, false);
    // SAFETY: an output function returns a palloc'd C string.
    unsafe {
        pg_sys::getTypeOutputInfo(of_type, &mut output, &mut is_varlena);
        memory::copied(CStr::from_ptr(pg_sys::OidOutputFunctionCall(output, value)).to_bytes())
    }
}

/// How many members the objects in a JSON text have.
fn members(json: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b':' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}
