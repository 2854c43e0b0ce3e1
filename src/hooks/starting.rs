//! A query that is about to start: which guarded tables it targets, whether an approval covers it, and what it says before its
//! first row.

use super::executor::open;
use super::targets::{cascade_cause, named_targets, refuse_uncounted, targets, uncounted};
use super::{planner, verdict};
use crate::ddl::enforce;
use crate::gucs;
use crate::judge::unguarded;
use crate::ledger;
use crate::model::{Operation, Violation};
use crate::pg::{encoding, raw};
use crate::preview;
use crate::registry::{self, Guarded};
use crate::report::Outcome;
use crate::running::coverage::{self, Coverage};
use crate::running::queries::{self, ActiveQuery};
use crate::running::{self, trigger};
use pgrx::pg_sys;
use std::ffi::c_int;
use std::rc::Rc;

/// What a hook's first half tells its second.
#[derive(Clone, Copy, Default)]
pub(super) struct Entered {
    /// This frame opened the root statement.
    pub root: bool,
    /// The query changes rows, of guarded tables or of others whose triggers may go on to guarded ones.
    pub changes: bool,
    /// It targets a protected table itself.
    pub protected: bool,
    /// Nothing would count or record what it destroys.
    pub uncounted: bool,
    /// A referential action runs it.
    pub referential: bool,
}

pub(super) fn before_start(desc: *mut pg_sys::QueryDesc, eflags: c_int) -> Outcome<Entered> {
    // SAFETY: the executor's live QueryDesc.
    unsafe {
        let changes = !(*(*desc).plannedstmt).resultRelations.is_null();
        if changes && eflags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as c_int == 0 {
            super::record::stays((*desc).plannedstmt)?;
        }
    }
    let Some(registry) = registry::current() else {
        return Ok(Entered::default());
    };
    let mut entered = Entered {
        root: open(desc)?,
        ..Entered::default()
    };
    if entered.root {
        // A page that an error left under this address is not this statement's.
        ledger::with(|ledger| ledger.leave_page(desc as usize));
        enforce::begin();
    }
    if eflags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as c_int != 0 {
        return Ok(entered);
    }
    // SAFETY: the executor's live QueryDesc.
    let targets = unsafe {
        entered.changes = !(*(*desc).plannedstmt).resultRelations.is_null();
        targets(&registry, (*desc).plannedstmt)
    };
    let root = running::root_key().unwrap_or(usize::MAX);
    let trigger_depth = if crate::approval::setting::is_set() {
        queries::trigger_depth()
    } else {
        0
    };
    let referential = eflags & pg_sys::EXEC_FLAG_SKIP_TRIGGERS as c_int != 0;
    entered.referential = referential;
    let parent = queries::parent_of(referential, trigger_depth);
    if targets.is_empty() {
        if entered.changes {
            queries::push(ActiveQuery {
                desc: desc as usize,
                judged_by: None,
                estate: std::ptr::null_mut(),
                owner: std::ptr::null_mut(),
                waiting: Vec::new(),
                root,
                // SAFETY: reads the transaction state.
                nest: unsafe { raw::GetCurrentTransactionNestLevel() },
                cause: trigger::cause(),
                // SAFETY: the executor's live QueryDesc.
                coverage: unsafe { unguarded_coverage((*desc).plannedstmt, parent) },
                trigger_depth,
                referential,
            });
        }
        return Ok(entered);
    }
    entered.uncounted = uncounted(&targets).next().is_some();
    entered.protected = targets.iter().any(|(table, _)| table.is_protected());
    // SAFETY: reads backend state and the live QueryDesc.
    let (nest, cause) = unsafe {
        let cause = if referential {
            cascade_cause(&targets, (*desc).sourceText)
        } else {
            trigger::cause().or_else(|| unnamed_trigger(desc, root))
        };
        (raw::GetCurrentTransactionNestLevel(), cause)
    };
    let policies = || targets.iter().flat_map(|(table, _)| &table.policies);
    let coverage = coverage::coverage(&targets, parent.as_ref(), referential);
    ledger::with(|ledger| {
        let root = ledger.root(root, running::new_root);
        for policy in policies() {
            root.touch(nest, policy, gucs::max_rows());
        }
    });
    queries::push(ActiveQuery {
        desc: desc as usize,
        judged_by: Some(policies().map(|policy| policy.relid).collect()),
        estate: std::ptr::null_mut(),
        owner: std::ptr::null_mut(),
        waiting: Vec::new(),
        root,
        nest,
        cause,
        coverage,
        trigger_depth,
        referential,
    });
    Ok(entered)
}

pub(super) fn after_start(desc: *mut pg_sys::QueryDesc, entered: Entered) -> Outcome<()> {
    // SAFETY: the executor has started: the estate and its result relations are live.
    unsafe {
        let estate = (*desc).estate;
        queries::started(desc as usize, estate);
        if entered.protected {
            super::enforce(&cursor_violations(desc))?;
        }
        // The rules come first: what they say is of the statement.
        if entered.uncounted {
            refuse_uncounted((*desc).plannedstmt)?;
        }
        let later = match entered.referential {
            true => queries::fires_triggers_of(desc as usize),
            false => std::ptr::null_mut(),
        };
        for n in 0..raw::list_length((*estate).es_opened_result_relations) {
            let info = raw::list_nth((*estate).es_opened_result_relations, n).cast();
            trigger::announce(info, estate);
            if !later.is_null() {
                trigger::announce_later(info, later);
            }
        }
        Ok(())
    }
}

/// The cause of a query that some trigger runs whose call was not announced: PostgreSQL does not say which deferred trigger it
/// fires, nor which trigger of a COPY.
fn unnamed_trigger(desc: *mut pg_sys::QueryDesc, root: usize) -> Option<Rc<str>> {
    if preview::is_deferred() || root == running::OUTSIDE {
        Some(Rc::from(preview::DEFERRED_TRIGGER))
    } else {
        let nested = root != desc as usize && queries::trigger_depth() > 0;
        nested.then(|| Rc::from("trigger"))
    }
}

/// Whether the approval in force names the tables, all unguarded, that a query takes rows of, or covers what it is a cascade
/// of: what the query cascades to is covered with it.
///
/// # Safety
/// `planned` must be live.
unsafe fn unguarded_coverage(
    planned: *mut pg_sys::PlannedStmt,
    parent: Option<ActiveQuery>,
) -> Coverage {
    if !crate::approval::setting::is_set() {
        return Coverage::Absent;
    }
    if let Some(ActiveQuery {
        coverage: covered @ Coverage::Covered(_),
        ..
    }) = parent
    {
        return covered;
    }
    if !crate::approval::setting::is_intent() {
        return Coverage::Absent;
    }
    // SAFETY: the caller vouches for the plan.
    let targets = unsafe { named_targets(planned) };
    coverage::unguarded_coverage(&targets)
}

/// What the judge found in the cursor that a statement runs WHERE CURRENT OF.
///
/// # Safety
/// `desc` must have started.
unsafe fn cursor_violations(desc: *mut pg_sys::QueryDesc) -> Vec<Violation> {
    // SAFETY: the plan tree is live; a portal that is open has its QueryDesc.
    unsafe {
        let Some(name) = crate::pg::cursor::current_of((*desc).plannedstmt, (*desc).params) else {
            return Vec::new();
        };
        let portal = pg_sys::GetPortalByName(name.as_ptr());
        if portal.is_null() || (*portal).queryDesc.is_null() {
            return Vec::new();
        }
        let planned = (*(*portal).queryDesc).plannedstmt;
        let declared = (*portal).cursorOptions & pg_sys::CURSOR_OPT_FAST_PLAN as c_int != 0;
        if planner::feeds_cursor(declared, (*planned).rowMarks) {
            return verdict::cursor_findings(planned);
        }
        let Some(registry) = registry::current() else {
            return Vec::new();
        };
        let mut targets = targets(&registry, (*desc).plannedstmt).into_iter();
        let protected = targets.find(|(table, _)| table.is_protected());
        let violation = |(table, _): (Rc<Guarded>, Operation)| {
            ledger::with_subject(&table, |subject| {
                unguarded::cursor_not_judged(subject, &encoding::decoded(&name))
            })
        };
        protected.map(violation).into_iter().collect()
    }
}
