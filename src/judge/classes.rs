//! Aliases of a key: columns that the statement equates with each other share a class, and a range on one member is a
//! range on every key in the class.

use super::predicate::{BodyId, ColumnId, Operand, Predicate};
use super::statement::Statement;

/// Classes of columns equated anywhere in the statement, closed under transitivity.
pub struct Classes {
    parent: Vec<ColumnId>,
    /// By representative: the protected key columns in the class.
    keys: Vec<Vec<ColumnId>>,
    /// By representative: does a member count through a series?
    series: Vec<bool>,
}

impl Classes {
    pub fn of(statement: &Statement, roots: &[&Predicate]) -> Classes {
        let n = statement.columns.len();
        let mut classes = Classes {
            parent: (0..n).collect(),
            keys: vec![Vec::new(); n],
            series: vec![false; n],
        };
        for (id, column) in statement.columns.iter().enumerate() {
            for &source in &column.sources {
                classes.union(id, source);
            }
        }
        let mut seen = vec![false; statement.bodies.len()];
        for root in roots {
            classes.gather(statement, root, &mut seen);
        }
        for id in 0..n {
            let top = classes.find(id);
            if statement.is_key(id) {
                classes.keys[top].push(id);
            }
            classes.series[top] |= statement.columns[id].series;
        }
        classes
    }

    /// The protected key columns that `column` is, or is an alias of.
    pub fn keys(&self, column: ColumnId) -> &[ColumnId] {
        &self.keys[self.find(column)]
    }

    pub fn series(&self, column: ColumnId) -> bool {
        self.series[self.find(column)]
    }

    fn find(&self, mut id: ColumnId) -> ColumnId {
        while self.parent[id] != id {
            id = self.parent[id];
        }
        id
    }

    fn union(&mut self, a: ColumnId, b: ColumnId) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b)] = a.min(b);
    }

    fn gather(&mut self, statement: &Statement, p: &Predicate, seen: &mut Vec<bool>) {
        match p {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().for_each(|p| self.gather(statement, p, seen));
            }
            Predicate::Not(inner) => self.gather(statement, inner, seen),
            Predicate::OuterOn { on, .. } => self.gather(statement, on, seen),
            Predicate::Equal { left, right, .. } => {
                for &a in &left.bare {
                    right.bare.iter().for_each(|&b| self.union(a, b));
                }
                self.bodies(statement, &left.bodies, seen);
                self.bodies(statement, &right.bodies, seen);
            }
            Predicate::Null {
                operand: Operand { bodies, .. },
                ..
            }
            | Predicate::Other { bodies, .. } => {
                self.bodies(statement, bodies, seen);
            }
            Predicate::Feeds(body) => self.bodies(statement, &[*body], seen),
            Predicate::Union(arms) => self.bodies(statement, arms, seen),
            Predicate::Const(_) | Predicate::Free | Predicate::Limit(_) | Predicate::Current => {}
        }
    }

    fn bodies(&mut self, statement: &Statement, bodies: &[BodyId], seen: &mut Vec<bool>) {
        for &body in bodies {
            if !std::mem::replace(&mut seen[body], true) {
                self.gather(statement, &statement.bodies[body].predicate, seen);
            }
        }
    }
}
