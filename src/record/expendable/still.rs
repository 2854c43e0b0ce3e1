//! What expressions are made of holds still while one is registered.
//!
//! A function that another session replaces, and has not committed, looks as it did before; and that session does not know of
//! an expression that is being registered with it. No lock of PostgreSQL's makes one wait for the other.

use crate::ddl::object::extension;
use crate::gucs::{self, Mode};
use pgrx::pg_sys::{self, Oid};

/// A function, an operator, a cast or a collation is being made or changed, or what has a name: until that is committed or
/// undone no expression is registered. Waits for one that is being registered.
pub fn changes(class: Oid, oid: Oid) {
    let classes = [
        pg_sys::ProcedureRelationId,
        pg_sys::OperatorRelationId,
        pg_sys::CollationRelationId,
        pg_sys::NamespaceRelationId,
        crate::pg::objects::CAST_RELATION,
    ];
    let is_type = class == pg_sys::TypeRelationId;
    if classes.contains(&class) || is_type && stands_alone(oid) {
        names_change();
    }
}

/// As `changes`, of labels and schemas, whose names are changed after they have been judged.
pub fn names_change() {
    if gucs::mode() != Mode::Off {
        lock(pg_sys::RowExclusiveLock);
    }
}

/// Whether a type's own changes can be one of an expression's: a row type, which each table brings, has none but its columns'.
fn stands_alone(oid: Oid) -> bool {
    // SAFETY: syscache look-ups.
    unsafe {
        pg_sys::get_typtype(oid) as u8 != pg_sys::TYPTYPE_COMPOSITE
            && pg_sys::get_element_type(oid) == pg_sys::InvalidOid
    }
}

/// An expression is registered: waits for those changes, and lets none begin before the registration is committed.
pub fn registers() {
    lock(pg_sys::ShareLock);
}

/// The extension stands for them: nobody else locks it so, but who drops or alters it.
fn lock(mode: u32) {
    let extension = extension();
    if extension != pg_sys::InvalidOid {
        let lock = mode as pg_sys::LOCKMODE;
        // SAFETY: any object can be locked; held to the end of the transaction.
        unsafe { pg_sys::LockDatabaseObject(pg_sys::ExtensionRelationId, extension, 0, lock) };
    }
}
