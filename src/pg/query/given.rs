//! Lists that are given: their order is no order of rows.

use pgrx::pg_sys;

use super::listed::only_values;
use super::node::{Node, items, tag, varno};
use super::operand::is_unnest;
use super::scope::{Gatherer, ScopeId};
use super::walk::any_part;

impl Gatherer<'_> {
    /// Is it a column of a list that is given: of VALUES or an array made of constants and parameters?
    ///
    /// # Safety
    /// `expr` is a valid expression of that scope's query.
    pub unsafe fn is_listed(&self, scope: ScopeId, expr: Node) -> bool {
        // SAFETY: passed on from the caller; the entry's kind says which of its fields are set.
        unsafe {
            let var = expr.cast::<pg_sys::Var>();
            if tag(expr) != pg_sys::NodeTag::T_Var || (*var).varlevelsup != 0 || varno(var) < 1 {
                return false;
            }
            let (mut rte, mut attno) = (self.rte(scope, varno(var)), (*var).varattno);
            if (*rte).rtekind == pg_sys::RTEKind::RTE_SUBQUERY {
                match only_values((*rte).subquery, attno) {
                    Some(inner) => (rte, attno) = inner,
                    None => return false,
                }
            }
            match (*rte).rtekind {
                pg_sys::RTEKind::RTE_VALUES => is_given((*rte).values_lists.cast()),
                pg_sys::RTEKind::RTE_FUNCTION => {
                    let [function] = items::<pg_sys::RangeTblFunction>((*rte).functions)[..] else {
                        return false;
                    };
                    let list: Node = (*function).funcexpr;
                    attno == 1
                        && tag(list) == pg_sys::NodeTag::T_FuncExpr
                        && is_unnest(list)
                        && is_given((*list.cast::<pg_sys::FuncExpr>()).args.cast())
                }
                _ => false,
            }
        }
    }
}

/// Is everything in it a constant, a parameter, or an array of such?
unsafe fn is_given(node: Node) -> bool {
    // SAFETY: the caller passes a valid list of expressions, or of such lists.
    unsafe {
        !any_part(node, |part| {
            !matches!(
                tag(part),
                pg_sys::NodeTag::T_List
                    | pg_sys::NodeTag::T_Const
                    | pg_sys::NodeTag::T_Param
                    | pg_sys::NodeTag::T_ArrayExpr
                    | pg_sys::NodeTag::T_RelabelType
                    | pg_sys::NodeTag::T_ArrayCoerceExpr
                    | pg_sys::NodeTag::T_CaseTestExpr
                    | pg_sys::NodeTag::T_CoerceViaIO
            ) && !is_cast(part)
        })
    }
}

unsafe fn is_cast(node: Node) -> bool {
    // SAFETY: the caller passes a valid node; the tag says which struct it is.
    unsafe {
        tag(node) == pg_sys::NodeTag::T_FuncExpr
            && [
                pg_sys::CoercionForm::COERCE_IMPLICIT_CAST,
                pg_sys::CoercionForm::COERCE_EXPLICIT_CAST,
            ]
            .contains(&(*node.cast::<pg_sys::FuncExpr>()).funcformat)
    }
}
