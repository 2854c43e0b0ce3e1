//! PostgreSQL as the rest of the house needs it. This folder knows nodes, catalogs, slots and hooks' calling
//! conventions; it knows no rule.

pub mod acting;
pub mod attempt;
pub mod catalog;
pub mod catalog_rows;
pub mod classes;
pub mod compat;
pub mod cursor;
pub mod definitions;
pub mod encoding;
pub mod folding;
pub mod function;
pub mod memory;
pub mod newest;
pub mod objects;
pub mod privileged;
pub mod query;
pub mod raw;
pub mod reserve;
pub mod settings;
pub mod slot;
pub mod spi;
pub mod stack;
pub mod types;
pub mod undone;
pub mod unlocked;
pub mod values;
