//! Roots that are over, or failed, in a subtransaction that does not have all they did: should it be rolled back, what they
//! did before it stands. They are kept as they are, under a key that no statement has, and written when the transaction
//! commits.

use super::{Ledger, Root};

/// No address is as high.
const HIGHEST: usize = usize::MAX - 1;
const LOWEST: usize = usize::MAX - (1 << 24);

impl Root {
    /// Whether it did something outside subtransaction `nest` that no statement row tells of yet.
    pub fn acted_outside(&self, nest: i32) -> bool {
        let mut around = self.all_levels().iter().filter(|level| level.nest < nest);
        around.any(|level| !level.tallies.is_empty() || !level.moves.is_empty())
    }

    pub(super) fn is_kept(&self) -> bool {
        (LOWEST..=HIGHEST).contains(&self.key)
    }
}

impl Ledger {
    /// Keeps the root for the end of the transaction.
    pub fn keep(&mut self, mut root: Root) {
        let kept = self.roots.iter().map(|known| known.key);
        let lowest = kept.filter(|key| (LOWEST..=HIGHEST).contains(key)).min();
        root.key = lowest.map_or(HIGHEST, |key| key - 1);
        self.roots.push(root);
    }

    /// A new statement begins: a page under its key is one that an error left. What is on it was not rolled back with the
    /// error, so it was done before, in a subtransaction around the one that failed.
    pub fn leave_page(&mut self, key: usize) {
        if let Some(root) = self.remove_root(key)
            && root.preview.is_none()
            && !root.is_blank()
        {
            self.keep(root);
        }
    }
}
