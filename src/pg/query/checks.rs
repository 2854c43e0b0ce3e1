//! CHECK constraints: what a valid one promises of every row, a condition asks in vain.

use pgrx::pg_sys;

use super::domains::is_not_null_by_type;
use super::node::{Node, items, tag, varno};
use super::nulls::is_not_null;
use super::scope::{Gatherer, ScopeId};
use super::walk::{any_part, calls_foreign};
use crate::pg::catalog::OpenRelation;
use crate::pg::raw;

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
            for part in partition_bound((*rte).relid) {
                if any_part(part, |part| calls_foreign(part)) {
                    continue;
                }
                pg_sys::ChangeVarNodes(part, 1, rtindex, 0);
                pg_sys::IncrementVarSublevelsUp(part, levels as i32, 0);
                promised = pg_sys::list_concat(promised, conjunction(part));
            }
            !promised.is_null()
                && pg_sys::predicate_implied_by(conjunction(condition), promised, false)
        }
    }
}

impl Gatherer<'_> {
    /// Is `column = value` what a CHECK constraint of the column's table may say? A look at its text is quick.
    ///
    /// # Safety
    /// `node` is a valid OpExpr of that scope's query, one of whose arguments is a column.
    pub unsafe fn names_what_is_checked(&mut self, scope: ScopeId, node: Node) -> bool {
        // SAFETY: passed on from the caller; the texts are the catalog's, without a NUL in them.
        unsafe {
            let Parts { columns, .. } = parts(node);
            let [column] = columns[..] else {
                return false;
            };
            let home = self.up(scope, (*column).varlevelsup);
            let rte = self.rte(home, varno(column));
            if (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION {
                return false;
            }
            let operator = format!(":opno {} ", (*node.cast::<pg_sys::OpExpr>()).opno.to_u32());
            let column = format!(":varattno {} ", (*column).varattno);
            valid_checks((*rte).relid).into_iter().any(|text| {
                let text = core::ffi::CStr::from_ptr(text).to_bytes();
                let says = |what: &str| text.windows(what.len()).any(|w| w == what.as_bytes());
                says(&operator) && says(&column)
            })
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

/// What a partition holds, and is never null: its bound asks for what is not null by name. None for any other table.
unsafe fn partition_bound(relid: pg_sys::Oid) -> Vec<Node> {
    let Some(relation) = OpenRelation::open(relid, pg_sys::NoLock) else {
        return Vec::new();
    };
    // SAFETY: the statement has the relation locked; the list is a copy.
    unsafe {
        match (*(*relation.0).rd_rel).relispartition {
            true => items(pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::RelationGetPartitionQual(relation.0)
            })),
            false => Vec::new(),
        }
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
            && columns.iter().all(|&c| {
                let by_type = is_not_null_by_type((*c).vartype);
                (*c).varattno > 0 && (by_type || is_not_null(relid, (*c).varattno))
            })
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
