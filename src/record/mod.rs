//! The record: every destroyed row's pre-image, and the statement that destroyed it, written in the transaction that
//! does the damage.
//!
//! A row is captured the moment it has been removed or overwritten (`capture`), written as JSON into a buffer of its
//! relation, operation and cause (`encode`, `text`, `buffer`), and the buffer goes to the table a chunk at a time (`write`). The
//! statement's own row is written when its root ends, or before the commit (`statement_row`). An error on the way aborts the statement, so
//! damage without a record, or a record without damage, cannot commit.

pub mod append_only;
mod approvals;
mod buffer;
pub mod capture;
mod cleared;
pub mod column_change;
pub mod commit;
pub mod datum;
pub mod definition;
pub mod encode;
mod expendable;
mod foreign;
pub mod format;
pub mod image;
pub mod json;
pub mod keep;
mod numeric;
pub mod pack;
mod parameters;
mod portable;
pub mod prune;
mod replicated;
pub mod restore;
mod site;
mod statement_row;
pub mod table_change;
pub mod tables;
pub mod text;
pub mod turned;
pub mod who;
pub mod whole;
pub mod write;

pub use buffer::Buffer;
pub use cleared::{Cleared, FedColumns};
pub use expendable::{canonical, judging, labels, still, uses};
pub use parameters::json as parameters_json;
pub use statement_row::{finish_root, write_move};
pub use write::{flush_all, settle_in, write_complete};
