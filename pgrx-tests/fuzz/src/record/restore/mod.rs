//! How row images are read.

#[path = "../../../../../src/record/restore/shortcut.rs"]
pub mod shortcut;
