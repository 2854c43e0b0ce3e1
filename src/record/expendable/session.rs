//! What an `expendable` expression asks of the session. Whoever runs a statement has set that, and must not decide by it
//! which rows count: the questions that have no fixed answer are refused at `protect()`, the others are answered as in a
//! session of our own.

use crate::pg::query::walk::any_part;
use crate::pg::{catalog, settings::OwnSettings};
use crate::record::portable::PortableOutput;
use pgrx::pg_sys::{self, Node, NodeTag, Oid, SQLValueFunctionOp};
use std::ffi::{CStr, c_void};

/// Functions of pg_catalog that only the session can answer, where they are not immutable: `to_tsquery` with a
/// configuration is.
const ASKING: [&str; 36] = [
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_user",
    "get_current_ts_config",
    "getpgusername",
    "inet_client_addr",
    "inet_client_port",
    "json_to_tsvector",
    "jsonb_to_tsvector",
    "pg_backend_pid",
    "pg_client_encoding",
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
    "pg_has_role",
    "pg_my_temp_schema",
    "phraseto_tsquery",
    "plainto_tsquery",
    "row_security_active",
    "session_user",
    "system_user",
    "to_regclass",
    "to_regcollation",
    "to_regoper",
    "to_regoperator",
    "to_regproc",
    "to_regprocedure",
    "to_regtype",
    "to_tsquery",
    "to_tsvector",
    "txid_current",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "txid_current_if_assigned",
    "websearch_to_tsquery",
];

/// Functions of pg_catalog that depend on the clock, the time zone and how times are written, and on nothing else, begin
/// with one of these or are one of those.
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

/// What other functions may depend on and anybody may set; `PortableOutput` has the rest.
const SETTINGS: [(&CStr, &CStr); 5] = [
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"lc_monetary", c"C"),
    (c"lc_numeric", c"C"),
    (c"lc_time", c"C"),
    (c"timezone_abbreviations", c"Default"),
];

/// pg_language.dat: functions in these look no names up.
const INTERNAL: Oid = Oid::from_u32(12);
const C: Oid = Oid::from_u32(13);

/// What an expression's value depends on besides the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependence {
    Nothing,
    /// The clock and settings that are plain variables, such as the time zone: a few assignments for each row.
    Time,
    /// Other settings, too, such as the search_path by which a function's body finds what it names.
    Session,
}

/// Settings of our own until dropped.
pub struct Pinned {
    _variables: Option<PortableOutput>,
    _settings: Option<OwnSettings>,
}

impl Dependence {
    /// # Safety
    /// `node` must be an analysed expression.
    pub unsafe fn of(node: *mut Node) -> Dependence {
        // SAFETY: the caller vouches for the node, which is only read.
        unsafe {
            if first(node, depends, false).is_some() {
                Dependence::Session
            } else if pg_sys::contain_mutable_functions(node) || prints(node) {
                Dependence::Time
            } else {
                Dependence::Nothing
            }
        }
    }

    pub fn pinned(self) -> Pinned {
        Pinned {
            _settings: (self == Dependence::Session).then(|| OwnSettings::of(&SETTINGS)),
            _variables: (self >= Dependence::Time).then(PortableOutput::begin),
        }
    }
}

/// The first thing in an expression that only the session can answer.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn question(node: *mut Node) -> Option<String> {
    // SAFETY: the caller vouches for the node.
    unsafe { first(node, asks, true) }
}

fn asks(function: Oid) -> bool {
    is_built_in(function)
        && is_mutable(function)
        && name(function).is_some_and(|name| {
            let privilege = name.starts_with("has_") && name.ends_with("_privilege");
            privilege || ASKING.contains(&name.as_str())
        })
}

/// Whether a function may depend on more of the session than `Dependence::Time`.
fn depends(function: Oid) -> bool {
    if !is_built_in(function) {
        return is_mutable(function) || has_body(function);
    }
    is_mutable(function)
        && name(function).is_none_or(|name| {
            // What is read from text may name a time zone by its abbreviation.
            let timely = |prefix: &&str| name.starts_with(prefix) && !name.ends_with("_in");
            !TIME_PREFIXES.iter().any(timely) && !TIME.contains(&name.as_str())
        })
}

pub(super) fn is_built_in(function: Oid) -> bool {
    function.to_u32() < pg_sys::FirstNormalObjectId
}

fn is_mutable(function: Oid) -> bool {
    // SAFETY: a syscache look-up of a function that an analysed expression calls.
    unsafe { pg_sys::func_volatile(function) as u8 != pg_sys::PROVOLATILE_IMMUTABLE }
}

fn name(function: Oid) -> Option<String> {
    // SAFETY: get_func_name takes any OID and returns NULL or a C string.
    unsafe { catalog::owned(pg_sys::get_func_name(function)) }
}

/// Whether a function is written in SQL, PL/pgSQL and so on.
fn has_body(function: Oid) -> bool {
    // SAFETY: a syscache look-up; the entry is read before it is released.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(function));
        if tuple.is_null() {
            return true;
        }
        let language = (*(pg_sys::GETSTRUCT(tuple) as pg_sys::Form_pg_proc)).prolang;
        pg_sys::ReleaseSysCache(tuple);
        ![INTERNAL, C].contains(&language)
    }
}

/// What a walk looks for, and the name of the first it finds.
struct Search {
    is_wanted: fn(Oid) -> bool,
    /// CURRENT_USER and its like are wanted, too.
    keywords: bool,
    found: Option<String>,
}

/// # Safety
/// `node` must be an analysed expression.
unsafe fn first(node: *mut Node, is_wanted: fn(Oid) -> bool, keywords: bool) -> Option<String> {
    let mut search = Search {
        is_wanted,
        keywords,
        found: None,
    };
    // SAFETY: the caller vouches for the node; casts follow the nodes' tags, and `search` outlives the walk.
    unsafe {
        any_part(node, |part| {
            if (*part).type_ == NodeTag::T_SQLValueFunction && search.keywords {
                let keyword = keyword((*(part as *mut pg_sys::SQLValueFunction)).op);
                if let Some(keyword) = keyword {
                    search.found = Some(keyword.to_owned());
                    return true;
                }
            }
            pg_sys::check_functions_in_node(part, Some(check), (&raw mut search).cast())
        });
    }
    search.found
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn check(function: Oid, context: *mut c_void) -> bool {
    // SAFETY: the context is the walk's Search, which nobody else has borrowed.
    let search = unsafe { &mut *(context as *mut Search) };
    let wanted = (search.is_wanted)(function);
    if wanted {
        search.found = Some(name(function).unwrap_or_default() + "()");
    }
    wanted
}

/// Whether an expression prints or reads values: floating-point numbers, bytea and others are printed as the session has set,
/// by functions that are marked immutable.
///
/// # Safety
/// `node` must be an analysed expression.
unsafe fn prints(node: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node.
    unsafe { any_part(node, |part| (*part).type_ == NodeTag::T_CoerceViaIO) }
}

/// Whether an expression reads the row as a whole, which cannot be written down so that it means that again.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn reads_whole_row(node: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node; the cast follows a part's tag.
    unsafe {
        any_part(node, |part| {
            (*part).type_ == NodeTag::T_Var && (*(part as *mut pg_sys::Var)).varattno == 0
        })
    }
}

/// The word for what only the session knows. Dates and times are the transaction's, in the time zone that is pinned.
fn keyword(op: SQLValueFunctionOp::Type) -> Option<&'static str> {
    match op {
        SQLValueFunctionOp::SVFOP_CURRENT_ROLE => Some("CURRENT_ROLE"),
        SQLValueFunctionOp::SVFOP_CURRENT_USER => Some("CURRENT_USER"),
        SQLValueFunctionOp::SVFOP_USER => Some("USER"),
        SQLValueFunctionOp::SVFOP_SESSION_USER => Some("SESSION_USER"),
        SQLValueFunctionOp::SVFOP_CURRENT_SCHEMA => Some("CURRENT_SCHEMA"),
        _ => None,
    }
}
