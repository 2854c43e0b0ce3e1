//! What one (sub)transaction level of a root statement destroyed.

use super::approvals::Approved;
use super::moves::{self, Move};
use crate::model::Operation;
use crate::pg::memory::push;
use crate::preview::Seen;
use crate::record::Buffer;
use crate::registry::Policy;
use std::rc::Rc;

/// Rows destroyed in one relation by one operation.
#[derive(Clone, Debug)]
pub struct Tally {
    pub relation: Rc<str>,
    pub operation: Operation,
    pub rows: i64,
}

#[derive(Default)]
pub struct Level {
    pub nest: i32,
    /// The protected tables touched: the one with the smallest limit, and that limit.
    pub limit: Option<(i64, Rc<Policy>)>,
    /// Rows that count against the limits: not expendable, not covered by an approval.
    pub counted: i64,
    /// The same in earlier parts of the root: fetches from its portal, and transactions that it committed itself.
    pub earlier: i64,
    /// What approvals cover, ordered by their serial numbers.
    pub approvals: Vec<Approved>,
    pub tallies: Vec<Tally>,
    /// Changes of sequences, and those that an earlier statement row of the root tells of.
    pub moves: Vec<Move>,
    pub recorded_moves: Vec<Move>,
    /// Captured rows that are not written yet.
    pub buffers: Vec<Buffer>,
    /// Chunks of this level that are written.
    pub chunks_written: i64,
    /// Upstreams whose columns were cleared, in all parts of the root.
    pub cleared: Vec<Rc<str>>,
    /// Under a token: the rows' fingerprints, and the names of the first few that the preview did not show.
    pub fingerprints: Vec<u128>,
    pub unseen: Vec<String>,
    /// In a preview: what was seen.
    pub seen: Seen,
}

impl Level {
    pub fn new(nest: i32) -> Level {
        Level {
            nest,
            ..Level::default()
        }
    }

    /// A protected table is touched, of which one statement may destroy `limit` rows.
    pub fn touch(&mut self, policy: &Rc<Policy>, limit: i64) {
        if self.limit.as_ref().is_none_or(|(known, _)| limit < *known) {
            self.limit = Some((limit, policy.clone()));
        }
    }

    pub fn tally(&mut self, relation: &Rc<str>, operation: Operation) {
        self.add(relation, operation, 1);
    }

    /// Enters the change of a sequence that has a row in the record.
    pub fn moved(&mut self, change: Move) {
        moves::enter(&mut self.moves, change);
    }

    /// Notes an operation that the record must name even if it destroyed no row.
    pub fn note(&mut self, relation: &Rc<str>, operation: Operation) {
        self.add(relation, operation, 0);
    }

    fn add(&mut self, relation: &Rc<str>, operation: Operation, rows: i64) {
        let known = self.tallies.iter_mut().find(|tally| {
            tally.operation == operation
                && (Rc::ptr_eq(&tally.relation, relation) || tally.relation == *relation)
        });
        match known {
            Some(tally) => tally.rows += rows,
            None => self.tallies.push(Tally {
                relation: relation.clone(),
                operation,
                rows,
            }),
        }
    }

    /// Forgets empty buffers but the last one of each kind, which is filled next.
    pub fn forget_spare(&mut self) {
        let mut kept: Vec<Buffer> = Vec::new();
        for buffer in std::mem::take(&mut self.buffers).into_iter().rev() {
            if buffer.rows > 0 || !kept.iter().any(|known| known.is_like(&buffer)) {
                push(&mut kept, buffer);
            }
        }
        kept.reverse();
        self.buffers = kept;
    }

    /// Buffers that are not the last one of their kind: nothing is added to them any more.
    pub fn complete(&mut self) -> impl Iterator<Item = &mut Buffer> {
        let last = |n: usize| {
            !self.buffers[n + 1..]
                .iter()
                .any(|b| b.is_like(&self.buffers[n]))
        };
        let complete: Vec<bool> = (0..self.buffers.len()).map(|n| !last(n)).collect();
        let buffers = self.buffers.iter_mut().zip(complete);
        buffers.filter_map(|(buffer, complete)| (complete && buffer.waits()).then_some(buffer))
    }

    /// Subtransaction `nest` has committed: what was written in it belongs to the one around it, and is this level's for
    /// good where that is this level's own.
    pub fn forget_written(&mut self, nest: i32) {
        let before = self.buffers.len();
        for buffer in &mut self.buffers {
            buffer.written = buffer.written.map(|at| at.min(nest - 1));
        }
        let own = self.nest;
        self.buffers
            .retain(|buffer| buffer.written.is_none_or(|at| at > own));
        self.chunks_written += (before - self.buffers.len()) as i64;
    }

    /// Takes over what a committed child level destroyed.
    pub fn absorb(&mut self, child: Level) {
        if let Some((limit, policy)) = child.limit {
            self.touch(&policy, limit);
        }
        self.counted += child.counted;
        self.earlier += child.earlier;
        self.chunks_written += child.chunks_written;
        self.absorb_approvals(child.approvals);
        for tally in child.tallies {
            match self.tallies.iter_mut().find(|known| {
                known.operation == tally.operation && known.relation == tally.relation
            }) {
                Some(known) => known.rows += tally.rows,
                None => self.tallies.push(tally),
            }
        }
        for buffer in child.buffers {
            // The last one of its kind is the one that is being filled.
            match self
                .buffers
                .iter_mut()
                .rfind(|known| known.is_like(&buffer))
                .filter(|known| known.has_room_for(&buffer))
            {
                Some(known) => known.absorb(buffer),
                None => push(&mut self.buffers, buffer),
            }
        }
        for moved in child.moves {
            moves::enter(&mut self.moves, moved);
        }
        for moved in child.recorded_moves {
            moves::enter(&mut self.recorded_moves, moved);
        }
        self.fingerprints.extend(child.fingerprints);
        self.unseen.extend(child.unseen);
        self.seen.absorb(child.seen);
        for upstream in child.cleared {
            if !self.cleared.contains(&upstream) {
                self.cleared.push(upstream);
            }
        }
    }
}
