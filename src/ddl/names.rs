//! What the names in a statement stand for, as PostgreSQL's catalogs have it.

use crate::pg::{catalog, raw};
use pgrx::pg_sys::{self, Oid};

/// The relation behind a RangeVar; `None` when there is none (PostgreSQL says so itself).
///
/// # Safety
/// `relation` must be NULL or live.
pub unsafe fn resolve(relation: *mut pg_sys::RangeVar) -> Option<Oid> {
    // SAFETY: missing_ok, without a lock: what is judged here is judged again by OID when it happens.
    let relid = unsafe {
        // A temporary relation with a schema is the statement's own error to report.
        let temporary = |relation: &pg_sys::RangeVar| {
            relation.relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP
                && !relation.schemaname.is_null()
        };
        if relation.is_null() || temporary(&*relation) {
            return None;
        }
        pg_sys::RangeVarGetRelidExtended(
            relation,
            pg_sys::NoLock as i32,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        )
    };
    (relid != pg_sys::InvalidOid).then_some(relid)
}

/// The relation behind a list of name parts.
///
/// # Safety
/// `names` must be a live List of String nodes.
pub unsafe fn resolve_names(names: *mut pg_sys::List) -> Option<Oid> {
    // SAFETY: the caller vouches for the list; four and more parts are PostgreSQL's error to report.
    unsafe {
        if !(1..=3).contains(&raw::list_length(names)) {
            return None;
        }
        resolve(pg_sys::makeRangeVarFromNameList(names))
    }
}

/// The roles of a list.
///
/// # Safety
/// `roles` must be a live List of RoleSpec.
pub unsafe fn role_ids(roles: *mut pg_sys::List) -> Vec<Oid> {
    // SAFETY: an OidList; raises for a role that does not exist, as the statement itself would.
    unsafe { catalog::oid_list(pg_sys::roleSpecsToIds(roles)) }
}

/// Schema "backstop".
pub fn own_schema() -> Oid {
    // SAFETY: a syscache look-up; missing_ok.
    unsafe { pg_sys::get_namespace_oid(c"backstop".as_ptr(), true) }
}

/// Whether a relation is the guard's own.
pub fn is_own(relid: Oid) -> bool {
    // SAFETY: a syscache look-up.
    let schema = unsafe { pg_sys::get_rel_namespace(relid) };
    schema != pg_sys::InvalidOid && schema == own_schema()
}
