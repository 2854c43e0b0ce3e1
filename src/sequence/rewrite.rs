//! Turns setval calls into calls of the guard.

use crate::pg::raw;
use pgrx::pg_sys::{self, Node};
use std::ffi::c_void;

/// The two forms of setval, and what stands in for them.
#[derive(Clone, Copy)]
struct Substitutes {
    two: pg_sys::Oid,
    three: pg_sys::Oid,
}

/// pg_proc.dat: setval(regclass, bigint) and setval(regclass, bigint, boolean).
pub const SETVAL: pg_sys::Oid = pg_sys::Oid::from_u32(1576);
pub const SETVAL3: pg_sys::Oid = pg_sys::Oid::from_u32(1765);

/// Whether a function is setval.
pub fn is_setval(function: pg_sys::Oid) -> bool {
    function == SETVAL || function == SETVAL3
}

fn substitutes() -> Option<Substitutes> {
    let find = |arguments: &mut [pg_sys::Oid]| {
        // SAFETY: a catalog look-up of a function of ours by its exact signature; missing_ok.
        unsafe {
            let mut name: *mut pg_sys::List = std::ptr::null_mut();
            for part in ["backstop", "guarded_setval"] {
                name = pg_sys::lappend(
                    name,
                    pg_sys::makeString(crate::report::duplicate(part)).cast(),
                );
            }
            pg_sys::LookupFuncName(name, arguments.len() as i32, arguments.as_mut_ptr(), true)
        }
    };
    let two = find(&mut [pg_sys::REGCLASSOID, pg_sys::INT8OID]);
    let three = find(&mut [pg_sys::REGCLASSOID, pg_sys::INT8OID, pg_sys::BOOLOID]);
    let both = two != pg_sys::InvalidOid && three != pg_sys::InvalidOid;
    both.then_some(Substitutes { two, three })
}

/// Rewrites every setval call in a query that is about to be planned.
///
/// # Safety
/// The planner owns `query` and may change it.
pub unsafe fn query(query: *mut pg_sys::Query) {
    let Some(mut substitutes) = substitutes() else {
        return;
    };
    // SAFETY: the walker changes FuncExpr nodes in place, as the planner itself would.
    unsafe {
        pg_sys::query_tree_walker(query, Some(walk), (&raw mut substitutes).cast(), 0);
    }
}

/// Rewrites what inlining brought into a finished plan.
///
/// # Safety
/// `planned` must be the planner's fresh result.
pub unsafe fn plan(planned: *mut pg_sys::PlannedStmt) {
    let Some(mut substitutes) = substitutes() else {
        return;
    };
    // SAFETY: the caller vouches for the plan.
    unsafe {
        plan_node((*planned).planTree, &mut substitutes);
        for n in 0..raw::list_length((*planned).subplans) {
            plan_node(
                raw::list_nth((*planned).subplans, n).cast(),
                &mut substitutes,
            );
        }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn walk(node: *mut Node, context: *mut c_void) -> bool {
    // SAFETY: PostgreSQL's walkers pass NULL or live nodes; the context is the caller's Substitutes.
    unsafe {
        if node.is_null() {
            return false;
        }
        match (*node).type_ {
            pg_sys::NodeTag::T_FuncExpr => {
                let call = &mut *(node as *mut pg_sys::FuncExpr);
                let substitutes = &*(context as *const Substitutes);
                match call.funcid {
                    SETVAL => call.funcid = substitutes.two,
                    SETVAL3 => call.funcid = substitutes.three,
                    _ => {}
                }
            }
            pg_sys::NodeTag::T_Query => {
                return pg_sys::query_tree_walker(node.cast(), Some(walk), context, 0);
            }
            _ => {}
        }
        pg_sys::expression_tree_walker(node, Some(walk), context)
    }
}

/// The expressions of the plan nodes that evaluate target lists, conditions and functions.
///
/// # Safety
/// `plan` must be NULL or a node of a fresh plan.
unsafe fn plan_node(plan: *mut pg_sys::Plan, substitutes: &mut Substitutes) {
    use pg_sys::NodeTag;
    // SAFETY: node casts follow the node's tag; lists of expressions are what expression_tree_walker takes.
    unsafe {
        if plan.is_null() {
            return;
        }
        let context: *mut c_void = (&raw mut *substitutes).cast();
        let expressions = |list: *mut pg_sys::List| {
            walk(list.cast(), context);
        };
        expressions((*plan).targetlist);
        expressions((*plan).qual);
        let mut children: *mut pg_sys::List = std::ptr::null_mut();
        match (*plan).type_ {
            NodeTag::T_Result => {
                walk((*(plan as *mut pg_sys::Result)).resconstantqual, context);
            }
            NodeTag::T_FunctionScan => {
                let functions = (*(plan as *mut pg_sys::FunctionScan)).functions;
                for n in 0..raw::list_length(functions) {
                    walk(
                        (*(raw::list_nth(functions, n) as *mut pg_sys::RangeTblFunction)).funcexpr,
                        context,
                    );
                }
            }
            NodeTag::T_ValuesScan => expressions((*(plan as *mut pg_sys::ValuesScan)).values_lists),
            NodeTag::T_NestLoop | NodeTag::T_MergeJoin | NodeTag::T_HashJoin => {
                expressions((*(plan as *mut pg_sys::Join)).joinqual);
            }
            NodeTag::T_Limit => {
                walk((*(plan as *mut pg_sys::Limit)).limitOffset, context);
                walk((*(plan as *mut pg_sys::Limit)).limitCount, context);
            }
            NodeTag::T_SubqueryScan => {
                plan_node((*(plan as *mut pg_sys::SubqueryScan)).subplan, substitutes)
            }
            NodeTag::T_Append => children = (*(plan as *mut pg_sys::Append)).appendplans,
            NodeTag::T_MergeAppend => children = (*(plan as *mut pg_sys::MergeAppend)).mergeplans,
            NodeTag::T_CustomScan => children = (*(plan as *mut pg_sys::CustomScan)).custom_plans,
            NodeTag::T_ModifyTable => {
                let modify = plan as *mut pg_sys::ModifyTable;
                expressions((*modify).returningLists);
                expressions((*modify).onConflictSet);
                walk((*modify).onConflictWhere, context);
            }
            _ => {}
        }
        for n in 0..raw::list_length(children) {
            plan_node(raw::list_nth(children, n).cast(), substitutes);
        }
        plan_node((*plan).lefttree, substitutes);
        plan_node((*plan).righttree, substitutes);
    }
}
