//! A table as the walks know it: columns by what they are, whatever they are called.

use std::collections::BTreeMap;

/// A pseudorandom number generator (xorshift).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    pub fn one<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.below(of.len())].clone())
    }
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// The statement that dropped it, and how many rows had been deleted by then.
    pub dropped: Option<(String, usize)>,
}

pub type Rows = BTreeMap<usize, Vec<Option<String>>>;

#[derive(Clone, Default)]
pub struct Model {
    pub columns: Vec<Column>,
    /// Each row's values, by column; a dropped column's as they were.
    pub rows: Rows,
    pub added: usize,
    pub deleted: usize,
}

/// A row that was deleted.
#[derive(Clone)]
pub struct Gone {
    pub statement: String,
    pub id: usize,
    pub row: Vec<Option<String>>,
    /// How many were deleted before.
    pub ordinal: usize,
}

impl Model {
    pub fn living(&self) -> Vec<usize> {
        let columns = 0..self.columns.len();
        columns
            .filter(|n| self.columns[*n].dropped.is_none())
            .collect()
    }

    pub fn holder(&self, name: &str) -> Option<usize> {
        self.living()
            .into_iter()
            .find(|n| self.columns[*n].name == name)
    }
}
