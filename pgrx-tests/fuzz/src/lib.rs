//! The pure rooms of pg_backstop, compiled without pgrx and without a server, for the fuzzer.
//!
//! `cargo +nightly fuzz run --fuzz-dir pgrx-tests/fuzz judge` and likewise `judge_any`, `decode`, `round_trip`.
// What the extension uses and the targets don't.
#![allow(dead_code)]

#[path = "../../../src/judge/mod.rs"]
pub mod judge;
#[path = "../../../src/model.rs"]
pub mod model;

pub mod pg {
    pub mod memory {
        //! The extension's raise PostgreSQL's error when there is no memory.

        pub fn make_room(bytes: &mut Vec<u8>, more: usize) {
            bytes.reserve(more);
        }

        pub fn append(bytes: &mut Vec<u8>, text: &[u8]) {
            bytes.extend_from_slice(text);
        }

        pub fn push<T>(list: &mut Vec<T>, member: T) {
            list.push(member);
        }
    }
}

pub mod record;
