//! Statements built by hand, for the tests of this room.

use std::rc::Rc;

use super::predicate::{ColumnId, InstanceId, Operand, Predicate, Reading};
use super::statement::{Action, Body, Instance, InstanceKind, Statement, Target, Verb};
use super::verdict::{Finding, judge};
use crate::model::{Column, ProtectedTarget};

pub const ID: i16 = 1;
pub const PLAN: i16 = 2;
const USERS: u32 = 100;
const SUBS: u32 = 200;

/// `users(id, plan)` protected by `id`, and whatever a test adds.
pub fn statement() -> Statement {
    let mut s = Statement::default();
    s.bodies.push(Body {
        parent: None,
        depth: 0,
        predicate: Predicate::Free,
    });
    users(&mut s, 0, 0);
    s
}

pub fn users(s: &mut Statement, depth: usize, body: usize) -> InstanceId {
    let key = vec![Column {
        attnum: ID,
        name: "id".into(),
        not_null: true,
    }];
    let target = ProtectedTarget {
        schema: "public".into(),
        table: "users".into(),
        key,
        primary_key: vec![ID],
        naming: vec![vec![ID]],
        fed_columns: Vec::new(),
    };
    instance(s, USERS, Some(Rc::new(target)), depth, body)
}

pub fn subs(s: &mut Statement, depth: usize, body: usize) -> InstanceId {
    instance(s, SUBS, None, depth, body)
}

fn instance(
    s: &mut Statement,
    relid: u32,
    target: Option<Rc<ProtectedTarget>>,
    depth: usize,
    body: usize,
) -> InstanceId {
    s.instances.push(Instance {
        kind: InstanceKind::Relation,
        relid,
        target,
        depth,
        body,
    });
    s.instances.len() - 1
}

pub fn column(c: ColumnId) -> Operand {
    Operand {
        bare: vec![c],
        ..Operand::default()
    }
}

pub fn named() -> Operand {
    Operand {
        fixed: true,
        ..Operand::default()
    }
}

pub fn equal(left: Operand, right: Operand) -> Predicate {
    Predicate::Equal {
        left,
        right,
        expr: 0,
    }
}

pub fn reads(c: ColumnId) -> Predicate {
    Predicate::Other {
        reads: vec![c],
        bodies: Vec::new(),
        why: Reading::Compared,
        expr: Some(0),
    }
}

/// What a DELETE of `users` with that condition is found to break.
pub fn delete(mut s: Statement, predicate: Predicate) -> Vec<Finding> {
    let action = Action {
        verb: Verb::Delete,
        predicate,
        assigned: Vec::new(),
    };
    s.targets.push(Target {
        instance: 0,
        actions: vec![action],
        arbiter: None,
        merge_upsert_on: None,
    });
    judge(&s)
}

pub fn is_range(findings: &[Finding]) -> bool {
    findings.iter().any(|f| matches!(f, Finding::KeyRange(_)))
}

pub fn is_unqualified(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|f| matches!(f, Finding::Unqualified { .. }))
}

#[test]
fn equality_on_the_key_passes() {
    let mut s = statement();
    let id = s.column(0, ID);
    assert_eq!(delete(s, equal(column(id), named())), []);
}

#[test]
fn a_range_on_the_key_is_refused_unless_the_key_is_pinned_beside_it() {
    let mut s = statement();
    let id = s.column(0, ID);
    let pin = equal(column(id), named());
    assert!(is_range(&delete(s.clone(), reads(id))));
    assert!(!is_range(&delete(
        s.clone(),
        Predicate::And(vec![pin.clone(), reads(id)])
    )));
    assert!(is_range(&delete(s, Predicate::Or(vec![pin, reads(id)]))));
}

#[test]
fn a_range_on_what_is_equated_to_the_key_is_a_range_on_the_key() {
    let mut s = statement();
    let other = subs(&mut s, 0, 0);
    let (id, user_id, plan) = (s.column(0, ID), s.column(other, ID), s.column(other, PLAN));
    let join = equal(column(id), column(user_id));
    assert!(is_range(&delete(
        s.clone(),
        Predicate::And(vec![join.clone(), reads(user_id)])
    )));
    assert_eq!(delete(s, Predicate::And(vec![join, reads(plan)])), []);
}

#[test]
fn the_rows_that_a_negated_subquery_joins_are_no_list_but_its_constants_are() {
    let mut s = statement();
    s.bodies.push(Body {
        parent: Some(0),
        depth: 1,
        predicate: Predicate::Free,
    });
    let other = subs(&mut s, 1, 1);
    let (id, user_id) = (s.column(0, ID), s.column(other, ID));
    let not_exists = Predicate::Feeds(1).negated();
    s.bodies[1].predicate = equal(column(id), column(user_id));
    assert_eq!(delete(s.clone(), not_exists.clone()), []);
    s.bodies[1].predicate = equal(column(id), named());
    assert!(is_range(&delete(s, not_exists)));
}

#[test]
fn a_scalar_subquery_pins_the_key_but_not_what_it_looked_at() {
    let mut s = statement();
    s.bodies.push(Body {
        parent: Some(0),
        depth: 1,
        predicate: Predicate::Free,
    });
    let twin = users(&mut s, 1, 1);
    let (id, other) = (s.column(0, ID), s.column(twin, ID));
    s.bodies[1].predicate = reads(other);
    let value = Operand {
        bare: vec![other],
        fixed: true,
        bodies: vec![1],
        ..Operand::default()
    };
    assert!(is_range(&delete(s, equal(column(id), value))));
}

#[test]
fn a_self_join_constrains_nothing_until_something_is_said_of_the_twin() {
    let mut s = statement();
    let twin = users(&mut s, 0, 0);
    let (id, other, plan) = (s.column(0, ID), s.column(twin, ID), s.column(twin, PLAN));
    let join = equal(column(id), column(other));
    assert!(is_unqualified(&delete(s.clone(), join.clone())));
    assert_eq!(delete(s, Predicate::And(vec![join, reads(plan)])), []);
}

#[test]
fn a_condition_on_an_unjoined_table_constrains_nothing() {
    let mut s = statement();
    let other = subs(&mut s, 0, 0);
    let plan = s.column(other, PLAN);
    assert!(is_unqualified(&delete(s, reads(plan))));
}

#[test]
fn an_outer_join_constrains_nothing_but_a_condition_on_what_it_adds_does() {
    let mut s = statement();
    let other = subs(&mut s, 0, 0);
    let (id, user_id) = (s.column(0, ID), s.column(other, ID));
    let on = Box::new(equal(column(id), column(user_id)));
    let join = Predicate::OuterOn {
        on,
        nullable: vec![other],
    };
    assert!(is_unqualified(&delete(s.clone(), join.clone())));
    let missing = Predicate::Null {
        operand: column(user_id),
        never: false,
        stored: true,
        expr: 0,
    };
    assert_eq!(delete(s, Predicate::And(vec![join, missing])), []);
}

#[test]
fn a_range_on_what_the_key_is_computed_from_is_a_range_on_the_key() {
    let mut s = statement();
    let other = subs(&mut s, 0, 0);
    let (id, user_id, plan) = (s.column(0, ID), s.column(other, ID), s.column(other, PLAN));
    let sum = Operand {
        reads: vec![user_id],
        kin: vec![user_id],
        ..Operand::default()
    };
    let join = equal(column(id), sum);
    assert!(is_range(&delete(
        s.clone(),
        Predicate::And(vec![join.clone(), reads(user_id)])
    )));
    assert_eq!(delete(s, Predicate::And(vec![join, reads(plan)])), []);
}
