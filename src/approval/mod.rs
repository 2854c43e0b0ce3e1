//! Approvals as a session holds them.

pub mod setting;
