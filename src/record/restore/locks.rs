//! The locks of a restore that converts columns.

use crate::pg::newest;
use crate::pg::values::{Text, typed};
use pgrx::pg_sys::{self, Oid};

/// The heaps of the tables, and what their foreign keys reach, which PostgreSQL locks as it builds the keys anew: by OID.
const REACHED: &str = "
    WITH RECURSIVE converted AS (
        SELECT pg_catalog.to_regclass(name)::oid AS relid FROM pg_catalog.json_array_elements_text($1::json) AS name
        UNION
        SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN converted AS c ON c.relid = i.inhparent
    ), reached AS (
        SELECT relid, true AS alone FROM converted
        UNION ALL
        SELECT k.conrelid, true FROM pg_catalog.pg_constraint AS k JOIN converted AS c ON c.relid = k.confrelid
        WHERE k.contype = 'f'
        UNION ALL
        SELECT k.confrelid, false FROM pg_catalog.pg_constraint AS k JOIN converted AS c ON c.relid = k.conrelid
        WHERE k.contype = 'f'
    )
    SELECT relid, pg_catalog.bool_or(alone) FROM reached WHERE relid IS NOT NULL GROUP BY relid ORDER BY relid";

/// Takes at once all that converting columns of `tables` will take, in an order that two restores share: whoever takes a
/// weaker lock first, for the rows, and then waits for a stronger one, is waited for in turn.
pub(super) fn lock(tables: &[String]) {
    if tables.is_empty() {
        return;
    }
    let names = typed(Text(serde_json::Value::from(tables.to_vec()).to_string()));
    let reached: Vec<(Oid, bool)> = newest::select(REACHED, &[names], |row| {
        Ok(row.get::<Oid>(1)?.zip(row.get::<bool>(2)?))
    });
    for (relid, alone) in reached {
        let mode = match alone {
            true => pg_sys::AccessExclusiveLock,
            false => pg_sys::ShareRowExclusiveLock,
        };
        // SAFETY: waits for the lock, which goes with the transaction; a relation that is gone by then is nobody's.
        unsafe { pg_sys::LockRelationOid(relid, mode as i32) };
    }
}
