//! Turns setval calls into calls of the guard, and while a preview runs, what else reads or moves sequences.

use crate::ddl::names::own_schema;
use crate::pg::query::walk::walk_queries;
use crate::pg::{compat, raw};
use crate::preview;
use pgrx::pg_sys::{self, Node};
use std::ffi::{CStr, c_void};

/// What stands in for the two forms of setval and, in a preview, for the others.
#[derive(Clone, Copy)]
struct Substitutes {
    two: pg_sys::Oid,
    three: pg_sys::Oid,
    preview: Option<PreviewSubstitutes>,
}

#[derive(Clone, Copy)]
struct PreviewSubstitutes {
    nextval: pg_sys::Oid,
    currval: pg_sys::Oid,
    lastval: pg_sys::Oid,
    /// For the NextValueExpr of an identity column.
    identity: pg_sys::Oid,
}

/// pg_proc.dat: nextval(regclass), currval(regclass), lastval(), and the casts of bigint to integer and smallint.
pub const NEXTVAL: pg_sys::Oid = pg_sys::Oid::from_u32(1574);
pub const CURRVAL: pg_sys::Oid = pg_sys::Oid::from_u32(1575);
pub const LASTVAL: pg_sys::Oid = pg_sys::Oid::from_u32(2559);
const INT8_TO_INT4: pg_sys::Oid = pg_sys::Oid::from_u32(480);
const INT8_TO_INT2: pg_sys::Oid = pg_sys::Oid::from_u32(714);

/// pg_proc.dat: setval(regclass, bigint) and setval(regclass, bigint, boolean).
pub const SETVAL: pg_sys::Oid = pg_sys::Oid::from_u32(1576);
pub const SETVAL3: pg_sys::Oid = pg_sys::Oid::from_u32(1765);

/// Whether a function is setval.
pub fn is_setval(function: pg_sys::Oid) -> bool {
    function == SETVAL || function == SETVAL3
}

/// A function of ours by its exact signature; `InvalidOid` when there is none. By OIDs all the way: a look-up by name asks
/// whether the user may use the schema, and plans of users who may not have sequences in them, too.
fn ours(function: &CStr, arguments: &[pg_sys::Oid]) -> pg_sys::Oid {
    // SAFETY: a syscache look-up with keys of the index's types (utils/cache/syscache.c); pg_proc's first column is its OID.
    unsafe {
        let types = pg_sys::buildoidvector(arguments.as_ptr(), arguments.len() as i32);
        pg_sys::GetSysCacheOid(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32,
            1,
            pg_sys::Datum::from(function.as_ptr()),
            pg_sys::Datum::from(types),
            pg_sys::Datum::from(own_schema()),
            pg_sys::Datum::null(),
        )
    }
}

fn substitutes() -> Option<Substitutes> {
    use pg_sys::{BOOLOID, INT8OID, INTERNALOID, REGCLASSOID};
    let two = ours(c"guarded_setval", &[REGCLASSOID, INT8OID]);
    let three = ours(c"guarded_setval", &[REGCLASSOID, INT8OID, BOOLOID]);
    let both = two != pg_sys::InvalidOid && three != pg_sys::InvalidOid;
    both.then(|| Substitutes {
        two,
        three,
        preview: preview::active().then(|| PreviewSubstitutes {
            nextval: ours(c"preview_nextval", &[REGCLASSOID]),
            currval: ours(c"preview_currval", &[REGCLASSOID]),
            lastval: ours(c"preview_lastval", &[]),
            identity: ours(c"preview_identity", &[INTERNALOID]),
        }),
    })
}

/// Rewrites every call in a query that is about to be planned.
///
/// # Safety
/// The planner owns `query` and may change it.
pub unsafe fn query(query: *mut pg_sys::Query) {
    let Some(mut substitutes) = substitutes() else {
        return;
    };
    // SAFETY: calls are changed in place, as the planner itself would.
    unsafe {
        substitute(query.cast(), &substitutes);
        if substitutes.preview.is_some() {
            let context = (&raw mut substitutes).cast();
            compat::mutate_query(query, replace, context, pg_sys::QTW_DONT_COPY_QUERY);
        }
    }
}

/// Rewrites what inlining brought into a finished plan.
///
/// # Safety
/// `planned` must be the planner's fresh result.
pub unsafe fn plan(planned: *mut pg_sys::PlannedStmt) {
    let Some(substitutes) = substitutes() else {
        return;
    };
    // SAFETY: the caller vouches for the plan.
    unsafe {
        plan_nodes((*planned).planTree, &substitutes);
        for n in 0..raw::list_length((*planned).subplans) {
            plan_nodes(raw::list_nth((*planned).subplans, n).cast(), &substitutes);
        }
    }
}

/// Changes the calls in a query or an expression in place.
///
/// # Safety
/// `node` must be NULL or live, and the caller's to change.
unsafe fn substitute(node: *mut Node, substitutes: &Substitutes) {
    // SAFETY: the caller vouches for the node; the cast follows a part's tag.
    unsafe {
        walk_queries(node, |part| {
            if (*part).type_ != pg_sys::NodeTag::T_FuncExpr {
                return;
            }
            let call = &mut *(part as *mut pg_sys::FuncExpr);
            call.funcid = match (call.funcid, &substitutes.preview) {
                (SETVAL, _) => substitutes.two,
                (SETVAL3, _) => substitutes.three,
                (NEXTVAL, Some(preview)) => preview.nextval,
                (CURRVAL, Some(preview)) => preview.currval,
                (LASTVAL, Some(preview)) => preview.lastval,
                (other, _) => other,
            };
        });
    }
}

/// An identity column draws its value by a node of its own, which asks for no privilege on the sequence. It becomes a call
/// whose argument's type, `internal`, keeps everyone else from making one.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn replace(node: *mut Node, context: *mut c_void) -> *mut Node {
    // SAFETY: PostgreSQL's mutators pass NULL or live nodes; the context is the caller's Substitutes.
    unsafe {
        if node.is_null() {
            return node;
        }
        match (*node).type_ {
            pg_sys::NodeTag::T_NextValueExpr => {
                let next = &*(node as *const pg_sys::NextValueExpr);
                match (*(context as *const Substitutes)).preview {
                    Some(preview) => identity_call(preview.identity, next),
                    None => node,
                }
            }
            pg_sys::NodeTag::T_Query => {
                compat::mutate_query(node.cast(), replace, context, 0).cast()
            }
            _ => compat::mutate_expression(node, replace, context),
        }
    }
}

/// The call, cast to the column's type.
fn identity_call(function: pg_sys::Oid, next: &pg_sys::NextValueExpr) -> *mut Node {
    let call = |function, result, argument: *mut Node| {
        // SAFETY: makes nodes in the current memory context.
        unsafe {
            pg_sys::makeFuncExpr(
                function,
                result,
                pg_sys::lappend(std::ptr::null_mut(), argument.cast()),
                pg_sys::InvalidOid,
                pg_sys::InvalidOid,
                pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
            ) as *mut Node
        }
    };
    // SAFETY: a by-value constant of four bytes.
    let sequence = unsafe {
        let value = pg_sys::Datum::from(next.seqid);
        pg_sys::makeConst(
            pg_sys::REGCLASSOID,
            -1,
            pg_sys::InvalidOid,
            4,
            value,
            false,
            true,
        )
    };
    let value = call(function, pg_sys::INT8OID, sequence.cast());
    match next.typeId {
        pg_sys::INT4OID => call(INT8_TO_INT4, pg_sys::INT4OID, value),
        pg_sys::INT2OID => call(INT8_TO_INT2, pg_sys::INT2OID, value),
        _ => value,
    }
}

/// The expressions of the plan nodes that evaluate target lists, conditions and functions. A plan may be deeper than the
/// stack.
///
/// # Safety
/// `plan` must be NULL or a node of a fresh plan.
unsafe fn plan_nodes(plan: *mut pg_sys::Plan, substitutes: &Substitutes) {
    use pg_sys::NodeTag;
    let mut open = vec![plan];
    while let Some(plan) = open.pop() {
        if plan.is_null() {
            continue;
        }
        // SAFETY: node casts follow the node's tag; lists of expressions are what `substitute` takes.
        unsafe {
            let expression = |node: *mut Node| substitute(node, substitutes);
            let expressions = |list: *mut pg_sys::List| expression(list.cast());
            expressions((*plan).targetlist);
            expressions((*plan).qual);
            let mut children: *mut pg_sys::List = std::ptr::null_mut();
            match (*plan).type_ {
                NodeTag::T_Result => {
                    expression((*(plan as *mut pg_sys::Result)).resconstantqual);
                }
                NodeTag::T_FunctionScan => {
                    let functions = (*(plan as *mut pg_sys::FunctionScan)).functions;
                    for n in 0..raw::list_length(functions) {
                        let function = raw::list_nth(functions, n) as *mut pg_sys::RangeTblFunction;
                        expression((*function).funcexpr);
                    }
                }
                NodeTag::T_ValuesScan => {
                    expressions((*(plan as *mut pg_sys::ValuesScan)).values_lists)
                }
                NodeTag::T_NestLoop | NodeTag::T_MergeJoin | NodeTag::T_HashJoin => {
                    expressions((*(plan as *mut pg_sys::Join)).joinqual);
                }
                NodeTag::T_Limit => {
                    expression((*(plan as *mut pg_sys::Limit)).limitOffset);
                    expression((*(plan as *mut pg_sys::Limit)).limitCount);
                }
                NodeTag::T_SubqueryScan => {
                    open.push((*(plan as *mut pg_sys::SubqueryScan)).subplan)
                }
                NodeTag::T_Append => children = (*(plan as *mut pg_sys::Append)).appendplans,
                NodeTag::T_MergeAppend => {
                    children = (*(plan as *mut pg_sys::MergeAppend)).mergeplans
                }
                NodeTag::T_CustomScan => {
                    children = (*(plan as *mut pg_sys::CustomScan)).custom_plans
                }
                NodeTag::T_ModifyTable => {
                    let modify = plan as *mut pg_sys::ModifyTable;
                    expressions((*modify).returningLists);
                    expressions((*modify).onConflictSet);
                    expression((*modify).onConflictWhere);
                    expressions((*modify).withCheckOptionLists);
                    #[cfg(not(feature = "pg14"))]
                    expressions((*modify).mergeActionLists);
                }
                _ => {}
            }
            open.extend((0..raw::list_length(children)).map(|n| raw::list_nth(children, n).cast()));
            open.extend([(*plan).lefttree, (*plan).righttree]);
        }
    }
}
