//! Types with few values: every value that a column of one can have.

use pgrx::pg_sys;

use super::node::Node;

/// Types with more values than this are not gone through.
pub const MOST_VALUES: usize = 256;

/// Has the type few values?
pub fn is_small(oid: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups that take any OID.
    unsafe {
        let base = pg_sys::getBaseType(oid);
        base == pg_sys::BOOLOID || pg_sys::get_typtype(base) as u8 == pg_sys::TYPTYPE_ENUM
    }
}

/// Every value of the type, as constants: of a boolean or an enum, or a domain over one. None for any other type, and
/// for an enum with too many.
pub fn of_type(oid: pg_sys::Oid) -> Option<Vec<Node>> {
    // SAFETY: catalog look-ups that take any OID; makeBoolConst allocates.
    unsafe {
        let base = pg_sys::getBaseType(oid);
        if base == pg_sys::BOOLOID {
            let both = [true, false].map(|value| pg_sys::makeBoolConst(value, false).cast());
            return Some(both.to_vec());
        }
        if !is_small(base) {
            return None;
        }
        let size = size_of::<pg_sys::Oid>() as i32;
        let none = pg_sys::InvalidOid;
        let constant = |label: pg_sys::Oid| {
            pg_sys::makeConst(base, -1, none, size, label.into(), false, true).cast()
        };
        Some(labels(base)?.into_iter().map(constant).collect())
    }
}

/// The null of that type.
pub fn null(oid: pg_sys::Oid) -> Node {
    // SAFETY: as above.
    unsafe { pg_sys::makeNullConst(pg_sys::getBaseType(oid), -1, pg_sys::InvalidOid).cast() }
}

fn labels(of: pg_sys::Oid) -> Option<Vec<pg_sys::Oid>> {
    // SAFETY: the list holds pg_enum's tuples of that type, and is released after its one use (catcache.h).
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::ENUMTYPOIDNAME as i32;
        let none = pg_sys::Datum::from(0);
        let list = pg_sys::SearchSysCacheList(cache, 1, of.into(), none, none);
        let members = (*list).members.as_slice((*list).n_members as usize);
        let found = (members.len() <= MOST_VALUES).then(|| {
            members
                .iter()
                .map(|&member| {
                    let tuple = &raw mut (*member).tuple;
                    (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_enum>()).oid
                })
                .collect()
        });
        pg_sys::ReleaseCatCacheList(list);
        found
    }
}
