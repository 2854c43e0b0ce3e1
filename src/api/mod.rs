//! The SQL-callable surface.

mod approve;
mod arguments;
mod check;
mod policy;
mod restore;
mod review;
mod sequences;
mod status;
