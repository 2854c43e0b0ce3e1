//! What the executor and EXPLAIN do with the node that carries the findings.

use super::{Methods, NAME, ROWS, unpack};
use crate::hooks::{enforce, guarded, raise};
use crate::pg::{encoding, raw};
use crate::running::queries;
use pgrx::pg_sys;
use std::ffi::c_int;
use std::ptr;

static EXEC: Methods<pg_sys::CustomExecMethods> = Methods(pg_sys::CustomExecMethods {
    CustomName: NAME.as_ptr(),
    BeginCustomScan: Some(begin),
    ExecCustomScan: Some(execute),
    EndCustomScan: Some(end),
    ReScanCustomScan: Some(rescan),
    MarkPosCustomScan: None,
    RestrPosCustomScan: None,
    EstimateDSMCustomScan: None,
    InitializeDSMCustomScan: None,
    ReInitializeDSMCustomScan: None,
    InitializeWorkerCustomScan: None,
    ShutdownCustomScan: None,
    ExplainCustomScan: Some(explain),
});

pub(super) unsafe extern "C-unwind" fn create_state(
    scan: *mut pg_sys::CustomScan,
) -> *mut pg_sys::Node {
    // SAFETY: the executor fills the rest of a zeroed CustomScanState.
    unsafe {
        let state = raw::MemoryContextAllocZero(
            pg_sys::CurrentMemoryContext,
            size_of::<pg_sys::CustomScanState>(),
        ) as *mut pg_sys::CustomScanState;
        (*state).ss.ps.type_ = pg_sys::NodeTag::T_CustomScanState;
        (*state).methods = &raw const EXEC.0;
        (*state).flags = (*scan).flags & !ROWS;
        state.cast()
    }
}

unsafe extern "C-unwind" fn begin(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    eflags: c_int,
) {
    // SAFETY: a bare frame; the executor passes its own live node.
    unsafe {
        let scan = (*node).ss.ps.plan as *mut pg_sys::CustomScan;
        if (*scan).custom_plans.is_null() {
            return;
        }
        if eflags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as c_int == 0 {
            let (_, error) = guarded((), || {
                let violations = unpack((*scan).custom_private);
                if (*scan).flags & ROWS == 0 {
                    return enforce(&violations);
                }
                queries::wait_for_rows(violations);
                Ok(())
            });
            raise(error);
        }
        let child = raw::ExecInitNode(
            raw::list_nth((*scan).custom_plans, 0).cast(),
            estate,
            eflags,
        );
        (*node).custom_ps = pg_sys::lappend((*node).custom_ps, child.cast());
    }
}

unsafe extern "C-unwind" fn execute(
    node: *mut pg_sys::CustomScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: one child, initialised by `begin`; ExecProcNode as executor.h has it.
    unsafe {
        let child = raw::list_nth((*node).custom_ps, 0) as *mut pg_sys::PlanState;
        if !(*child).chgParam.is_null() {
            raw::ExecReScan(child);
        }
        match (*child).ExecProcNode {
            Some(next) => next(child),
            None => ptr::null_mut(),
        }
    }
}

unsafe extern "C-unwind" fn end(node: *mut pg_sys::CustomScanState) {
    // SAFETY: as above; a cursor's node has no child.
    unsafe {
        if !(*node).custom_ps.is_null() {
            raw::ExecEndNode(raw::list_nth((*node).custom_ps, 0).cast());
        }
    }
}

unsafe extern "C-unwind" fn rescan(node: *mut pg_sys::CustomScanState) {
    // SAFETY: as above.
    unsafe {
        if !(*node).custom_ps.is_null() {
            raw::ExecReScan(raw::list_nth((*node).custom_ps, 0).cast());
        }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn explain(
    node: *mut pg_sys::CustomScanState,
    _ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: EXPLAIN passes its live state; texts are copied.
    unsafe {
        let scan = (*node).ss.ps.plan as *mut pg_sys::CustomScan;
        for violation in unpack((*scan).custom_private) {
            let text = format!(
                "{} {}: {}",
                violation.rule.sqlstate(),
                violation.rule.name(),
                violation.message
            );
            let text = encoding::c_string(&text);
            pg_sys::ExplainPropertyText(c"Backstop".as_ptr(), text.as_ptr(), es);
        }
    }
}
