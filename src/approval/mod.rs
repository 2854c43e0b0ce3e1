//! Approvals as a session holds them, and tokens as they are claimed and checked.

pub mod fingerprint;
pub mod setting;
pub mod token;
