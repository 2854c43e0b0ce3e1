//! SF002, `unqualified`: the conditions do not constrain the target's rows.

use super::predicate::{BodyId, ColumnId, InstanceId, Operand, Predicate};
use super::statement::Statement;

/// Does `predicate` let through every row of `target`?
pub fn unqualified(statement: &Statement, target: InstanceId, predicate: &Predicate) -> bool {
    let mut view = View {
        statement,
        twins: vec![target],
        linked: Vec::new(),
    };
    view.gather_twins(predicate);
    while view.gather_linked(predicate) {}
    !view.constrains(predicate, false)
}

struct View<'a> {
    statement: &'a Statement,
    /// The target and the instances of the same table joined to it column by same column: a self-join lets every row
    /// through, but what it says about the twin it says about the target.
    twins: Vec<InstanceId>,
    /// Instances outer-joined to one of those: the join drops no row, a condition on what it adds does.
    linked: Vec<InstanceId>,
}

impl View<'_> {
    fn gather_twins(&mut self, predicate: &Predicate) {
        let mut pairs = Vec::new();
        self.pairs(predicate, &mut pairs);
        loop {
            let before = self.twins.len();
            for &(a, b) in &pairs {
                for (a, b) in [(a, b), (b, a)] {
                    if self.twins.contains(&a) && !self.twins.contains(&b) {
                        self.twins.push(b);
                    }
                }
            }
            if self.twins.len() == before {
                return;
            }
        }
    }

    fn gather_linked(&mut self, p: &Predicate) -> bool {
        match p {
            Predicate::And(parts) => parts.iter().filter(|p| self.gather_linked(p)).count() > 0,
            Predicate::Feeds(body) => {
                let statement = self.statement;
                self.gather_linked(&statement.bodies[*body].predicate)
            }
            Predicate::OuterOn { on, nullable } => {
                let before = self.linked.len();
                if self.mentions(on) && !nullable.iter().any(|i| self.twins.contains(i)) {
                    let new: Vec<_> = nullable
                        .iter()
                        .filter(|i| !self.linked.contains(i))
                        .collect();
                    self.linked.extend(new);
                }
                self.linked.len() > before
            }
            _ => false,
        }
    }

    fn pairs(&self, p: &Predicate, pairs: &mut Vec<(InstanceId, InstanceId)>) {
        match p {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().for_each(|p| self.pairs(p, pairs))
            }
            Predicate::Equal { left, right, .. } if !left.fixed && !right.fixed => {
                for &body in left.bodies.iter().chain(&right.bodies) {
                    self.pairs(&self.statement.bodies[body].predicate, pairs);
                }
                for (a, b) in self.same_columns(left, right) {
                    pairs.push((
                        self.statement.columns[a].instance,
                        self.statement.columns[b].instance,
                    ));
                }
            }
            Predicate::Feeds(body) => self.pairs(&self.statement.bodies[*body].predicate, pairs),
            Predicate::Union(arms) => {
                arms.iter()
                    .for_each(|&arm| self.pairs(&self.statement.bodies[arm].predicate, pairs));
            }
            _ => {}
        }
    }

    /// Pairs of one column of one table, seen through two instances (or the same).
    fn same_columns(&self, left: &Operand, right: &Operand) -> Vec<(ColumnId, ColumnId)> {
        let origins = |o: &Operand| -> Vec<ColumnId> {
            o.bare
                .iter()
                .flat_map(|&c| self.statement.origins(c))
                .collect()
        };
        let rights = origins(right);
        let mut pairs = Vec::new();
        for a in origins(left) {
            for &b in &rights {
                let (ca, cb) = (&self.statement.columns[a], &self.statement.columns[b]);
                let relid = self.statement.instances[ca.instance].relid;
                let same = relid != 0 && relid == self.statement.instances[cb.instance].relid;
                if a == b || (same && ca.attno == cb.attno) {
                    pairs.push((a, b));
                }
            }
        }
        pairs
    }

    fn constrains(&self, p: &Predicate, negated: bool) -> bool {
        match p {
            Predicate::Const(value) => value.is_none_or(|v| v == negated),
            Predicate::Free => false,
            Predicate::Current => true,
            Predicate::And(parts) if negated => {
                // NOT (key = output AND subquery): the subquery only feeds the comparison.
                let mut terms = parts
                    .iter()
                    .filter(|p| !matches!(p, Predicate::Feeds(_) | Predicate::Union(_)));
                match terms.next() {
                    None => parts.iter().all(|p| self.constrains(p, true)),
                    Some(first) => {
                        self.constrains(first, true) && terms.all(|p| self.constrains(p, true))
                    }
                }
            }
            Predicate::And(parts) => parts.iter().any(|p| self.constrains(p, false)),
            Predicate::Or(arms) if negated => arms.iter().any(|p| self.constrains(p, true)),
            Predicate::Or(arms) => arms.iter().all(|p| self.constrains(p, false)),
            Predicate::Not(inner) => self.constrains(inner, !negated),
            Predicate::Equal { left, right, .. } => {
                let touched = self.mentions(p);
                let trivial = !left.fixed
                    && !right.fixed
                    && self
                        .same_columns(left, right)
                        .iter()
                        .any(|&(a, b)| self.is_twin(a) && self.is_twin(b));
                // IN (SELECT key FROM the same table): what counts is what that subquery says of its rows.
                let fed = || {
                    left.bodies
                        .iter()
                        .chain(&right.bodies)
                        .any(|&b| self.constrains_body(b))
                };
                touched && (!trivial || negated || fed())
            }
            Predicate::Null { never, .. } => self.mentions(p) && (!never || !negated),
            Predicate::Other { .. } => self.mentions(p),
            Predicate::Feeds(body) if negated => {
                self.mentions_body(*body) && !self.is_never(&self.statement.bodies[*body].predicate)
            }
            Predicate::Union(arms) if negated => arms.iter().any(|&arm| self.mentions_body(arm)),
            Predicate::Feeds(body) => self.constrains_body(*body),
            Predicate::Union(arms) => arms
                .iter()
                .all(|&arm| self.constrains_body(arm) || !self.holds_twin(arm)),
            Predicate::OuterOn { on, nullable } => {
                nullable.iter().any(|i| self.twins.contains(i)) && self.constrains(on, negated)
            }
            Predicate::Limit(body) => self.holds_twin(*body),
        }
    }

    /// Is it known to hold for no row? A subquery with such a condition is empty.
    fn is_never(&self, p: &Predicate) -> bool {
        match p {
            Predicate::Const(value) => *value != Some(true),
            Predicate::And(parts) => parts.iter().any(|p| self.is_never(p)),
            Predicate::Or(arms) => arms.iter().all(|p| self.is_never(p)),
            Predicate::Not(inner) => inner.is_tautology(),
            Predicate::Feeds(body) => self.is_never(&self.statement.bodies[*body].predicate),
            _ => false,
        }
    }

    fn constrains_body(&self, body: BodyId) -> bool {
        self.constrains(&self.statement.bodies[body].predicate, false)
    }

    fn is_twin(&self, column: ColumnId) -> bool {
        self.twins
            .contains(&self.statement.columns[column].instance)
    }

    fn holds_twin(&self, body: BodyId) -> bool {
        self.twins.iter().any(|&i| {
            self.statement
                .within(self.statement.instances[i].body, body)
        })
    }

    fn touches(&self, columns: &[ColumnId]) -> bool {
        let origins = columns.iter().flat_map(|&c| self.statement.origins(c));
        let concerned = |c: ColumnId| {
            self.is_twin(c) || self.linked.contains(&self.statement.columns[c].instance)
        };
        origins
            .chain(self.statement.computed_from(columns))
            .any(concerned)
    }

    fn mentions_operand(&self, operand: &Operand) -> bool {
        [&operand.bare, &operand.fields, &operand.reads]
            .iter()
            .any(|columns| self.touches(columns))
            || operand.bodies.iter().any(|&b| self.mentions_body(b))
    }

    fn mentions_body(&self, body: BodyId) -> bool {
        self.mentions(&self.statement.bodies[body].predicate)
    }

    fn mentions(&self, p: &Predicate) -> bool {
        match p {
            Predicate::And(parts) | Predicate::Or(parts) => parts.iter().any(|p| self.mentions(p)),
            Predicate::Not(inner) => self.mentions(inner),
            Predicate::OuterOn { on, .. } => self.mentions(on),
            Predicate::Equal { left, right, .. } => {
                self.mentions_operand(left) || self.mentions_operand(right)
            }
            Predicate::Null { operand, .. } => self.mentions_operand(operand),
            Predicate::Other { reads, bodies, .. } => {
                self.touches(reads) || bodies.iter().any(|&b| self.mentions_body(b))
            }
            Predicate::Feeds(body) => self.mentions_body(*body),
            Predicate::Union(arms) => arms.iter().any(|&arm| self.mentions_body(arm)),
            Predicate::Limit(body) => self.holds_twin(*body),
            Predicate::Current => true,
            Predicate::Const(_) | Predicate::Free => false,
        }
    }
}

#[cfg(test)]
mod tests;
