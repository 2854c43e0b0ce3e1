//! The SQL-callable surface.

mod approve;
mod arguments;
mod check;
mod policy;
mod preview;
mod restore;
mod sequences;
mod status;
mod tokens;
