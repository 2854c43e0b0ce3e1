//! Where things lie: the workspace, its build folder, and what is cached between runs.

use std::path::{Path, PathBuf};

/// The workspace's root: the folder that holds the extension's `Cargo.toml`.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the test crate lies inside the workspace")
}

/// Cargo's build folder: `CARGO_TARGET_DIR`, or `target` in the workspace.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// What is downloaded once and kept: PostgreSQL wheels and Python environments.
pub fn cache() -> PathBuf {
    target().join("harness")
}
