//! UNION, INTERSECT and EXCEPT. The parser nests what is written one after the other as deep as it is long, so nothing here
//! calls itself for every arm.

use pgrx::pg_sys;

use super::node::{Node, tag};
use super::output::outputs;
use super::scope::{Gatherer, ScopeId};
use super::shape::shape;
use super::sources::Source;
use crate::judge::predicate::{ColumnId, Operand, Predicate, Reading};
use crate::judge::statement::Body;
use crate::pg::stack::check_stack;

/// A query that set operations combine with others.
#[derive(Clone, Copy)]
pub struct Arm {
    pub rtindex: i32,
    /// It is on the right of an operation, its own or one around that.
    pub right: bool,
    /// A UNION gives one row for equal ones of it.
    pub deduplicated: bool,
    /// It only takes rows away from those of other arms.
    pub excepted: bool,
}

/// The queries that a set operation combines, in the order in which they are written.
///
/// # Safety
/// `node` is a query's set operation or an arm of it.
pub unsafe fn arms(node: Node) -> Vec<Arm> {
    let whole = Arm {
        rtindex: 0,
        right: false,
        deduplicated: false,
        excepted: false,
    };
    let (mut found, mut open) = (Vec::new(), vec![(node, whole)]);
    while let Some((node, arm)) = open.pop() {
        // SAFETY: set operations are SetOperationStmt nodes with RangeTblRef leaves (parsenodes.h).
        unsafe {
            if tag(node) == pg_sys::NodeTag::T_RangeTblRef {
                let rtindex = (*node.cast::<pg_sys::RangeTblRef>()).rtindex;
                found.push(Arm { rtindex, ..arm });
                continue;
            }
            let operation = node.cast::<pg_sys::SetOperationStmt>();
            let (op, all) = ((*operation).op, (*operation).all);
            let left = Arm {
                deduplicated: arm.deduplicated || op == pg_sys::SetOperation::SETOP_UNION && !all,
                ..arm
            };
            let right = Arm {
                right: true,
                excepted: arm.excepted || op == pg_sys::SetOperation::SETOP_EXCEPT,
                ..left
            };
            open.extend([((*operation).rarg, right), ((*operation).larg, left)]);
        }
    }
    found
}

impl Gatherer<'_> {
    /// How the arms of a set operation select rows.
    ///
    /// # Safety
    /// `node` is the set operation of that scope's query or an arm of it.
    pub unsafe fn set_operation(&mut self, scope: ScopeId, node: Node) -> Predicate {
        // SAFETY: as in `arms`; leaves name subqueries.
        unsafe {
            check_stack();
            let (mut first, mut chain) = (node, Vec::new());
            while tag(first) == pg_sys::NodeTag::T_SetOperationStmt {
                let operation = first.cast::<pg_sys::SetOperationStmt>();
                chain.push(operation);
                first = (*operation).larg;
            }
            let rtindex = (*first.cast::<pg_sys::RangeTblRef>()).rtindex;
            let mut made = match self.source(scope, rtindex) {
                Source::Query(inner, _) => Predicate::Feeds(self.scopes[inner].body),
                _ => Predicate::And(Vec::new()),
            };
            let mut before = None;
            for operation in chain.into_iter().rev() {
                let right = self.set_operation(scope, (*operation).rarg);
                let op = (*operation).op;
                made = match op {
                    pg_sys::SetOperation::SETOP_UNION => self.union(scope, [made, right]),
                    pg_sys::SetOperation::SETOP_INTERSECT => {
                        let mut parts = vec![made, right];
                        parts.extend(self.intersected(scope, operation));
                        Predicate::And(parts)
                    }
                    _ => {
                        let mut parts = match made {
                            Predicate::And(parts) if before == Some(op) => parts,
                            made => vec![made],
                        };
                        parts.push(right);
                        parts.extend(self.excepted(scope, operation));
                        Predicate::And(parts)
                    }
                };
                before = Some(op);
            }
            made
        }
    }

    fn union(&mut self, scope: ScopeId, sides: [Predicate; 2]) -> Predicate {
        let mut arms = Vec::new();
        for side in sides {
            match side {
                Predicate::Feeds(body) => arms.push(body),
                Predicate::Union(more) if arms.is_empty() => arms = more,
                Predicate::Union(more) => arms.extend(more),
                nested => arms.push(self.nested(scope, nested)),
            }
        }
        Predicate::Union(arms)
    }

    /// A body of its own for an arm that is itself an INTERSECT or EXCEPT.
    fn nested(&mut self, scope: ScopeId, predicate: Predicate) -> usize {
        let (parent, depth) = (self.scopes[scope].body, self.scopes[scope].depth);
        self.statement.bodies.push(Body {
            parent: Some(parent),
            depth,
            predicate,
        });
        self.statement.bodies.len() - 1
    }

    /// INTERSECT equates the outputs of both arms.
    unsafe fn intersected(
        &mut self,
        scope: ScopeId,
        operation: *mut pg_sys::SetOperationStmt,
    ) -> Vec<Predicate> {
        let mut parts = Vec::new();
        // Its arms' outputs are gathered anew for every operation of a chain.
        if self.is_one_more_part() {
            return parts;
        }
        // SAFETY: passed on from `set_operation`.
        unsafe {
            for target in outputs(self.scopes[scope].query) {
                let left = self.arm_output(scope, (*operation).larg, (*target).resno);
                let right = self.arm_output(scope, (*operation).rarg, (*target).resno);
                let expr = self.expr(scope, (*target).expr.cast());
                parts.push(Predicate::Equal { left, right, expr });
            }
        }
        parts
    }

    /// EXCEPT compares the outputs of both arms.
    unsafe fn excepted(
        &mut self,
        scope: ScopeId,
        operation: *mut pg_sys::SetOperationStmt,
    ) -> Option<Predicate> {
        let mut read = Operand::default();
        // As for INTERSECT.
        if self.is_one_more_part() {
            return None;
        }
        // SAFETY: passed on from `set_operation`.
        unsafe {
            for arm in [(*operation).larg, (*operation).rarg] {
                for number in 1..=self.width(scope) {
                    let value = self.arm_output(scope, arm, number);
                    read.reads
                        .extend([value.bare, value.fields, value.reads].concat());
                    read.bodies.extend(value.bodies);
                }
            }
        }
        shape(read, Reading::Excepted)
    }

    /// UNION gives one row for equal ones: what it computes, or takes from a query around it, is compared there.
    ///
    /// # Safety
    /// `node` is the set operation of that scope's query.
    pub unsafe fn deduplicated(&mut self, scope: ScopeId, node: Node) -> Option<Predicate> {
        let mut found = Operand::default();
        // SAFETY: passed on from the caller.
        unsafe {
            let width = self.width(scope);
            for arm in arms(node).into_iter().filter(|arm| arm.deduplicated) {
                for number in 1..=width {
                    let value = self.one_arm_output(scope, arm.rtindex, number);
                    let depth = self.scopes[scope].depth;
                    let facts = &self.statement;
                    let around =
                        |c: &ColumnId| facts.instances[facts.columns[*c].instance].depth <= depth;
                    let bare = value.bare.iter().chain(&value.fields);
                    let passed_on = bare.copied().filter(around);
                    found
                        .reads
                        .extend(value.reads.iter().copied().chain(passed_on));
                    found.bodies.extend(value.bodies);
                }
            }
        }
        shape(found, Reading::Compared)
    }
}
