//! Domains: what a type promises of every value of it.

use pgrx::pg_sys;

/// What the catalog says of a type.
fn of_type<T>(oid: pg_sys::Oid, read: impl FnOnce(&pg_sys::FormData_pg_type) -> T) -> Option<T> {
    // SAFETY: TYPEOID takes a type's OID; the tuple is released after its one use.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::TYPEOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, oid.into());
        if tuple.is_null() {
            return None;
        }
        let found = read(&*pg_sys::GETSTRUCT(tuple).cast());
        pg_sys::ReleaseSysCache(tuple);
        Some(found)
    }
}

/// The domain, and the domains that it is made of.
fn domains(mut oid: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut all = Vec::new();
    while let Some(base) = of_type(oid, |t| (t.typtype as u8, t.typbasetype))
        .filter(|&(kind, _)| kind == pg_sys::TYPTYPE_DOMAIN)
        .map(|(_, base)| base)
    {
        all.push(oid);
        oid = base;
    }
    all
}

/// Is it a domain that is NOT NULL?
pub fn is_not_null_by_type(oid: pg_sys::Oid) -> bool {
    domains(oid)
        .into_iter()
        .any(|domain| of_type(domain, |t| t.typnotnull) == Some(true))
}
