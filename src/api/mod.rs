//! The SQL-callable surface.

mod approve;
mod arguments;
mod check;
mod policy;
mod prune;
mod restore;
mod sequences;
mod status;
