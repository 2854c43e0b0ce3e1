//! Functions and operators of PostgreSQL's whose result is null for a null argument alone.

use core::ffi::CStr;

use pgrx::pg_sys;

use super::node::{Node, items};
use super::series::is_among;

/// Strict functions that, given a text, a number, a date or the like, answer with another.
const ANSWERING: [&CStr; 66] = [
    c"abs",
    c"ascii",
    c"bpchar",
    c"btrim",
    c"ceil",
    c"ceiling",
    c"chr",
    c"convert_to",
    c"date",
    c"date_trunc",
    c"div",
    c"encode",
    c"exp",
    c"float4",
    c"float8",
    c"floor",
    c"hashtext",
    c"initcap",
    c"int2",
    c"int4",
    c"int8",
    c"interval",
    c"left",
    c"like_escape",
    c"lower",
    c"lpad",
    c"ltrim",
    c"md5",
    c"mod",
    c"name",
    c"normalize",
    c"numeric",
    c"octet_length",
    c"oid",
    c"overlay",
    c"position",
    c"power",
    c"quote_ident",
    c"quote_literal",
    c"regexp_replace",
    c"repeat",
    c"replace",
    c"reverse",
    c"right",
    c"round",
    c"rpad",
    c"rtrim",
    c"sha224",
    c"sha256",
    c"sha384",
    c"sha512",
    c"sign",
    c"similar_to_escape",
    c"split_part",
    c"sqrt",
    c"starts_with",
    c"strpos",
    c"substr",
    c"text",
    c"time",
    c"timestamp",
    c"timestamptz",
    c"to_hex",
    c"translate",
    c"trunc",
    c"varchar",
];

/// Is that part of an expression null only where one of these, its arguments, is? None where that is not known.
///
/// # Safety
/// `node` is a valid FuncExpr.
pub unsafe fn answers(node: Node) -> Option<Vec<Node>> {
    // SAFETY: the caller vouches for it; the rest are catalog look-ups of a function that exists.
    unsafe {
        let call = node.cast::<pg_sys::FuncExpr>();
        let function = (*call).funcid;
        let args = items::<pg_sys::Node>((*call).args);
        if is_among(function, &[c"concat"]) {
            return Some(Vec::new());
        }
        // By a regular expression it finds a part or none; by a position there is always one.
        let part = is_among(function, &[c"substring"])
            && args
                .get(1)
                .is_some_and(|&from| pg_sys::exprType(from) == pg_sys::INT4OID);
        let known = (part || is_among(function, &ANSWERING))
            && pg_sys::func_strict(function)
            && !(*call).funcretset
            && is_plain((*call).funcresulttype)
            && args.iter().all(|&a| is_plain(pg_sys::exprType(a)));
        known.then_some(args)
    }
}

/// The same of an operator: all of PostgreSQL's between plain values are so.
///
/// # Safety
/// `op` is a valid OpExpr.
pub unsafe fn operates(op: *mut pg_sys::OpExpr) -> bool {
    // SAFETY: the caller vouches for it; the rest are catalog look-ups.
    unsafe {
        (*op).opno.to_u32() < pg_sys::FirstNormalObjectId
            && is_plain((*op).opresulttype)
            && items::<pg_sys::Node>((*op).args)
                .iter()
                .all(|&a| is_plain(pg_sys::exprType(a)))
            && pg_sys::func_strict(pg_sys::get_opcode((*op).opno))
    }
}

/// The type that a domain is of; none of none, which an expression that is not there has.
pub fn base_type(oid: pg_sys::Oid) -> pg_sys::Oid {
    match oid {
        pg_sys::InvalidOid => oid,
        // SAFETY: a catalog look-up; the type exists.
        _ => unsafe { pg_sys::getBaseType(oid) },
    }
}

/// A type whose values hold no others: in documents, arrays and ranges there may be nothing to find.
pub fn is_plain(oid: pg_sys::Oid) -> bool {
    matches!(
        base_type(oid),
        pg_sys::BOOLOID
            | pg_sys::BPCHAROID
            | pg_sys::BYTEAOID
            | pg_sys::DATEOID
            | pg_sys::FLOAT4OID
            | pg_sys::FLOAT8OID
            | pg_sys::INT2OID
            | pg_sys::INT4OID
            | pg_sys::INT8OID
            | pg_sys::INTERVALOID
            | pg_sys::NAMEOID
            | pg_sys::NUMERICOID
            | pg_sys::OIDOID
            | pg_sys::TEXTOID
            | pg_sys::TIMEOID
            | pg_sys::TIMESTAMPOID
            | pg_sys::TIMESTAMPTZOID
            | pg_sys::UUIDOID
            | pg_sys::VARCHAROID
    )
}
