//! The functions behind those that an `expendable` expression calls, as far as pg_depend has them: what is used by bodies that
//! are written with BEGIN ATOMIC, by defaults of arguments, by operators and by aggregates.

use super::functions::is_built_in;
use crate::pg::catalog_rows;
use pgrx::pg_sys::{self, Datum, Oid};

/// catalog/pg_depend.h: its bindings are missing. The numbers are fixed.
const DEPEND_RELATION: Oid = Oid::from_u32(2608);
const DEPENDER_INDEX: Oid = Oid::from_u32(2673);
const REFERENCE_INDEX: Oid = Oid::from_u32(2674);

/// `FormData_pg_depend`, without its last column.
#[repr(C)]
struct DependRow {
    classid: Oid,
    objid: Oid,
    objsubid: i32,
    refclassid: Oid,
    refobjid: Oid,
}

/// A function or an operator: its catalog and OID.
type Object = (Oid, Oid);

/// The function itself, and those that come to it.
pub(super) fn leading_to(function: Oid) -> Vec<Oid> {
    all(vec![function], |object| {
        beside(REFERENCE_INDEX, 4, object, |row| (row.classid, row.objid))
    })
}

/// These functions, and those that they come to.
pub(super) fn from(functions: Vec<Oid>) -> Vec<Oid> {
    all(functions, |object| {
        beside(DEPENDER_INDEX, 1, object, |row| {
            (row.refclassid, row.refobjid)
        })
    })
}

/// The functions among what `next` comes to, each once, however they call each other.
fn all(functions: Vec<Oid>, next: impl Fn(Object) -> Vec<Object>) -> Vec<Oid> {
    let function = |oid: Oid| (pg_sys::ProcedureRelationId, oid);
    let mut found: Vec<Object> = functions.into_iter().map(function).collect();
    let mut looked_at = 0;
    while let Some(object) = found.get(looked_at) {
        for other in next(*object) {
            if !found.contains(&other) {
                found.push(other);
            }
        }
        looked_at += 1;
    }
    let is_function = |object: &Object| *object == function(object.1);
    let functions = found.into_iter().filter(is_function);
    functions.map(|(_, oid)| oid).collect()
}

/// What stands beside an object in pg_depend, where the object is in the columns from `column` on.
fn beside(
    index: Oid,
    column: u32,
    (class, oid): Object,
    other: impl Fn(&DependRow) -> Object,
) -> Vec<Object> {
    if is_built_in(oid) {
        return Vec::new();
    }
    let by = [
        (column, pg_sys::F_OIDEQ, Datum::from(class)),
        (column + 1, pg_sys::F_OIDEQ, Datum::from(oid)),
    ];
    let found = catalog_rows::all_of(DEPEND_RELATION, index, &by, other);
    let followed = |(class, _): &Object| {
        *class == pg_sys::ProcedureRelationId || *class == pg_sys::OperatorRelationId
    };
    found.into_iter().filter(followed).collect()
}
