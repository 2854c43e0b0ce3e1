//! The SQL-callable surface.

mod approve;
mod arguments;
mod check;
mod policy;
mod preview;
mod progress;
mod prune;
mod restore;
mod restore_sequence;
mod review;
mod sequences;
mod status;
mod tokens;
mod unpacked;
