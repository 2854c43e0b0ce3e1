//! The SQL-callable surface.

mod approve;
mod arguments;
mod check;
mod policy;
mod preview;
mod restore;
mod review;
mod sequences;
mod status;
mod tokens;
