//! The row-selecting parts of a whole query: FROM, WHERE, HAVING, set operations, ORDER BY with LIMIT.

use pgrx::pg_sys;

use super::node::{Node, items, tag};
use super::output::outputs;
use super::scope::{Gatherer, ScopeId};
use super::shape::{shape, takes};
use super::sources::{Source, nulls};
use crate::judge::predicate::{Operand, Predicate, Reading};

impl Gatherer<'_> {
    /// Everything that selects the rows a subquery gives out.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn body(&mut self, scope: ScopeId, exists: bool) -> Predicate {
        let query = self.scopes[scope].query;
        // SAFETY: the caller vouches for the query.
        unsafe {
            let resting = std::mem::take(&mut self.sublinks);
            let mut parts = self.row_source(scope);
            // What WHERE pins, ORDER BY does not order by.
            let body = self.scopes[scope].body;
            self.statement.bodies[body].predicate = Predicate::And(parts.clone());
            let having = self.predicate(scope, (*query).havingQual);
            if !having.is_tautology() && pg_sys::contain_agg_clause((*query).havingQual) {
                // count(*) > 1 reads no column, yet drops groups.
                parts.push(Predicate::Limit(body));
            }
            parts.push(having);
            self.shapes(scope, &mut parts);
            if !(*query).setOperations.is_null() {
                let arms = self.set_operation(scope, (*query).setOperations);
                parts.push(arms);
                let mut compared = Operand::default();
                self.deduplicated(scope, (*query).setOperations, false, &mut compared);
                parts.extend(shape(compared, Reading::Compared));
            }
            let (count, offset) = (takes((*query).limitCount), takes((*query).limitOffset));
            if offset || (count && !exists) {
                parts.push(Predicate::Limit(body));
                let order = self.row_order(scope);
                parts.extend(shape(order, Reading::Ordered));
            }
            if (*query).hasDistinctOn {
                let order = self.first_of_each(scope);
                parts.extend(shape(order, Reading::Ordered));
            }
            self.sublinks = resting;
            Predicate::And(parts)
        }
    }

    /// FROM's subqueries and join conditions, and WHERE.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn row_source(&mut self, scope: ScopeId) -> Vec<Predicate> {
        let mut parts = Vec::new();
        // SAFETY: the caller vouches for the query; a rewritten query has a join tree, or none at all for utilities.
        unsafe {
            let tree = (*self.scopes[scope].query).jointree;
            if !tree.is_null() {
                self.join_item(scope, tree.cast(), &mut parts);
            }
        }
        parts
    }

    unsafe fn join_item(&mut self, scope: ScopeId, node: Node, parts: &mut Vec<Predicate>) {
        // SAFETY: a join tree is made of FromExpr, JoinExpr and RangeTblRef nodes (primnodes.h).
        unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_FromExpr => {
                    let from = node.cast::<pg_sys::FromExpr>();
                    for item in items::<pg_sys::Node>((*from).fromlist) {
                        self.join_item(scope, item, parts);
                    }
                    let quals = self.predicate(scope, (*from).quals);
                    parts.push(quals);
                }
                pg_sys::NodeTag::T_JoinExpr => {
                    let join = node.cast::<pg_sys::JoinExpr>();
                    self.join_item(scope, (*join).larg, parts);
                    self.join_item(scope, (*join).rarg, parts);
                    let on = self.predicate(scope, (*join).quals);
                    let (left, right) = nulls((*join).jointype);
                    if !left && !right {
                        parts.push(on);
                        return;
                    }
                    let mut nullable = Vec::new();
                    for (side, nulled) in [((*join).larg, left), ((*join).rarg, right)] {
                        // A FULL join drops no row of either side.
                        if nulled && left != right {
                            self.members(scope, side, &mut nullable);
                        }
                    }
                    parts.push(Predicate::OuterOn {
                        on: Box::new(on),
                        nullable,
                    });
                }
                pg_sys::NodeTag::T_RangeTblRef => {
                    self.entry(scope, (*node.cast::<pg_sys::RangeTblRef>()).rtindex, parts);
                }
                _ => {}
            }
        }
    }

    unsafe fn entry(&mut self, scope: ScopeId, rtindex: i32, parts: &mut Vec<Predicate>) {
        // SAFETY: passed on from `join_item`.
        unsafe {
            let rte = self.rte(scope, rtindex);
            if let Source::Query(inner, _) = self.source(scope, rtindex) {
                parts.push(Predicate::Feeds(self.scopes[inner].body));
            }
            parts.extend(self.barrier_conditions(scope, rtindex));
            match (*rte).rtekind {
                // A function given a column selects by it.
                pg_sys::RTEKind::RTE_FUNCTION
                | pg_sys::RTEKind::RTE_VALUES
                | pg_sys::RTEKind::RTE_TABLEFUNC => {
                    let Operand { reads, bodies, .. } = self.entry_column(scope, rtindex, 0);
                    if !reads.is_empty() || !bodies.is_empty() {
                        parts.push(Predicate::Other {
                            reads,
                            bodies,
                            why: Reading::Compared,
                            expr: None,
                        });
                    }
                }
                pg_sys::RTEKind::RTE_RELATION if !(*rte).tablesample.is_null() => {
                    parts.push(Predicate::Limit(self.scopes[scope].body));
                    parts.extend(self.sampled(scope, (*rte).tablesample));
                }
                _ => {}
            }
        }
    }

    /// The instances of a join's side.
    unsafe fn members(&mut self, scope: ScopeId, node: Node, found: &mut Vec<usize>) {
        // SAFETY: passed on from `join_item`.
        unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_JoinExpr => {
                    let join = node.cast::<pg_sys::JoinExpr>();
                    self.members(scope, (*join).larg, found);
                    self.members(scope, (*join).rarg, found);
                }
                pg_sys::NodeTag::T_RangeTblRef => {
                    let rtindex = (*node.cast::<pg_sys::RangeTblRef>()).rtindex;
                    match self.source(scope, rtindex) {
                        Source::Columns(i) | Source::Recursive(_, i) => found.push(i),
                        Source::Query(inner, i) => {
                            let body = self.scopes[inner].body;
                            let all = self.statement.instances.iter().enumerate();
                            let inside = all
                                .filter(|(_, x)| self.statement.within(x.body, body))
                                .map(|(i, _)| i);
                            found.extend(inside.chain([i]));
                        }
                        Source::Alias => {}
                    }
                }
                _ => {}
            }
        }
    }

    unsafe fn set_operation(&mut self, scope: ScopeId, node: Node) -> Predicate {
        // SAFETY: set operations are SetOperationStmt nodes with RangeTblRef leaves that name subqueries.
        unsafe {
            if tag(node) == pg_sys::NodeTag::T_RangeTblRef {
                return match self.source(scope, (*node.cast::<pg_sys::RangeTblRef>()).rtindex) {
                    Source::Query(inner, _) => Predicate::Feeds(self.scopes[inner].body),
                    _ => Predicate::And(Vec::new()),
                };
            }
            let operation = node.cast::<pg_sys::SetOperationStmt>();
            let left = self.set_operation(scope, (*operation).larg);
            let right = self.set_operation(scope, (*operation).rarg);
            match (*operation).op {
                pg_sys::SetOperation::SETOP_UNION => {
                    let mut arms = Vec::new();
                    for arm in [left, right] {
                        match arm {
                            Predicate::Feeds(body) => arms.push(body),
                            Predicate::Union(more) => arms.extend(more),
                            nested => arms.push(self.nested(scope, nested)),
                        }
                    }
                    Predicate::Union(arms)
                }
                pg_sys::SetOperation::SETOP_INTERSECT => {
                    let mut parts = vec![left, right];
                    for target in outputs(self.scopes[scope].query) {
                        let left = self.arm_output(scope, (*operation).larg, (*target).resno);
                        let right = self.arm_output(scope, (*operation).rarg, (*target).resno);
                        let expr = self.expr(scope, (*target).expr.cast());
                        parts.push(Predicate::Equal { left, right, expr });
                    }
                    Predicate::And(parts)
                }
                _ => {
                    let excepted = self.excepted(scope, operation);
                    Predicate::And([left, right].into_iter().chain(excepted).collect())
                }
            }
        }
    }

    /// A body of its own for an arm that is itself an INTERSECT or EXCEPT.
    fn nested(&mut self, scope: ScopeId, predicate: Predicate) -> usize {
        use crate::judge::statement::Body;
        let (parent, depth) = (self.scopes[scope].body, self.scopes[scope].depth);
        self.statement.bodies.push(Body {
            parent: Some(parent),
            depth,
            predicate,
        });
        self.statement.bodies.len() - 1
    }
}
