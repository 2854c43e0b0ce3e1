//! `expendable`: a boolean SQL expression over a row of a protected table.
//!
//! The registry keeps it as PostgreSQL prints it under search_path = pg_catalog, so that it means the same whatever the
//! session's search_path is. What it asks of the session is in `session`, what it depends on in `dependence`.

mod catalogs;
mod dependence;
mod followed;
mod functions;
pub mod judging;
pub mod labels;
mod names;
mod nodes;
mod pinned;
mod read;
mod rights;
mod searched;
mod session;
pub mod still;
mod trouble;
mod unasked;
mod unguarded;
pub mod uses;

pub use read::canonical;

use crate::pg::acting::ActingAs;
use crate::pg::settings::OwnSettings;
use crate::registry::Guarded;
use crate::report::Outcome;
use dependence::Dependence;
use pgrx::pg_sys::{self, Relation};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};

/// By relation and policy: node text, what it depends on, and whether it runs code that is not PostgreSQL's own.
type Analysed = HashMap<(pg_sys::Oid, pg_sys::Oid), (CString, Dependence, bool)>;

/// The compiled expressions of a table's policies.
pub struct Compiled {
    /// With the lines of CONTEXT for their errors. Empty when some policy has none: then no row is expendable.
    states: Vec<(rights::Prepared, CString)>,
    dependence: Dependence,
}

impl Compiled {
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }
}

thread_local! {
    /// Analysed expressions as node text, by relation and policy, for one generation of the registry.
    static ANALYSED: RefCell<(usize, Analysed)> =
        RefCell::new((0, HashMap::new()));
}

/// Compiles the `expendable` of every policy on `guarded` for rows in the expression context's scan tuple.
///
/// # Errors
/// PostgreSQL's own, over an expression that can no longer be read or has a constant part that fails.
///
/// # Safety
/// `relation` must be `guarded`'s, open in the running query of `estate`.
pub unsafe fn compile(
    guarded: &Guarded,
    relation: Relation,
    estate: *mut pg_sys::EState,
) -> Outcome<Compiled> {
    let mut compiled = Compiled {
        states: Vec::new(),
        dependence: Dependence::Nothing,
    };
    let policies = guarded.policies.iter();
    let Some(expressions) = policies
        .map(|policy| Some((policy, policy.expendable.as_ref()?)))
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(compiled);
    };
    for (policy, text) in expressions {
        let line = trouble::context_of(policy);
        // SAFETY: the caller vouches for the relation.
        let (owner, (printed, dependence, own)) = trouble::named(&line, || unsafe {
            let owner = rights::owner(policy);
            let _acting = ActingAs::restricted(owner);
            let analysed = analysed(guarded.relid, policy.relid, text, relation);
            (owner, analysed)
        })?;
        // What is inlined looks its names up now, and what is constant is evaluated.
        let pinned = dependence.pinned();
        // SAFETY: the caller vouches for the estate; the node text was printed by nodeToString.
        let prepared = trouble::named(&line, || unsafe {
            let before = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let node = pg_sys::stringToNode(printed.as_ptr()) as *mut pg_sys::Node;
            let prepared = rights::prepared(node, owner, own);
            pg_sys::MemoryContextSwitchTo(before);
            prepared
        })?;
        drop(pinned);
        let Some(prepared) = prepared else {
            compiled.states.clear();
            return Ok(compiled);
        };
        compiled.states.push((prepared, line));
        compiled.dependence = compiled.dependence.max(dependence);
    }
    Ok(compiled)
}

/// A policy's expression as `Analysed` keeps it.
///
/// # Safety
/// `relation`, whose OID is `relid`, must be open.
unsafe fn analysed(
    relid: pg_sys::Oid,
    policy: pg_sys::Oid,
    text: &str,
    relation: Relation,
) -> (CString, Dependence, bool) {
    let generation = crate::registry::generation();
    let known = ANALYSED.with_borrow_mut(|(of, map)| {
        if *of != generation {
            map.clear();
            *of = generation;
        }
        map.get(&(relid, policy)).cloned()
    });
    known.unwrap_or_else(|| {
        let _pinned = OwnSettings::pinned();
        // SAFETY: the caller vouches for the relation; nodeToString returns a C string.
        let new = unsafe {
            let node = read::analyse(text, relation);
            let printed = CStr::from_ptr(pg_sys::nodeToString(node.cast())).to_owned();
            let own = rights::runs_code(node);
            let dependence = match own {
                true => Dependence::Session,
                false => Dependence::of(node),
            };
            (printed, dependence, own)
        };
        ANALYSED.with_borrow_mut(|(_, map)| map.insert((relid, policy), new.clone()));
        new
    })
}

/// Whether every compiled expression is true for the row in `slot`.
///
/// # Errors
/// What an expression raises, as it was raised.
///
/// # Safety
/// The expressions must be compiled for `slot`'s relation in `estate`.
pub unsafe fn holds(
    compiled: &Compiled,
    estate: *mut pg_sys::EState,
    slot: *mut pg_sys::TupleTableSlot,
) -> Outcome<bool> {
    if compiled.is_empty() {
        return Ok(false);
    }
    let _pinned = compiled.dependence.pinned();
    let mut all = Ok(true);
    // SAFETY: the per-tuple context exists (the caller runs inside it); the scan tuple is put back as found. The call is
    // guarded: the expression is the administrator's, and may raise.
    unsafe {
        let context = (*estate).es_per_tuple_exprcontext;
        let before = (*context).ecxt_scantuple;
        (*context).ecxt_scantuple = slot;
        for (prepared, line) in &compiled.states {
            all = trouble::named(line, || {
                let Some(_acting) = rights::acting(prepared.vouching) else {
                    return false;
                };
                let state = prepared.state;
                let mut is_null = false;
                let evaluate = (*state).evalfunc;
                let value = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| match evaluate {
                    Some(evaluate) => evaluate(state, context, &mut is_null),
                    None => pg_sys::Datum::from(0),
                });
                !is_null && value.value() as u8 != 0
            });
            if !matches!(all, Ok(true)) {
                break;
            }
        }
        (*context).ecxt_scantuple = before;
    }
    all
}
