//! Anti-joins: `LEFT JOIN (list) v ON v.id = key ... WHERE v.id IS NULL` takes every row but those listed, as NOT IN does.

use std::collections::HashSet;

use super::{Context, Walk, Why};
use crate::judge::predicate::{BodyId, InstanceId, Predicate};
use crate::judge::statement::Statement;

/// The instances of which some condition asks whether they have found no partner: a column of theirs IS NULL.
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
                    let columns = operand.bare.iter().map(|&c| &self.statement.columns[c]);
                    self.found.extend(columns.map(|column| column.instance));
                }
                self.bodies(&operand.bodies);
            }
            Predicate::Equal { left, right, .. } => {
                self.bodies(&left.bodies);
                self.bodies(&right.bodies);
            }
            Predicate::Other { bodies, .. } | Predicate::Union(bodies) => self.bodies(bodies),
            Predicate::Feeds(body) => self.bodies(&[*body]),
            Predicate::Const(_) | Predicate::Free | Predicate::Limit(_) | Predicate::Current => {}
        }
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
    /// Keys that an outer join's ON equates with listed values, where a row is then asked to have found none of them.
    /// `nullable` is empty for a FULL join.
    pub fn anti_join(&mut self, on: &Predicate, nullable: &[InstanceId], context: &Context) {
        match on {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts
                    .iter()
                    .for_each(|p| self.anti_join(p, nullable, context));
            }
            Predicate::Equal { left, right, expr } => {
                if self.stored(left) && self.stored(right) {
                    return;
                }
                let instance = |&c: &usize| self.statement.columns[c].instance;
                let named = || [&left.bare, &left.fields, &right.bare, &right.fields];
                let of_partner = named().into_iter().flatten().map(instance);
                let partners: Vec<InstanceId> =
                    of_partner.chain(nullable.iter().copied()).collect();
                if !partners.iter().any(|i| self.missing.contains(i)) {
                    return;
                }
                let columns: Vec<usize> = named().into_iter().flatten().copied().collect();
                for column in columns {
                    if nullable.contains(&instance(&column)) || !self.stored_column(column) {
                        continue;
                    }
                    for key in self.classes.keys(column).to_vec() {
                        self.report(key, column, Why::Negated, Some(*expr), context);
                    }
                }
            }
            _ => {}
        }
    }
}
