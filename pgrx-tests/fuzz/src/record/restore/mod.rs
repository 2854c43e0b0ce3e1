//! How row images are read.

#[path = "../../../../../src/record/restore/json.rs"]
pub mod json;
#[path = "../../../../../src/record/restore/scanner.rs"]
pub mod scanner;
#[path = "../../../../../src/record/restore/shortcut.rs"]
pub mod shortcut;
