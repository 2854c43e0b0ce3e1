//! What acceptance means, checked against an evaluator: an accepted condition tells no two keys apart that it does not
//! name, and naming a key never spares it.

use proptest::prelude::*;

use super::predicate::{ColumnId, Predicate};
use super::samples::{
    ID, PLAN, column, delete, equal, is_range, is_unqualified, named, reads, statement,
};

/// A condition over one row of `users(id, plan)`.
#[derive(Clone, Debug)]
enum Condition {
    Names(Vec<i8>),
    Above(i8),
    Plan(u8),
    Always(bool),
    SamePlan,
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    fn holds(&self, id: i8, plan: u8) -> bool {
        match self {
            Condition::Names(keys) => keys.contains(&id),
            Condition::Above(bound) => id > *bound,
            Condition::Plan(value) => plan == *value,
            Condition::Always(value) => *value,
            Condition::SamePlan => true,
            Condition::And(parts) => parts.iter().all(|p| p.holds(id, plan)),
            Condition::Or(parts) => parts.iter().any(|p| p.holds(id, plan)),
            Condition::Not(inner) => !inner.holds(id, plan),
        }
    }

    fn named(&self, keys: &mut Vec<i8>) {
        match self {
            Condition::Names(more) => keys.extend(more),
            Condition::And(parts) | Condition::Or(parts) => {
                parts.iter().for_each(|p| p.named(keys))
            }
            Condition::Not(inner) => inner.named(keys),
            _ => {}
        }
    }

    fn predicate(&self, id: ColumnId, plan: ColumnId) -> Predicate {
        let all = |parts: &[Condition]| parts.iter().map(|p| p.predicate(id, plan)).collect();
        match self {
            Condition::Names(_) => equal(column(id), named()),
            Condition::Above(_) => reads(id),
            Condition::Plan(_) => equal(column(plan), named()),
            Condition::Always(value) => Predicate::Const(Some(*value)),
            Condition::SamePlan => equal(column(plan), column(plan)),
            Condition::And(parts) => Predicate::And(all(parts)),
            Condition::Or(parts) => Predicate::Or(all(parts)),
            Condition::Not(inner) => inner.predicate(id, plan).negated(),
        }
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        3 => prop::collection::vec(-4i8..4, 1..3).prop_map(Condition::Names),
        2 => (-4i8..4).prop_map(Condition::Above),
        3 => (0u8..3).prop_map(Condition::Plan),
        1 => any::<bool>().prop_map(Condition::Always),
        1 => Just(Condition::SamePlan),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::Or),
            inner.prop_map(|c| Condition::Not(Box::new(c))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_condition_selects_keys_by_name_only(condition in condition()) {
        let mut s = statement();
        let (id, plan) = (s.column(0, ID), s.column(0, PLAN));
        let findings = delete(s, condition.predicate(id, plan));
        let mut named = Vec::new();
        condition.named(&mut named);
        if !is_range(&findings) {
            for value in 0..3u8 {
                let unnamed: Vec<bool> =
                    (-8..8i8).filter(|k| !named.contains(k)).map(|k| condition.holds(k, value)).collect();
                prop_assert!(unnamed.iter().all(|&b| b == unnamed[0]), "unnamed keys are told apart");
                if unnamed[0] {
                    prop_assert!(named.iter().all(|&k| condition.holds(k, value)), "a named key is spared");
                }
            }
        }
        if is_unqualified(&findings) {
            let every = (-8..8i8).all(|k| (0..3).all(|v| condition.holds(k, v)));
            prop_assert!(every, "refused as unqualified, but it leaves rows out");
        }
    }
}
