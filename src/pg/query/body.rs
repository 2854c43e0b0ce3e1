//! The row-selecting parts of a whole query: FROM, WHERE, HAVING, set operations, ORDER BY with LIMIT.

use pgrx::pg_sys;

use super::node::{Node, items, tag};
use super::scope::{Gatherer, ScopeId};
use super::shape::{shape, takes};
use super::sources::{Source, joined, nulls};
use crate::judge::predicate::{Operand, Predicate, Reading};

/// A part of a join tree, before what is in it and after.
enum Visit {
    Enter(Node),
    Leave(Node),
}

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
                parts.extend(self.deduplicated(scope, (*query).setOperations));
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
                self.join_tree(scope, tree.cast(), &mut parts);
            }
        }
        parts
    }

    /// Joins are nested as deep as the list of them is long: this keeps its own stack.
    unsafe fn join_tree(&mut self, scope: ScopeId, root: Node, parts: &mut Vec<Predicate>) {
        let mut todo = vec![Visit::Enter(root)];
        while let Some(visit) = todo.pop() {
            // SAFETY: a join tree is made of FromExpr, JoinExpr and RangeTblRef nodes (primnodes.h).
            unsafe {
                match visit {
                    Visit::Enter(node) => match tag(node) {
                        pg_sys::NodeTag::T_FromExpr => {
                            let list = (*node.cast::<pg_sys::FromExpr>()).fromlist;
                            todo.push(Visit::Leave(node));
                            todo.extend(items(list).into_iter().rev().map(Visit::Enter));
                        }
                        pg_sys::NodeTag::T_JoinExpr => {
                            let join = node.cast::<pg_sys::JoinExpr>();
                            todo.push(Visit::Leave(node));
                            todo.extend([(*join).rarg, (*join).larg].map(Visit::Enter));
                        }
                        pg_sys::NodeTag::T_RangeTblRef => {
                            let rtindex = (*node.cast::<pg_sys::RangeTblRef>()).rtindex;
                            self.entry(scope, rtindex, parts);
                        }
                        _ => {}
                    },
                    Visit::Leave(node) if tag(node) == pg_sys::NodeTag::T_FromExpr => {
                        let quals = (*node.cast::<pg_sys::FromExpr>()).quals;
                        parts.push(self.predicate(scope, quals));
                    }
                    Visit::Leave(node) => parts.push(self.join_condition(scope, node.cast())),
                }
            }
        }
    }

    unsafe fn join_condition(&mut self, scope: ScopeId, join: *mut pg_sys::JoinExpr) -> Predicate {
        // SAFETY: passed on from `join_tree`.
        unsafe {
            let on = self.predicate(scope, (*join).quals);
            let (left, right) = nulls((*join).jointype);
            if !left && !right {
                return on;
            }
            let mut nullable = Vec::new();
            for (side, nulled) in [((*join).larg, left), ((*join).rarg, right)] {
                // A FULL join drops no row of either side.
                if nulled && left != right {
                    self.members(scope, side, &mut nullable);
                }
            }
            Predicate::OuterOn {
                on: Box::new(on),
                nullable,
            }
        }
    }

    unsafe fn entry(&mut self, scope: ScopeId, rtindex: i32, parts: &mut Vec<Predicate>) {
        // SAFETY: passed on from `join_tree`.
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
    unsafe fn members(&mut self, scope: ScopeId, side: Node, found: &mut Vec<usize>) {
        // SAFETY: passed on from `join_tree`.
        unsafe {
            for rtindex in joined(side) {
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
        }
    }
}
