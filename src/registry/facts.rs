//! What the registry is made of, as its tables and the system catalogs have it.

use super::{ApprovalKind, Fed, Policy, SequencePolicy};
use crate::guard_triggers;
use crate::pg::encoding::{Text, strings};
use crate::pg::{catalog, newest};
use pgrx::pg_sys::{self, Oid};
use std::collections::HashMap;
use std::rc::Rc;

/// Runs `sql` and maps its rows. Operators are qualified in every query here: search_path is the session's.
fn select<T>(sql: &str, map: impl Fn(&pgrx::spi::SpiHeapTupleData) -> Option<T>) -> Vec<T> {
    newest::select(sql, &[], |row| Ok(map(row)))
}

fn column<T: pgrx::FromDatum + pgrx::IntoDatum>(
    row: &pgrx::spi::SpiHeapTupleData,
    n: usize,
) -> Option<T> {
    row.get::<T>(n)
        .unwrap_or_else(|error| pgrx::error!("{error}"))
}

pub(super) fn policies() -> Vec<Rc<Policy>> {
    let sql = "SELECT relation::pg_catalog.oid, key_columns, max_rows, expendable, require, approval \
               FROM backstop.registered_table";
    select(sql, |row| {
        let relid: Oid = column(row, 1)?;
        let (schema, table) = catalog::relation_name(relid)?;
        Some(Rc::new(Policy {
            relid,
            qualified: catalog::qualified(&schema, &table),
            schema,
            table,
            key_columns: strings(column(row, 2)?),
            max_rows: column(row, 3),
            expendable: column::<Text>(row, 4).map(|text| text.0),
            always: column::<Text>(row, 5)?.0 == "always",
            approval: ApprovalKind::from_name(&column::<Text>(row, 6)?.0)?,
        }))
    })
}

pub(super) fn fed_columns() -> HashMap<Oid, Vec<Fed>> {
    let sql =
        "SELECT relation::pg_catalog.oid, column_name, upstream FROM backstop.registered_column";
    let mut map: HashMap<Oid, Vec<Fed>> = HashMap::new();
    for (relid, fed) in select(sql, |row| {
        Some((
            column::<Oid>(row, 1)?,
            Fed {
                column: column::<Text>(row, 2)?.0,
                upstream: column::<Text>(row, 3)?.0,
            },
        ))
    }) {
        map.entry(relid).or_default().push(fed);
    }
    map
}

pub(super) fn sequences() -> HashMap<Oid, Rc<SequencePolicy>> {
    let sql = "SELECT sequence::pg_catalog.oid, max_step, min_value, max_value, allow_backward \
               FROM backstop.registered_sequence";
    select(sql, |row| {
        let relid: Oid = column(row, 1)?;
        let (schema, sequence) = catalog::relation_name(relid)?;
        let policy = SequencePolicy {
            qualified: catalog::qualified(&schema, &sequence),
            schema,
            sequence,
            max_step: column(row, 2)?,
            min_value: column(row, 3),
            max_value: column(row, 4),
            allow_backward: column(row, 5)?,
        };
        Some((relid, Rc::new(policy)))
    })
    .into_iter()
    .collect()
}

/// (child, parent) of every inheritance and partition link.
pub(super) fn inheritance() -> Vec<(Oid, Oid)> {
    select(
        "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits",
        |row| Some((column(row, 1)?, column(row, 2)?)),
    )
}

/// (referencing table, referenced table, referencing columns) of every foreign key that changes the referencing row.
pub(super) fn cascading_keys() -> Vec<(Oid, Oid, Vec<String>)> {
    let sql = "SELECT conrelid, confrelid, conkey FROM pg_catalog.pg_constraint \
               WHERE contype OPERATOR(pg_catalog.=) 'f' \
               AND (confdeltype OPERATOR(pg_catalog.=) ANY ('{c,n,d}') \
                    OR confupdtype OPERATOR(pg_catalog.=) ANY ('{c,n,d}'))";
    select(sql, |row| {
        let child: Oid = column(row, 1)?;
        let attnums: Vec<i16> = column(row, 3)?;
        let columns = attnums
            .into_iter()
            // SAFETY: a syscache look-up that returns a palloc'd name or, missing_ok, NULL.
            .filter_map(|attnum| unsafe {
                catalog::owned(pg_sys::get_attname(child, attnum, true))
            })
            .collect();
        Some((child, column(row, 2)?, columns))
    })
}

/// The tables with our row trigger, and how it is enabled (`tgenabled`).
pub(super) fn row_triggers() -> HashMap<Oid, u8> {
    let sql = format!(
        "SELECT tgrelid, tgenabled::pg_catalog.text FROM pg_catalog.pg_trigger \
         WHERE tgname OPERATOR(pg_catalog.=) 'backstop_capture' AND {}",
        guard_triggers::IS_ROW_TRIGGER
    );
    let triggers = select(&sql, |row| {
        let enabled = column::<Text>(row, 2)?.0;
        Some((column(row, 1)?, *enabled.as_bytes().first()?))
    });
    triggers.into_iter().collect()
}
