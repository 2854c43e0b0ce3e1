//! SF007: whether a sequence may be moved. Pure.

use super::spelling;
use crate::model::{Rule, Violation};
use std::fmt;

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
    /// Schema and name, quoted where SQL needs it.
    pub qualified: String,
    pub max_step: i64,
    pub min_value: Option<i64>,
    pub max_value: Option<i64>,
    pub allow_backward: bool,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = if self.is_called {
            ""
        } else {
            " (the next value)"
        };
        write!(f, "{}{next}", self.value)
    }
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

/// What `altered` calls a larger CACHE.
pub const CACHE: &str = "CACHE";

/// Whether a CACHE of so many values moves the sequence no further at once than it may be set: by `max_step` beyond the value
/// that is drawn.
pub fn reserves_little(policy: &SequencePolicy, cache: i64, increment: i64) -> bool {
    let ahead = (i128::from(cache) - 1) * i128::from(increment);
    ahead.unsigned_abs() <= policy.max_step.unsigned_abs().into()
}

/// A change whose outcome is not a position: ALTER SEQUENCE INCREMENT, OWNED BY, DROP and the like.
pub fn altered(policy: &SequencePolicy, what: &str) -> Violation {
    violation(
        policy,
        &format!(
            "{what} of protected sequence \"{}\" is refused",
            policy.sequence
        ),
        if what == CACHE {
            "Each session's next nextval() would take so many values at once, and move the sequence beyond them by more than \
             max_step allows."
        } else {
            "It would change which values the sequence hands out."
        },
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
             {}, operations => '{{setval}}').",
            spelling::array(&[&policy.qualified])
        ),
        schema: Some(policy.schema.clone()),
        table: Some(policy.sequence.clone()),
        column: None,
    }
}

#[cfg(test)]
mod tests;
