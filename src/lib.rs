//! pg_backstop: stops accidental mass deletes and updates, and undoes the ones that were approved.

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod judge;
mod model;
mod pg;

pgrx::pg_module_magic!();
