//! Changes of sequences. Their rows in the record are part of the subtransaction they were made in, but `setval` does not
//! roll back: what was moved there is moved all the same, so the change is written again with its root, or with the
//! transaction when its root was over before.

use super::{Ledger, Root};
use crate::judge::sequence::Position;
use crate::model::Operation;
use pgrx::pg_sys::SubTransactionId;
use std::rc::Rc;

/// Changes of one sequence by one operation: from where the first found it to where the last left it.
#[derive(Clone, Debug)]
pub struct Move {
    pub name: Rc<str>,
    pub operation: Operation,
    pub old: Option<Position>,
    pub new: Option<Position>,
    /// The subtransaction that made the storage it moved in, 0 when that is older than the transaction.
    pub storage: SubTransactionId,
    /// The id of the first one's row: written again, it stands where it stood among the others.
    pub change_id: i64,
}

/// A sequence that setval has moved in this transaction, with the first statement that did: should the transaction roll back,
/// no other record tells of it.
pub struct Moved {
    pub change: Move,
    pub query: Option<Vec<u8>>,
}

/// Enters a change behind those of its level.
pub(super) fn enter(moves: &mut Vec<Move>, new: Move) {
    match moves.iter_mut().rfind(|known| known.name == new.name) {
        Some(known) if (known.operation, known.storage) == (new.operation, new.storage) => {
            known.new = new.new;
        }
        _ => moves.push(new),
    }
}

impl Root {
    /// Its sequences, for the statement row to come.
    pub fn sequences(&self) -> Vec<Rc<str>> {
        let levels = self.all_levels().iter().flat_map(|level| &level.moves);
        let all = levels.chain(&self.lost_moves);
        all.map(|moved| moved.name.clone()).collect()
    }

    /// Level `nest` and those in it are about to be rolled back, with the rows of what they moved. ALTER SEQUENCE and its like
    /// are undone themselves, and so is a setval in storage that `sub`, the innermost of what rolls back, or what was in it has
    /// made: subtransactions have rising numbers.
    pub(super) fn lose_moves(&mut self, nest: i32, sub: SubTransactionId) {
        let Root {
            levels, lost_moves, ..
        } = self;
        for level in levels.iter_mut().filter(|level| level.nest >= nest) {
            let moves = std::mem::take(&mut level.recorded_moves).into_iter();
            let stands = |moved: &Move| {
                moved.operation == Operation::Setval && (moved.storage == 0 || moved.storage < sub)
            };
            lost_moves.extend(moves.chain(std::mem::take(&mut level.moves)).filter(stands));
        }
    }

    /// A statement row tells of the moves until now; what rolls back their levels takes that along.
    pub(super) fn moves_are_recorded(&mut self) {
        for level in &mut self.levels {
            // No rollback of less than the transaction reaches the outermost level.
            if level.nest > 1 {
                for moved in std::mem::take(&mut level.moves) {
                    enter(&mut level.recorded_moves, moved);
                }
            }
        }
    }

    fn has_recorded_moves(&self) -> bool {
        let mut levels = self.all_levels().iter();
        levels.any(|level| level.nest > 1 && !level.recorded_moves.is_empty())
    }
}

impl Ledger {
    /// The root is over and recorded, and may have moved sequences in a subtransaction that is rolled back yet.
    pub fn keep_moves(&mut self, mut root: Root) {
        let changes = root.all_levels().iter().flat_map(|level| &level.moves);
        for change in changes {
            self.has_moved(change, || root.query.clone());
        }
        root.next_part();
        if root.has_recorded_moves() {
            self.keep(root);
        }
    }

    /// Forgets roots kept for moves that are the transaction's by now.
    pub(super) fn forget_moves(&mut self) {
        self.roots
            .retain(|root| !root.is_kept() || !root.is_blank() || root.has_recorded_moves());
    }

    /// setval has moved a sequence. Storage that the transaction has made goes with it.
    pub fn has_moved(&mut self, change: &Move, query: impl FnOnce() -> Option<Vec<u8>>) {
        if change.operation != Operation::Setval || change.storage != 0 {
            return;
        }
        let mut moved = self.moved.iter_mut();
        match moved.find(|known| known.change.name == change.name) {
            Some(known) => known.change.new = change.new,
            None => self.moved.push(Moved {
                change: change.clone(),
                query: query(),
            }),
        }
    }

    /// What the transaction, which rolls back, leaves elsewhere than it found it.
    pub fn left_moved(&mut self) -> Vec<Moved> {
        let mut moved = std::mem::take(&mut self.moved);
        moved.retain(|moved| moved.change.old != moved.change.new);
        moved
    }

    /// A row of the approval, spent in level `nest`, was spent on what does not roll back.
    pub fn spent_for_good(&mut self, nest: i32, serial: u64) {
        self.spent.add(nest, serial, -1);
    }
}
