//! What a drop takes along, from the catalog of dependencies.

use crate::pg::newest;
use crate::pg::privileged::Privileged;
use crate::pg::values::Text;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};
use std::collections::{HashMap, HashSet};

/// An object as pg_depend addresses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    pub class: Oid,
    pub oid: Oid,
    /// The column, 0 for the whole object.
    pub column: i32,
}

impl Object {
    pub fn relation(oid: Oid) -> Object {
        Object {
            class: pg_sys::RelationRelationId,
            oid,
            column: 0,
        }
    }
}

/// Class, OID, column.
pub fn addresses(objects: &[Object]) -> Vec<(Oid, Oid, i32)> {
    let objects = objects.iter();
    objects
        .map(|object| (object.class, object.oid, object.column))
        .collect()
}

/// Class and OID of those that are no column.
pub fn whole(objects: &[Object]) -> Vec<(Oid, Oid)> {
    let whole = objects.iter().filter(|object| object.column == 0);
    whole.map(|object| (object.class, object.oid)).collect()
}

/// Downwards: whatever depends on what goes, as findDependentObjects() of catalog/dependency.c follows it under CASCADE.
/// Upwards: what an inner part belongs to (a view's rule: the view; a generated column's expression: the column).
const CLOSURE: &str = "
    WITH RECURSIVE gone(classid, objid, objsubid) AS (
        SELECT * FROM unnest($1::oid[], $2::oid[], $3::int[])
        UNION
        SELECT next.classid, next.objid, next.objsubid FROM gone AS g CROSS JOIN LATERAL (
            SELECT d.classid, d.objid, d.objsubid FROM pg_depend AS d
            WHERE d.refclassid = g.classid AND d.refobjid = g.objid AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid)
            UNION ALL
            SELECT d.refclassid, d.refobjid, d.refobjsubid FROM pg_depend AS d
            WHERE d.classid = g.classid AND d.objid = g.objid AND d.objsubid = g.objsubid AND d.deptype = 'i'
                AND (d.refobjsubid = 0 OR d.classid = 'pg_attrdef'::regclass)
        ) AS next
    )
    SELECT classid, objid, objsubid FROM gone";

const OWNED: &str = "
    SELECT s.classid, s.objid, s.objsubid FROM pg_shdepend AS s
    WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = ANY ($1::oid[]) AND s.deptype = 'o'
        AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Everything that goes with `roots`, themselves included.
pub fn closure(roots: &[Object]) -> Vec<Object> {
    let classes: Vec<Oid> = roots.iter().map(|root| root.class).collect();
    let oids: Vec<Oid> = roots.iter().map(|root| root.oid).collect();
    let columns: Vec<i32> = roots.iter().map(|root| root.column).collect();
    // SAFETY: the arguments' types are the query's.
    let arguments = unsafe {
        [
            DatumWithOid::new(classes, pg_sys::OIDARRAYOID),
            DatumWithOid::new(oids, pg_sys::OIDARRAYOID),
            DatumWithOid::new(columns, pg_sys::INT4ARRAYOID),
        ]
    };
    read(CLOSURE, &arguments)
}

/// Tables in PostgreSQL's order, which is that of their making, but a parent before its children, as queries lock them.
pub fn parents_first(relids: Vec<Oid>) -> Vec<Oid> {
    let sql = "SELECT inhrelid, inhparent FROM pg_inherits WHERE inhrelid = ANY ($1::oid[]) ORDER BY inhrelid, inhseqno";
    // SAFETY: an oid[] argument.
    let argument = unsafe { DatumWithOid::new(relids.clone(), pg_sys::OIDARRAYOID) };
    let _privileged = Privileged::for_ddl();
    let found = newest::select(sql, &[argument], |row| {
        Ok(row.get::<Oid>(1)?.zip(row.get::<Oid>(2)?))
    });
    let mut parents: HashMap<Oid, Vec<Oid>> = HashMap::new();
    for (child, parent) in found {
        parents.entry(child).or_default().push(parent);
    }
    let mut waiting = relids;
    waiting.sort_by_key(|relid| std::cmp::Reverse(relid.to_u32()));
    let wanted: HashSet<Oid> = waiting.iter().copied().collect();
    let (mut ordered, mut done) = (Vec::new(), HashSet::new());
    while let Some(relid) = waiting.last().copied() {
        let mut above = parents.remove(&relid).unwrap_or_default();
        above.retain(|parent| wanted.contains(parent) && !done.contains(parent));
        if above.is_empty() {
            waiting.pop();
            if done.insert(relid) {
                ordered.push(relid);
            }
        }
        waiting.extend(above);
    }
    ordered
}

/// What roles own in this database.
pub fn owned_by(roles: Vec<Oid>) -> Vec<Object> {
    // SAFETY: an oid[] argument.
    let argument = unsafe { DatumWithOid::new(roles, pg_sys::OIDARRAYOID) };
    read(OWNED, &[argument])
}

/// The columns named `name` that go with the one of `relid`: in children that only inherit it, or (`all`) in every child.
pub fn columns(relid: Oid, name: &str, inh: bool, all: bool) -> Vec<Object> {
    let sql = "
        WITH RECURSIVE goes(relid, attnum) AS (
            SELECT attrelid, attnum FROM pg_attribute WHERE attrelid = $1 AND attname = $2::name AND NOT attisdropped AND attnum > 0
            UNION
            SELECT a.attrelid, a.attnum FROM goes AS g JOIN pg_inherits AS i ON i.inhparent = g.relid
            JOIN pg_attribute AS a ON a.attrelid = i.inhrelid AND a.attname = $2::name AND NOT a.attisdropped
            WHERE $3 AND ($4 OR (NOT a.attislocal AND a.attinhcount = 1))
        ) SELECT 'pg_class'::regclass::oid, relid, attnum::int FROM goes";
    // SAFETY: the arguments' types are the query's.
    let arguments = unsafe {
        [
            DatumWithOid::new(relid, pg_sys::OIDOID),
            DatumWithOid::new(Text(name.to_owned()), pg_sys::TEXTOID),
            DatumWithOid::new(inh, pg_sys::BOOLOID),
            DatumWithOid::new(all, pg_sys::BOOLOID),
        ]
    };
    read(sql, &arguments)
}

fn read(sql: &str, arguments: &[DatumWithOid]) -> Vec<Object> {
    let _privileged = Privileged::for_ddl();
    newest::select(sql, arguments, |row| {
        Ok(Some(Object {
            class: row.get(1)?.unwrap_or(pg_sys::InvalidOid),
            oid: row.get(2)?.unwrap_or(pg_sys::InvalidOid),
            column: row.get(3)?.unwrap_or(0),
        }))
    })
}
