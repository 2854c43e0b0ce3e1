//! What the approvals of one root statement cover.
//!
//! A root destroys what its approvals' budgets cover or what the limit allows, not one after the other, and it makes no
//! difference whether it commits in between, is fetched in parts, or sets another approval or none. So the books keep
//! what each approval covered for as long as the root lasts, by the levels in which it did: what rolls back the rows, the
//! broken rule or the finding that a budget is too small takes it back.

use super::{Cover, Level, Root};
use crate::approval::setting;
use std::rc::Rc;

/// What one approval covers at one level of a root.
#[derive(Clone, Debug)]
pub struct Approved {
    pub serial: u64,
    max_rows: i64,
    /// For the record.
    pub json: Rc<str>,
    /// It is a token: what it covers is the whole statement, and no budget.
    is_token: bool,
    /// Rows that the statement row to come tells of.
    pub rows: i64,
    /// Rows of earlier parts of the root: other fetches from its portal, other transactions.
    earlier: i64,
    /// It let pass what the statement row to come tells of and no row of a table shows: a table dropped empty.
    changes: bool,
    /// A rule was broken, and this approval let it through: its budget must cover every row.
    broke_rule: bool,
    /// The budget did not suffice, and the root goes on without it: the rows count against the limits.
    dropped: bool,
}

/// A root's rows that are not expendable.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// Covered by no approval, in this part of the root.
    pub counted: i64,
    /// The same in its earlier parts.
    pub earlier: i64,
    /// Covered by approvals, in all parts.
    pub approved: i64,
}

impl Sums {
    /// Rows that count against the root's limit.
    pub fn unapproved(&self) -> i64 {
        self.counted + self.earlier
    }
}

impl Level {
    /// What the approval covers here, entered on the books when it is new. Ordered by serial number: this is asked for
    /// every row, and a root may set many.
    fn approval(&mut self, cover: &Cover) -> &mut Approved {
        let place = match self.place(cover.serial) {
            Ok(place) => place,
            Err(place) => {
                let new = Approved {
                    serial: cover.serial,
                    max_rows: cover.max_rows,
                    json: cover.json.clone(),
                    is_token: cover.claim.is_some(),
                    rows: 0,
                    earlier: 0,
                    changes: false,
                    broke_rule: false,
                    dropped: false,
                };
                self.approvals.insert(place, new);
                place
            }
        };
        &mut self.approvals[place]
    }

    fn place(&self, serial: u64) -> Result<usize, usize> {
        match self.approvals.last() {
            Some(last) if last.serial == serial => Ok(self.approvals.len() - 1),
            _ => (self.approvals).binary_search_by_key(&serial, |approved| approved.serial),
        }
    }

    fn approved(&self, serial: u64) -> Option<&Approved> {
        self.place(serial).ok().map(|place| &self.approvals[place])
    }

    /// Takes over what approvals covered in a committed child level.
    pub(super) fn absorb_approvals(&mut self, children: Vec<Approved>) {
        for child in children {
            match self.place(child.serial) {
                Ok(place) => {
                    let known = &mut self.approvals[place];
                    known.rows += child.rows;
                    known.earlier += child.earlier;
                    known.changes |= child.changes;
                    known.broke_rule |= child.broke_rule;
                    known.dropped |= child.dropped;
                }
                Err(place) => self.approvals.insert(place, child),
            }
        }
    }

    /// What follows is another part of the root, with a statement row of its own.
    pub(super) fn next_part(&mut self, dropped: &[u64]) {
        let mut approvals = std::mem::take(&mut self.approvals);
        let mut earlier = self.earlier + self.counted;
        for approved in &mut approvals {
            approved.changes = false;
            let rows = std::mem::take(&mut approved.rows);
            match dropped.contains(&approved.serial) {
                true => earlier += rows,
                false => approved.earlier += rows,
            }
        }
        *self = Level {
            limit: self.limit.take(),
            earlier,
            approvals,
            cleared: std::mem::take(&mut self.cleared),
            ..Level::new(self.nest)
        };
    }
}

impl Root {
    /// Books a row that the approval covers.
    pub fn approve(&mut self, nest: i32, cover: &Cover) {
        self.level(nest).approval(cover).rows += 1;
    }

    /// Books a change that is not a row.
    pub fn approve_change(&mut self, nest: i32, cover: &Cover) {
        self.level(nest).approval(cover).changes = true;
    }

    /// A rule was broken, and the approval lets it through.
    pub fn break_rule(&mut self, nest: i32, cover: &Cover) {
        self.level(nest).approval(cover).broke_rule = true;
    }

    pub fn broke_rule(&self, serial: u64) -> bool {
        self.of(serial).any(|approved| approved.broke_rule)
    }

    /// Goes on without the approval. Returns the rows it covered in this part of the root: they are no longer spent.
    pub fn drop_approval(&mut self, nest: i32, serial: u64) -> i64 {
        let rows = self.of(serial).map(|approved| approved.rows).sum();
        let known = self.of(serial).next().cloned();
        if let Some(known) = known {
            let here = Approved {
                rows: 0,
                earlier: 0,
                changes: false,
                broke_rule: false,
                dropped: true,
                ..known
            };
            self.level(nest).absorb_approvals(vec![here]);
        }
        rows
    }

    /// Whether the root goes on without the approval, because its budget was too small.
    pub fn has_dropped(&self, serial: u64) -> bool {
        self.of(serial).any(|approved| approved.dropped)
    }

    fn of(&self, serial: u64) -> impl Iterator<Item = &Approved> {
        let levels = self.all_levels().iter();
        levels.filter_map(move |level| level.approved(serial))
    }

    /// Rows of this root that the approval covers.
    pub fn approved_by(&self, serial: u64) -> i64 {
        let covered = self.of(serial);
        covered
            .map(|approved| approved.rows + approved.earlier)
            .sum()
    }

    /// The budget of an approval that this root has on its books.
    pub fn budget_of(&self, serial: u64) -> Option<i64> {
        let known = self.of(serial).find(|approved| !approved.is_token)?;
        Some(known.max_rows)
    }

    pub fn sums(&self) -> Sums {
        let (mut sums, dropped) = (Sums::default(), self.dropped());
        for level in self.all_levels() {
            sums.counted += level.counted;
            sums.earlier += level.earlier;
            for approved in &level.approvals {
                match dropped.contains(&approved.serial) {
                    true => sums.counted += approved.rows,
                    false => sums.approved += approved.rows,
                }
                sums.approved += approved.earlier;
            }
        }
        sums
    }

    /// Rows that the budgets of this root's approvals have left. A token covers a whole statement, what needs no approval
    /// included.
    pub fn budget_left(&self) -> i64 {
        if self.claim().is_some() {
            return i64::MAX;
        }
        let mut left = 0;
        for (n, level) in self.all_levels().iter().enumerate() {
            for approved in &level.approvals {
                let known = &self.all_levels()[..n];
                if !approved.is_token
                    && self.approved_by(approved.serial) > 0
                    && !self.has_dropped(approved.serial)
                    && !known
                        .iter()
                        .any(|level| level.approved(approved.serial).is_some())
                {
                    left += (approved.max_rows - setting::spent(approved.serial)).max(0);
                }
            }
        }
        left
    }

    /// The approvals that covered something in this part of the root, and how many rows each.
    pub fn approvals(&self) -> Vec<Approved> {
        let (mut all, dropped) = (Level::new(0), self.dropped());
        for level in self.all_levels() {
            let covered = level.approvals.iter();
            let covered =
                covered.filter(|a| (a.rows > 0 || a.changes) && !dropped.contains(&a.serial));
            all.absorb_approvals(covered.cloned().collect());
        }
        all.approvals
    }

    /// The approvals that the root goes on without: nearly always none.
    pub(super) fn dropped(&self) -> Vec<u64> {
        let approvals = self.all_levels().iter().flat_map(|level| &level.approvals);
        let dropped = approvals.filter(|approved| approved.dropped);
        dropped.map(|approved| approved.serial).collect()
    }
}
