//! The books of one backend: which root statement is running, what it has destroyed so far, what the transaction's
//! unapproved statements destroyed together, and what approvals have spent.
//!
//! Everything is kept per (sub)transaction level, because a savepoint or a PL/pgSQL EXCEPTION block that rolls back
//! gives back what it counted and unwrites what it captured. A level's figures move to its parent when it commits and
//! vanish when it aborts.

mod approvals;
mod book;
mod kept;
mod level;
mod moves;
mod per_level;
mod root;
mod transaction;

pub use book::{BUDGET_TOO_SMALL, DestroyedRow, book, close, with_subject};
pub use level::{Level, Tally};
pub use moves::{Move, Moved};
pub use root::{Cover, Root};
pub use transaction::install;

use per_level::PerLevel;
use std::cell::RefCell;

#[derive(Default)]
pub struct Ledger {
    /// Root statements with something on the books: the running one last. More than one while a portal is suspended.
    roots: Vec<Root>,
    /// Rows that finished unapproved statements of this transaction destroyed, per level.
    unapproved: PerLevel<()>,
    /// Rows spent from approvals in this transaction, by the approval's serial, per level.
    spent: PerLevel<u64>,
    /// Sequences that setval has moved in this transaction.
    moved: Vec<Moved>,
}

thread_local! {
    static LEDGER: RefCell<Ledger> = RefCell::new(Ledger::default());
}

/// Runs `work` on the ledger. Nothing that can run another statement may happen inside.
pub fn with<R>(work: impl FnOnce(&mut Ledger) -> R) -> R {
    LEDGER.with_borrow_mut(work)
}

/// How many rows the root statement `key` has come to, and this transaction's finished unapproved ones before it; `None`
/// when it has none on the books.
pub fn rows_seen(key: usize) -> Option<(i64, i64)> {
    LEDGER.with(|ledger| {
        let mut ledger = ledger.try_borrow_mut().ok()?;
        let before = ledger.transaction_rows();
        let root = ledger.find_root(key)?;
        Some((root.rows(), before))
    })
}

impl Ledger {
    /// The root statement `key`, entered on the books when it is new.
    pub fn root(&mut self, key: usize, make: impl FnOnce() -> Root) -> &mut Root {
        let place = match self.roots.iter().position(|root| root.key == key) {
            Some(place) => place,
            None => {
                self.roots.push(make());
                self.roots.len() - 1
            }
        };
        &mut self.roots[place]
    }

    pub fn find_root(&mut self, key: usize) -> Option<&mut Root> {
        self.roots.iter_mut().find(|root| root.key == key)
    }

    pub fn remove_root(&mut self, key: usize) -> Option<Root> {
        let place = self.roots.iter().position(|root| root.key == key)?;
        Some(self.roots.remove(place))
    }

    pub fn roots(&mut self) -> &mut [Root] {
        &mut self.roots
    }

    /// What this transaction's finished unapproved statements destroyed.
    pub fn transaction_rows(&self) -> i64 {
        let kept = self.roots.iter().filter(|root| root.is_kept());
        let kept: i64 = kept.map(Root::counted_in_transaction).sum();
        self.unapproved.sum() + kept
    }

    /// Books a finished root statement's unapproved rows.
    pub fn add_transaction_rows(&mut self, nest: i32, rows: i64) {
        self.unapproved.add(nest, (), rows);
    }

    /// Spends from an approval (negative: gives back), undone when the level aborts.
    pub fn spend(&mut self, nest: i32, serial: u64, rows: i64) {
        crate::approval::setting::spend(serial, rows);
        self.spent.add(nest, serial, rows);
    }

    fn commit_level(&mut self, nest: i32) {
        for root in &mut self.roots {
            root.commit_level(nest);
        }
        self.forget_moves();
        self.unapproved.commit_level(nest);
        self.spent.commit_level(nest);
    }

    fn abort_level(&mut self, nest: i32, sub: pgrx::pg_sys::SubTransactionId) {
        for root in &mut self.roots {
            root.abort_level(nest, sub);
        }
        drop(self.unapproved.abort_level(nest));
        for (serial, rows) in self.spent.abort_level(nest) {
            crate::approval::setting::spend(serial, -rows);
        }
    }

    fn end_transaction(&mut self, committed: bool) {
        if !committed {
            self.abort_level(0, 0);
        }
        self.unapproved.clear();
        self.spent.clear();
        self.moved.clear();
        // Only a procedure's root outlives its transaction.
        let open = crate::running::root_key();
        self.roots.retain(|root| Some(root.key) == open);
        for root in &mut self.roots {
            root.end_transaction();
        }
    }
}
