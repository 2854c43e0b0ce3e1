//! Folding what a condition says without any column: `'%' || '%'` is a constant.

use pgrx::{pg_guard, pg_sys};

use super::node::{Node, items, tag};
use super::series::is_among;
use super::strict::is_plain;
use super::walk::{any_part, calls_foreign};
use crate::pg::compat::mutate_expression;

/// The expression with every part of it folded that calls no functions but PostgreSQL's own.
///
/// # Safety
/// `node` is a valid expression, this call's to take apart, inside `undone`.
pub unsafe fn own_parts_folded(node: Node) -> Node {
    // SAFETY: passed on from the caller.
    unsafe {
        let (mut foreign, mut joins) = (false, false);
        any_part(node, |part| {
            foreign |= calls_foreign(part);
            joins |= joins_texts(part);
            foreign && joins
        });
        let node = match joins {
            true => joined(node),
            false => node,
        };
        match foreign {
            true => parts_folded(node),
            false => pg_sys::eval_const_expressions(core::ptr::null_mut(), node),
        }
    }
}

/// `concat` and its like are stable only because a value may be printed otherwise tomorrow, which no text is.
unsafe fn joins_texts(node: Node) -> bool {
    // SAFETY: the caller passes a valid node; the tag says which struct it is.
    unsafe {
        tag(node) == pg_sys::NodeTag::T_FuncExpr && {
            let call = node.cast::<pg_sys::FuncExpr>();
            let text = |oid: pg_sys::Oid| {
                [
                    pg_sys::TEXTOID,
                    pg_sys::VARCHAROID,
                    pg_sys::UNKNOWNOID,
                    pg_sys::INT4OID,
                    pg_sys::INT8OID,
                ]
                .contains(&oid)
            };
            is_among((*call).funcid, &[c"concat", c"concat_ws", c"format"])
                && !(*call).funcvariadic
                && items::<pg_sys::Node>((*call).args)
                    .into_iter()
                    .all(|a| text(pg_sys::exprType(a)))
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn joined_part(node: Node, _context: *mut core::ffi::c_void) -> Node {
    // SAFETY: mutators pass valid nodes.
    unsafe { joined(node) }
}

/// An error unwinds to `undone` from here: whoever calls a guarded function himself is jumped over.
unsafe fn joined(node: Node) -> Node {
    if node.is_null() {
        return node;
    }
    // SAFETY: mutators pass valid nodes; what is evaluated is a function of PostgreSQL's with constants.
    unsafe {
        if tag(node) == pg_sys::NodeTag::T_SubLink {
            return node;
        }
        let node = mutate_expression(node, joined_part, core::ptr::null_mut());
        if !joins_texts(node) || any_part(node, |part| calls_foreign(part)) {
            return node;
        }
        let node = pg_sys::eval_const_expressions(core::ptr::null_mut(), node);
        let constant = |a: Node| tag(a) == pg_sys::NodeTag::T_Const;
        let given = tag(node) == pg_sys::NodeTag::T_FuncExpr
            && items((*node.cast::<pg_sys::FuncExpr>()).args)
                .into_iter()
                .all(constant);
        match given {
            true => {
                let collation = pg_sys::exprCollation(node);
                pg_sys::evaluate_expr(node.cast(), pg_sys::TEXTOID, -1, collation).cast()
            }
            false => node,
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn part_folded(node: Node, _context: *mut core::ffi::c_void) -> Node {
    // SAFETY: mutators pass valid nodes.
    unsafe { parts_folded(node) }
}

/// As `joined`.
unsafe fn parts_folded(node: Node) -> Node {
    if node.is_null() {
        return node;
    }
    // SAFETY: mutators pass valid nodes.
    unsafe {
        if tag(node) == pg_sys::NodeTag::T_SubLink {
            return node;
        }
        let computed = matches!(
            tag(node),
            pg_sys::NodeTag::T_OpExpr
                | pg_sys::NodeTag::T_FuncExpr
                | pg_sys::NodeTag::T_RelabelType
                | pg_sys::NodeTag::T_CoerceViaIO
        );
        if computed
            && is_plain(pg_sys::exprType(node))
            && !any_part(node, |part| calls_foreign(part))
        {
            return pg_sys::eval_const_expressions(core::ptr::null_mut(), node);
        }
        mutate_expression(node, part_folded, core::ptr::null_mut())
    }
}
