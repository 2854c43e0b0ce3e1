//! Between which whole numbers a value lies, whatever is stored, and what that says of a comparison.

/// Both ends included; the outermost numbers stand for "no end".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub least: i128,
    pub most: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Bounds {
    pub const NONE: Bounds = Bounds::from(i128::MIN);

    pub const fn from(least: i128) -> Bounds {
        let most = i128::MAX;
        Bounds { least, most }
    }

    pub fn exactly(value: i128) -> Bounds {
        Bounds {
            least: value,
            most: value,
        }
    }

    /// Of what is one or the other.
    pub fn or(self, other: Bounds) -> Bounds {
        Bounds {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }

    /// Of what is known to lie between both.
    pub fn and(self, other: Bounds) -> Bounds {
        Bounds {
            least: self.least.max(other.least),
            most: self.most.min(other.most),
        }
    }

    /// Whether the comparison with what lies between `other` is true, or false, of all that lies between these; None
    /// when that depends.
    pub fn compared(self, how: Comparison, other: Bounds) -> Option<bool> {
        let (below, above) = (self.most < other.least, self.least > other.most);
        let (at_most, at_least) = (self.most <= other.least, self.least >= other.most);
        let (holds, fails) = match how {
            Comparison::Less => (below, at_least),
            Comparison::LessOrEqual => (at_most, above),
            Comparison::Equal => (at_most && at_least, below || above),
            Comparison::GreaterOrEqual => (at_least, below),
            Comparison::Greater => (above, at_most),
        };
        match (holds, fails) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Comparison::*;
    use super::*;

    #[test]
    fn a_comparison_that_bounds_decide_holds_of_every_number_between_them() {
        let all = [Less, LessOrEqual, Equal, GreaterOrEqual, Greater];
        let holds = |how, a: i128, b: i128| match how {
            Less => a < b,
            LessOrEqual => a <= b,
            Equal => a == b,
            GreaterOrEqual => a >= b,
            Greater => a > b,
        };
        let spans: Vec<Bounds> = (-2..3)
            .flat_map(|least| (least..3).map(move |most| Bounds { least, most }))
            .collect();
        for how in all {
            for a in &spans {
                for b in &spans {
                    let pairs =
                        (a.least..=a.most).flat_map(|x| (b.least..=b.most).map(move |y| (x, y)));
                    let found: Vec<bool> = pairs.map(|(x, y)| holds(how, x, y)).collect();
                    let same = found.iter().all(|&f| f == found[0]).then(|| found[0]);
                    assert_eq!(a.compared(how, *b), same, "{a:?} {how:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn what_has_no_end_decides_on_its_other_side_only() {
        let count = Bounds::from(1);
        assert_eq!(count.compared(Greater, Bounds::exactly(0)), Some(true));
        assert_eq!(count.compared(Less, Bounds::exactly(1)), Some(false));
        assert_eq!(count.compared(Greater, Bounds::exactly(3)), None);
        assert_eq!(Bounds::NONE.compared(Equal, Bounds::NONE), None);
        assert_eq!(
            count.or(Bounds::exactly(-5)),
            Bounds::from(-5),
            "either of both"
        );
        assert_eq!(count.and(Bounds::exactly(7)), Bounds::exactly(7));
    }
}
