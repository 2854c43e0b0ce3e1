//! How row images are written.

#[path = "../../../../src/record/json/mod.rs"]
pub mod json;
#[path = "../../../../src/record/numeric.rs"]
pub mod numeric;
pub mod restore;
#[path = "../../../../src/record/text/mod.rs"]
pub mod text;
