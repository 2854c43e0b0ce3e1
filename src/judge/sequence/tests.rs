use super::*;

#[test]
fn a_sequence_goes_back_only_where_nothing_was_handed_out() {
    use WayBack::*;
    let at = |value, is_called| Position { value, is_called };
    for (present, left, old, increment, expected) in [
        (at(7, true), at(100, true), at(7, true), 1, Unchanged),
        // Set too far, and not used since.
        (at(100, true), at(100, true), at(7, true), 1, Safe),
        (at(100, false), at(100, false), at(7, true), 1, Safe),
        // Used since.
        (at(101, true), at(100, true), at(7, true), 1, Reissues),
        (at(100, true), at(100, false), at(7, true), 1, Reissues),
        // Restarted, used since: going forward again repeats nothing.
        (at(3, true), at(1, false), at(7, true), 1, Safe),
        (at(9, true), at(1, false), at(7, true), 1, Reissues),
        // Counting down.
        (at(-3, true), at(-1, false), at(-7, true), -1, Safe),
        (at(-9, true), at(-1, false), at(-7, true), -1, Reissues),
        // The same next value, written otherwise.
        (at(8, false), at(1, false), at(7, true), 1, Safe),
    ] {
        let found = way_back(present, Some(left), old, increment);
        assert_eq!(found, expected, "{present:?} {left:?} {old:?}");
    }
    assert_eq!(
        way_back(at(9, true), None, at(7, true), 1),
        Reissues,
        "nobody knows where it was left"
    );
}

fn policy(max_step: i64) -> SequencePolicy {
    SequencePolicy {
        schema: "public".to_owned(),
        sequence: "s".to_owned(),
        qualified: "public.s".to_owned(),
        max_step,
        min_value: None,
        max_value: None,
        allow_backward: false,
    }
}

const fn at(value: i64) -> Position {
    Position {
        value,
        is_called: true,
    }
}

#[test]
fn the_incident_s_jump_is_refused_and_a_small_catch_up_is_not() {
    assert!(judge(&policy(100), at(320), at(91_111_101), 1).is_some());
    assert!(judge(&policy(100), at(320), at(420), 1).is_none());
    assert!(judge(&policy(100), at(320), at(421), 1).is_some());
}

#[test]
fn backward_is_by_the_sequence_s_own_direction() {
    assert!(judge(&policy(10), at(5), at(4), 1).is_some());
    assert!(judge(&policy(10), at(5), at(4), -1).is_none());
    assert!(
        judge(
            &policy(10),
            at(5),
            Position {
                value: 5,
                is_called: false
            },
            1
        )
        .is_some()
    );
    assert!(
        judge(
            &SequencePolicy {
                allow_backward: true,
                ..policy(10)
            },
            at(5),
            at(4),
            1
        )
        .is_none()
    );
}

#[test]
fn standing_still_passes_and_bounds_hold() {
    assert!(judge(&policy(0), at(5), at(5), 1).is_none());
    let bounded = SequencePolicy {
        min_value: Some(1),
        max_value: Some(10),
        ..policy(100)
    };
    assert!(judge(&bounded, at(5), at(11), 1).is_some());
    assert!(
        judge(
            &SequencePolicy {
                allow_backward: true,
                ..bounded
            },
            at(5),
            at(0),
            1
        )
        .is_some()
    );
}

#[test]
fn the_following_value_is_nextval_s() {
    let range = Range {
        increment: 10,
        min: 1,
        max: 100,
        cycle: false,
    };
    let uncalled = Position {
        value: 95,
        is_called: false,
    };
    assert_eq!(uncalled.following(range), Some(95));
    assert_eq!(at(90).following(range), Some(100));
    assert_eq!(at(91).following(range), None);
    assert_eq!(
        at(91).following(Range {
            cycle: true,
            ..range
        }),
        Some(1)
    );
    let down = Range {
        increment: -1,
        ..range
    };
    assert_eq!(at(2).following(down), Some(1));
    assert_eq!(at(1).following(down), None);
    assert_eq!(
        at(1).following(Range {
            cycle: true,
            ..down
        }),
        Some(100)
    );
    let whole = Range {
        increment: 1,
        min: i64::MIN,
        max: i64::MAX,
        cycle: false,
    };
    assert_eq!(at(i64::MAX).following(whole), None);
}

#[test]
fn extremes_do_not_overflow() {
    assert!(judge(&policy(i64::MAX), at(i64::MIN), at(i64::MAX), 1).is_some());
}
