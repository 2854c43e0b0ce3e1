//! Whether the running command changes what an object is called or what it does: functions, operators, types, collations
//! and schemas, as the object-access hook gives them.

use super::catalog_rows::{self, text};
use super::{compat, raw};
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, SysCacheIdentifier, TupleDesc};

/// The columns of these catalogs that tell what an object does. Owners, privileges and costs tell nothing.
const TELLING: [&str; 9] = [
    "prolang",
    "prosecdef",
    "proisstrict",
    "provolatile",
    "prorettype",
    "prosrc",
    "probin",
    "prosqlbody",
    "proconfig",
];

/// Those that tell by which words it is found: also with how many arguments, and which it is given where they are left out.
const NAMING: [&str; 12] = [
    "proname",
    "pronamespace",
    "proargtypes",
    "pronargdefaults",
    "proargdefaults",
    "provariadic",
    "oprname",
    "oprnamespace",
    "typname",
    "typnamespace",
    "collname",
    "collnamespace",
];

/// Those that ALTER AGGREGATE and GRANT may change. What an aggregate does is in pg_aggregate, which is written later.
const HELD: [&str; 2] = ["proowner", "proacl"];

/// What the running command does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Made,
    Changed,
    /// It may be found where it was not before.
    Renamed,
    /// It stays what it was.
    Unchanged,
}

/// Asked when the command has written the object and nothing else sees that yet. An object of another catalog is `Unchanged`.
pub fn change(class: Oid, oid: Oid) -> Change {
    let Some((cache, index)) = catalog(class) else {
        return Change::Unchanged;
    };
    // SAFETY: a syscache look-up, which finds what was there before the command; released below.
    let before = unsafe { pg_sys::SearchSysCache1(cache as i32, Datum::from(oid)) };
    if before.is_null() {
        return Change::Made;
    }
    let by = [(1, pg_sys::F_OIDEQ, Datum::from(oid))];
    // SAFETY: both rows are live and of the catalog that the descriptor is of.
    let change = catalog_rows::newest_tuple(class, Oid::from(index), &by, |after, desc| unsafe {
        match (
            tell_the_same(before, after, desc, &NAMING),
            tell_the_same(before, after, desc, &TELLING),
        ) {
            (false, _) => Change::Renamed,
            (_, false) => Change::Changed,
            _ if is_aggregate(class, oid) && tell_the_same(before, after, desc, &HELD) => {
                Change::Changed
            }
            _ => Change::Unchanged,
        }
    });
    // SAFETY: found above.
    unsafe { pg_sys::ReleaseSysCache(before) };
    change.unwrap_or(Change::Unchanged)
}

fn is_aggregate(class: Oid, oid: Oid) -> bool {
    let cache = SysCacheIdentifier::PROCOID as i32;
    let is = |row: &pg_sys::FormData_pg_proc| row.prokind as u8 == pg_sys::PROKIND_AGGREGATE;
    class == pg_sys::ProcedureRelationId && catalog_rows::cached(cache, oid, is).unwrap_or(false)
}

fn catalog(class: Oid) -> Option<(SysCacheIdentifier::Type, u32)> {
    let catalogs = [
        (
            pg_sys::ProcedureRelationId,
            SysCacheIdentifier::PROCOID,
            pg_sys::ProcedureOidIndexId,
        ),
        (
            pg_sys::OperatorRelationId,
            SysCacheIdentifier::OPEROID,
            pg_sys::OperatorOidIndexId,
        ),
        (
            pg_sys::TypeRelationId,
            SysCacheIdentifier::TYPEOID,
            pg_sys::TypeOidIndexId,
        ),
        (
            pg_sys::CollationRelationId,
            SysCacheIdentifier::COLLOID,
            pg_sys::CollationOidIndexId,
        ),
    ];
    let found = catalogs.into_iter().find(|(id, _, _)| *id == class);
    found.map(|(_, cache, index)| (cache, index))
}

/// Whether these columns of two versions of a row have the same values.
///
/// # Safety
/// Both rows must be live and of `desc`'s catalog.
unsafe fn tell_the_same(
    before: HeapTuple,
    after: HeapTuple,
    desc: TupleDesc,
    telling: &[&str],
) -> bool {
    // SAFETY: the arrays have a member for each column; a value is compared as its column's type is stored.
    unsafe {
        let count = (*desc).natts as usize;
        let columns = |tuple| {
            let (mut values, mut nulls) = (vec![Datum::from(0); count], vec![false; count]);
            pg_sys::heap_deform_tuple(tuple, desc, values.as_mut_ptr(), nulls.as_mut_ptr());
            (values, nulls)
        };
        let ((old, was_null), (new, is_null)) = (columns(before), columns(after));
        (0..count).all(|n| {
            let column = compat::attribute(desc, n);
            if !telling.contains(&text(&column.attname).as_str()) {
                return true;
            }
            if was_null[n] || is_null[n] {
                return was_null[n] == is_null[n];
            }
            let whole = |value: Datum| {
                if column.attlen == -1 {
                    Datum::from(pg_sys::pg_detoast_datum(value.cast_mut_ptr()))
                } else {
                    value
                }
            };
            let (old, new) = (whole(old[n]), whole(new[n]));
            raw::datumIsEqual(old, new, column.attbyval, column.attlen.into())
                || (column.atttypid == pg_sys::PG_NODE_TREEOID && mean_the_same(old, new))
        })
    }
}

/// Whether two expressions are the same, wherever they were written in their commands.
///
/// # Safety
/// Both must be values of type pg_node_tree.
unsafe fn mean_the_same(one: Datum, other: Datum) -> bool {
    // SAFETY: what nodeToString() has written.
    unsafe {
        let read =
            |value: Datum| pg_sys::stringToNode(pg_sys::text_to_cstring(value.cast_mut_ptr()));
        pg_sys::equal(read(one), read(other))
    }
}
