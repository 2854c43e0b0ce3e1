//! What types are made of.

use pgrx::pg_sys::{self, Oid};

/// Whether a column of the relation stores values of a type in `wanted`: itself, or in an array, a domain, a range or a composite.
/// Looked up without a lock, so that altering one table waits for no other.
pub fn columns_hold(relid: Oid, wanted: &[Oid]) -> bool {
    column_types(relid).any(|type_oid| holds(type_oid, wanted))
}

/// Whether a column of the relation has a type that is not PostgreSQL's own.
pub fn has_own_types(relid: Oid) -> bool {
    column_types(relid).any(|type_oid| type_oid.to_u32() >= pg_sys::FirstNormalObjectId)
}

/// The types of a relation's columns, without a lock.
fn column_types(relid: Oid) -> impl Iterator<Item = Oid> {
    // SAFETY: syscache look-ups; missing_ok. A dropped column has a name left, and no type.
    let exists = move |attnum: i16| unsafe { !pg_sys::get_attname(relid, attnum, true).is_null() };
    (1..)
        .take_while(move |attnum| exists(*attnum))
        // SAFETY: as above.
        .map(move |attnum| unsafe { pg_sys::get_atttype(relid, attnum) })
        .filter(|type_oid| *type_oid != pg_sys::InvalidOid)
}

/// Whether values of a type hold values of one in `wanted`. It ends, because no type can be made of itself.
pub fn holds(type_oid: Oid, wanted: &[Oid]) -> bool {
    is_made_of(type_oid, &|part| wanted.contains(&part))
}

/// Whether a type is what `wanted` says, or made of one that is.
pub fn is_made_of(type_oid: Oid, wanted: &dyn Fn(Oid) -> bool) -> bool {
    if wanted(type_oid) {
        return true;
    }
    // SAFETY: syscache look-ups, which answer InvalidOid for types that are not of the kind.
    let (base, element, range, subtype, row) = unsafe {
        let base = pg_sys::getBaseType(type_oid);
        (
            base,
            pg_sys::get_element_type(base),
            pg_sys::get_multirange_range(base),
            pg_sys::get_range_subtype(base),
            pg_sys::get_typ_typrelid(base),
        )
    };
    let parts = [element, range, subtype];
    (base != type_oid && is_made_of(base, wanted))
        || parts
            .iter()
            .any(|part| *part != pg_sys::InvalidOid && is_made_of(*part, wanted))
        || (row != pg_sys::InvalidOid && column_types(row).any(|part| is_made_of(part, wanted)))
}
