//! Random conditions, judged (`conditions`).

use proptest::prelude::*;

use super::conditions::{Condition, misjudged};

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        3 => prop::collection::vec(-4i8..4, 1..3).prop_map(Condition::Names),
        2 => (-4i8..4).prop_map(Condition::Above),
        3 => (0u8..3).prop_map(Condition::Plan),
        1 => any::<bool>().prop_map(Condition::Always),
        1 => Just(Condition::SamePlan),
        1 => Just(Condition::NoKey),
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
        prop_assert_eq!(misjudged(&condition), "");
    }
}
