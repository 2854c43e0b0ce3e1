//! The SQL-callable surface.

mod approve;
mod arguments;
mod check;
mod policy;
mod restore;
mod sequences;
mod status;
