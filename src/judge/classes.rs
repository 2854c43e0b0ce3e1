//! Aliases of a key: columns that the statement equates with each other share a class, and a range on one member is a
//! range on every key in the class.

use super::predicate::{BodyId, ColumnId, Operand, Predicate};
use super::statement::Statement;

/// Classes of columns equated anywhere in the statement, closed under transitivity.
pub struct Classes {
    parent: Vec<ColumnId>,
    /// By representative: the protected key columns in the class, and those that a generated column in it is made of.
    keys: Vec<Vec<ColumnId>>,
    /// By representative: does a member count through a series, or is it computed from one?
    series: Vec<bool>,
    /// By column: the keys equated to something computed from it in its own type.
    kin: Vec<Vec<ColumnId>>,
}

/// A column, and one that something equated to it is computed from.
type Near = Vec<(ColumnId, ColumnId)>;

impl Classes {
    pub fn of(statement: &Statement, roots: &[&Predicate]) -> Classes {
        let n = statement.columns.len();
        let mut classes = Classes {
            parent: (0..n).collect(),
            keys: vec![Vec::new(); n],
            series: vec![false; n],
            kin: vec![Vec::new(); n],
        };
        let mut near = Vec::new();
        for (id, column) in statement.columns.iter().enumerate() {
            for &source in &column.sources {
                classes.union(id, source);
            }
        }
        let mut seen = vec![false; statement.bodies.len()];
        for root in roots {
            classes.gather(statement, root, &mut seen, &mut near);
        }
        for id in 0..n {
            let top = classes.find(id);
            if statement.is_key(id) {
                classes.keys[top].push(id);
            }
            // A range on what a generated column makes of a key picks among the keys, as one on the key does.
            let made_of = &statement.columns[id].generated_from;
            let keys = made_of.iter().filter(|&&c| statement.is_key(c));
            classes.keys[top].extend(keys);
            classes.series[top] |= statement.counts(id);
        }
        for (side, kin) in near {
            let (keys, top) = (classes.keys(side).to_vec(), classes.find(kin));
            classes.kin[top].extend(keys);
        }
        classes
    }

    /// The protected key columns that `column` is, is an alias of, or is generated from.
    pub fn keys(&self, column: ColumnId) -> &[ColumnId] {
        &self.keys[self.find(column)]
    }

    pub fn series(&self, column: ColumnId) -> bool {
        self.series[self.find(column)]
    }

    /// The keys equated to something computed from `column`: a range on it picks among those keys.
    pub fn kin(&self, column: ColumnId) -> &[ColumnId] {
        &self.kin[self.find(column)]
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

    fn gather(
        &mut self,
        statement: &Statement,
        p: &Predicate,
        seen: &mut Vec<bool>,
        near: &mut Near,
    ) {
        match p {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts
                    .iter()
                    .for_each(|p| self.gather(statement, p, seen, near));
            }
            Predicate::Not(inner) => self.gather(statement, inner, seen, near),
            Predicate::OuterOn { on, .. } => self.gather(statement, on, seen, near),
            Predicate::Equal { left, right, .. } => {
                for &a in &left.bare {
                    right.bare.iter().for_each(|&b| self.union(a, b));
                }
                for (side, other) in [(left, right), (right, left)]
                    .into_iter()
                    .filter(|(_, other)| !other.fixed)
                {
                    let outputs = other.bare.iter().flat_map(|&c| &statement.columns[c].kin);
                    for &kin in other.kin.iter().chain(outputs) {
                        near.extend(side.bare.iter().map(|&c| (c, kin)));
                    }
                }
                self.bodies(statement, &left.bodies, seen, near);
                self.bodies(statement, &right.bodies, seen, near);
            }
            Predicate::Null {
                operand: Operand { bodies, .. },
                ..
            }
            | Predicate::Other { bodies, .. } => {
                self.bodies(statement, bodies, seen, near);
            }
            Predicate::Feeds(body) => self.bodies(statement, &[*body], seen, near),
            Predicate::Union(arms) => self.bodies(statement, arms, seen, near),
            Predicate::Const(_) | Predicate::Free | Predicate::Limit(_) | Predicate::Current => {}
        }
    }

    fn bodies(
        &mut self,
        statement: &Statement,
        bodies: &[BodyId],
        seen: &mut Vec<bool>,
        near: &mut Near,
    ) {
        for &body in bodies {
            if !std::mem::replace(&mut seen[body], true) {
                self.gather(statement, &statement.bodies[body].predicate, seen, near);
            }
        }
    }
}
