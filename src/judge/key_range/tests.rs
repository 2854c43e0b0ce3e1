//! Series, targets that are named, and outer joins.

use std::rc::Rc;

use crate::judge::predicate::{InstanceId, Operand, Predicate};
use crate::judge::samples::{
    ID, PLAN, column, delete, equal, is_range, named, reads, statement, subs, users,
};
use crate::judge::statement::{Action, Body, InstanceKind, Statement, Target, Verb};

#[test]
fn what_is_computed_from_a_series_is_a_series_however_deep() {
    let mut s = statement();
    let (series, list) = (subs(&mut s, 1, 0), subs(&mut s, 1, 0));
    let (id, counter) = (s.column(0, ID), s.column(series, ID));
    let (moved, twice, beside) = (s.column(list, ID), s.column(list, PLAN), s.column(list, 3));
    s.columns[counter].series = true;
    s.columns[moved].reads = vec![counter];
    s.columns[twice].reads = vec![moved];
    for computed in [counter, moved, twice] {
        assert!(is_range(&delete(
            s.clone(),
            equal(column(id), column(computed))
        )));
    }
    // A series that numbers or multiplies the rows beside the key makes no keys.
    let multiplied = equal(column(s.column(list, 4)), column(moved));
    assert_eq!(
        delete(
            s.clone(),
            Predicate::And(vec![equal(column(id), column(beside)), multiplied])
        ),
        []
    );
}

#[test]
fn rows_that_a_series_picks_make_no_list_of_keys_to_compute_others_from() {
    let mut s = statement();
    let (series, other) = (subs(&mut s, 0, 0), subs(&mut s, 0, 0));
    let (id, counter, user_id) = (s.column(0, ID), s.column(series, ID), s.column(other, ID));
    s.columns[counter].series = true;
    let next = Operand {
        reads: vec![user_id],
        kin: vec![user_id],
        ..Operand::default()
    };
    let picked = equal(column(user_id), column(counter));
    assert!(is_range(&delete(
        s,
        Predicate::And(vec![equal(column(id), next), picked])
    )));
}

/// A target whose predicate also reads another instance's key by range.
fn beside_a_range(pin: impl Fn(&mut Statement) -> Predicate) -> bool {
    let mut s = statement();
    let other = users(&mut s, 0, 0);
    let range = reads(s.column(other, ID));
    let pin = pin(&mut s);
    is_range(&delete(s, Predicate::And(vec![pin, range])))
}

#[test]
fn a_target_named_by_given_values_is_not_selected_by_what_else_is_read() {
    let named_twice = |s: &mut Statement| {
        let id = s.column(0, ID);
        Predicate::Or(vec![equal(column(id), named()), equal(named(), column(id))])
    };
    assert!(!beside_a_range(|s| equal(column(s.column(0, ID)), named())));
    assert!(!beside_a_range(named_twice));
}

#[test]
fn a_target_that_stored_rows_or_one_arm_name_is_selected_by_what_else_is_read() {
    let half_named = |s: &mut Statement| {
        let (id, plan) = (s.column(0, ID), s.column(0, PLAN));
        Predicate::Or(vec![equal(column(id), named()), reads(plan)])
    };
    assert!(beside_a_range(half_named));
    assert!(beside_a_range(|s| {
        let twin = users(s, 0, 0);
        equal(column(s.column(0, ID)), column(s.column(twin, ID)))
    }));
    let another = |s: &mut Statement| {
        let twin = users(s, 0, 0);
        equal(column(s.column(twin, ID)), named())
    };
    assert!(beside_a_range(another));
    let volatile = Operand {
        volatile: true,
        ..named()
    };
    assert!(beside_a_range(|s| equal(
        column(s.column(0, ID)),
        volatile.clone()
    )));
    let looked_up = Operand {
        bodies: vec![0],
        ..named()
    };
    assert!(beside_a_range(|s| equal(
        column(s.column(0, ID)),
        looked_up.clone()
    )));
}

#[test]
fn one_named_target_does_not_excuse_another() {
    let mut s = statement();
    let (other, third) = (users(&mut s, 0, 0), users(&mut s, 0, 0));
    let (id, range) = (s.column(0, ID), reads(s.column(third, ID)));
    let plan = reads(s.column(other, PLAN));
    s.targets.push(Target {
        instance: other,
        actions: vec![Action {
            verb: Verb::Delete,
            predicate: Predicate::And(vec![plan, range.clone()]),
            assigned: Vec::new(),
        }],
        arbiter: None,
        merge_upsert_on: None,
    });
    let pinned = Predicate::And(vec![equal(column(id), named()), range]);
    assert!(is_range(&delete(s, pinned)));
}

#[test]
fn a_key_that_does_not_hold_of_all_reached_rows_pins_none() {
    let mut s = statement();
    let (id, plan) = (s.column(0, ID), s.column(0, PLAN));
    let both = Predicate::And(vec![equal(column(plan), named()), reads(id)]);
    assert!(is_range(&delete(s.clone(), both.clone())));
    let mut target = (**s.instances[0].target.as_ref().expect("a target")).clone();
    target.naming.push(vec![PLAN]);
    s.instances[0].target = Some(Rc::new(target));
    assert!(!is_range(&delete(s, both)));
}

#[test]
fn an_outer_join_to_a_list_whose_partner_is_missing_takes_all_but_the_list() {
    let mut s = statement();
    let (list, other) = (subs(&mut s, 0, 0), subs(&mut s, 0, 0));
    s.instances[list].kind = InstanceKind::Computed;
    let (id, listed, stored) = (s.column(0, ID), s.column(list, ID), s.column(other, ID));
    let joined = |partner: usize, nullable: InstanceId| Predicate::OuterOn {
        on: Box::new(equal(column(id), column(partner))),
        nullable: vec![nullable],
    };
    let missing = |partner: usize| Predicate::Null {
        operand: column(partner),
        never: false,
        stored: false,
        expr: 0,
    };
    let all_but = Predicate::And(vec![joined(listed, list), missing(listed)]);
    assert!(is_range(&delete(s.clone(), all_but)));
    let found = Predicate::And(vec![joined(listed, list), missing(listed).negated()]);
    assert!(!is_range(&delete(s.clone(), found)));
    let orphans = Predicate::And(vec![joined(stored, other), missing(stored)]);
    assert!(!is_range(&delete(s, orphans)));
}

#[test]
fn references_to_no_key_of_another_table_are_looked_up_and_keys_that_are_not_referred_to_are_excluded()
 {
    let mut s = statement();
    s.bodies.push(Body {
        parent: Some(0),
        depth: 1,
        predicate: Predicate::Free,
    });
    let (twin, other) = (users(&mut s, 1, 1), subs(&mut s, 1, 1));
    let (id, plan) = (s.column(0, ID), s.column(0, PLAN));
    let (key, user_id) = (s.column(twin, ID), s.column(other, ID));
    let not_in = |left: usize, right: usize| {
        Predicate::And(vec![
            equal(column(left), column(right)),
            Predicate::Feeds(1),
        ])
        .negated()
    };
    assert!(!is_range(&delete(s.clone(), not_in(plan, key))));
    assert!(is_range(&delete(s, not_in(id, user_id))));
}
