//! What becomes of recorded tables themselves, noted among the changes of their columns (`column_change`). A dump takes the OIDs
//! away, and a table that was dropped and restored has another one: what leads from an image to its table then is every name
//! it had in between.

use super::column_change::{insert, is_recorded, settled};
use crate::pg::{catalog, classes};
use crate::registry;
use pgrx::pg_sys::{self, Oid};

/// A relation was altered: notes its new name, if it is a recorded table and has got one.
pub fn moved(relid: Oid) {
    if !is_recorded(relid) {
        return;
    }
    let (Some(before), Some(after)) = (classes::before(relid), classes::after(relid)) else {
        return;
    };
    if (before.schema, &before.name) == (after.schema, &after.name) {
        return;
    }
    let named = |row: &classes::ClassRow| {
        // SAFETY: a syscache look-up that returns a palloc'd copy or NULL.
        let schema = unsafe { catalog::owned(pg_sys::get_namespace_name(row.schema)) };
        Some(catalog::qualified(&schema?, &row.name))
    };
    if let (Some(before), Some(after)) = (named(&before), named(&after)) {
        renamed(relid, &before, &after);
    }
}

/// A schema was altered: its recorded tables go by its new name.
pub fn schema_renamed(schema: Oid) {
    let Some(registry) = registry::current_even_if_off() else {
        return;
    };
    let mut tables: Vec<Oid> = registry
        .tables()
        .flat_map(|table| [table.relid, table.recorded_relid])
        // SAFETY: a syscache look-up.
        .filter(|relid| unsafe { pg_sys::get_rel_namespace(*relid) } == schema)
        .collect();
    tables.sort_unstable_by_key(|relid| relid.to_u32());
    tables.dedup();
    let Some(name) = classes::schema_after(schema).filter(|_| !tables.is_empty()) else {
        return;
    };
    for relid in tables {
        let Some((before, table)) = catalog::relation_name(relid).filter(|(was, _)| *was != name)
        else {
            continue;
        };
        let (before, after) = (
            catalog::qualified(&before, &table),
            catalog::qualified(&name, &table),
        );
        renamed(relid, &before, &after);
    }
}

fn renamed(relid: Oid, before: &str, after: &str) {
    settled();
    insert((relid, before), None, Some(after), None);
}

/// A recorded table is about to be dropped by the statement that runs, and its rows are captured.
pub fn dropped(relid: Oid) {
    if is_recorded(relid) {
        let statement_id = settled();
        insert(
            (relid, &catalog::display_name(relid)),
            None,
            None,
            statement_id,
        );
    }
}

/// A restore has made the table again that `statement_id` had dropped under this name.
pub fn returned(relid: Oid, name: &str, statement_id: i64) {
    insert((relid, name), None, Some(name), Some(statement_id));
}
