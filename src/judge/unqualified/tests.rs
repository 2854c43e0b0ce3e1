use crate::judge::predicate::Predicate;
use crate::judge::samples::{
    ID, PLAN, column, delete, equal, is_range, is_unqualified, named, reads, statement, subs,
};
use crate::judge::statement::Body;

#[test]
fn a_tautology_constrains_nothing_and_is_still_read() {
    let mut s = statement();
    let (id, plan) = (s.column(0, ID), s.column(0, PLAN));
    let everything = equal(column(plan), named()).tautological();
    assert!(everything.is_tautology());
    assert!(is_unqualified(&delete(s.clone(), everything.clone())));
    let one = equal(column(id), named());
    assert_eq!(delete(s.clone(), Predicate::And(vec![everything, one])), []);
    let findings = delete(s, reads(id).tautological());
    assert!(is_range(&findings) && is_unqualified(&findings));
}

#[test]
fn a_conjunction_is_a_tautology_when_all_its_parts_are() {
    let always = || Predicate::Const(Some(true));
    assert!(Predicate::And(vec![always(), Predicate::Free.tautological()]).is_tautology());
    assert!(!Predicate::And(vec![always(), Predicate::Free]).is_tautology());
    assert!(!Predicate::Const(None).is_tautology());
}

#[test]
fn that_nothing_is_in_an_empty_subquery_constrains_nothing() {
    let mut s = statement();
    s.bodies.push(Body {
        parent: Some(0),
        depth: 1,
        predicate: Predicate::Free,
    });
    let other = subs(&mut s, 1, 1);
    let (id, user_id) = (s.column(0, ID), s.column(other, ID));
    let join = equal(column(id), column(user_id));
    let not_exists = Predicate::Feeds(1).negated();
    s.bodies[1].predicate = join.clone();
    assert_eq!(delete(s.clone(), not_exists.clone()), []);
    for never in [Some(false), None] {
        s.bodies[1].predicate = Predicate::And(vec![join.clone(), Predicate::Const(never)]);
        assert!(is_unqualified(&delete(s.clone(), not_exists.clone())));
    }
}
