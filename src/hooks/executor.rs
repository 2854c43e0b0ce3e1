//! The executor hooks: they know which root statement is running, find out before a destructive query starts whether an
//! approval covers it, and close the root's books when it is over. Rows are counted and captured by the trigger.

use super::targets::{cascade_cause, named_targets, targets};
use super::{guarded, raise, verdict};
use crate::approval::token;
use crate::gucs;
use crate::ledger;
use crate::model::Violation;
use crate::pg::raw;
use crate::registry;
use crate::report::Outcome;
use crate::running::queries::{self, ActiveQuery};
use crate::running::{self, Frame, trigger};
use pgrx::pg_sys;
use std::ffi::c_int;
use std::rc::Rc;

static mut PREVIOUS_START: pg_sys::ExecutorStart_hook_type = None;
static mut PREVIOUS_RUN: pg_sys::ExecutorRun_hook_type = None;
static mut PREVIOUS_FINISH: pg_sys::ExecutorFinish_hook_type = None;
static mut PREVIOUS_END: pg_sys::ExecutorEnd_hook_type = None;

pub fn install() {
    // SAFETY: hooks are installed once, while the library is loaded, before any statement runs.
    unsafe {
        PREVIOUS_START = pg_sys::ExecutorStart_hook;
        pg_sys::ExecutorStart_hook = Some(start);
        PREVIOUS_RUN = pg_sys::ExecutorRun_hook;
        pg_sys::ExecutorRun_hook = Some(run);
        PREVIOUS_FINISH = pg_sys::ExecutorFinish_hook;
        pg_sys::ExecutorFinish_hook = Some(finish);
        PREVIOUS_END = pg_sys::ExecutorEnd_hook;
        pg_sys::ExecutorEnd_hook = Some(end);
    }
}

/// What a hook's first half tells its second.
#[derive(Clone, Copy, Default)]
struct Entered {
    /// This frame opened the root statement.
    root: bool,
    /// The query changes rows, of guarded tables or of others whose triggers may go on to guarded ones.
    changes: bool,
    /// It targets a protected table itself.
    protected: bool,
}

unsafe extern "C-unwind" fn start(desc: *mut pg_sys::QueryDesc, eflags: c_int) {
    // SAFETY: a bare frame; the executor passes its live QueryDesc.
    unsafe {
        let (entered, error) = guarded(Entered::default(), || before_start(desc, eflags));
        raise(error);
        match PREVIOUS_START {
            Some(previous) => previous(desc, eflags),
            None => raw::standard_ExecutorStart(desc, eflags),
        }
        if entered.changes {
            let (_, error) = guarded((), || after_start(desc, entered.protected));
            raise(error);
        }
        if entered.root {
            running::leave();
        }
    }
}

#[cfg(not(feature = "pg18"))]
unsafe extern "C-unwind" fn run(
    desc: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    execute_once: bool,
) {
    // SAFETY: a bare frame.
    unsafe {
        let (root, error) = guarded(false, || open(desc));
        raise(error);
        match PREVIOUS_RUN {
            Some(previous) => previous(desc, direction, count, execute_once),
            None => raw::standard_ExecutorRun(desc, direction, count, execute_once),
        }
        if root {
            let (_, error) = guarded((), || after_run(desc, direction, count));
            raise(error);
        }
    }
}

#[cfg(feature = "pg18")]
unsafe extern "C-unwind" fn run(
    desc: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    // SAFETY: a bare frame.
    unsafe {
        let (root, error) = guarded(false, || open(desc));
        raise(error);
        match PREVIOUS_RUN {
            Some(previous) => previous(desc, direction, count),
            None => raw::standard_ExecutorRun(desc, direction, count),
        }
        if root {
            let (_, error) = guarded((), || after_run(desc, direction, count));
            raise(error);
        }
    }
}

unsafe extern "C-unwind" fn finish(desc: *mut pg_sys::QueryDesc) {
    // SAFETY: a bare frame.
    unsafe {
        let (root, error) = guarded(false, || open(desc));
        raise(error);
        match PREVIOUS_FINISH {
            Some(previous) => previous(desc),
            None => raw::standard_ExecutorFinish(desc),
        }
        if root {
            let (_, error) = guarded((), || close_root(desc as usize, true).map(drop));
            raise(error);
        }
    }
}

unsafe extern "C-unwind" fn end(desc: *mut pg_sys::QueryDesc) {
    queries::ended(desc as usize);
    // SAFETY: a bare frame.
    unsafe {
        match PREVIOUS_END {
            Some(previous) => previous(desc),
            None => raw::standard_ExecutorEnd(desc),
        }
    }
}

/// Opens the root statement of a query that a client sent.
fn open(desc: *mut pg_sys::QueryDesc) -> Outcome<bool> {
    if registry::current().is_none() {
        return Ok(false);
    }
    // SAFETY: the executor's live QueryDesc; its texts and parameters outlive the statement.
    unsafe {
        let planned = (*desc).plannedstmt;
        Ok(running::enter(Frame {
            key: desc as usize,
            source: (*desc).sourceText,
            location: (*planned).stmt_location,
            length: (*planned).stmt_len,
            params: (*desc).params,
        }))
    }
}

fn before_start(desc: *mut pg_sys::QueryDesc, eflags: c_int) -> Outcome<Entered> {
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
        ledger::with(|ledger| drop(ledger.remove_root(desc as usize)));
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
    let parent =
        queries::covered().filter(|parent| referential || trigger_depth > parent.trigger_depth);
    if targets.is_empty() {
        if entered.changes {
            queries::push(ActiveQuery {
                desc: desc as usize,
                judged_by: None,
                estate: std::ptr::null_mut(),
                waiting: Vec::new(),
                root,
                // SAFETY: reads the transaction state.
                nest: unsafe { raw::GetCurrentTransactionNestLevel() },
                cause: trigger::cause(),
                // SAFETY: the executor's live QueryDesc.
                coverage: unsafe { unguarded_coverage((*desc).plannedstmt, parent) },
                trigger_depth,
            });
        }
        return Ok(entered);
    }
    entered.protected = targets.iter().any(|(table, _)| table.is_protected());
    // SAFETY: reads backend state and the live QueryDesc.
    let (nest, cause) = unsafe {
        let cause = if referential {
            cascade_cause(&targets, (*desc).sourceText)
        } else {
            // PostgreSQL does not say which deferred trigger it fires.
            trigger::cause()
                .or_else(|| crate::preview::is_deferred().then(|| Rc::from("deferred trigger")))
        };
        (raw::GetCurrentTransactionNestLevel(), cause)
    };
    let policies = || targets.iter().flat_map(|(table, _)| &table.policies);
    let coverage = queries::coverage(&targets, parent.as_ref());
    ledger::with(|ledger| {
        let root = ledger.root(root, running::new_root);
        for policy in policies() {
            root.touch(policy, gucs::max_rows());
        }
    });
    queries::push(ActiveQuery {
        desc: desc as usize,
        judged_by: Some(policies().map(|policy| policy.relid).collect()),
        estate: std::ptr::null_mut(),
        waiting: Vec::new(),
        root,
        nest,
        cause,
        coverage,
        trigger_depth,
    });
    Ok(entered)
}

fn after_start(desc: *mut pg_sys::QueryDesc, protected: bool) -> Outcome<()> {
    // SAFETY: the executor has started: the estate and its result relations are live.
    unsafe {
        let estate = (*desc).estate;
        queries::started(desc as usize, estate);
        if protected {
            super::enforce(&cursor_violations(desc))?;
        }
        for n in 0..raw::list_length((*estate).es_opened_result_relations) {
            trigger::announce(
                raw::list_nth((*estate).es_opened_result_relations, n).cast(),
                estate,
            );
        }
        Ok(())
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
) -> queries::Coverage {
    if !crate::approval::setting::is_set() {
        return queries::Coverage::Absent;
    }
    if let Some(ActiveQuery {
        coverage: covered @ queries::Coverage::Covered(_),
        ..
    }) = parent
    {
        return covered;
    }
    if !crate::approval::setting::is_intent() {
        return queries::Coverage::Absent;
    }
    // SAFETY: the caller vouches for the plan.
    let targets = unsafe { named_targets(planned) };
    queries::unguarded_coverage(&targets)
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
        verdict::cursor_findings((*(*portal).queryDesc).plannedstmt)
    }
}

fn after_run(
    desc: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) -> Outcome<()> {
    // A statement that destroys rows itself is over after ExecutorFinish, where its AFTER triggers and cascades have run.
    // A SELECT may be one of many fetches from its portal: what its functions destroyed is written now.
    // SAFETY: the executor's live QueryDesc.
    let select = unsafe {
        (*desc).operation == pg_sys::CmdType::CMD_SELECT && !(*(*desc).plannedstmt).hasModifyingCTE
    };
    // SAFETY: a query that ran has its estate.
    let exhausted = direction == pg_sys::ScanDirection::ForwardScanDirection
        && (count == 0 || unsafe { (*(*desc).estate).es_processed } < count);
    // Whether a token's rows are all there shows when the last one was fetched, or the portal is dropped.
    let waits = select
        && !exhausted
        && ledger::with(|ledger| {
            let root = ledger.find_root(desc as usize);
            root.is_some_and(|root| root.claim().is_some())
        });
    if select && !waits {
        close_root(desc as usize, false)?;
    } else {
        running::leave();
    }
    Ok(())
}

/// Writes the root's record and closes it. `over`: nothing more can come from it. Returns the statement's id.
///
/// # Errors
/// SF011, when it ran under a token and destroyed other rows than its preview showed.
pub fn close_root(key: usize, over: bool) -> Outcome<Option<i64>> {
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    let mut id = None;
    // What is written may run SQL of ours, so the ledger is not borrowed meanwhile.
    if let Some(mut root) = ledger::with(|ledger| ledger.remove_root(key)) {
        id = token::settle(&mut root)?;
        ledger::with(|ledger| {
            ledger::close(ledger, &root, nest);
            if !over {
                root.next_part();
                ledger.root(key, || root);
            }
        });
    }
    running::leave();
    Ok(id)
}
