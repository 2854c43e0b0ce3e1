//! Values listed other than by IN: `IN (VALUES ...)`, `IN (SELECT unnest(...))`, a join with VALUES. As conditions on the
//! row at hand they say what a list says.

use pgrx::pg_sys;

use super::node::{Node, is_own_equality, items, nth_rte, tag, varno};
use super::operand::is_unnest;
use super::output::outputs;
use super::scope::{Gatherer, ScopeId};
use super::walk::{any_part, names_columns};

/// Longer lists are not compared with every value of a type.
const MOST_LISTED: usize = 256;

impl Gatherer<'_> {
    /// Does `left = ANY (subquery)`, or `<>`, hold for every row, since the subquery lists whatever there is?
    ///
    /// # Safety
    /// `sublink` is a valid ANY SubLink of that scope's query.
    pub unsafe fn lists_everything(
        &mut self,
        scope: ScopeId,
        sublink: *mut pg_sys::SubLink,
    ) -> bool {
        // SAFETY: after parse analysis ANY has a test expression and its subselect is a Query.
        unsafe {
            let test: Node = (*sublink).testexpr;
            if tag(test) != pg_sys::NodeTag::T_OpExpr {
                return false;
            }
            let op = test.cast::<pg_sys::OpExpr>();
            let [left, right] = items::<pg_sys::Node>((*op).args)[..] else {
                return false;
            };
            if tag(right) != pg_sys::NodeTag::T_Param {
                return false;
            }
            let query = (*sublink).subselect.cast::<pg_sys::Query>();
            let list = match only_values(query, 1) {
                Some((rte, column)) => either(op, left, rte, column),
                None => unnested(query)
                    .filter(|&array| !names_columns(array))
                    .map(|array| among(op, left, array)),
            };
            list.is_some_and(|list| self.always(scope, list))
        }
    }

    /// Does `left = right`, or `<>`, hold with some row of a VALUES list for every row, and is the list there for nothing else?
    ///
    /// # Safety
    /// `op` is a valid OpExpr of that scope's query.
    pub unsafe fn joins_everything(&mut self, scope: ScopeId, op: *mut pg_sys::OpExpr) -> bool {
        // SAFETY: passed on from the caller; a Var numbers an entry of its query's range table.
        unsafe {
            let [left, right] = items::<pg_sys::Node>((*op).args)[..] else {
                return false;
            };
            let query = self.scopes[scope].query;
            // A lateral subquery may choose among what the list gives it.
            if items::<pg_sys::RangeTblEntry>((*query).rtable)
                .into_iter()
                .any(|rte| (*rte).lateral)
            {
                return false;
            }
            [(left, right), (right, left)]
                .into_iter()
                .any(|(own, listed)| {
                    if tag(listed) != pg_sys::NodeTag::T_Var
                        || (*listed.cast::<pg_sys::Var>()).varlevelsup != 0
                    {
                        return false;
                    }
                    let var = listed.cast::<pg_sys::Var>();
                    let rte = self.rte(scope, varno(var));
                    let list = match (*rte).rtekind {
                        pg_sys::RTEKind::RTE_SUBQUERY => {
                            only_values((*rte).subquery, (*var).varattno)
                        }
                        _ => Some((rte, (*var).varattno)),
                    };
                    let Some(list) = list.and_then(|(rte, column)| either(op, own, rte, column))
                    else {
                        return false;
                    };
                    // Only now: the walk takes as long as all the conditions together.
                    !self.is_nullable(scope, varno(var))
                        && uses((*query).jointree.cast(), varno(var)) == 1
                        && self.always(scope, list)
                })
        }
    }
}

/// How many times the conditions use that entry of the range table. Subqueries may use it, too.
unsafe fn uses(tree: Node, rtindex: i32) -> usize {
    let mut uses = 0;
    // SAFETY: the caller passes a valid join tree; the tag says which struct a part is.
    unsafe {
        any_part(tree, |part| {
            match tag(part) {
                pg_sys::NodeTag::T_Var => uses += usize::from(varno(part.cast()) == rtindex),
                pg_sys::NodeTag::T_SubLink => uses += 2,
                _ => {}
            }
            uses > 1
        });
    }
    uses
}

/// The VALUES list that the query gives out as it is, and which of its columns is that output.
///
/// # Safety
/// `query` is a valid Query.
pub unsafe fn only_values(
    query: *mut pg_sys::Query,
    number: i16,
) -> Option<(*mut pg_sys::RangeTblEntry, i16)> {
    // SAFETY: the caller passes a valid Query.
    unsafe {
        let [member] = items::<pg_sys::Node>((*(*query).jointree).fromlist)[..] else {
            return None;
        };
        let output = outputs(query).into_iter().find(|&t| (*t).resno == number)?;
        let column: Node = (*output).expr.cast();
        if !is_bare(query)
            || tag(member) != pg_sys::NodeTag::T_RangeTblRef
            || tag(column) != pg_sys::NodeTag::T_Var
        {
            return None;
        }
        let rtindex = (*member.cast::<pg_sys::RangeTblRef>()).rtindex;
        let column = column.cast::<pg_sys::Var>();
        let own = (*column).varlevelsup == 0 && varno(column) == rtindex;
        own.then(|| (nth_rte((*query).rtable, rtindex), (*column).varattno))
    }
}

/// The array whose elements the query gives out.
unsafe fn unnested(query: *mut pg_sys::Query) -> Option<Node> {
    // SAFETY: the caller passes a valid Query.
    unsafe {
        let [output] = outputs(query)[..] else {
            return None;
        };
        let function: Node = (*output).expr.cast();
        if !is_bare(query)
            || !(*(*query).jointree).fromlist.is_null()
            || tag(function) != pg_sys::NodeTag::T_FuncExpr
            || !is_unnest(function)
        {
            return None;
        }
        let args = items::<pg_sys::Node>((*function.cast::<pg_sys::FuncExpr>()).args);
        args.first().copied()
    }
}

/// Does nothing in the query choose among its rows?
unsafe fn is_bare(query: *mut pg_sys::Query) -> bool {
    // SAFETY: the caller passes a valid Query.
    unsafe {
        (*(*query).jointree).quals.is_null()
            && (*query).setOperations.is_null()
            && (*query).limitCount.is_null()
            && (*query).limitOffset.is_null()
            && !(*query).hasAggs
            && (*query).havingQual.is_null()
    }
}

/// `left = a OR left = b ...`, or `<>`, of the values of that column of a VALUES list.
unsafe fn either(
    op: *mut pg_sys::OpExpr,
    left: Node,
    rte: *mut pg_sys::RangeTblEntry,
    attno: i16,
) -> Option<Node> {
    // SAFETY: the callers pass a valid operator with one of its arguments, and an entry; VALUES has lists of expressions.
    unsafe {
        let own = |operator| is_own_equality(operator, pg_sys::exprType(left));
        // Of values to differ from, something differs from one or from another.
        if (*rte).rtekind != pg_sys::RTEKind::RTE_VALUES
            || attno < 1
            || !own((*op).opno) && !own(pg_sys::get_negator((*op).opno))
        {
            return None;
        }
        let rows = items::<pg_sys::List>((*rte).values_lists);
        let cells = rows.iter().map(|&row| {
            let cell = items::<pg_sys::Node>(row)
                .get(attno as usize - 1)
                .copied()?;
            (tag(cell) == pg_sys::NodeTag::T_Const).then_some(cell)
        });
        let cells: Vec<Node> = cells.collect::<Option<_>>()?;
        if cells.len() > MOST_LISTED {
            return None;
        }
        let mut arms = core::ptr::null_mut();
        for cell in cells {
            let none = pg_sys::InvalidOid;
            let collation = (*op).inputcollid;
            let equal = pg_sys::make_opclause(
                (*op).opno,
                pg_sys::BOOLOID,
                false,
                left.cast(),
                cell.cast(),
                none,
                collation,
            );
            arms = pg_sys::lappend(arms, equal.cast());
        }
        let or = pg_sys::BoolExprType::OR_EXPR;
        Some(pg_sys::makeBoolExpr(or, arms, -1).cast())
    }
}

/// `left = ANY (array)`.
unsafe fn among(op: *mut pg_sys::OpExpr, left: Node, array: Node) -> Node {
    // SAFETY: the node is PostgreSQL's to allocate, and zero is its other fields' "not looked up yet".
    unsafe {
        let any: *mut pg_sys::ScalarArrayOpExpr =
            pg_sys::palloc0(size_of::<pg_sys::ScalarArrayOpExpr>()).cast();
        (*any).xpr.type_ = pg_sys::NodeTag::T_ScalarArrayOpExpr;
        (*any).opno = (*op).opno;
        (*any).useOr = true;
        (*any).inputcollid = (*op).inputcollid;
        (*any).args = pg_sys::lappend(core::ptr::null_mut(), left.cast());
        (*any).args = pg_sys::lappend((*any).args, array.cast());
        (*any).location = -1;
        any.cast()
    }
}
