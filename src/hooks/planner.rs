//! The planner hook: the Query is judged here, after rewriting (views, rules and row security are in it) and before the
//! planner folds and splits its conditions. What is found rides in the plan and is enforced when the plan starts
//! (`verdict`), so a plan made under an approval does not stay approved.

use super::verdict::{self, Concern};
use super::{guarded, raise, unplanned, utility};
use crate::ddl::enforce;
use crate::judge::unguarded;
use crate::model::Violation;
use crate::pg::{catalog, query, raw};
use crate::registry::{self, Registry};
use crate::report::Outcome;
use crate::{guard_triggers, ledger, preview, running, sequence};
use pgrx::pg_sys;
use std::ffi::{c_char, c_int};
use std::ptr;
use std::rc::Rc;

static mut PREVIOUS: pg_sys::planner_hook_type = None;

pub fn install() {
    // SAFETY: hooks are installed once, while the library is loaded, before any statement runs.
    unsafe {
        PREVIOUS = pg_sys::planner_hook;
        pg_sys::planner_hook = Some(plan);
    }
}

/// What was found before planning, as a List of String nodes for the plan to carry.
#[derive(Clone, Copy)]
struct Findings {
    violations: *mut pg_sys::List,
    /// What they concern.
    concern: Concern,
    /// setval calls that inlining brings in later must be looked for in the finished plan.
    sequences: bool,
    /// This frame opened the root that planning runs under.
    root: bool,
    /// What the registry was when the judge asked it; `None` where nothing is destroyed.
    generation: Option<usize>,
}

impl Findings {
    const NONE: Findings = Findings {
        violations: ptr::null_mut(),
        concern: Concern::Statement,
        sequences: false,
        root: false,
        generation: None,
    };
}

unsafe extern "C-unwind" fn plan(
    parse: *mut pg_sys::Query,
    query_string: *const c_char,
    cursor_options: c_int,
    bound_params: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: a bare frame; see the module's doc.
    unsafe {
        let (findings, error) = guarded(Findings::NONE, || {
            Ok(before(parse, query_string, cursor_options))
        });
        raise(error);
        let planned = match PREVIOUS {
            Some(previous) => previous(parse, query_string, cursor_options, bound_params),
            None => raw::standard_planner(parse, query_string, cursor_options, bound_params),
        };
        let changed = findings
            .generation
            .is_some_and(|generation| !registry::is_still(generation));
        if changed || !findings.violations.is_null() || findings.sequences || findings.root {
            let (_, error) = guarded((), || {
                if let Some(generation) = findings.generation.filter(|_| changed) {
                    protected_meanwhile(planned, generation)?;
                }
                if findings.sequences {
                    sequence::rewrite::plan(planned);
                }
                if findings.root {
                    super::executor::close_root(running::PLANNING, true)?;
                }
                if !findings.violations.is_null() {
                    verdict::attach(planned, findings.violations, findings.concern);
                }
                Ok(())
            });
            raise(error);
        }
        planned
    }
}

/// # Safety
/// `parse` must be the query about to be planned.
unsafe fn before(
    parse: *mut pg_sys::Query,
    query_string: *const c_char,
    cursor_options: c_int,
) -> Findings {
    let mut findings = Findings::NONE;
    let registry = registry::current();
    // A plan that is only shown carries all that check() would say. What is planned meanwhile is executed.
    let shown = running::root_key() == Some(utility::ROOT) && running::take_explained();
    if shown && let Some(registry) = &registry {
        // SAFETY: the planner's rewritten query, in the memory context of the plan to come.
        findings.violations = unsafe { verdict::pack(&unplanned::violations(registry, parse)) };
    }
    // A preview lists the movements of every sequence.
    if preview::active() || registry.as_deref().is_some_and(Registry::has_sequences) {
        findings.sequences = true;
        // SAFETY: the planner owns the query and may change it; so may we.
        unsafe { sequence::rewrite::query(parse) };
    }
    // SAFETY: as above.
    let destructive =
        unsafe { (*parse).commandType != pg_sys::CmdType::CMD_SELECT || (*parse).hasModifyingCTE };
    if destructive && !shown {
        findings.generation = Some(registry::generation());
    }
    let Some(registry) = registry else {
        return findings;
    };
    // SAFETY: as above.
    unsafe {
        findings.root = running::enter(running::Frame {
            key: running::PLANNING,
            source: query_string,
            location: (*parse).stmt_location,
            length: (*parse).stmt_len,
            params: ptr::null_mut(),
        });
        let declared = cursor_options & pg_sys::CURSOR_OPT_FAST_PLAN as c_int != 0;
        let cursor = feeds_cursor(declared, (*parse).rowMarks)
            && (*parse).commandType == pg_sys::CmdType::CMD_SELECT;
        if (destructive || cursor) && !shown {
            let violations = judge(&registry, parse, cursor && !destructive);
            findings.concern = if cursor {
                Concern::Cursor
            } else if !violations.is_empty() && query::rows_decide(parse, &*registry) {
                Concern::Rows
            } else {
                Concern::Statement
            };
            findings.violations = verdict::pack(&violations);
        }
    }
    findings
}

/// Planning locks the children of what a query names, and what it waits for there may be a protect() of one.
///
/// # Safety
/// `planned` must be the planner's fresh result.
unsafe fn protected_meanwhile(
    planned: *const pg_sys::PlannedStmt,
    generation: usize,
) -> Outcome<()> {
    let Some(registry) = registry::current() else {
        return Ok(());
    };
    if registry::generation() == generation || guard_triggers::own_work() {
        return Ok(());
    }
    // SAFETY: the caller vouches for the plan; resultRelations are indexes into its range table.
    unsafe {
        for target in catalog::int_list((*planned).resultRelations) {
            let entry = raw::list_nth((*planned).rtable, target - 1) as *mut pg_sys::RangeTblEntry;
            if let Some(table) = registry.protected_after((*entry).relid, generation) {
                let violation = ledger::with_subject(table, unguarded::protected_since);
                enforce::refuse(violation)?;
            }
        }
    }
    Ok(())
}

/// Whether a query is judged for what may be changed WHERE CURRENT OF it: a cursor's, or one that locks its rows.
pub fn feeds_cursor(declared: bool, row_marks: *const pg_sys::List) -> bool {
    declared || !row_marks.is_null()
}

/// What the judge finds in a query.
///
/// # Safety
/// `parse` must be a rewritten query.
pub unsafe fn judge(
    registry: &Rc<Registry>,
    parse: *mut pg_sys::Query,
    cursor: bool,
) -> Vec<Violation> {
    // SAFETY: the caller vouches for the query.
    unsafe {
        if cursor {
            query::judge_cursor_query(parse, &**registry)
        } else {
            query::judge_query(parse, &**registry)
        }
    }
}

impl query::Protection for Registry {
    fn target(&self, relid: pg_sys::Oid, inh: bool) -> Option<Rc<crate::model::ProtectedTarget>> {
        Registry::target(self, relid, inh)
    }

    fn registered_without(&self, relid: pg_sys::Oid, columns: &[String]) -> Option<String> {
        Registry::registered_without(self, relid, columns)
    }
}
