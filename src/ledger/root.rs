//! A root statement's books and the limits it runs under.

use super::{Level, Move};
use crate::approval::fingerprint::Key;
use crate::approval::token;
use crate::model::{Operation, Rule};
use crate::record::Buffer;
use crate::record::format::RowFormat;
use crate::registry::Policy;
use pgrx::pg_sys::SubTransactionId;
use std::rc::Rc;

/// The approval that covers the work being done now.
#[derive(Clone, Debug)]
pub struct Cover {
    pub serial: u64,
    pub max_rows: i64,
    /// For the record.
    pub json: Rc<str>,
    /// The request whose token it is.
    pub claim: Option<Rc<token::Claim>>,
}

pub struct Root {
    /// The QueryDesc's address, 0 for a utility statement.
    pub key: usize,
    pub query: Option<Vec<u8>>,
    /// The bound parameters as JSON text, in the server's encoding like the query.
    pub parameters: Option<Vec<u8>>,
    /// Drawn when the first chunk or the statement row is written; anew after a commit in the middle of the root.
    pub statement_id: Option<i64>,
    pub next_ordinal: i64,
    /// The order in which restore follows the definitions of what vanished.
    pub next_definition: i32,
    pub reverts: Option<i64>,
    /// The moment that `restore_since` goes back to.
    pub reverts_since: Option<i64>,
    /// Rules that `observe` mode has warned of.
    pub observed: Vec<Rule>,
    /// Sequences moved in levels that were rolled back: not in the record any more, or yet.
    pub lost_moves: Vec<Move>,
    /// The approvals that covered them, by their serial numbers: a sequence does not roll back.
    pub sequence_approvals: Vec<(u64, Rc<str>)>,
    /// Set while a preview runs: the key of its fingerprints.
    pub preview: Option<Key>,
    pub token: token::State,
    /// Fingerprints, a preview's or under a token, of what no rollback takes back.
    pub standing: Vec<u128>,
    /// The level the token was claimed in: what rolls back its claim takes it from the root.
    pub token_nest: i32,
    pub(super) levels: Vec<Level>,
}

/// The level of what a root has committed itself: no rollback reaches it.
const COMMITTED: i32 = -1;

impl Root {
    pub fn new(key: usize, query: Option<Vec<u8>>, parameters: Option<Vec<u8>>) -> Root {
        Root {
            key,
            query,
            parameters,
            statement_id: None,
            next_ordinal: 1,
            next_definition: 1,
            reverts: None,
            reverts_since: None,
            observed: Vec::new(),
            lost_moves: Vec::new(),
            sequence_approvals: Vec::new(),
            preview: None,
            token: token::State::Untried,
            standing: Vec::new(),
            token_nest: 0,
            levels: Vec::new(),
        }
    }

    pub fn level(&mut self, nest: i32) -> &mut Level {
        let place = match self.levels.iter().rposition(|level| level.nest == nest) {
            Some(place) => place,
            None => {
                self.levels.push(Level::new(nest));
                self.levels.len() - 1
            }
        };
        &mut self.levels[place]
    }

    pub fn levels(&mut self) -> &mut [Level] {
        &mut self.levels
    }

    pub(super) fn all_levels(&self) -> &[Level] {
        &self.levels
    }

    /// The request this root has claimed.
    pub fn claim(&self) -> Option<&Rc<token::Claim>> {
        match &self.token {
            token::State::Claimed(claim) => Some(claim),
            _ => None,
        }
    }

    /// The key of the fingerprints that destroyed rows leave, if they are to leave any.
    pub fn fingerprint_key(&self) -> Option<Key> {
        self.preview.or_else(|| self.claim().map(|claim| claim.key))
    }

    /// Rows and changes that have left a fingerprint.
    pub fn fingerprints(&self) -> usize {
        let of_levels = self.levels.iter().map(|level| level.fingerprints.len());
        of_levels.sum::<usize>() + self.standing.len()
    }

    /// Rows that count against the transaction's limit: a root that touched no protected table adds nothing.
    pub fn counted_in_transaction(&self) -> i64 {
        match self.limit() {
            Some(_) => self.sums().counted,
            None => 0,
        }
    }

    /// All destroyed rows, expendable and approved ones included.
    pub fn rows(&self) -> i64 {
        self.levels
            .iter()
            .flat_map(|level| &level.tallies)
            .map(|tally| tally.rows)
            .sum()
    }

    /// A statement of this root targets a protected table.
    pub fn touch(&mut self, nest: i32, policy: &Rc<Policy>, default_limit: i64) {
        let limit = policy.max_rows.unwrap_or(default_limit);
        self.level(nest).touch(policy, limit);
    }

    /// The smallest limit of the protected tables touched, and its table.
    pub fn limit(&self) -> Option<&(i64, Rc<Policy>)> {
        let limits = self.levels.iter().filter_map(|level| level.limit.as_ref());
        limits.min_by_key(|(limit, _)| *limit)
    }

    /// Whether it has done anything that the record must name.
    pub fn is_blank(&self) -> bool {
        let blank = |level: &Level| level.tallies.is_empty() && level.moves.is_empty();
        self.lost_moves.is_empty() && self.levels.iter().all(blank)
    }

    /// Notes that the columns of `upstream` were cleared; refuses the second upstream of an uncovered root.
    pub fn clear(&mut self, nest: i32, upstream: &Rc<str>) -> Option<Vec<Rc<str>>> {
        if !self.cleared().contains(upstream) {
            self.level(nest).cleared.push(upstream.clone());
        }
        let all = self.cleared();
        (all.len() > 1).then_some(all)
    }

    /// The upstreams whose columns this root has cleared.
    fn cleared(&self) -> Vec<Rc<str>> {
        let levels = self.levels.iter().flat_map(|level| &level.cleared);
        levels.cloned().collect()
    }

    /// The captured rows of one relation, operation and cause that are not written yet.
    pub fn buffer(
        &mut self,
        nest: i32,
        format: &Rc<RowFormat>,
        operation: Operation,
        cause: Option<&Rc<str>>,
    ) -> &mut Buffer {
        let level = self.level(nest);
        let place = match level
            .buffers
            .iter()
            .rposition(|buffer| buffer.takes(format, operation, cause))
        {
            Some(place) => place,
            None => {
                level
                    .buffers
                    .push(Buffer::new(format.clone(), operation, cause.cloned()));
                level.buffers.len() - 1
            }
        };
        &mut level.buffers[place]
    }

    pub(super) fn commit_level(&mut self, nest: i32) {
        if self.token_nest >= nest {
            self.token_nest = nest - 1;
        }
        // Before a child's rows come to a buffer of its parent's.
        for level in &mut self.levels {
            level.forget_written(nest);
        }
        while let Some(place) = self.levels.iter().position(|level| level.nest >= nest) {
            let mut child = self.levels.remove(place);
            match self.levels.iter_mut().find(|level| level.nest == nest - 1) {
                Some(parent) => parent.absorb(child),
                None => {
                    child.nest = nest - 1;
                    self.levels.push(child);
                }
            }
        }
    }

    pub(super) fn abort_level(&mut self, nest: i32, sub: SubTransactionId) {
        self.lose_moves(nest, sub);
        self.levels.retain(|level| level.nest < nest);
        for buffer in self.levels.iter_mut().flat_map(|level| &mut level.buffers) {
            buffer.written = buffer.written.filter(|at| *at < nest);
        }
        if self.token_nest >= nest && self.claim().is_some() {
            self.token = token::State::Untried;
            self.standing.clear();
        }
    }

    /// What is written is written; what was counted still counts when the portal is resumed, and what rolls back the
    /// fetch gives it back.
    pub fn next_part(&mut self) {
        let dropped = self.dropped();
        self.moves_are_recorded();
        for level in &mut self.levels {
            let moves = std::mem::take(&mut level.recorded_moves);
            level.next_part(&dropped);
            level.recorded_moves = moves;
        }
        self.statement_id = None;
        self.next_ordinal = 1;
        self.next_definition = 1;
        self.sequence_approvals.clear();
    }

    /// A procedure may commit or roll back in the middle of its root: what it has counted and committed still counts against
    /// the root's limit, and the next transaction gets a statement row of its own.
    pub(super) fn end_transaction(&mut self) {
        self.next_part();
        self.lost_moves.clear();
        let mut committed = Level::new(COMMITTED);
        for level in std::mem::take(&mut self.levels) {
            committed.absorb(level);
        }
        self.levels.push(committed);
    }
}
