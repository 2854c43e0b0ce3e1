//! Sequences while a preview runs.

/// A preview begins.
pub fn begin() {}

/// A preview is over.
pub fn end() {}
