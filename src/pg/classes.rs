//! Relations and schemas before and after the command that changes them.

use super::catalog_rows::{cached, newest, text};
use pgrx::pg_sys::{self, Oid};

/// What may change of a relation without its OID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRow {
    pub name: String,
    pub schema: Oid,
    pub owner: Oid,
    pub kind: char,
    /// The composite type of a typed table.
    pub of_type: Oid,
}

/// A relation as the running command leaves it.
pub fn after(relid: Oid) -> Option<ClassRow> {
    let (catalog, index) = (
        pg_sys::RelationRelationId,
        Oid::from(pg_sys::ClassOidIndexId),
    );
    newest(catalog, index, relid, class_row)
}

/// A schema's name as the running command leaves it.
pub fn schema_after(schema: Oid) -> Option<String> {
    let (catalog, index) = (
        pg_sys::NamespaceRelationId,
        Oid::from(pg_sys::NamespaceOidIndexId),
    );
    newest(
        catalog,
        index,
        schema,
        |row: &pg_sys::FormData_pg_namespace| text(&row.nspname),
    )
}

/// A relation as the running command found it.
pub fn before(relid: Oid) -> Option<ClassRow> {
    cached(pg_sys::SysCacheIdentifier::RELOID as i32, relid, class_row)
}

fn class_row(row: &pg_sys::FormData_pg_class) -> ClassRow {
    ClassRow {
        name: text(&row.relname),
        schema: row.relnamespace,
        owner: row.relowner,
        kind: row.relkind as u8 as char,
        of_type: row.reloftype,
    }
}

/// Whether a relation may hold rows: anything but a table whose file is empty.
pub fn has_pages(relid: Oid) -> bool {
    // SAFETY: a syscache look-up; the lock goes with the look, or two that both go on to lock the table for themselves
    // would wait for each other.
    unsafe {
        if pg_sys::get_rel_relkind(relid) as u8 != pg_sys::RELKIND_RELATION {
            return true;
        }
        let lock = pg_sys::AccessShareLock as i32;
        let relation = pg_sys::try_relation_open(relid, lock);
        if relation.is_null() {
            return true;
        }
        let main = pg_sys::ForkNumber::MAIN_FORKNUM;
        let blocks = pg_sys::RelationGetNumberOfBlocksInFork(relation, main);
        pg_sys::relation_close(relation, lock);
        blocks > 0
    }
}
