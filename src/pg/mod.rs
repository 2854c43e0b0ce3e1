//! PostgreSQL's side: the only unsafe code. Gathers facts, decides nothing.

pub mod query;
