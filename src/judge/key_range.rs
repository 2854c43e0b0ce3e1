//! SF001, `key_range`: a protected key is read other than by equality.
//!
//! Walks every condition that selects rows with what the conjunctions around it pin, whether it is negated, and how far
//! out the last EXISTS or scalar subquery was whose sense is unknown here.

mod outer;
mod report;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::classes::Classes;
use super::pins::Facts;
use super::predicate::{BodyId, ColumnId, ExprId, InstanceId, Operand, Predicate, Reading};
use super::statement::Statement;

/// How a key was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    Read(Reading),
    /// `<>`, NOT IN, NOT (key = ...), NOT EXISTS over listed keys.
    Negated,
    /// Equality with a list that a series, or what is computed from one, makes.
    Series,
}

/// A protected key column read other than by equality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReading {
    pub key: ColumnId,
    pub why: Why,
    pub expr: Option<ExprId>,
    /// Readings of the same conjunction have the same number.
    pub conjunction: usize,
}

#[derive(Clone)]
struct Context {
    facts: Facts,
    negated: bool,
    /// Inside a subquery whose result may be negated: instances further out than this depth belong to somebody else,
    /// and `outer` holds what is pinned about them.
    barrier: Option<(usize, Facts)>,
    conjunction: usize,
    /// The subquery at hand; None in the statement's own conditions.
    body: Option<BodyId>,
}

struct Walk<'a> {
    statement: &'a Statement,
    classes: &'a Classes,
    /// The target whose own columns may be read as they like. A cursor's rows may be of any table it reads.
    own: Option<InstanceId>,
    /// Instances that are asked to have found no partner in an outer join.
    missing: HashSet<InstanceId>,
    /// Subqueries that were read as the partner of such a join, and how far out what they say of others then counts.
    partners: HashSet<(BodyId, Option<usize>)>,
    found: Vec<KeyReading>,
    conjunctions: usize,
}

/// Every reading of a protected key by range in `predicate`, which selects the rows of `own`, and the subqueries that feed
/// it.
pub fn key_readings(
    statement: &Statement,
    classes: &Classes,
    own: Option<InstanceId>,
    predicate: &Predicate,
) -> Vec<KeyReading> {
    let mut walk = Walk {
        statement,
        classes,
        own,
        missing: outer::missing(statement, &[predicate]),
        partners: HashSet::new(),
        found: Vec::new(),
        conjunctions: 0,
    };
    let context = Context {
        facts: Facts::of(predicate),
        negated: false,
        barrier: None,
        conjunction: 0,
        body: None,
    };
    walk.visit(predicate, &context);
    walk.found
}

impl Walk<'_> {
    fn visit(&mut self, p: &Predicate, context: &Context) {
        match p {
            Predicate::And(parts) | Predicate::Or(parts) => {
                let conjunctive = matches!(p, Predicate::And(_)) != context.negated;
                for part in parts {
                    let mut inner = context.clone();
                    if !conjunctive && !context.negated {
                        inner.facts = context.facts.with(part);
                    }
                    if !conjunctive {
                        self.conjunctions += 1;
                        inner.conjunction = self.conjunctions;
                    }
                    self.visit(part, &inner);
                }
            }
            Predicate::Not(inner) => {
                let mut context = context.clone();
                context.negated = !context.negated;
                if !context.negated {
                    context.facts = context.facts.with(inner);
                }
                self.visit(inner, &context);
            }
            Predicate::Equal { left, right, expr } => self.equal(left, right, *expr, context),
            Predicate::Null {
                operand,
                stored,
                expr,
                ..
            } => {
                self.reads(
                    &operand.reads,
                    &operand.bare,
                    Reading::Compared,
                    Some(*expr),
                    context,
                );
                for &key in &operand.bare {
                    if *stored
                        && self.is_column_key(key)
                        && (context.negated || self.outside(key, context))
                    {
                        self.report(key, key, Why::Read(Reading::Compared), Some(*expr), context);
                    }
                }
                self.unknown(&operand.bodies, context);
            }
            Predicate::Other {
                reads,
                bodies,
                why,
                expr,
            } => {
                for &column in reads {
                    self.range(column, Why::Read(*why), *expr, context);
                    // A function in FROM (no expression of its own) makes the value; a condition picks among them.
                    let kin = if expr.is_some() {
                        self.classes.kin(column)
                    } else {
                        &[]
                    };
                    for &key in kin {
                        self.report(key, column, Why::Read(*why), *expr, context);
                    }
                }
                self.reads(&[], reads, *why, *expr, context);
                self.unknown(bodies, context);
            }
            Predicate::Feeds(body) if context.negated => self.unknown(&[*body], context),
            Predicate::Union(arms) if context.negated => self.unknown(arms, context),
            Predicate::Feeds(body) => self.body(*body, context.clone()),
            Predicate::Union(arms) => arms.iter().for_each(|&arm| self.body(arm, context.clone())),
            Predicate::OuterOn { on, nullable } => {
                self.anti_join(on, nullable, context);
                let mut inner = context.clone();
                inner.facts = context.facts.with(on);
                self.conjunctions += 1;
                inner.conjunction = self.conjunctions;
                self.visit(on, &inner);
            }
            Predicate::Const(_) | Predicate::Free | Predicate::Limit(_) | Predicate::Current => {}
        }
    }

    fn equal(&mut self, left: &Operand, right: &Operand, expr: ExprId, context: &Context) {
        for side in [left, right] {
            let named: Vec<ColumnId> = side.bare.iter().chain(&side.fields).copied().collect();
            self.reads(&side.reads, &named, Reading::Compared, Some(expr), context);
        }
        let named: Vec<ColumnId> = [left, right]
            .iter()
            .flat_map(|s| s.bare.iter().chain(&s.fields))
            .copied()
            .collect();
        let series = left.series
            || right.series
            || named.iter().any(|&c| self.classes.series(c))
            || [left, right]
                .iter()
                .flat_map(|s| &s.reads)
                .any(|&c| self.statement.counts(c));
        let stored = self.stored(left) && self.stored(right);
        let depth =
            |c: ColumnId| self.statement.instances[self.statement.columns[c].instance].depth;
        let outermost = named.iter().map(|&c| depth(c)).min();
        // `reference NOT IN (SELECT key ...)` asks which rows of another table are left, as NOT EXISTS does.
        let looked_up = |key: ColumnId| stored && Some(depth(key)) > outermost;
        for &column in &named {
            for key in self.classes.keys(column).to_vec() {
                if series {
                    self.report(key, column, Why::Series, Some(expr), context);
                } else if (context.negated && !looked_up(key))
                    || (self.outside(key, context) && !stored)
                {
                    self.report(key, column, Why::Negated, Some(expr), context);
                }
            }
            // The rows that a series picks of another table, and keys computed from those.
            if series {
                for &key in self.classes.kin(column) {
                    self.report(key, column, Why::Series, Some(expr), context);
                }
            }
        }
        self.unknown(&left.bodies, context);
        self.unknown(&right.bodies, context);
    }

    /// Subqueries whose result is used in a way the walk can't follow: equality with listed values may mean "all but".
    pub fn unknown(&mut self, bodies: &[BodyId], context: &Context) {
        for &body in bodies {
            let depth = self.statement.bodies[body].depth;
            let mut inner = context.clone();
            inner.negated = false;
            inner.barrier = Some(match &context.barrier {
                Some((outer, facts)) => ((*outer).min(depth), facts.clone()),
                None => (depth, context.facts.clone()),
            });
            self.body(body, inner);
        }
    }

    fn body(&mut self, body: BodyId, mut context: Context) {
        let predicate = &self.statement.bodies[body].predicate;
        context.facts = context.facts.with(predicate);
        context.body = Some(body);
        self.conjunctions += 1;
        context.conjunction = self.conjunctions;
        self.visit(predicate, &context);
    }
}
