//! What the registry is made of, as its tables and the system catalogs have it.

use super::{ApprovalKind, Fed, Policy, SequencePolicy};
use crate::guard_triggers;
use crate::pg::unlocked::{self, Row};
use crate::pg::values::{Text, strings};
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

/// The registered tables. (Columns by their places in sql/20_registry.sql.)
pub(super) fn policies(registered: Oid) -> Vec<Rc<Policy>> {
    let policy = |row: &Row| {
        let relid: Oid = row.get(0)?;
        let (schema, table) = catalog::relation_name(relid)?;
        Some(Rc::new(Policy {
            relid,
            qualified: catalog::qualified(&schema, &table),
            schema,
            table,
            key_columns: strings(row.get(1)?),
            max_rows: row.get(2),
            expendable: row.get::<Text>(3).map(|text| text.0),
            always: row.get::<Text>(4)?.0 == "always",
            approval: ApprovalKind::from_name(&row.get::<Text>(5)?.0)?,
        }))
    };
    // SAFETY: the types are those of the table.
    unsafe { unlocked::rows(registered, policy) }
}

pub(super) fn fed_columns(registered: Oid) -> HashMap<Oid, Vec<Fed>> {
    let fed = |row: &Row| {
        let fed = Fed {
            column: row.get::<Text>(1)?.0,
            upstream: row.get::<Text>(2)?.0,
        };
        Some((row.get::<Oid>(0)?, fed))
    };
    let mut map: HashMap<Oid, Vec<Fed>> = HashMap::new();
    // SAFETY: the types are those of the table.
    for (relid, fed) in unsafe { unlocked::rows(registered, fed) } {
        map.entry(relid).or_default().push(fed);
    }
    map
}

pub(super) fn sequences(registered: Oid) -> HashMap<Oid, Rc<SequencePolicy>> {
    let policy = |row: &Row| {
        let relid: Oid = row.get(0)?;
        let (schema, sequence) = catalog::relation_name(relid)?;
        let policy = SequencePolicy {
            qualified: catalog::qualified(&schema, &sequence),
            schema,
            sequence,
            max_step: row.get(1)?,
            min_value: row.get(2),
            max_value: row.get(3),
            allow_backward: row.get(4)?,
        };
        Some((relid, Rc::new(policy)))
    };
    // SAFETY: the types are those of the table.
    let policies = unsafe { unlocked::rows(registered, policy) };
    policies.into_iter().collect()
}

/// (child, parent) of every inheritance and partition link.
pub(super) fn inheritance() -> Vec<(Oid, Oid)> {
    select(
        "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits",
        |row| Some((column(row, 1)?, column(row, 2)?)),
    )
}

/// A foreign key that changes the referencing row.
pub(super) struct CascadingKey {
    /// The referencing table.
    pub child: Oid,
    /// The referenced table.
    pub parent: Oid,
    /// The referencing columns.
    pub columns: Vec<String>,
}

pub(super) fn cascading_keys() -> Vec<CascadingKey> {
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
        Some(CascadingKey {
            child,
            parent: column(row, 2)?,
            columns,
        })
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
