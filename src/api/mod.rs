//! The SQL-callable surface.

mod approve;
mod arguments;
mod check;
mod grant;
mod policy;
mod preview;
mod progress;
mod prune;
mod restore;
mod restore_sequence;
mod review;
mod run;
mod sequences;
mod status;
mod unpacked;
