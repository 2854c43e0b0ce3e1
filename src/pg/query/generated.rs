//! Generated columns: what a table computes a column from, whether it keeps the value or not.

use pgrx::pg_sys;

use super::nulls::of_attribute;
use crate::pg::catalog::OpenRelation;

/// The columns that a generated column's expression reads; none of any other column.
pub fn generated_from(relid: pg_sys::Oid, attno: i16) -> Vec<i16> {
    if of_attribute(relid, attno, |a| a.attgenerated) == Some(0) {
        return Vec::new();
    }
    let Some(relation) = OpenRelation::open(relid, pg_sys::NoLock) else {
        return Vec::new();
    };
    let mut found = core::ptr::null_mut();
    let mut columns = Vec::new();
    // SAFETY: the statement has the relation locked; build_column_default gives a copy of the expression, whose columns are
    // those of range-table entry 1, and the set's numbers count from FirstLowInvalidHeapAttributeNumber.
    unsafe {
        let expression = pg_sys::build_column_default(relation.0, attno.into());
        drop(relation);
        pg_sys::pull_varattnos(expression, 1, &mut found);
        let mut member = pg_sys::bms_next_member(found, -1);
        while member >= 0 {
            columns.push((member + pg_sys::FirstLowInvalidHeapAttributeNumber) as i16);
            member = pg_sys::bms_next_member(found, member);
        }
    }
    columns.retain(|&a| a > 0);
    columns
}
