//! Tokens in use: claimed by the statement they were made for, and checked against the rows it really destroys.
//!
//! Claiming marks the request as used in the statement's own transaction: if that rolls back, to a savepoint or whole,
//! the token is good again, and nothing was destroyed; a second session waits for the first one's end. While the
//! statement runs, every destroyed row leaves its fingerprint; when its root is over they must be the preview's, one for
//! one.

mod claim;
mod mark;
mod verify;

pub use claim::{claim, hash, issued, roles};
pub use mark::{Standing, mark};
pub use verify::{check, more_rows, row_name, settle};

use super::fingerprint::Key;
use crate::judge::approval::{Kind, Refusal};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

/// How many differing rows a refusal names.
pub const EXAMPLES: usize = 5;

/// A token's place in a root statement.
#[derive(Clone, Default)]
pub enum State {
    /// Not asked for yet.
    #[default]
    Untried,
    Claimed(Rc<Claim>),
    Refused(Refusal),
}

/// A request that this statement has claimed.
pub struct Claim {
    pub request_id: i64,
    pub kind: Kind,
    /// Rows that count, as previewed.
    pub rows: i64,
    /// For the record.
    pub json: Rc<str>,
    pub key: Key,
    /// The previewed rows' fingerprints, and how many rows have each.
    expected: HashMap<u128, u32>,
    /// All previewed rows.
    pub total: usize,
}

/// The key stays out of debug output.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}", self.request_id)
    }
}

impl Claim {
    /// Whether the preview showed a row with this fingerprint.
    pub fn showed(&self, print: u128) -> bool {
        self.expected.contains_key(&print)
    }
}

/// The fingerprints of a chunk.
fn prints(bytes: &[u8]) -> impl Iterator<Item = u128> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|print| u128::from_le_bytes(*print))
}
