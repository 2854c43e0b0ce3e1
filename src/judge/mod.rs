//! The judge: decides, from plain facts, whether a statement breaks a rule. No PostgreSQL node, no catalog and no
//! unsafe code reaches this room, so it can be tested without a server.
#![forbid(unsafe_code)]

pub mod approval;
pub mod bounds;
pub mod classes;
pub mod ddl;
pub mod key_range;
pub mod limits;
pub mod pins;
pub mod predicate;
pub mod sequence;
pub mod spelling;
pub mod statement;
pub mod token;
pub mod unguarded;
pub mod unqualified;
pub mod verdict;
pub mod wording;

// The fuzzer shares what the property tests are made of.
#[cfg(any(test, fuzzing))]
pub mod conditions;
#[cfg(test)]
mod properties;
#[cfg(any(test, fuzzing))]
pub mod samples;
