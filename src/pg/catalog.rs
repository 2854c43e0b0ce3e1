//! Names and columns, read from the catalogs.

use crate::pg::encoding;
use crate::pg::{compat, raw};
use pgrx::pg_sys;
use std::ffi::{CStr, c_char};

/// Owns the text behind a palloc'd C string, `None` for NULL.
///
/// # Safety
/// `text` must be NULL or a valid C string.
pub unsafe fn owned(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for the string.
    Some(encoding::decoded(unsafe { CStr::from_ptr(text) }))
}

/// Whether it is a temporary table of another session: nobody else reaches its rows, or may alter it.
pub fn is_others_temporary(relid: pg_sys::Oid) -> bool {
    // SAFETY: syscache look-ups; the namespace of what is gone is none.
    unsafe { pg_sys::isOtherTempNamespace(pg_sys::get_rel_namespace(relid)) }
}

/// A relation's schema and name; `None` when it no longer exists.
pub fn relation_name(relid: pg_sys::Oid) -> Option<(String, String)> {
    // SAFETY: the syscache look-ups return palloc'd copies or NULL.
    unsafe {
        let name = owned(pg_sys::get_rel_name(relid))?;
        let schema = owned(pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relid)))?;
        Some((schema, name))
    }
}

/// An identifier quoted where SQL needs it.
pub fn quoted(identifier: &str) -> String {
    let text = encoding::c_string(identifier);
    // SAFETY: quote_identifier returns its argument or a palloc'd copy. The setting is the session's; a name in the
    // record must not depend on it.
    unsafe {
        let all = pg_sys::quote_all_identifiers;
        pg_sys::quote_all_identifiers = false;
        let quoted = owned(pg_sys::quote_identifier(text.as_ptr()));
        pg_sys::quote_all_identifiers = all;
        quoted.unwrap_or_default()
    }
}

/// `schema.name`, quoted where SQL needs it.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// A relation's qualified, quoted name, or its number when it is gone.
pub fn display_name(relid: pg_sys::Oid) -> String {
    match relation_name(relid) {
        Some((schema, name)) => qualified(&schema, &name),
        None => relid.to_u32().to_string(),
    }
}

/// Whether a relation lies in the extension's schema.
pub fn is_ours(relid: pg_sys::Oid) -> bool {
    relation_name(relid).is_some_and(|(schema, _)| schema == "backstop")
}

/// A live column of a relation.
#[derive(Clone, Debug)]
pub struct ColumnFact {
    pub attnum: i16,
    pub name: String,
    pub type_oid: pg_sys::Oid,
    pub type_mod: i32,
    pub not_null: bool,
    /// `attgenerated` is set: the server computes the value.
    pub generated: bool,
}

/// The live columns behind a tuple descriptor, in attribute order.
///
/// # Safety
/// `desc` must be live.
pub unsafe fn columns_of(desc: pg_sys::TupleDesc) -> Vec<ColumnFact> {
    // SAFETY: attributes 0..natts exist in a live descriptor.
    unsafe {
        (0..(*desc).natts as usize)
            .map(|n| compat::attribute(desc, n))
            .filter(|attribute| !attribute.attisdropped)
            .map(|attribute| ColumnFact {
                attnum: attribute.attnum,
                name: encoding::decoded(CStr::from_ptr(attribute.attname.data.as_ptr())),
                type_oid: attribute.atttypid,
                type_mod: attribute.atttypmod,
                not_null: attribute.attnotnull,
                generated: attribute.attgenerated != 0,
            })
            .collect()
    }
}

/// A relation opened for a look, closed with the value; the lock is kept to the transaction's end.
pub struct OpenRelation(pub pg_sys::Relation);

impl OpenRelation {
    /// Opens `relid`, or `None` when it does not exist (any more).
    pub fn open(relid: pg_sys::Oid, lock: u32) -> Option<OpenRelation> {
        // SAFETY: try_relation_open returns NULL for a relation that is gone and raises on everything else.
        let relation = unsafe { pg_sys::try_relation_open(relid, lock as i32) };
        (!relation.is_null()).then(|| OpenRelation(relation))
    }

    pub fn columns(&self) -> Vec<ColumnFact> {
        // SAFETY: an open relation's descriptor is live.
        unsafe { columns_of((*self.0).rd_att) }
    }

    /// `relkind` as a character.
    pub fn kind(&self) -> char {
        // SAFETY: an open relation has its pg_class row in memory.
        unsafe { (*(*self.0).rd_rel).relkind as u8 as char }
    }

    /// Whether the transaction made it.
    pub fn is_new(&self) -> bool {
        // InvalidSubTransactionId is 0.
        // SAFETY: the relation is open.
        unsafe { (*self.0).rd_createSubid != 0 }
    }

    /// `relpersistence` as a character.
    pub fn persistence(&self) -> char {
        // SAFETY: as above.
        unsafe { (*(*self.0).rd_rel).relpersistence as u8 as char }
    }
}

impl Drop for OpenRelation {
    fn drop(&mut self) {
        // SAFETY: opened above; NoLock keeps the lock. After an error the resource owner has closed it already, and a
        // transaction that is aborting must not touch it again.
        unsafe {
            if !std::thread::panicking() {
                pg_sys::relation_close(self.0, pg_sys::NoLock as i32);
            }
        }
    }
}

/// The attribute numbers of a relation's primary key, empty when it has none.
pub fn primary_key(relid: pg_sys::Oid) -> Vec<i16> {
    let mut constraint = pg_sys::InvalidOid;
    // SAFETY: get_primary_key_attnos returns a palloc'd set, offset as every attribute bitmap is.
    unsafe {
        let set = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
            raw::get_primary_key_attnos(relid, true, &mut constraint)
        });
        let mut attnums = Vec::new();
        let mut member = pg_sys::bms_next_member(set, -1);
        while member >= 0 {
            attnums.push((member + pg_sys::FirstLowInvalidHeapAttributeNumber) as i16);
            member = pg_sys::bms_next_member(set, member);
        }
        attnums
    }
}

/// May other tables inherit from the relation, or be partitions of it?
pub fn has_children(relid: pg_sys::Oid) -> bool {
    // SAFETY: RELOID takes a relation's OID; the tuple is released after its one use.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::RELOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, relid.into());
        if tuple.is_null() {
            return false;
        }
        let class = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
        let has = (*class).relhassubclass;
        pg_sys::ReleaseSysCache(tuple);
        has
    }
}

/// The relation a qualified name as `display_name` writes it means now; `None` when there is none.
pub fn named_relation(name: &str) -> Option<pg_sys::Oid> {
    // SAFETY: to_regclass takes a text datum and answers NULL for a name that leads nowhere.
    unsafe {
        let name = encoding::encode(name);
        let text = pg_sys::cstring_to_text_with_len(name.as_ptr().cast(), name.len() as i32);
        pgrx::direct_function_call::<pg_sys::Oid>(
            pg_sys::to_regclass,
            &[Some(pg_sys::Datum::from(text))],
        )
    }
}

/// A partitioned table's default partition.
pub fn default_partition(relid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a syscache look-up; its errors do not jump over our frames.
    let found = unsafe {
        pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| raw::get_default_partition_oid(relid))
    };
    (found != pg_sys::InvalidOid).then_some(found)
}

/// The table that a partition is one of.
pub fn partition_parent(relid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: catalog look-ups, as above; one that is being detached has none.
    unsafe {
        let parent = pg_sys::get_rel_relispartition(relid).then(|| {
            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::get_partition_parent(relid, true)
            })
        });
        parent.filter(|parent| *parent != pg_sys::InvalidOid)
    }
}

/// A table and its children, each behind its parents, in the order in which queries lock them.
pub fn family(relid: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    // SAFETY: a List of OIDs in the current context, found without a lock.
    unsafe {
        let none = pg_sys::NoLock as i32;
        let found = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
            raw::find_all_inheritors(relid, none, std::ptr::null_mut())
        });
        oid_list(found)
    }
}

/// The members of a List of integers.
///
/// # Safety
/// `list` must be NIL or a live IntList.
pub unsafe fn int_list(list: *mut pg_sys::List) -> Vec<i32> {
    // SAFETY: the caller vouches for the list; elements 0..length exist.
    unsafe {
        (0..raw::list_length(list) as usize)
            .map(|n| (*(*list).elements.add(n)).int_value)
            .collect()
    }
}

/// The members of an OID list.
///
/// # Safety
/// `list` must be NIL or an OID list.
pub unsafe fn oid_list(list: *mut pg_sys::List) -> Vec<pg_sys::Oid> {
    // SAFETY: the caller vouches for the list; elements 0..length exist.
    unsafe {
        (0..raw::list_length(list) as usize)
            .map(|n| (*(*list).elements.add(n)).oid_value)
            .collect()
    }
}
