//! Anti-joins: `LEFT JOIN (list) v ON v.id = key ... WHERE v.id IS NULL` takes every row but those listed, as NOT IN does.

use std::collections::HashSet;

use super::{Context, Walk, Why};
use crate::judge::predicate::{BodyId, ColumnId, InstanceId, Predicate};
use crate::judge::statement::Statement;

/// The instances of which some condition holds, or may hold, where they have found no partner: a column of theirs IS NULL,
/// or is read by a condition that is not strict.
pub fn missing(statement: &Statement, roots: &[&Predicate]) -> HashSet<InstanceId> {
    let mut search = Search {
        statement,
        seen: HashSet::new(),
        found: HashSet::new(),
    };
    roots.iter().for_each(|root| search.visit(root, false));
    search.found
}

struct Search<'a> {
    statement: &'a Statement,
    seen: HashSet<BodyId>,
    found: HashSet<InstanceId>,
}

impl Search<'_> {
    fn visit(&mut self, p: &Predicate, negated: bool) {
        match p {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().for_each(|p| self.visit(p, negated));
            }
            Predicate::Not(inner) => self.visit(inner, !negated),
            Predicate::OuterOn { on, .. } => self.visit(on, negated),
            Predicate::Null { operand, .. } => {
                if !negated {
                    self.add(&operand.bare);
                }
                self.bodies(&operand.bodies);
            }
            Predicate::Equal { left, right, expr } => {
                for side in [left, right] {
                    if self.statement.lenient.contains(expr) {
                        self.add(&[&side.bare[..], &side.fields, &side.reads].concat());
                    }
                    self.bodies(&side.bodies);
                }
            }
            Predicate::Other {
                reads,
                bodies,
                expr,
                ..
            } => {
                if expr.is_some_and(|expr| self.statement.lenient.contains(&expr)) {
                    self.add(reads);
                }
                self.bodies(bodies);
            }
            Predicate::Union(arms) => self.bodies(arms),
            Predicate::Feeds(body) => self.bodies(&[*body]),
            Predicate::Const(_) | Predicate::Free | Predicate::Limit(_) | Predicate::Current => {}
        }
    }

    fn add(&mut self, columns: &[ColumnId]) {
        let made_of = self.statement.computed_from(columns);
        let all = columns.iter().chain(&made_of);
        let instances = all.map(|&c| self.statement.columns[c].instance);
        self.found.extend(instances);
    }

    fn bodies(&mut self, bodies: &[BodyId]) {
        let statement = self.statement;
        for &body in bodies {
            if self.seen.insert(body) {
                self.visit(&statement.bodies[body].predicate, false);
            }
        }
    }
}

impl Walk<'_> {
    /// An outer join of which a row is asked to have found no partner: keys that ON, or the partner's own subquery, equates
    /// with listed values select every row but those. `nullable` is empty for a FULL join.
    pub fn anti_join(&mut self, on: &Predicate, nullable: &[InstanceId], context: &Context) {
        self.left_out(on, nullable, context);
        if !nullable.iter().any(|i| self.missing.contains(i)) {
            return;
        }
        let statement = self.statement;
        let instances = nullable.iter().map(|&i| &statement.instances[i]);
        let depth = instances.clone().map(|i| i.depth).min().unwrap_or(0);
        let barrier = context.barrier.as_ref().map(|(depth, _)| *depth);
        // Subqueries of joins within joins are read once each, not once for every join around them.
        let bodies: Vec<BodyId> = instances
            .filter(|i| i.depth == depth + 1 && context.body.is_none_or(|outer| i.body > outer))
            .map(|i| i.body)
            .filter(|&body| self.partners.insert((body, barrier)))
            .collect();
        self.unknown(&bodies, context);
    }

    fn left_out(&mut self, on: &Predicate, nullable: &[InstanceId], context: &Context) {
        match on {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts
                    .iter()
                    .for_each(|p| self.left_out(p, nullable, context));
            }
            Predicate::Equal { left, right, expr } => {
                if self.stored(left) && self.stored(right) {
                    return;
                }
                let columns = [&left.bare[..], &left.fields, &right.bare, &right.fields].concat();
                let instance = |&c: &ColumnId| self.statement.columns[c].instance;
                let mut partners = columns.iter().map(instance).chain(nullable.iter().copied());
                if !partners.any(|i| self.missing.contains(&i)) {
                    return;
                }
                let kept =
                    |c: &ColumnId| !nullable.contains(&instance(c)) && self.stored_column(*c);
                // The partner's own column says it of the key that it is joined by.
                let via = |column: ColumnId, key: ColumnId| match kept(&column) {
                    true => column,
                    false => key,
                };
                let found: Vec<(ColumnId, ColumnId)> = columns
                    .iter()
                    .flat_map(|&c| self.classes.keys(c).iter().map(move |&k| (c, k)))
                    .map(|(c, k)| (k, via(c, k)))
                    .filter(|(_, via)| kept(via))
                    .collect();
                for (key, via) in found {
                    self.report(key, via, Why::Negated, Some(*expr), context);
                }
            }
            _ => {}
        }
    }
}
