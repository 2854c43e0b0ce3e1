//! Requests as people read them. Pure: `api::review` fetches, this room lays out.

pub mod tree;
mod wrap;
