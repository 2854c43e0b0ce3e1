//! The rules. Pure: no PostgreSQL, no unsafe; plain types in, verdicts out.
#![forbid(unsafe_code)]

pub mod approval;
pub mod ddl;
pub mod limits;
pub mod sequence;
