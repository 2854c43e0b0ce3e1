//! Walks through expressions that keep their own stack: as deep as an expression can be parsed and planned, it can be
//! walked through.

use pgrx::{pg_guard, pg_sys};

use super::node::{Node, items, tag};

/// Where a walk goes from a part of an expression.
pub enum Step {
    Into,
    Over,
    Out,
}

/// Goes through the expression and its parts in the order in which they are written, until `step` leads out of it; was it
/// led out? Subqueries are parts, but not entered.
///
/// # Safety
/// `node` is NULL or a valid expression.
pub unsafe fn walk(node: Node, mut step: impl FnMut(Node) -> Step) -> bool {
    let mut parts = vec![node];
    while let Some(part) = parts.pop() {
        if part.is_null() {
            continue;
        }
        match step(part) {
            Step::Out => return true,
            Step::Over => {}
            // SAFETY: the caller vouches for the expression.
            Step::Into => unsafe { open(part, &mut parts) },
        }
    }
    false
}

/// Goes through a query, or an expression, and through the queries in it.
///
/// # Safety
/// `node` is NULL, a valid Query or a valid expression.
pub unsafe fn walk_queries(node: Node, mut step: impl FnMut(Node)) {
    let mut parts = vec![node];
    while let Some(part) = parts.pop() {
        if !part.is_null() {
            step(part);
            // SAFETY: the caller vouches for the node.
            unsafe { open_query(part, &mut parts) };
        }
    }
}

/// Does the expression name a column of the query that it is of, or of one around that?
///
/// # Safety
/// As for `walk`.
pub unsafe fn names_columns(node: Node) -> bool {
    let mut parts = Vec::new();
    let mut levels = vec![(node, 0)];
    while let Some((part, inside)) = levels.pop() {
        if part.is_null() {
            continue;
        }
        // SAFETY: the caller vouches for the expression; the tag says which struct a part is.
        unsafe {
            match tag(part) {
                pg_sys::NodeTag::T_Var if (*part.cast::<pg_sys::Var>()).varlevelsup >= inside => {
                    return true;
                }
                pg_sys::NodeTag::T_CurrentOfExpr if inside == 0 => return true,
                _ => {}
            }
            let queries = u32::from(tag(part) == pg_sys::NodeTag::T_Query);
            open_query(part, &mut parts);
            levels.extend(parts.drain(..).map(|part| (part, inside + queries)));
        }
    }
    false
}

/// Puts the node's parts on the stack, the first on top; those of a query are none.
unsafe fn open(node: Node, parts: &mut Vec<Node>) {
    let first = parts.len();
    // SAFETY: the caller passes a valid node; `push` takes the parts and goes no deeper.
    unsafe { pg_sys::expression_tree_walker(node, Some(push), (&raw mut *parts).cast()) };
    parts[first..].reverse();
}

unsafe fn open_query(node: Node, parts: &mut Vec<Node>) {
    // SAFETY: as in `open`; the tag says that it is a Query.
    unsafe {
        match tag(node) {
            pg_sys::NodeTag::T_Query => {
                let parts = (&raw mut *parts).cast();
                pg_sys::query_tree_walker(node.cast(), Some(push), parts, 0);
            }
            _ => open(node, parts),
        }
    }
}

/// Does `found` hold of the expression or a part of it?
///
/// # Safety
/// As for `walk`.
pub unsafe fn any_part(node: Node, mut found: impl FnMut(Node) -> bool) -> bool {
    let step = |part| match found(part) {
        true => Step::Out,
        false => Step::Into,
    };
    // SAFETY: passed on from the caller.
    unsafe { walk(node, step) }
}

#[pg_guard]
unsafe extern "C-unwind" fn push(node: Node, parts: *mut core::ffi::c_void) -> bool {
    // SAFETY: `walk` passes its own list.
    unsafe { (*parts.cast::<Vec<Node>>()).push(node) };
    false
}

/// Has the expression more parts than that?
///
/// # Safety
/// `node` is NULL or a valid expression.
pub unsafe fn is_larger(node: Node, most: usize) -> bool {
    let mut parts = 0;
    // SAFETY: passed on from the caller.
    unsafe {
        any_part(node, |_| {
            parts += 1;
            parts > most
        })
    }
}

/// Does that very part of an expression call a function that is not PostgreSQL's own?
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn calls_foreign(node: Node) -> bool {
    // SAFETY: passed on from the caller; the types of values that are compared bring their own functions.
    unsafe {
        let compared = match tag(node) {
            pg_sys::NodeTag::T_MinMaxExpr => (*node.cast::<pg_sys::MinMaxExpr>()).minmaxtype,
            _ => pg_sys::InvalidOid,
        };
        compared.to_u32() >= pg_sys::FirstNormalObjectId
            && pg_sys::get_typtype(compared) as u8 != pg_sys::TYPTYPE_ENUM
            || pg_sys::check_functions_in_node(node, Some(is_foreign), core::ptr::null_mut())
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn is_foreign(
    function: pg_sys::Oid,
    _context: *mut core::ffi::c_void,
) -> bool {
    function.to_u32() >= pg_sys::FirstNormalObjectId
}

/// The arms of an AND or OR, and those of the same inside it: a list of rows is parsed as one in the other, as deep as it
/// is long. `each` is shown the arms that they have as they are written; when it says so, there is nothing to flatten.
///
/// # Safety
/// `expr` is a valid BoolExpr.
pub unsafe fn flattened(
    expr: *mut pg_sys::BoolExpr,
    each: impl Fn(&[Node]) -> bool,
) -> Option<Vec<Node>> {
    let mut arms = Vec::new();
    let mut open: Vec<Node> = vec![expr.cast()];
    while let Some(node) = open.pop() {
        // SAFETY: the caller vouches for the expression; a BoolExpr's arguments are expressions.
        unsafe {
            let inner = node.cast::<pg_sys::BoolExpr>();
            if tag(node) == pg_sys::NodeTag::T_BoolExpr && (*inner).boolop == (*expr).boolop {
                let own = items::<pg_sys::Node>((*inner).args);
                if each(&own) {
                    return None;
                }
                open.extend(own.into_iter().rev());
            } else {
                arms.push(node);
            }
        }
    }
    Some(arms)
}
