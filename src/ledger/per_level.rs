//! Rows by (sub)transaction level.

use std::collections::BTreeMap;

/// Rows of each `K`, by the levels they belong to. One entry for each: a loop of subtransactions moves its rows to its own
/// level as often as it turns, and must not leave an entry each time.
#[derive(Default)]
pub struct PerLevel<K>(BTreeMap<(i32, K), i64>);

impl<K: Ord + Default> PerLevel<K> {
    pub fn add(&mut self, nest: i32, of: K, rows: i64) {
        *self.0.entry((nest, of)).or_default() += rows;
    }

    pub fn sum(&self) -> i64 {
        self.0.values().sum()
    }

    /// Level `nest` commits: what is its own is its parent's.
    pub fn commit_level(&mut self, nest: i32) {
        for (of, rows) in self.abort_level(nest) {
            self.add(nest - 1, of, rows);
        }
    }

    /// Level `nest` aborts. Returns what was its own.
    pub fn abort_level(&mut self, nest: i32) -> impl Iterator<Item = (K, i64)> + use<K> {
        let own = self.0.split_off(&(nest, K::default()));
        own.into_iter().map(|((_, of), rows)| (of, rows))
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::PerLevel;

    /// A loop of subtransactions, each of which spends a row, leaves as much on the books as one of them.
    #[test]
    fn levels_that_commit_are_merged() {
        let mut spent = PerLevel::<u64>::default();
        for _ in 0..20_000 {
            spent.add(3, 7, 1);
            spent.add(2, 8, 1);
            spent.commit_level(3);
            spent.commit_level(2);
            assert_eq!(spent.0.len(), 2);
        }
        let all: Vec<_> = spent.0.into_iter().collect();
        assert_eq!(all, [((1, 7), 20_000), ((1, 8), 20_000)]);
    }

    #[test]
    fn what_aborts_is_given_back() {
        let mut rows = PerLevel::<u64>::default();
        rows.add(1, 7, 5);
        rows.add(2, 7, 3);
        rows.add(3, 0, 2);
        rows.commit_level(3);
        assert_eq!(rows.abort_level(2).collect::<Vec<_>>(), [(0, 2), (7, 3)]);
        assert_eq!(rows.sum(), 5);
    }
}
