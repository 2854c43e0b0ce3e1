//! What decides how many rows a query gives out without being a condition: LIMIT's expressions, functions that return
//! sets, groups, duplicates, samples.

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, items, tag};
use super::operand::is_unnest;
use super::scope::{Gatherer, ScopeId};
use crate::judge::predicate::{Operand, Predicate, Reading};

impl Gatherer<'_> {
    /// LIMIT's and OFFSET's own expressions, set-returning functions in the select list, groups and DISTINCT by
    /// computed values: all of them can give no row, or fewer, for some keys.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn shapes(&mut self, scope: ScopeId, parts: &mut Vec<Predicate>) {
        let query = self.scopes[scope].query;
        // SAFETY: passed on from the caller; a target list holds TargetEntry nodes.
        unsafe {
            for count in [(*query).limitCount, (*query).limitOffset] {
                parts.extend(self.counted(scope, count));
            }
            if (*query).hasTargetSRFs {
                for target in items::<pg_sys::TargetEntry>((*query).targetList) {
                    let expr: Node = (*target).expr.cast();
                    if pg_sys::expression_returns_set(expr) && !lists_columns(expr) {
                        parts.extend(self.counted(scope, expr));
                    }
                }
            }
            let mut read = Operand::default();
            for clause in [(*query).groupClause, (*query).distinctClause] {
                for group in items::<pg_sys::SortGroupClause>(clause) {
                    let entry = pg_sys::get_sortgroupclause_tle(group, (*query).targetList);
                    let value = self.operand(scope, (*entry).expr.cast());
                    read.reads.extend(value.reads);
                    read.bodies.extend(value.bodies);
                }
            }
            parts.extend(shape(read, Reading::Compared));
        }
    }

    /// An expression that decides how many rows there are.
    ///
    /// # Safety
    /// `node` is NULL or a valid expression of that scope's query.
    pub unsafe fn counted(&mut self, scope: ScopeId, node: Node) -> Option<Predicate> {
        if node.is_null() {
            return None;
        }
        // SAFETY: passed on from the caller.
        let read = unsafe { self.computed(scope, node) };
        shape(read, Reading::Compared)
    }

    /// TABLESAMPLE's arguments.
    ///
    /// # Safety
    /// `sample` belongs to an entry of that scope's query.
    pub unsafe fn sampled(
        &mut self,
        scope: ScopeId,
        sample: *mut pg_sys::TableSampleClause,
    ) -> Vec<Predicate> {
        // SAFETY: its arguments are expressions; REPEATABLE's is one or NULL.
        unsafe {
            let arguments = items::<pg_sys::Node>((*sample).args)
                .into_iter()
                .chain([(*sample).repeatable.cast()]);
            arguments.filter_map(|a| self.counted(scope, a)).collect()
        }
    }
}

/// A condition that reads this for a reason of the query's shape.
pub fn shape(read: Operand, why: Reading) -> Option<Predicate> {
    let Operand { reads, bodies, .. } = read;
    let something = !reads.is_empty() || !bodies.is_empty();
    something.then_some(Predicate::Other {
        reads,
        bodies,
        why,
        expr: None,
    })
}

/// `unnest(ARRAY[a, b])` gives as many rows whatever a and b are.
unsafe fn lists_columns(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression; unnest has arguments.
    unsafe {
        let node = strip(node);
        tag(node) == pg_sys::NodeTag::T_FuncExpr
            && is_unnest(node)
            && items::<pg_sys::Node>((*node.cast::<pg_sys::FuncExpr>()).args)
                .iter()
                .all(|&a| tag(strip(a)) == pg_sys::NodeTag::T_ArrayExpr)
    }
}

/// Does a LIMIT or OFFSET cut anything? `LIMIT ALL` and `OFFSET 0` don't.
///
/// # Safety
/// `node` is NULL or a valid expression.
pub unsafe fn takes(node: Node) -> bool {
    // SAFETY: LIMIT and OFFSET are bigint, passed by value.
    unsafe {
        let node = strip(node);
        if node.is_null() || tag(node) != pg_sys::NodeTag::T_Const {
            return !node.is_null();
        }
        let value = node.cast::<pg_sys::Const>();
        !(*value).constisnull && (*value).constvalue.value() != 0
    }
}
