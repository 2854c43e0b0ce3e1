//! CHECK constraints: what a valid one promises of every row, a condition asks in vain.

use pgrx::pg_sys;

use super::node::{Node, items, tag, varno};
use super::nulls::is_not_null;
use super::scope::{Gatherer, ScopeId};
use super::walk::{any_part, calls_foreign};
use crate::pg::catalog::OpenRelation;

#[derive(Default)]
struct Parts {
    columns: Vec<*mut pg_sys::Var>,
    /// It has parts that are no plain columns, constants and functions of PostgreSQL's.
    other: bool,
}

impl Gatherer<'_> {
    /// Do the CHECK constraints of the table whose columns the condition reads imply it?
    ///
    /// # Safety
    /// `condition` is a valid boolean expression of that scope's query.
    pub unsafe fn checked(&mut self, scope: ScopeId, condition: Node) -> bool {
        // SAFETY: passed on from the caller; constraints are parsed anew, and so this call's to change.
        unsafe {
            let Parts { columns, other } = parts(condition);
            let Some(&first) = columns.first() else {
                return false;
            };
            let place = |var: *mut pg_sys::Var| (varno(var), (*var).varlevelsup);
            let (rtindex, levels) = place(first);
            let home = self.up(scope, levels);
            let rte = self.rte(home, rtindex);
            if other
                || columns.iter().any(|&c| place(c) != place(first))
                || (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION
                || self.is_nullable(home, rtindex)
            {
                return false;
            }
            let mut promised = core::ptr::null_mut();
            for text in valid_checks((*rte).relid) {
                let constraint: Node = pg_sys::stringToNode(text).cast();
                // Nor are the functions of a constraint called here that are not PostgreSQL's.
                if any_part(constraint, |part| calls_foreign(part)) {
                    continue;
                }
                for part in items::<pg_sys::Node>(conjunction(constraint)) {
                    if !holds_of_every_row((*rte).relid, part) {
                        continue;
                    }
                    pg_sys::ChangeVarNodes(part, 1, rtindex, 0);
                    pg_sys::IncrementVarSublevelsUp(part, levels as i32, 0);
                    promised = pg_sys::lappend(promised, part.cast());
                }
            }
            !promised.is_null()
                && pg_sys::predicate_implied_by(conjunction(condition), promised, false)
        }
    }
}

/// The text of the relation's CHECK constraints that have been found to hold, and hold for its children, too.
unsafe fn valid_checks(relid: pg_sys::Oid) -> Vec<*const core::ffi::c_char> {
    let Some(relation) = OpenRelation::open(relid, pg_sys::NoLock) else {
        return Vec::new();
    };
    // SAFETY: the statement has the relation locked; its constraints are its descriptor's, and copied.
    unsafe {
        let constraints = (*(*relation.0).rd_att).constr;
        if constraints.is_null() || (*constraints).num_check == 0 {
            return Vec::new();
        }
        let all =
            core::slice::from_raw_parts((*constraints).check, (*constraints).num_check.into());
        all.iter()
            .filter(|check| check.ccvalid && !check.ccnoinherit)
            .map(|check| pg_sys::pstrdup(check.ccbin).cast_const())
            .collect()
    }
}

/// The parts of a condition, in the form in which PostgreSQL proves one by another (predtest.c).
///
/// # Safety
/// `condition` is a valid boolean expression.
pub unsafe fn conjunction(condition: Node) -> *mut pg_sys::List {
    // SAFETY: the caller passes a valid boolean expression; the folding works on a copy.
    unsafe {
        let copy = pg_sys::copyObjectImpl(condition.cast()).cast();
        let folded = pg_sys::eval_const_expressions(core::ptr::null_mut(), copy);
        pg_sys::make_ands_implicit(pg_sys::canonicalize_qual(folded.cast(), false))
    }
}

/// A constraint is kept by null, too: is this part of one never null?
unsafe fn holds_of_every_row(relid: pg_sys::Oid, part: Node) -> bool {
    // SAFETY: the caller passes a valid expression.
    unsafe {
        let Parts { columns, other } = parts(part);
        !other
            && !pg_sys::contain_nonstrict_functions(part)
            && columns
                .iter()
                .all(|&c| (*c).varattno > 0 && is_not_null(relid, (*c).varattno))
    }
}

unsafe fn parts(node: Node) -> Parts {
    let mut parts = Parts::default();
    // SAFETY: the caller passes a valid expression; the tag says which struct a part is.
    unsafe {
        parts.other = any_part(node, |part| {
            match tag(part) {
                pg_sys::NodeTag::T_Var => parts.columns.push(part.cast()),
                pg_sys::NodeTag::T_SubLink
                | pg_sys::NodeTag::T_Aggref
                | pg_sys::NodeTag::T_WindowFunc
                | pg_sys::NodeTag::T_GroupingFunc
                | pg_sys::NodeTag::T_Param => return true,
                _ => {}
            }
            calls_foreign(part)
        });
    }
    parts
}
