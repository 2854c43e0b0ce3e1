//! What acceptance means, checked against an evaluator: an accepted condition tells no two keys apart that it does not
//! name, and naming a key never spares it. For `properties`, and for the fuzzer (`pgrx-tests/fuzz`).

use super::predicate::{ColumnId, Predicate};
use super::samples::{
    ID, PLAN, column, delete, equal, is_range, is_unqualified, named, reads, statement,
};

/// A condition over one row of `users(id, plan)`.
#[derive(Clone, Debug)]
pub enum Condition {
    Names(Vec<i8>),
    Above(i8),
    Plan(u8),
    Always(bool),
    SamePlan,
    /// `id IS NULL`, of a key that is NOT NULL.
    NoKey,
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    pub fn holds(&self, id: i8, plan: u8) -> bool {
        match self {
            Condition::Names(keys) => keys.contains(&id),
            Condition::Above(bound) => id > *bound,
            Condition::Plan(value) => plan == *value,
            Condition::Always(value) => *value,
            Condition::SamePlan => true,
            Condition::NoKey => false,
            Condition::And(parts) => parts.iter().all(|p| p.holds(id, plan)),
            Condition::Or(parts) => parts.iter().any(|p| p.holds(id, plan)),
            Condition::Not(inner) => !inner.holds(id, plan),
        }
    }

    pub fn named(&self, keys: &mut Vec<i8>) {
        match self {
            Condition::Names(more) => keys.extend(more),
            Condition::And(parts) | Condition::Or(parts) => {
                parts.iter().for_each(|p| p.named(keys))
            }
            Condition::Not(inner) => inner.named(keys),
            _ => {}
        }
    }

    pub fn predicate(&self, id: ColumnId, plan: ColumnId) -> Predicate {
        let all = |parts: &[Condition]| parts.iter().map(|p| p.predicate(id, plan)).collect();
        match self {
            Condition::Names(_) => equal(column(id), named()),
            Condition::Above(_) => reads(id),
            Condition::Plan(_) => equal(column(plan), named()),
            Condition::Always(value) => Predicate::Const(Some(*value)),
            Condition::SamePlan => equal(column(plan), column(plan)),
            Condition::NoKey => Predicate::Null {
                operand: column(id),
                never: true,
                stored: false,
                expr: 0,
            },
            Condition::And(parts) => Predicate::And(all(parts)),
            Condition::Or(parts) => Predicate::Or(all(parts)),
            Condition::Not(inner) => inner.predicate(id, plan).negated(),
        }
    }
}

/// What the judge has got wrong about a DELETE with that condition; empty when it is right.
pub fn misjudged(condition: &Condition) -> &'static str {
    let mut s = statement();
    let (id, plan) = (s.column(0, ID), s.column(0, PLAN));
    let findings = delete(s, condition.predicate(id, plan));
    let mut named = Vec::new();
    condition.named(&mut named);
    if !is_range(&findings) {
        for value in 0..3u8 {
            let mut unnamed = (-8..8i8)
                .filter(|key| !named.contains(key))
                .map(|key| condition.holds(key, value));
            let first = unnamed.next().unwrap_or(false);
            if unnamed.any(|holds| holds != first) {
                return "accepted, but keys that are not named are told apart";
            }
            if first && !named.iter().all(|&key| condition.holds(key, value)) {
                return "accepted, but a named key is spared";
            }
        }
    }
    let every = || (-8..8i8).all(|key| (0..3).all(|value| condition.holds(key, value)));
    if is_unqualified(&findings) && !every() {
        return "refused as unqualified, but it leaves rows out";
    }
    ""
}
