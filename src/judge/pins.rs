//! Pins: which keys a conjunction nails down by equality, so that further conditions on them can only narrow.

use std::collections::HashSet;

use super::predicate::{ColumnId, InstanceId, Operand, Predicate};
use super::statement::Statement;

/// What the conjunctions around a condition establish.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pinned: HashSet<ColumnId>,
    equal: Vec<(ColumnId, ColumnId)>,
}

impl Facts {
    /// What a condition establishes about the rows that satisfy it.
    pub fn of(p: &Predicate) -> Facts {
        let mut facts = Facts::default();
        facts.add(p);
        facts.close();
        facts
    }

    /// Only what the condition's own conjunction equates to given values: no other row has a say in which rows those are.
    pub fn given(p: &Predicate) -> Facts {
        Facts {
            pinned: given(p),
            equal: Vec::new(),
        }
    }

    /// These facts and those of one more conjunction.
    pub fn with(&self, p: &Predicate) -> Facts {
        let mut facts = self.clone();
        facts.add(p);
        facts.close();
        facts
    }

    pub fn pins(&self, column: ColumnId) -> bool {
        self.pinned.contains(&column)
    }

    /// Is the row of that column's instance named, by its whole protected key or a whole unique one?
    pub fn pins_row_of(&self, statement: &Statement, column: ColumnId) -> bool {
        self.pins_row(statement, statement.columns[column].instance)
    }

    /// The same of an instance.
    pub fn pins_row(&self, statement: &Statement, instance: InstanceId) -> bool {
        let Some(target) = &statement.instances[instance].target else {
            return false;
        };
        let pinned = |attno: i16| {
            statement
                .find_column(instance, attno)
                .is_some_and(|c| self.pins(c))
        };
        let mut naming = target.naming.iter().filter(|key| !key.is_empty());
        naming.any(|key| key.iter().all(|&a| pinned(a)))
    }

    fn add(&mut self, p: &Predicate) {
        match p {
            Predicate::And(parts) => parts.iter().for_each(|p| self.add(p)),
            Predicate::Or(arms) => {
                let mut arms = arms.iter().map(|arm| self.with(arm).pinned);
                let Some(first) = arms.next() else { return };
                let common = arms.fold(first, |a, b| a.intersection(&b).copied().collect());
                self.pinned.extend(common);
            }
            Predicate::Equal { left, right, .. } => {
                self.pin(left, right);
                self.pin(right, left);
                // A scalar subquery's value pins the key, but not the rows that the subquery looked at.
                if let ([a], [b], false) = (
                    left.bare.as_slice(),
                    right.bare.as_slice(),
                    left.fixed || right.fixed,
                ) {
                    self.equal.push((*a, *b));
                }
            }
            Predicate::Null { operand, .. } => self.pin(
                operand,
                &Operand {
                    fixed: true,
                    ..Operand::default()
                },
            ),
            _ => {}
        }
    }

    fn pin(&mut self, side: &Operand, other: &Operand) {
        if !other.fixed || other.series {
            return;
        }
        if let [column] = side.bare.as_slice() {
            self.pinned.insert(*column);
        }
        self.pinned.extend(&side.fields);
    }

    fn close(&mut self) {
        loop {
            let before = self.pinned.len();
            for &(a, b) in &self.equal {
                if self.pinned.contains(&a) || self.pinned.contains(&b) {
                    self.pinned.extend([a, b]);
                }
            }
            if self.pinned.len() == before {
                return;
            }
        }
    }
}

fn given(p: &Predicate) -> HashSet<ColumnId> {
    match p {
        Predicate::And(parts) => parts.iter().flat_map(given).collect(),
        Predicate::Or(arms) => {
            let common = arms.iter().map(given);
            common
                .reduce(|a, b| a.intersection(&b).copied().collect())
                .unwrap_or_default()
        }
        Predicate::Equal { left, right, .. } => [(left, right), (right, left)]
            .into_iter()
            .filter(|(_, other)| other.is_given())
            .flat_map(|(side, _)| match side.bare.as_slice() {
                [column] => std::slice::from_ref(column),
                _ => &side.fields,
            })
            .copied()
            .collect(),
        _ => HashSet::new(),
    }
}
