//! What an expression is the value of, followed through subqueries and joins, and whether it can be null.

use pgrx::pg_sys;

use super::bounds::{is_measure, numbers_rows};
use super::columns::alias_expressions;
use super::domains::is_not_null_by_type;
use super::elements::{elements, is_null};
use super::lossless::strip;
use super::node::{Node, btree_strategy, items, tag, varno};
use super::output::outputs;
use super::scope::{Gatherer, ScopeId};
use super::sources::Source;
use super::strict::{answers, is_plain, operates};
use crate::pg::stack::check_stack;

impl Gatherer<'_> {
    /// The expression whose value a column is: of the subquery that gives it out, or behind a join's or grouping step's
    /// name for it.
    ///
    /// # Safety
    /// `var` is a valid Var of an expression of that scope's query.
    pub unsafe fn behind(
        &mut self,
        scope: ScopeId,
        var: *mut pg_sys::Var,
    ) -> Option<(ScopeId, Node)> {
        // SAFETY: the caller vouches for the Var; a name's number leads into its entry's list.
        unsafe {
            let home = self.up(scope, (*var).varlevelsup);
            match self.source(home, varno(var)) {
                Source::Query(inner, _) => {
                    let query = self.scopes[inner].query;
                    let plain = (*query).setOperations.is_null();
                    let mut all = outputs(query).into_iter();
                    let output = all.find(|&t| plain && (*t).resno == (*var).varattno)?;
                    Some((inner, (*output).expr.cast()))
                }
                Source::Alias if (*var).varattno > 0 => {
                    let names = alias_expressions(self.rte(home, varno(var)));
                    let name = names.get((*var).varattno as usize - 1).copied();
                    name.filter(|n| !n.is_null()).map(|n| (home, n))
                }
                _ => None,
            }
        }
    }

    /// Is it known never to be null? A stored column that is NOT NULL, where no outer join makes it so, and what is made
    /// of such. The whole row is never null either.
    ///
    /// # Safety
    /// `node` is a valid expression of that scope's query.
    pub unsafe fn never_null(&mut self, scope: ScopeId, node: Node) -> bool {
        // SAFETY: passed on from the caller: the parts of an expression are expressions of the same query.
        unsafe {
            check_stack();
            let node = strip(node);
            match tag(node) {
                pg_sys::NodeTag::T_Var => self.column_never_null(scope, node.cast()),
                pg_sys::NodeTag::T_Const => !(*node.cast::<pg_sys::Const>()).constisnull,
                pg_sys::NodeTag::T_NullTest
                | pg_sys::NodeTag::T_BooleanTest
                | pg_sys::NodeTag::T_DistinctExpr => true,
                pg_sys::NodeTag::T_CoalesceExpr => {
                    let args = items((*node.cast::<pg_sys::CoalesceExpr>()).args);
                    args.into_iter().any(|a| self.never_null(scope, a))
                }
                pg_sys::NodeTag::T_MinMaxExpr => {
                    let args = items((*node.cast::<pg_sys::MinMaxExpr>()).args);
                    args.into_iter().any(|a| self.never_null(scope, a))
                }
                pg_sys::NodeTag::T_RowExpr => {
                    self.all_never_null(scope, (*node.cast::<pg_sys::RowExpr>()).args)
                }
                pg_sys::NodeTag::T_BoolExpr => {
                    self.all_never_null(scope, (*node.cast::<pg_sys::BoolExpr>()).args)
                }
                pg_sys::NodeTag::T_OpExpr => {
                    let op = node.cast::<pg_sys::OpExpr>();
                    (compares((*op).opno) || operates(op)) && self.all_never_null(scope, (*op).args)
                }
                pg_sys::NodeTag::T_ScalarArrayOpExpr => {
                    let op = node.cast::<pg_sys::ScalarArrayOpExpr>();
                    let [left, list] = items::<pg_sys::Node>((*op).args)[..] else {
                        return false;
                    };
                    let known = |all: Vec<Node>| !all.into_iter().any(|e| is_null(e));
                    // The array of a constant; what is put together may hold a null.
                    let constant = tag(strip(list)) == pg_sys::NodeTag::T_Const;
                    compares((*op).opno)
                        && constant
                        && elements(list).is_some_and(known)
                        && self.never_null(scope, left)
                }
                pg_sys::NodeTag::T_FuncExpr => {
                    let function = node.cast::<pg_sys::FuncExpr>();
                    match is_measure((*function).funcid) {
                        true => self.all_never_null(scope, (*function).args),
                        false => answers(node)
                            .is_some_and(|a| a.into_iter().all(|a| self.never_null(scope, a))),
                    }
                }
                // Casts that lose something lose no value.
                pg_sys::NodeTag::T_RelabelType => {
                    self.never_null(scope, (*node.cast::<pg_sys::RelabelType>()).arg.cast())
                }
                pg_sys::NodeTag::T_CollateExpr => {
                    self.never_null(scope, (*node.cast::<pg_sys::CollateExpr>()).arg.cast())
                }
                pg_sys::NodeTag::T_CoerceViaIO => {
                    let io = node.cast::<pg_sys::CoerceViaIO>();
                    let arg: Node = (*io).arg.cast();
                    is_plain(pg_sys::exprType(arg))
                        && is_plain((*io).resulttype)
                        && self.never_null(scope, arg)
                }
                pg_sys::NodeTag::T_CaseExpr => {
                    let case = node.cast::<pg_sys::CaseExpr>();
                    let mut results: Vec<Node> = items::<pg_sys::CaseWhen>((*case).args)
                        .iter()
                        .map(|&w| (*w).result.cast())
                        .collect();
                    results.push((*case).defresult.cast());
                    results
                        .into_iter()
                        .all(|r| !r.is_null() && self.never_null(scope, r))
                }
                pg_sys::NodeTag::T_Aggref => {
                    numbers_rows((*node.cast::<pg_sys::Aggref>()).aggfnoid).is_some()
                }
                pg_sys::NodeTag::T_WindowFunc => {
                    numbers_rows((*node.cast::<pg_sys::WindowFunc>()).winfnoid).is_some()
                }
                pg_sys::NodeTag::T_SubLink => self.rows_counted(scope, node.cast()).is_some(),
                _ => false,
            }
        }
    }

    unsafe fn all_never_null(&mut self, scope: ScopeId, list: *mut pg_sys::List) -> bool {
        // SAFETY: passed on from `never_null`.
        unsafe {
            let args = items::<pg_sys::Node>(list);
            args.into_iter().all(|a| self.never_null(scope, a))
        }
    }

    unsafe fn column_never_null(&mut self, scope: ScopeId, var: *mut pg_sys::Var) -> bool {
        // SAFETY: passed on from `never_null`.
        unsafe {
            let home = self.up(scope, (*var).varlevelsup);
            if self.is_nullable(home, varno(var)) {
                return false;
            }
            let rte = self.rte(home, varno(var));
            match self.source(home, varno(var)) {
                Source::Columns(_) if (*rte).rtekind == pg_sys::RTEKind::RTE_RELATION => {
                    (*var).varattno <= 0
                        || is_not_null((*rte).relid, (*var).varattno)
                        || is_not_null_by_type((*var).vartype)
                }
                // A column is null in the groups that leave it out.
                Source::Query(inner, _) if !(*self.scopes[inner].query).groupingSets.is_null() => {
                    false
                }
                _ => self
                    .behind(scope, var)
                    .is_some_and(|(inner, expr)| self.never_null(inner, expr)),
            }
        }
    }
}

/// Is it a built-in comparison? Those are null only for a null.
fn compares(operator: pg_sys::Oid) -> bool {
    if operator.to_u32() >= pg_sys::FirstNormalObjectId {
        return false;
    }
    let (mut left, mut right) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    // SAFETY: catalog look-ups of an operator of a parsed expression.
    unsafe {
        pg_sys::op_input_types(operator, &mut left, &mut right);
        let negator = pg_sys::get_negator(operator);
        [operator, negator]
            .into_iter()
            .any(|o| o != pg_sys::InvalidOid && btree_strategy(o, [left, right]) != 0)
            // Rows and arrays hold values of their own.
            && ![left, right].iter().any(|&t| pg_sys::type_is_rowtype(t))
    }
}

/// Is that column of a relation NOT NULL?
pub fn is_not_null(relid: pg_sys::Oid, attno: i16) -> bool {
    of_attribute(relid, attno, |a| a.attnotnull) == Some(true)
}

/// What the catalog says of that column of a relation; None where there is none.
pub fn of_attribute<T>(
    relid: pg_sys::Oid,
    attno: i16,
    read: impl FnOnce(&pg_sys::FormData_pg_attribute) -> T,
) -> Option<T> {
    // SAFETY: ATTNUM takes a relation's OID and an attribute number; the tuple is released after its one use.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::ATTNUM as i32;
        let tuple = pg_sys::SearchSysCache2(cache, relid.into(), pg_sys::Datum::from(attno));
        if tuple.is_null() {
            return None;
        }
        let found = read(&*pg_sys::GETSTRUCT(tuple).cast());
        pg_sys::ReleaseSysCache(tuple);
        Some(found)
    }
}
