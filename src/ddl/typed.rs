//! Typed tables, which go with their type.

use super::scope::Scope;
use crate::judge::ddl::Kind;
use crate::pg::{catalog, catalog_rows, classes, encoding, objects};
use pgrx::pg_sys::{self, Oid};

impl Scope {
    /// The protected tables of a composite type that goes.
    pub(super) fn each_typed(&mut self, through: &'static str, goes: impl Fn(Oid) -> bool) {
        self.each_protected(Kind::DropTable, through, |relid| {
            let of_type = classes::before(relid).map(|row| row.of_type);
            of_type.is_some_and(|of_type| of_type != pg_sys::InvalidOid && goes(of_type))
        });
    }
}

/// Whether a type is in the schema of that name.
pub fn lies_in(of_type: Oid, schema: &str) -> bool {
    let of = objects::named(pg_sys::TypeRelationId, of_type);
    // SAFETY: a syscache look-up; NULL for a schema that is gone.
    let name = of.and_then(|(_, of)| unsafe { catalog::owned(pg_sys::get_namespace_name(of)) });
    name.is_some_and(|name| name == schema)
}

/// The owner of a type.
pub fn owner(of_type: Oid) -> Option<Oid> {
    let cache = pg_sys::SysCacheIdentifier::TYPEOID as i32;
    catalog_rows::cached(cache, of_type, |row: &pg_sys::FormData_pg_type| {
        row.typowner
    })
}

/// The extension of that name.
pub fn extension(name: &str) -> Oid {
    let name = encoding::c_string(name);
    // SAFETY: a catalog look-up by a C string; missing_ok.
    unsafe { pg_sys::get_extension_oid(name.as_ptr(), true) }
}

/// Whether a type, or the composite type's relation, goes with an extension.
pub fn is_member(of_type: Oid, extension: Oid) -> bool {
    // SAFETY: catalog look-ups that take any OID.
    let of = unsafe { pg_sys::getExtensionOfObject(pg_sys::TypeRelationId, of_type) };
    of != pg_sys::InvalidOid && of == extension
}
