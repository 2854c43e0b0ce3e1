//! Conditions: boolean expressions as the judge's predicates.

use pgrx::pg_sys;

use super::matched::{gives_nothing, gives_one_row};
use super::node::{Node, constant, folds_to, items, tag};
use super::pattern::matches_everything;
use super::plain::{complementary, reads_plain_column};
use super::scope::{Gatherer, ScopeId};
use super::walk::flattened;
use crate::judge::predicate::{Predicate, Reading};

/// Conditions nested deeper than this are read as a whole: PostgreSQL plans them, and so no error may come of them.
const MOST_NESTED: usize = 200;

/// Conditions nested deeper are not asked by themselves whether they always hold: those around them are, and the time that
/// this takes grows with the square of the depth.
const MOST_EXAMINED: usize = 30;

impl Gatherer<'_> {
    /// A row-selecting condition.
    ///
    /// # Safety
    /// `node` is NULL or a valid boolean expression of that scope's query, or an AND list of such.
    pub unsafe fn predicate(&mut self, scope: ScopeId, node: Node) -> Predicate {
        if node.is_null() {
            return Predicate::And(Vec::new());
        }
        // SAFETY: passed on from the caller.
        unsafe {
            if self.nested >= MOST_NESTED || pg_sys::stack_is_too_deep() {
                return self.other(scope, node, Reading::Compared);
            }
            self.nested += 1;
            let condition = self.condition(scope, node);
            self.nested -= 1;
            let joined = tag(node) == pg_sys::NodeTag::T_List || is_and(node);
            match condition {
                Predicate::Const(_) => condition,
                _ if joined || self.names_rows(&condition) => condition,
                _ if self.nested < MOST_EXAMINED && self.always(scope, node) => {
                    condition.tautological()
                }
                _ => condition,
            }
        }
    }

    unsafe fn condition(&mut self, scope: ScopeId, node: Node) -> Predicate {
        // SAFETY: the tag says which struct the node is; the caller vouches for the rest.
        unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_List => {
                    let parts = items::<pg_sys::Node>(node.cast());
                    self.conjunction(scope, parts)
                }
                pg_sys::NodeTag::T_BoolExpr => self.boolean(scope, node.cast()),
                pg_sys::NodeTag::T_Const => match constant(node) {
                    Some(value) => Predicate::Const(value),
                    None => self.other(scope, node, Reading::Unreadable),
                },
                pg_sys::NodeTag::T_RelabelType | pg_sys::NodeTag::T_CoerceToDomain => {
                    self.predicate(scope, strip_one(node))
                }
                pg_sys::NodeTag::T_OpExpr => self.operator(scope, node.cast()),
                pg_sys::NodeTag::T_ScalarArrayOpExpr => self.array_operator(scope, node.cast()),
                pg_sys::NodeTag::T_NullTest => self.null_test(scope, node.cast()),
                pg_sys::NodeTag::T_BooleanTest => {
                    let test = node.cast::<pg_sys::BooleanTest>();
                    let inner = (*test).arg.cast();
                    match (*test).booltesttype {
                        pg_sys::BoolTestType::IS_TRUE => self.predicate(scope, inner),
                        pg_sys::BoolTestType::IS_FALSE => self.denied(scope, inner, node),
                        _ => self.other(scope, node, Reading::Compared),
                    }
                }
                pg_sys::NodeTag::T_SubLink => self.sublink(scope, node.cast()),
                pg_sys::NodeTag::T_CurrentOfExpr => Predicate::Current,
                pg_sys::NodeTag::T_Var => self.flag(scope, node, node),
                pg_sys::NodeTag::T_Param
                | pg_sys::NodeTag::T_DistinctExpr
                | pg_sys::NodeTag::T_FuncExpr
                | pg_sys::NodeTag::T_CaseExpr
                | pg_sys::NodeTag::T_CoalesceExpr
                | pg_sys::NodeTag::T_NullIfExpr
                | pg_sys::NodeTag::T_MinMaxExpr
                | pg_sys::NodeTag::T_RowCompareExpr
                | pg_sys::NodeTag::T_CoerceViaIO
                | pg_sys::NodeTag::T_FieldSelect
                | pg_sys::NodeTag::T_SubscriptingRef
                | pg_sys::NodeTag::T_Aggref
                | pg_sys::NodeTag::T_WindowFunc
                | pg_sys::NodeTag::T_XmlExpr => self.other(scope, node, Reading::Compared),
                _ => self.other(scope, node, Reading::Unreadable),
            }
        }
    }

    unsafe fn conjunction(&mut self, scope: ScopeId, parts: Vec<Node>) -> Predicate {
        // SAFETY: the callers pass boolean expressions of that scope's query.
        unsafe {
            let pinned = self.name_one_row(scope, &parts);
            if pinned {
                self.pinned.push(scope);
            }
            let parts = parts.into_iter().map(|p| self.predicate(scope, p));
            let all = Predicate::And(parts.collect());
            if pinned {
                self.pinned.pop();
            }
            all
        }
    }

    unsafe fn boolean(&mut self, scope: ScopeId, expr: *mut pg_sys::BoolExpr) -> Predicate {
        // SAFETY: a BoolExpr's arguments are boolean expressions; NOT has one.
        unsafe {
            match (*expr).boolop {
                pg_sys::BoolExprType::AND_EXPR => {
                    let parts = flattened(expr, |_| false).unwrap_or_default();
                    self.conjunction(scope, parts)
                }
                pg_sys::BoolExprType::OR_EXPR => {
                    let arms = flattened(expr, |arms| complementary(arms));
                    match arms.filter(|arms| !complementary(arms)) {
                        Some(arms) => Predicate::Or(
                            arms.into_iter().map(|a| self.predicate(scope, a)).collect(),
                        ),
                        None => Predicate::Const(Some(true)),
                    }
                }
                _ => {
                    let arg = items::<pg_sys::Node>((*expr).args)[0];
                    let op = arg.cast::<pg_sys::OpExpr>();
                    let equal = match tag(arg) {
                        pg_sys::NodeTag::T_DistinctExpr => {
                            self.equality(scope, op, (*op).opno, expr.cast())
                        }
                        // NOT (x <> y)
                        pg_sys::NodeTag::T_OpExpr => {
                            self.equality(scope, op, pg_sys::get_negator((*op).opno), expr.cast())
                        }
                        _ => None,
                    };
                    equal.unwrap_or_else(|| self.denied(scope, arg, expr.cast()))
                }
            }
        }
    }

    unsafe fn null_test(&mut self, scope: ScopeId, test: *mut pg_sys::NullTest) -> Predicate {
        // SAFETY: a NullTest's argument is an expression.
        unsafe {
            let arg: Node = (*test).arg.cast();
            let operand = self.operand(scope, arg);
            if operand.bare.is_empty() && operand.fields.is_empty() {
                return self.other(scope, test.cast(), Reading::Compared);
            }
            let never = self.never_null(scope, arg);
            let stored = !never && !self.stored_not_null(&operand.bare);
            let null = Predicate::Null {
                operand,
                never,
                stored,
                expr: self.expr(scope, test.cast()),
            };
            match (*test).nulltesttype {
                pg_sys::NullTestType::IS_NULL => null,
                _ => null.negated(),
            }
        }
    }

    unsafe fn sublink(&mut self, scope: ScopeId, sublink: *mut pg_sys::SubLink) -> Predicate {
        // SAFETY: after parse analysis subselect is a Query, and ANY has a test expression.
        unsafe {
            match (*sublink).subLinkType {
                pg_sys::SubLinkType::EXISTS_SUBLINK | pg_sys::SubLinkType::ANY_SUBLINK
                    if gives_nothing((*sublink).subselect.cast()) =>
                {
                    Predicate::Const(Some(false))
                }
                pg_sys::SubLinkType::EXISTS_SUBLINK => {
                    let query = (*sublink).subselect.cast();
                    let inner = self.enter(query, scope, true);
                    let feeds = Predicate::Feeds(self.scopes[inner].body);
                    match gives_one_row(query) {
                        true => feeds.tautological(),
                        false => feeds,
                    }
                }
                // One row that is compared, column by column, and none is unknown: as rows of a list are.
                pg_sys::SubLinkType::ANY_SUBLINK | pg_sys::SubLinkType::ROWCOMPARE_SUBLINK => {
                    let inner = self.enter((*sublink).subselect.cast(), scope, false);
                    self.sublinks.push(inner);
                    let first = self.exprs.len();
                    let test = self.predicate(scope, (*sublink).testexpr);
                    self.sublinks.pop();
                    // What a person reads is the whole IN (SELECT ...), not its inner parameters.
                    for shown in &mut self.exprs[first..] {
                        if shown.0 == scope {
                            shown.1 = sublink.cast();
                        }
                    }
                    let feeds = Predicate::Feeds(self.scopes[inner].body);
                    let listed = (*sublink).subLinkType == pg_sys::SubLinkType::ANY_SUBLINK;
                    match listed && self.lists_everything(scope, sublink) {
                        true => test.tautological(),
                        false => Predicate::And(vec![test, feeds]),
                    }
                }
                _ => self.other(scope, sublink.cast(), Reading::Compared),
            }
        }
    }

    /// Anything that is not equality: what it reads.
    ///
    /// # Safety
    /// As for `predicate`.
    pub unsafe fn other(&mut self, scope: ScopeId, node: Node, why: Reading) -> Predicate {
        // SAFETY: passed on from the caller.
        unsafe {
            let read = self.computed(scope, node);
            if self.sublinks.is_empty()
                && !reads_plain_column(node)
                && let Some(value) = folds_to(node)
            {
                return Predicate::Const(value);
            }
            if matches_everything(node) {
                return Predicate::Const(Some(true));
            }
            if read.reads.is_empty() && read.bodies.is_empty() {
                return Predicate::Free;
            }
            Predicate::Other {
                reads: read.reads,
                bodies: read.bodies,
                why,
                expr: Some(self.expr(scope, node)),
            }
        }
    }
}

unsafe fn is_and(node: Node) -> bool {
    // SAFETY: the caller passes a valid node; its tag says that it is a BoolExpr.
    unsafe {
        tag(node) == pg_sys::NodeTag::T_BoolExpr
            && (*node.cast::<pg_sys::BoolExpr>()).boolop == pg_sys::BoolExprType::AND_EXPR
    }
}

unsafe fn strip_one(node: Node) -> Node {
    // SAFETY: the caller passes one of these two.
    unsafe {
        match tag(node) {
            pg_sys::NodeTag::T_RelabelType => (*node.cast::<pg_sys::RelabelType>()).arg.cast(),
            _ => (*node.cast::<pg_sys::CoerceToDomain>()).arg.cast(),
        }
    }
}
