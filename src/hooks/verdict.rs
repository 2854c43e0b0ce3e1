//! The verdict in the plan.
//!
//! A statement in which the judge found something gets its plan wrapped in a small custom scan that carries the
//! findings; every other plan stays as it is. The node asks for an approval when it starts and passes its child's rows
//! through. EXPLAIN prints the findings as a property and refuses nothing. A cursor's findings travel in a plan of
//! their own that nothing refers to, so the cursor's plan keeps its shape.

mod node;

use crate::judge::unguarded;
use crate::model::Violation;
use crate::pg::encoding;
use crate::pg::raw;
use crate::report;
use pgrx::pg_sys;
use std::ffi::CStr;
use std::ptr;

const NAME: &CStr = c"pg_backstop";

/// PostgreSQL keeps pointers to these for the life of the backend.
struct Methods<T>(T);
// SAFETY: a backend has one thread.
unsafe impl<T> Sync for Methods<T> {}

static SCAN: Methods<pg_sys::CustomScanMethods> = Methods(pg_sys::CustomScanMethods {
    CustomName: NAME.as_ptr(),
    CreateCustomScanState: Some(node::create_state),
});

/// Makes the node's methods known, so that plans can be copied and read back.
pub fn register() {
    // SAFETY: a static that outlives every plan.
    unsafe { pg_sys::RegisterCustomScanMethods(&raw const SCAN.0) };
}

/// The findings as a List of String nodes, NIL when there are none.
///
/// # Safety
/// In the memory context of the plan to come.
pub unsafe fn pack(violations: &[Violation]) -> *mut pg_sys::List {
    let mut list: *mut pg_sys::List = ptr::null_mut();
    for violation in violations {
        let json = serde_json::to_string(violation).unwrap_or_default();
        // SAFETY: palloc'd nodes in the current context.
        unsafe {
            list = pg_sys::lappend(list, pg_sys::makeString(report::duplicate(&json)).cast())
        };
    }
    list
}

/// # Safety
/// `list` must come from `pack`.
unsafe fn unpack(list: *mut pg_sys::List) -> Vec<Violation> {
    // SAFETY: a List of String nodes; value nodes of 14 keep the text at the same place through strVal.
    unsafe {
        (0..raw::list_length(list))
            .map(|n| {
                let text = crate::pg::compat::string_value(raw::list_nth(list, n).cast());
                let text = encoding::decoded(CStr::from_ptr(text));
                // What cannot be read is refused, not forgotten.
                serde_json::from_str(&text).unwrap_or_else(|_| unguarded::not_loaded(None))
            })
            .collect()
    }
}

/// What a plan's findings concern.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The statement, from its start on.
    Statement,
    /// The statement, once it comes to a row of a protected table.
    Rows,
    /// What may be done WHERE CURRENT OF the cursor that the query feeds.
    Cursor,
}

/// `CustomScan.flags` of findings that concern rows; PostgreSQL's own flags are the lowest bits.
const ROWS: u32 = 1 << 31;

/// Puts the findings into a finished plan.
///
/// # Safety
/// `planned` must be the planner's fresh result.
pub unsafe fn attach(
    planned: *mut pg_sys::PlannedStmt,
    violations: *mut pg_sys::List,
    concern: Concern,
) {
    // SAFETY: fresh nodes in the plan's own memory.
    unsafe {
        let child = (*planned).planTree;
        let scan = pg_sys::palloc0(size_of::<pg_sys::CustomScan>()) as *mut pg_sys::CustomScan;
        let node = &mut *scan;
        node.scan.plan.type_ = pg_sys::NodeTag::T_CustomScan;
        node.custom_private = violations;
        node.methods = &raw const SCAN.0;
        if concern == Concern::Cursor {
            (*planned).subplans = pg_sys::lappend((*planned).subplans, scan.cast());
            return;
        }
        if concern == Concern::Rows {
            node.flags = ROWS;
        }
        node.scan.plan.startup_cost = (*child).startup_cost;
        node.scan.plan.total_cost = (*child).total_cost;
        node.scan.plan.plan_rows = (*child).plan_rows;
        node.scan.plan.plan_width = (*child).plan_width;
        node.custom_plans = pg_sys::lappend(ptr::null_mut(), child.cast());
        node.custom_scan_tlist = (*child).targetlist;
        node.scan.plan.targetlist = pass_through((*child).targetlist);
        node.scan.plan.initPlan = (*child).initPlan;
        (*child).initPlan = ptr::null_mut();
        node.scan.plan.extParam = pg_sys::bms_copy((*child).extParam);
        node.scan.plan.allParam = pg_sys::bms_copy((*child).allParam);
        (*planned).planTree = scan.cast();
    }
}

/// A target list that hands on the child's columns.
///
/// # Safety
/// `list` must be a plan's target list.
unsafe fn pass_through(list: *mut pg_sys::List) -> *mut pg_sys::List {
    let mut passed: *mut pg_sys::List = ptr::null_mut();
    // SAFETY: a List of TargetEntry.
    unsafe {
        for n in 0..raw::list_length(list) {
            let entry = raw::list_nth(list, n) as *mut pg_sys::TargetEntry;
            let expression = (*entry).expr as *const pg_sys::Node;
            let var = pg_sys::makeVar(
                pg_sys::INDEX_VAR,
                (n + 1) as i16,
                pg_sys::exprType(expression),
                pg_sys::exprTypmod(expression),
                pg_sys::exprCollation(expression),
                0,
            );
            let copy = pg_sys::makeTargetEntry(
                var.cast(),
                (*entry).resno,
                (*entry).resname,
                (*entry).resjunk,
            );
            passed = pg_sys::lappend(passed, copy.cast());
        }
    }
    passed
}

/// A cursor's findings, for a statement that runs WHERE CURRENT OF it.
///
/// # Safety
/// `planned` must be live.
pub unsafe fn cursor_findings(planned: *mut pg_sys::PlannedStmt) -> Vec<Violation> {
    // SAFETY: the CustomScan that `attach` added is recognised by its methods.
    unsafe {
        (0..raw::list_length((*planned).subplans))
            .map(|n| raw::list_nth((*planned).subplans, n) as *mut pg_sys::CustomScan)
            .filter(|scan| {
                !scan.is_null()
                    && (*scan.cast::<pg_sys::Node>()).type_ == pg_sys::NodeTag::T_CustomScan
                    && (**scan).methods == &raw const SCAN.0
            })
            .flat_map(|scan| unpack((*scan).custom_private))
            .collect()
    }
}

/// The plan below our node, or the plan itself.
///
/// # Safety
/// `plan` must be live or NULL.
pub unsafe fn inner(plan: *mut pg_sys::Plan) -> *mut pg_sys::Plan {
    // SAFETY: our node has exactly one child, or none when it is a cursor's.
    unsafe {
        if plan.is_null() || (*plan).type_ != pg_sys::NodeTag::T_CustomScan {
            return plan;
        }
        let scan = plan as *mut pg_sys::CustomScan;
        if (*scan).methods != &raw const SCAN.0 || (*scan).custom_plans.is_null() {
            return plan;
        }
        raw::list_nth((*scan).custom_plans, 0).cast()
    }
}
