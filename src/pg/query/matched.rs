//! How many rows a correlated subquery counts: at least the row at hand where it looks for what that row has itself, and no
//! more than that where what it looks for is the primary key.

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, constant, is_own_equality, items, tag, varno};
use super::nulls::is_not_null;
use super::output::outputs;
use super::scope::{Gatherer, ScopeId};
use crate::judge::bounds::Bounds;
use crate::pg::catalog;

impl Gatherer<'_> {
    /// Between which numbers a subquery's count lies; None for any other subquery.
    ///
    /// # Safety
    /// `sublink` is a valid SubLink of that scope's query.
    pub unsafe fn rows_counted(
        &mut self,
        scope: ScopeId,
        sublink: *mut pg_sys::SubLink,
    ) -> Option<Bounds> {
        // SAFETY: after parse analysis subselect is a Query, whose outputs are TargetEntry nodes.
        unsafe {
            let query = (*sublink).subselect.cast::<pg_sys::Query>();
            let scalar = (*sublink).subLinkType == pg_sys::SubLinkType::EXPR_SUBLINK;
            if !scalar || !gives_one_row(query) {
                return None;
            }
            let [output] = outputs(query)[..] else {
                return None;
            };
            let expr = strip((*output).expr.cast());
            if tag(expr) != pg_sys::NodeTag::T_Aggref {
                return None;
            }
            let aggregate = expr.cast::<pg_sys::Aggref>();
            let whatever = (*aggregate).aggfnoid.to_u32() == pg_sys::F_COUNT_;
            if (*aggregate).agglevelsup != 0
                || !whatever && (*aggregate).aggfnoid.to_u32() != pg_sys::F_COUNT_ANY
            {
                return None;
            }
            let found = match whatever && (*aggregate).aggfilter.is_null() {
                true => self.finds_itself(scope, query),
                false => None,
            };
            Some(match found {
                Some(true) => Bounds::exactly(1),
                Some(false) => Bounds::from(1),
                None => Bounds::from(0),
            })
        }
    }

    /// Does the subquery look up, in the table that a row around it is of, what that row has? And is that its primary key?
    unsafe fn finds_itself(&mut self, scope: ScopeId, query: *mut pg_sys::Query) -> Option<bool> {
        // SAFETY: passed on from `rows_counted`; a join tree's members name entries of the query's range table.
        unsafe {
            let tree = (*query).jointree;
            let [member] = items::<pg_sys::Node>((*tree).fromlist)[..] else {
                return None;
            };
            if tag(member) != pg_sys::NodeTag::T_RangeTblRef || (*tree).quals.is_null() {
                return None;
            }
            let rtindex = (*member.cast::<pg_sys::RangeTblRef>()).rtindex;
            let rte = super::node::nth_rte((*query).rtable, rtindex);
            if (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION
                || !(*rte).tablesample.is_null()
                || !(*rte).securityQuals.is_null()
            {
                return None;
            }
            let mut looked_up = Vec::new();
            for condition in items::<pg_sys::Node>(pg_sys::make_ands_implicit((*tree).quals.cast()))
            {
                looked_up.push(self.same_column(scope, rtindex, rte, condition)?);
            }
            let key = catalog::primary_key((*rte).relid);
            // A key holds for one table only, not for what inherits from it.
            let partitioned = (*rte).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE;
            let alone = partitioned || !(*rte).inh || !catalog::has_children((*rte).relid);
            Some(alone && !key.is_empty() && key.iter().all(|a| looked_up.contains(a)))
        }
    }

    /// The column of `rte` that the condition equates to the same column of a row around the subquery.
    unsafe fn same_column(
        &mut self,
        scope: ScopeId,
        rtindex: i32,
        rte: *mut pg_sys::RangeTblEntry,
        condition: Node,
    ) -> Option<i16> {
        // SAFETY: passed on from `rows_counted`; levels lead out of the subquery into this scope and those around it.
        unsafe {
            if tag(condition) != pg_sys::NodeTag::T_OpExpr {
                return None;
            }
            let op = condition.cast::<pg_sys::OpExpr>();
            let [left, right] = items::<pg_sys::Node>((*op).args)[..] else {
                return None;
            };
            let column = |node: Node| {
                let node = strip(node);
                (tag(node) == pg_sys::NodeTag::T_Var).then(|| node.cast::<pg_sys::Var>())
            };
            let (a, b) = (column(left)?, column(right)?);
            let (own, other) = match (*a).varlevelsup {
                0 => (a, b),
                _ => (b, a),
            };
            if (*own).varlevelsup != 0 || (*other).varlevelsup == 0 || varno(own) != rtindex {
                return None;
            }
            let home = self.up(scope, (*other).varlevelsup - 1);
            let around = self.rte(home, varno(other));
            let same = (*around).rtekind == pg_sys::RTEKind::RTE_RELATION
                && (*around).relid == (*rte).relid
                && (*rte).inh >= (*around).inh
                && (*own).varattno == (*other).varattno
                && !self.is_nullable(home, varno(other))
                && is_not_null((*rte).relid, (*own).varattno)
                && is_own_equality((*op).opno, pg_sys::exprType(left));
            same.then_some((*own).varattno)
        }
    }
}

/// Is it an aggregate over everything, which always gives one row?
///
/// # Safety
/// `query` is a valid Query.
pub unsafe fn gives_one_row(query: *mut pg_sys::Query) -> bool {
    // SAFETY: passed on from the caller.
    unsafe {
        (*query).hasAggs
            && (*query).groupClause.is_null()
            && (*query).groupingSets.is_null()
            && (*query).havingQual.is_null()
            && (*query).setOperations.is_null()
            && (*query).limitCount.is_null()
            && (*query).limitOffset.is_null()
            && !(*query).hasTargetSRFs
    }
}

/// Does it give no row, since it is said to give none (`LIMIT 0`, `WHERE false`)?
///
/// # Safety
/// `query` is a valid Query.
pub unsafe fn gives_nothing(query: *mut pg_sys::Query) -> bool {
    // SAFETY: passed on from the caller; LIMIT is a bigint, passed by value, and a SELECT has a join tree.
    unsafe {
        if (*query).commandType != pg_sys::CmdType::CMD_SELECT || (*query).hasModifyingCTE {
            return false;
        }
        let limit = strip((*query).limitCount);
        let none = !limit.is_null() && tag(limit) == pg_sys::NodeTag::T_Const && {
            let limit = limit.cast::<pg_sys::Const>();
            !(*limit).constisnull && (*limit).constvalue.value() == 0
        };
        let fails = constant((*(*query).jointree).quals).is_some_and(|value| value != Some(true));
        none || fails
            && !(*query).hasAggs
            && (*query).groupClause.is_null()
            && (*query).groupingSets.is_null()
            && (*query).havingQual.is_null()
            && (*query).setOperations.is_null()
    }
}
