//! Rows of the catalogs, looked up by the object's OID as the object-access hook gives it.

use super::catalog_rows::{cached, newest, newest_of, text};
use super::classes;
use crate::pg::encoding;
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::CStr;

/// pg_rewrite.dat, pg_constraint.h: their bindings are missing. The numbers are fixed.
pub const REWRITE_RELATION: Oid = Oid::from_u32(2618);
const REWRITE_OID_INDEX: Oid = Oid::from_u32(2692);
pub const ATTRDEF_RELATION: Oid = Oid::from_u32(2604);
pub const CONSTRAINT_RELATION: Oid = Oid::from_u32(2606);
/// pg_cast.h.
pub const CAST_RELATION: Oid = Oid::from_u32(2605);
const CAST_OID_INDEX: Oid = Oid::from_u32(2660);

/// The first fields of `FormData_pg_rewrite` of catalog/pg_rewrite.h.
#[repr(C)]
struct RewriteRow {
    oid: Oid,
    rulename: pg_sys::NameData,
    ev_class: Oid,
}

/// A trigger or a rule.
#[derive(Clone, Debug)]
pub struct OnTable {
    pub relid: Oid,
    pub name: String,
    /// A trigger that belongs to a constraint.
    pub internal: bool,
    /// `tgenabled`, `A` for ALWAYS.
    pub enabled: char,
}

/// An index, as far as a table's key depends on it.
#[derive(Clone, Debug)]
pub struct Index {
    pub table: Oid,
    pub primary: bool,
    pub unique: bool,
    pub attnums: Vec<i16>,
}

/// A trigger; NULL-free even in the middle of the command that changes it, because the newest version is read.
pub fn trigger(oid: Oid) -> Option<OnTable> {
    let (catalog, index) = (
        pg_sys::TriggerRelationId,
        Oid::from(pg_sys::TriggerOidIndexId),
    );
    newest(catalog, index, oid, |row: &pg_sys::FormData_pg_trigger| {
        OnTable {
            relid: row.tgrelid,
            name: text(&row.tgname),
            internal: row.tgisinternal,
            enabled: row.tgenabled as u8 as char,
        }
    })
}

/// The trigger of that name on a relation.
pub fn trigger_named(relid: Oid, name: &str) -> Option<OnTable> {
    let name = encoding::c_string(name);
    // SAFETY: looks pg_trigger up with a C string; missing_ok.
    trigger(unsafe { pg_sys::get_trigger_oid(relid, name.as_ptr(), true) })
}

/// Whether a relation has a rule of that name.
pub fn has_rule(relid: Oid, name: &str) -> bool {
    let name = encoding::c_string(name);
    let cache = pg_sys::SysCacheIdentifier::RULERELNAME as i32;
    // SAFETY: a syscache look-up with a C string, which fits the name that it compares.
    unsafe {
        let (relid, name) = (Datum::from(relid), Datum::from(name.as_ptr()));
        pg_sys::SearchSysCacheExists(cache, relid, name, Datum::null(), Datum::null())
    }
}

/// A rule.
pub fn rule(oid: Oid) -> Option<OnTable> {
    newest(
        REWRITE_RELATION,
        REWRITE_OID_INDEX,
        oid,
        |row: &RewriteRow| OnTable {
            relid: row.ev_class,
            name: text(&row.rulename),
            internal: false,
            enabled: 'O',
        },
    )
}

/// The name and the schema of a function, an operator, a relation, a type or a collation, as the running command leaves it.
pub fn named(class: Oid, oid: Oid) -> Option<(String, Oid)> {
    let is = |catalog: Oid| class == catalog;
    if is(pg_sys::ProcedureRelationId) {
        let index = Oid::from(pg_sys::ProcedureOidIndexId);
        newest(class, index, oid, |row: &pg_sys::FormData_pg_proc| {
            (text(&row.proname), row.pronamespace)
        })
    } else if is(pg_sys::OperatorRelationId) {
        let index = Oid::from(pg_sys::OperatorOidIndexId);
        newest(class, index, oid, |row: &pg_sys::FormData_pg_operator| {
            (text(&row.oprname), row.oprnamespace)
        })
    } else if is(pg_sys::TypeRelationId) {
        let index = Oid::from(pg_sys::TypeOidIndexId);
        newest(class, index, oid, |row: &pg_sys::FormData_pg_type| {
            (text(&row.typname), row.typnamespace)
        })
    } else if is(pg_sys::RelationRelationId) {
        classes::after(oid).map(|row| (row.name, row.schema))
    } else if is(pg_sys::CollationRelationId) {
        let index = Oid::from(pg_sys::CollationOidIndexId);
        newest(class, index, oid, |row: &pg_sys::FormData_pg_collation| {
            (text(&row.collname), row.collnamespace)
        })
    } else {
        None
    }
}

/// The first fields of `FormData_pg_cast` of catalog/pg_cast.h.
#[repr(C)]
struct CastRow {
    oid: Oid,
    castsource: Oid,
    casttarget: Oid,
}

/// From which type to which a cast is, as the running command leaves it.
pub fn cast(oid: Oid) -> Option<(Oid, Oid)> {
    newest(CAST_RELATION, CAST_OID_INDEX, oid, |row: &CastRow| {
        (row.castsource, row.casttarget)
    })
}

/// What PostgreSQL calls an object: `function is_test(text)`.
pub fn described(class: Oid, oid: Oid) -> String {
    let address = pg_sys::ObjectAddress {
        classId: class,
        objectId: oid,
        objectSubId: 0,
    };
    // SAFETY: returns a palloc'd text or, missing_ok, NULL.
    let text = unsafe {
        let text = pg_sys::getObjectDescription(&address, true);
        (!text.is_null()).then(|| encoding::decoded(CStr::from_ptr(text)))
    };
    text.unwrap_or_else(|| "an object".to_owned())
}

/// An index; `None` for every other relation.
pub fn index(oid: Oid) -> Option<Index> {
    let cache = pg_sys::SysCacheIdentifier::INDEXRELID as i32;
    cached(cache, oid, |row: &pg_sys::FormData_pg_index| Index {
        table: row.indrelid,
        primary: row.indisprimary,
        unique: row.indisunique,
        // SAFETY: indkey is a flexible array of indnatts members, the key's first.
        attnums: unsafe {
            std::slice::from_raw_parts(row.indkey.values.as_ptr(), row.indnkeyatts as usize)
        }
        .to_vec(),
    })
}

/// The index behind a primary-key or unique constraint.
pub fn constraint_index(constraint: Oid) -> Option<Oid> {
    // SAFETY: a syscache look-up; InvalidOid for other constraints and for none.
    let index = unsafe { pg_sys::get_constraint_index(constraint) };
    (index != pg_sys::InvalidOid).then_some(index)
}

/// The number of a relation's column.
pub fn column(relid: Oid, name: &str) -> Option<i16> {
    let name = encoding::c_string(name);
    // SAFETY: a syscache look-up with a C string; 0 for no such column.
    let attnum = unsafe { pg_sys::get_attnum(relid, name.as_ptr()) };
    (attnum > 0).then_some(attnum)
}

/// A column's name as the running command found it.
pub fn column_before(relid: Oid, attnum: i16) -> Option<String> {
    // SAFETY: a syscache look-up; missing_ok.
    unsafe {
        let name = pg_sys::get_attname(relid, attnum, true);
        (!name.is_null()).then(|| encoding::decoded(CStr::from_ptr(name)))
    }
}

/// A column's name as the running command leaves it.
pub fn column_after(relid: Oid, attnum: i16) -> Option<String> {
    let (catalog, index) = (
        pg_sys::AttributeRelationId,
        Oid::from(pg_sys::AttributeRelidNumIndexId),
    );
    let keys = [
        (
            pg_sys::Anum_pg_attribute_attrelid,
            pg_sys::F_OIDEQ,
            Datum::from(relid),
        ),
        (
            pg_sys::Anum_pg_attribute_attnum,
            pg_sys::F_INT2EQ,
            Datum::from(attnum),
        ),
    ];
    newest_of(
        catalog,
        index,
        &keys,
        |row: &pg_sys::FormData_pg_attribute| text(&row.attname),
    )
}
