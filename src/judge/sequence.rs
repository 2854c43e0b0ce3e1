//! SF007: whether a sequence may be moved. Pure.

use crate::model::{Rule, Violation};

/// Where a sequence stands: `last_value` and `is_called` of its relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub value: i64,
    pub is_called: bool,
}

/// The values a sequence runs through: its definition in pg_sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    pub cycle: bool,
}

impl Range {
    pub fn contains(self, value: i64) -> bool {
        (self.min..=self.max).contains(&value)
    }
}

/// A registered sequence's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequencePolicy {
    pub schema: String,
    pub sequence: String,
    pub max_step: i64,
    pub min_value: Option<i64>,
    pub max_value: Option<i64>,
    pub allow_backward: bool,
}

impl Position {
    /// The value handed out last: a position that was not called yet stands one increment before its value.
    fn issued(self, increment: i64) -> i128 {
        if self.is_called {
            i128::from(self.value)
        } else {
            i128::from(self.value) - i128::from(increment)
        }
    }

    /// The value the next nextval would return.
    pub fn next(self, increment: i64) -> i128 {
        self.issued(increment) + i128::from(increment)
    }

    /// What the next nextval really returns within the sequence's range; `None` at an end that does not cycle.
    pub fn following(self, range: Range) -> Option<i64> {
        if !self.is_called {
            return Some(self.value);
        }
        let next = i128::from(self.value) + i128::from(range.increment);
        let (past, first) = if range.increment < 0 {
            (next < i128::from(range.min), range.max)
        } else {
            (next > i128::from(range.max), range.min)
        };
        if past {
            range.cycle.then_some(first)
        } else {
            i64::try_from(next).ok()
        }
    }
}

/// What it means to put a sequence back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayBack {
    /// It stands there.
    Unchanged,
    /// Nothing that was handed out comes again: it goes forward, or it stands exactly where the statement left it.
    Safe,
    /// Values may have been handed out that would come again.
    Reissues,
}

/// The way from where a sequence stands back to `old`, after a statement that left it at `left` (unknown when `None`).
pub fn way_back(
    present: Position,
    left: Option<Position>,
    old: Position,
    increment: i64,
) -> WayBack {
    let distance = old.issued(increment) - present.issued(increment);
    let forward = if increment < 0 {
        distance <= 0
    } else {
        distance >= 0
    };
    if present == old {
        WayBack::Unchanged
    } else if forward || left == Some(present) {
        WayBack::Safe
    } else {
        WayBack::Reissues
    }
}

/// The violation that moving the sequence from `old` to `new` makes, if any.
pub fn judge(
    policy: &SequencePolicy,
    old: Position,
    new: Position,
    increment: i64,
) -> Option<Violation> {
    let moved = new.issued(increment) - old.issued(increment);
    let backward = if increment < 0 { moved > 0 } else { moved < 0 };
    let step = moved.unsigned_abs();
    let why = if policy.min_value.is_some_and(|min| new.value < min) {
        format!(
            "The value {} is below the smallest allowed, {}.",
            new.value,
            policy.min_value.unwrap_or_default()
        )
    } else if policy.max_value.is_some_and(|max| new.value > max) {
        format!(
            "The value {} is above the largest allowed, {}.",
            new.value,
            policy.max_value.unwrap_or_default()
        )
    } else if backward && !policy.allow_backward {
        format!(
            "It would move backward from {} to {}: values that were handed out already would come again.",
            old.value, new.value
        )
    } else if step > policy.max_step.unsigned_abs().into() {
        format!(
            "It would move from {} to {}, by {step}; the largest allowed step is {}. The next value would be {}.",
            old.value,
            new.value,
            policy.max_step,
            new.next(increment)
        )
    } else {
        return None;
    };
    Some(violation(
        policy,
        &format!("change of sequence \"{}\" is refused", policy.sequence),
        &why,
    ))
}

/// A change whose outcome is not a position: ALTER SEQUENCE INCREMENT, OWNED BY, DROP and the like.
pub fn altered(policy: &SequencePolicy, what: &str) -> Violation {
    violation(
        policy,
        &format!(
            "{what} of protected sequence \"{}\" is refused",
            policy.sequence
        ),
        "It would change which values the sequence hands out.",
    )
}

/// setval where its arguments can't be seen: a default that COPY evaluates, a CHECK expression, the fast-path protocol.
/// `only` is the registered sequence when there is just one.
pub fn unseen(only: Option<&SequencePolicy>) -> Violation {
    Violation {
        rule: Rule::SequenceGuard,
        message: "setval is refused where its arguments cannot be checked".to_owned(),
        detail: match only {
            Some(policy) => format!(
                "Sequence \"{}\" is protected, and setval is called from a default, a constraint or a function call that \
                 no query plans. Sequences do not roll back, so nothing was done.",
                policy.sequence
            ),
            None => "Sequences of this database are protected, and setval is called from a default, a constraint or a \
                     function call that no query plans. Sequences do not roll back, so nothing was done."
                .to_owned(),
        },
        hint: "Call setval in a query of its own: SELECT setval('sequence', value). If this was one, run it again."
            .to_owned(),
        schema: only.map(|policy| policy.schema.clone()),
        table: only.map(|policy| policy.sequence.clone()),
        column: None,
    }
}

fn violation(policy: &SequencePolicy, message: &str, detail: &str) -> Violation {
    Violation {
        rule: Rule::SequenceGuard,
        message: message.to_owned(),
        detail: format!("{detail} Sequences do not roll back, so nothing was done."),
        hint: format!(
            "Find out which row made the jump necessary, and let nextval() move the sequence. Where it would land: SELECT \
             * FROM backstop.preview($$<statement>$$, 'why'). If the change is meant, \
             approve it in the same transaction: SELECT backstop.approve_batch('why', max_rows => 1, relations => \
             '{{{}.{}}}', operations => '{{setval}}').",
            policy.schema, policy.sequence
        ),
        schema: Some(policy.schema.clone()),
        table: Some(policy.sequence.clone()),
        column: None,
    }
}

#[cfg(test)]
mod tests {
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
}
