//! A column through its noted changes (`column_history`).

use super::column_history::Change;

/// A change of a column's type.
#[derive(Clone, Copy)]
pub(super) struct Conversion {
    pub by: i64,
    /// The statement whose conversion it undid.
    pub undone: Option<i64>,
    /// What images of before have is read as the conversion left it.
    pub as_written: bool,
}

/// A recorded column today.
pub struct Column {
    /// What it is called, or was last.
    pub name: String,
    pub dropped: bool,
    /// Another column has the name of the dropped one.
    pub taken: bool,
    /// That one was dropped as well: what is added under the name now stands for that one.
    superseded: bool,
    /// The statements that dropped it.
    by: Vec<i64>,
    conversions: Vec<Conversion>,
}

impl Column {
    pub(super) fn new(name: &str) -> Column {
        Column {
            name: name.to_owned(),
            dropped: false,
            taken: false,
            superseded: false,
            by: Vec::new(),
            conversions: Vec::new(),
        }
    }

    pub(super) fn follow(&mut self, change: &Change) {
        let (leaves, comes) = (
            change.column.as_ref() == Some(&self.name),
            change.new.as_ref() == Some(&self.name),
        );
        if let Some(conversion) = change.converted {
            self.conversions
                .extend(Some(conversion).filter(|_| leaves && !self.dropped));
            return;
        }
        match &change.new {
            Some(_) if leaves && comes => {
                let own = change.statement.is_some_and(|id| self.by.contains(&id));
                self.taken = self.dropped && !own;
                self.dropped &= !own;
                self.superseded &= !own;
            }
            Some(new) if leaves && !self.dropped => self.name.clone_from(new),
            None if leaves && !self.dropped => {
                self.dropped = true;
                self.by.extend(change.statement);
            }
            _ if leaves => {
                self.superseded |= self.taken && change.new.is_none();
                self.taken = false;
            }
            _ if comes && self.dropped => self.taken = true,
            _ => {}
        }
    }

    /// The statement that made something else of the column's values than images of before have. `undone`: a statement that is
    /// undone first.
    pub fn converted(&self, undone: i64) -> Option<i64> {
        let mut standing: Vec<Conversion> = Vec::new();
        for conversion in &self.conversions {
            let of = |id: i64| standing.iter().rposition(|other| other.by == id);
            match conversion.undone.and_then(of) {
                // What came in between went back with it.
                Some(n) => standing.truncate(n),
                None => standing.push(*conversion),
            }
        }
        if let Some(n) = standing.iter().position(|other| other.by == undone) {
            standing.truncate(n);
        }
        let last = standing.iter().rfind(|conversion| !conversion.as_written)?;
        Some(last.by)
    }

    /// The statement that dropped it, if it is gone and that was recorded.
    pub fn dropped_by(&self) -> Option<i64> {
        self.by.last().copied().filter(|_| self.dropped)
    }

    /// Whether it, or what was added in its place by hand, is what has its name.
    pub fn has_name(&self) -> bool {
        !self.taken && !self.superseded
    }

    /// What the table may have it as.
    pub fn today(self) -> Option<String> {
        self.has_name().then_some(self.name)
    }
}
