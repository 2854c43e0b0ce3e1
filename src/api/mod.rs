//! The SQL-callable surface.

mod approve;
mod arguments;
mod check;
mod policy;
mod sequences;
mod status;
