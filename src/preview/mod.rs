//! Preview: a statement is run for real in a subtransaction, everything it destroys is captured as the record would
//! capture it, and the subtransaction is rolled back. What was captured is kept as a request that a person reviews.
//!
//! While a preview runs, nothing is refused: what the rules would have refused is noted with the step it concerns, and
//! registered sequences are not moved (`sequence::preview`).

mod collect;
pub mod lines;
pub mod request;
mod run;
mod sample;
mod seen;
mod store;
pub mod vet;

pub use collect::{Movement, active, is_deferred, note_movement, note_violation, virtual_position};
pub use run::run;
pub use seen::{DEFERRED_TRIGGER, Seen, keep_chunk, note_altered, note_columns, note_row};
pub use store::end as done;
