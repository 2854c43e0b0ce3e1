//! What an `expendable` expression asks catalogs, statistics or other tables: how things are called, described and defined.
//! Who owns them may change that, and with it which rows count.

use super::functions::{self, Function};
use crate::pg::query::walk::any_part;
use crate::pg::{encoding, raw};
use pgrx::pg_sys::{self, Node, NodeTag};
use std::ffi::CStr;

/// Mutable functions of pg_catalog and information_schema that ask catalogs, statistics or the transaction counter, or read
/// other tables, begin with one of these or are one of those.
const ASKING_PREFIXES: [&str; 3] = ["pg_", "_pg_", "reg"];
const ASKING: [&str; 6] = [
    "col_description",
    "format_type",
    "mxid_age",
    "obj_description",
    "oidvectortypes",
    "shobj_description",
];

/// Those that ask nothing but their argument.
const HARMLESS: [&str; 3] = ["pg_column_compression", "pg_column_size", "pg_typeof"];

/// Those that ask nothing but their argument where the second is a type of PostgreSQL's whose values are no names.
const INPUT: [&str; 2] = ["pg_input_error_info", "pg_input_is_valid"];

/// The first function in an expression that asks catalogs.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn question(node: *mut Node) -> Option<String> {
    let asks = |function: &Function| {
        let name = function.name.as_str();
        function.is_built_in()
            && function.is_mutable
            && !HARMLESS.contains(&name)
            && (ASKING.contains(&name)
                || function.oid.to_u32() == pg_sys::F_AGE_XID
                || name.contains("_to_xml")
                || ASKING_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix)))
    };
    let mut found = None;
    // SAFETY: the caller vouches for the node. What is converted by its text is for `names`.
    unsafe {
        any_part(node, |part| {
            if (*part).type_ != NodeTag::T_CoerceViaIO && !reads_plain_input(part) {
                found = functions::called(part).into_iter().find(asks);
            }
            found.is_some()
        });
    }
    found.map(|function| function.name + "()")
}

/// Whether this very part of an expression asks if a text is good input for a type of `INPUT`.
///
/// # Safety
/// `part` must be a node of an analysed expression.
unsafe fn reads_plain_input(part: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node; casts follow its tag and its argument's, and a constant text is not NULL.
    unsafe {
        if (*part).type_ != NodeTag::T_FuncExpr {
            return false;
        }
        let arguments = (*(part as *mut pg_sys::FuncExpr)).args;
        let is_input =
            |function: &Function| function.is_built_in() && INPUT.contains(&function.name.as_str());
        if raw::list_length(arguments) != 2 || !functions::called(part).iter().any(is_input) {
            return false;
        }
        let of_type = raw::list_nth(arguments, 1) as *mut pg_sys::Const;
        if (*of_type).xpr.type_ != NodeTag::T_Const || (*of_type).constisnull {
            return false;
        }
        let text = pg_sys::text_to_cstring((*of_type).constvalue.cast_mut_ptr());
        is_plain_type(&encoding::decoded(CStr::from_ptr(text)))
    }
}

/// Whether that can only name a type of PostgreSQL's whose values are no names, under a search_path of pg_catalog.
fn is_plain_type(name: &str) -> bool {
    let name = name.trim_start();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || " ()[],_".contains(c);
    name.chars().all(is_plain) && !name.starts_with("reg") && !name.starts_with("aclitem")
}

#[cfg(test)]
mod tests {
    use super::is_plain_type;

    #[test]
    fn a_type_of_names_or_of_somebody_is_not_plain() {
        for name in [
            "integer",
            "numeric(10,2)",
            "timestamp with time zone",
            "int4[]",
        ] {
            assert!(is_plain_type(name), "{name}");
        }
        for name in [
            "regclass",
            " regtype[]",
            "aclitem",
            "\"regclass\"",
            "pg_catalog.regclass",
            "public.mood",
            "REGCLASS",
        ] {
            assert!(!is_plain_type(name), "{name}");
        }
    }
}
