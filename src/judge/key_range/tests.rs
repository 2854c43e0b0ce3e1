//! Series, and targets that are named.

use crate::judge::predicate::{Operand, Predicate};
use crate::judge::samples::{ID, PLAN, column, delete, equal, is_range, statement, subs};

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
