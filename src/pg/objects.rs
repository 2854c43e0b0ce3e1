//! Rows of the catalogs, looked up by the object's OID as the object-access hook gives it.

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

/// The name and the schema of a function, an operator, a type or a collation, as the running command leaves it.
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

/// A relation as the running command leaves it.
pub fn class_after(relid: Oid) -> Option<ClassRow> {
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
pub fn class_before(relid: Oid) -> Option<ClassRow> {
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

/// A name's text.
pub fn text(name: &pg_sys::NameData) -> String {
    // SAFETY: a NameData is NUL-terminated.
    encoding::decoded(unsafe { CStr::from_ptr(name.data.as_ptr()) })
}

/// What `read` makes of a row that a cache finds by its OID. `T` must be the fixed part of the cache's rows.
pub fn cached<T, R>(cache: i32, oid: Oid, read: impl FnOnce(&T) -> R) -> Option<R> {
    // SAFETY: released after the read; the row outlives the reference.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(oid));
        if tuple.is_null() {
            return None;
        }
        let result = read(&*body(tuple));
        pg_sys::ReleaseSysCache(tuple);
        Some(result)
    }
}

/// `T` must be the fixed part of the catalog's rows, whose first column is the OID that `index` is over.
fn newest<T, R>(catalog: Oid, index: Oid, oid: Oid, read: impl FnOnce(&T) -> R) -> Option<R> {
    newest_of(
        catalog,
        index,
        &[(1, pg_sys::F_OIDEQ, Datum::from(oid))],
        read,
    )
}

/// As `newest`, for an index over these columns, and the functions that compare them.
fn newest_of<T, R>(
    catalog: Oid,
    index: Oid,
    by: &[(u32, u32, Datum)],
    read: impl FnOnce(&T) -> R,
) -> Option<R> {
    // SAFETY: the row is live while it is read, and begins with its fixed part.
    newest_tuple(catalog, index, by, |tuple, _| unsafe {
        read(&*body(tuple))
    })
}

/// The row itself, and what its columns are.
pub(super) fn newest_tuple<R>(
    catalog: Oid,
    index: Oid,
    by: &[(u32, u32, Datum)],
    read: impl FnOnce(pg_sys::HeapTuple, pg_sys::TupleDesc) -> R,
) -> Option<R> {
    // SAFETY: an index scan as the backend does it everywhere; SnapshotSelf sees the running command's changes.
    unsafe {
        let relation = pg_sys::table_open(catalog, pg_sys::AccessShareLock as i32);
        let mut keys = vec![pg_sys::ScanKeyData::default(); by.len()];
        for (key, (column, function, value)) in keys.iter_mut().zip(by) {
            pg_sys::ScanKeyInit(
                key,
                *column as i16,
                pg_sys::BTEqualStrategyNumber as u16,
                (*function).into(),
                *value,
            );
        }
        let scan = pg_sys::systable_beginscan(
            relation,
            index,
            true,
            &raw mut pg_sys::SnapshotSelfData,
            keys.len() as i32,
            keys.as_mut_ptr(),
        );
        let tuple = pg_sys::systable_getnext(scan);
        let result = (!tuple.is_null()).then(|| read(tuple, (*relation).rd_att));
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
        result
    }
}

/// `GETSTRUCT`.
///
/// # Safety
/// `tuple` must be live.
unsafe fn body<T>(tuple: pg_sys::HeapTuple) -> *const T {
    // SAFETY: the data starts t_hoff bytes after the header.
    unsafe {
        let header = (*tuple).t_data;
        header
            .cast::<u8>()
            .add(usize::from((*header).t_hoff))
            .cast()
    }
}
