//! The ProcessUtility hook. It opens the root of what a client sends as a utility statement (EXPLAIN ANALYZE, EXECUTE,
//! CALL, DO, COPY, DDL), judges the DDL that names what is guarded, and gives new followers and children their triggers.

use super::kinds::{concerns, moves_tables};
use super::{early_lock, executor, guarded, raise};
use crate::ddl::enforce::Stage;
use crate::ddl::statement::findings;
use crate::ddl::{Finding, capture, enforce, everyone, inner, own_trigger};
use crate::model::Violation;
use crate::pg::{memory, raw};
use crate::record::commit;
use crate::registry::{self, Registry};
use crate::report::Outcome;
use crate::running::{self, Frame, judged, underway};
use crate::{guard_triggers, ledger};
use pgrx::pg_sys::{self, NodeTag, Oid};
use std::cell::Cell;
use std::ffi::c_char;
use std::ptr;
use std::rc::Rc;

static mut PREVIOUS: pg_sys::ProcessUtility_hook_type = None;

thread_local! {
    /// The TRUNCATE that runs restarts the sequences its tables own.
    static RESTARTS: Cell<bool> = const { Cell::new(false) };
}

/// The root key of utility statements.
pub const ROOT: usize = 0;

pub fn install() {
    // SAFETY: hooks are installed once, while the library is loaded, before any statement runs.
    unsafe {
        PREVIOUS = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(utility);
    }
}

/// What the hook's first half tells its second.
#[derive(Clone, Copy)]
struct Entered {
    /// This frame opened the root statement.
    root: bool,
    /// What it was judged by is remembered.
    judged: bool,
    /// The registry before DDL that can make or part followers and children, NULL for other statements.
    before: *mut Rc<Registry>,
    /// The functions that everyone needs and may not execute before a REVOKE, NULL for other statements.
    withheld: *mut Vec<String>,
    /// What it destroys has been captured.
    captured: bool,
}

impl Default for Entered {
    fn default() -> Entered {
        Entered {
            root: false,
            judged: false,
            before: ptr::null_mut(),
            withheld: ptr::null_mut(),
            captured: false,
        }
    }
}

#[allow(clippy::too_many_arguments)]
unsafe extern "C-unwind" fn utility(
    pstmt: *mut pg_sys::PlannedStmt,
    query_string: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    query_env: *mut pg_sys::QueryEnvironment,
    dest: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: a bare frame; PostgreSQL passes a live statement.
    unsafe {
        let mut entered = Entered::default();
        let own = guard_triggers::own_work()
            .then(|| guarded(None, || guard_triggers::enter(context).map(Some)));
        let nested = own.and_then(|(nested, error)| {
            raise(error);
            nested
        });
        let concerns = concerns((*(*pstmt).utilityStmt).type_, pg_sys::FirstSnapshotSet);
        if concerns && !guard_triggers::on_triggers() {
            let locked = early_lock::take((*pstmt).utilityStmt);
            let (found, error) = guarded(entered, || {
                let frame = Frame {
                    key: ROOT,
                    source: query_string,
                    location: (*pstmt).stmt_location,
                    length: (*pstmt).stmt_len,
                    params,
                };
                before((*pstmt).utilityStmt, frame, context, locked)
            });
            raise(error);
            entered = found;
        }
        let (prepared, error) = guarded(None, || Ok(prepared((*pstmt).utilityStmt)));
        raise(error);
        match PREVIOUS {
            Some(previous) => previous(
                pstmt,
                query_string,
                read_only_tree,
                context,
                params,
                query_env,
                dest,
                completion,
            ),
            None => raw::standard_ProcessUtility(
                pstmt,
                query_string,
                read_only_tree,
                context,
                params,
                query_env,
                dest,
                completion,
            ),
        }
        if let Some(nested) = nested {
            guard_triggers::leave(nested);
        }
        // An EXPLAIN is over, and what follows it in a function is executed.
        running::explains(false);
        if let Some(prepared) = prepared {
            let (_, error) = guarded((), || {
                commit::committed(prepared);
                Ok(())
            });
            raise(error);
        }
        if entered.judged {
            judged::pop();
        }
        let looked = !entered.before.is_null() || !entered.withheld.is_null();
        if entered.root || entered.captured || looked {
            let (_, error) = guarded((), || after(entered));
            raise(error);
        }
    }
}

/// The transaction that COMMIT PREPARED is about to commit.
///
/// # Safety
/// `statement` must be live.
unsafe fn prepared(statement: *mut pg_sys::Node) -> Option<commit::Prepared> {
    // SAFETY: the caller vouches for the node; the cast follows its tag.
    unsafe {
        if (*statement).type_ != NodeTag::T_TransactionStmt {
            return None;
        }
        let statement = statement as *mut pg_sys::TransactionStmt;
        let commits = (*statement).kind == pg_sys::TransactionStmtKind::TRANS_STMT_COMMIT_PREPARED;
        if !commits || registry::current_even_if_off().is_none() {
            return None;
        }
        commit::prepared((*statement).gid)
    }
}

/// # Safety
/// `statement` must be live, and the frame's pointers as long as the statement.
unsafe fn before(
    statement: *mut pg_sys::Node,
    frame: Frame,
    context: pg_sys::ProcessUtilityContext::Type,
    locked: Oid,
) -> Outcome<Entered> {
    // SAFETY: the caller vouches for the statement.
    running::explains(unsafe { inner::is_explained(statement) });
    // What others have protected since this session last locked something counts.
    // SAFETY: in a transaction, as for any statement that `concerns` lets through.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    let registry = registry::current();
    judged::push(registry.clone(), locked);
    let mut entered = Entered {
        judged: true,
        ..Entered::default()
    };
    let whole = context != pg_sys::ProcessUtilityContext::PROCESS_UTILITY_SUBCOMMAND;
    // SAFETY: the caller vouches for the statement.
    let moves_tables = whole && unsafe { moves_tables(statement) };
    let Some(mut registry) = registry else {
        // Who switches the mode off moves partitions and adds foreign keys, and switches it on again: triggers go with them.
        // SAFETY: the caller vouches for the statement.
        unsafe {
            if (*statement).type_ == NodeTag::T_CreateTrigStmt {
                own_trigger::replace_same(statement.cast());
            }
            if moves_tables {
                // Where nothing is protected, it may wait for the first protect() of all.
                let registry = registry::current_even_if_off().unwrap_or_default();
                guard_triggers::make_way(statement, &registry);
                entered.before = memory::leak_into(pg_sys::CurrentMemoryContext, registry);
            }
        }
        return Ok(entered);
    };
    // SAFETY: the caller vouches for the statement and the frame.
    unsafe {
        entered.root = running::enter(frame);
        if entered.root {
            // A page that an error left behind is not this statement's.
            ledger::with(|ledger| ledger.leave_page(ROOT));
            enforce::begin();
            underway::clear();
        }
        if guard_triggers::own_work() {
            // A restore attaches what was detached.
            guard_triggers::make_way(statement, &registry);
            return Ok(entered);
        }
        if (*statement).type_ == NodeTag::T_TruncateStmt {
            RESTARTS.set((*(statement as *mut pg_sys::TruncateStmt)).restart_seqs);
        }
        if !super::access::upgrading() {
            let mut found = findings(statement, &registry);
            enforce::all(&found, Stage::Statement)?;
            if !found.is_empty() {
                early_lock::take_approved(statement);
                judge_again(statement, &mut registry, &mut found)?;
            }
            if (*statement).type_ == NodeTag::T_CreateTrigStmt {
                own_trigger::replace_same(statement.cast());
            }
            entered.captured = capture::before(statement, &registry)?;
            // What goes is locked now, and somebody may have protected it before.
            judge_again(statement, &mut registry, &mut found)?;
            guard_triggers::make_way(statement, &registry);
            if everyone::may_withhold(statement) {
                let withheld = everyone::functions_withheld();
                entered.withheld = memory::leak_into(pg_sys::CurrentMemoryContext, withheld);
            }
        }
        if moves_tables {
            entered.before = memory::leak_into(pg_sys::CurrentMemoryContext, registry);
        }
    }
    Ok(entered)
}

/// Judges the statement by the registry of now, if that is another one. `found`: by which it was judged until now.
///
/// # Safety
/// `statement` must be live.
unsafe fn judge_again(
    statement: *mut pg_sys::Node,
    registry: &mut Rc<Registry>,
    found: &mut Vec<Finding>,
) -> Outcome<()> {
    let Some(now) = registry::current().filter(|now| !Rc::ptr_eq(now, registry)) else {
        return Ok(());
    };
    // SAFETY: the caller vouches for the statement.
    let found_now = unsafe { findings(statement, &now) };
    enforce::once_more(&found_now, found)?;
    *found = found_now;
    judged::again(now.clone());
    *registry = now;
    Ok(())
}

fn after(entered: Entered) -> Outcome<()> {
    if entered.captured {
        capture::after()?;
    }
    if !entered.before.is_null() {
        // SAFETY: leaked into the memory of the statement that is ending.
        guard_triggers::adjust_changed(unsafe { &*entered.before });
    }
    if !entered.withheld.is_null() {
        // SAFETY: as above.
        everyone::judge(unsafe { &*entered.withheld })?;
    }
    if entered.root {
        executor::close_root(ROOT, true)?;
    }
    Ok(())
}

/// Whether the running TRUNCATE restarts sequences.
pub fn truncate_restarts() -> bool {
    RESTARTS.get()
}

/// What the judge finds in a utility statement that does not run: for `backstop.check()`.
///
/// # Safety
/// `statement` must be an analysed utility statement.
pub unsafe fn check(statement: *mut pg_sys::Node, registry: &Rc<Registry>) -> Vec<Violation> {
    // SAFETY: the caller vouches for the statement.
    unsafe {
        let mut found: Vec<Violation> = findings(statement, registry)
            .iter()
            .filter_map(|finding| finding.violation())
            .collect();
        found.extend(inner::violations(statement, registry));
        found
    }
}
