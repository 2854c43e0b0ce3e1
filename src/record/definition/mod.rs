//! What DDL takes away besides rows: read from the catalogs before it runs, as the SQL that brings it back, and written
//! into the record.
//!
//! PostgreSQL's own functions print every expression, constraint, index and query, under search_path = pg_catalog, so that
//! names are qualified and mean the same whatever the session that restores has set.

mod columns;
mod dependents;
mod others;
mod references;
mod write;

pub use columns::{altered_columns, detached, dropped_columns, no_defaults, same_values};
pub use dependents::{dependents, is_about, kept_settings, left};
pub use others::{others, parts};
pub use references::references;
pub use write::{Reserved, record, record_left, write, write_left};

use crate::model::Operation;
use crate::pg::privileged::Privileged;
use crate::pg::values::RowText;
use crate::pg::{catalog, newest};
use crate::registry::Guarded;
use crate::report::Outcome;
use crate::sequence::state;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};
use pgrx::spi::{self, SpiHeapTupleData};
use std::rc::Rc;

/// From this rank on, a command is run after the rows are back.
const AFTER_ROWS: i32 = 100;
const SEQUENCE_STATE: i32 = 200;

/// One SQL command that brings back a part of what vanished.
#[derive(Clone, Debug)]
pub struct Definition {
    pub rank: i32,
    depth: i32,
    /// The table that took it along, or that it belongs to.
    pub relid: Oid,
    /// The relation it sits on.
    pub object: String,
    pub kind: String,
    pub name: String,
    pub sql: String,
}

impl Definition {
    fn new(rank: i32, relid: Oid, object: &str, kind: &str, name: &str, sql: String) -> Definition {
        Definition {
            rank,
            depth: 0,
            relid,
            object: object.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            sql,
        }
    }
}

/// Runs a query that returns definitions, by the newest snapshot and as a superuser: what is about to vanish is recorded
/// whole, whoever takes it away.
fn read(sql: &str, arguments: &[DatumWithOid]) -> Vec<Definition> {
    let _privileged = Privileged::for_ddl();
    newest::select(sql, arguments, |row| definition_of(row).map(Some))
}

/// The definition that a row of such a query holds.
fn definition_of(row: &SpiHeapTupleData) -> spi::Result<Definition> {
    let text = |n| row.text(n).map(Option::unwrap_or_default);
    let name = text(6)?;
    let Some(sql) = row.text(7)? else {
        unprintable(&name);
    };
    Ok(Definition {
        rank: row.get(1)?.unwrap_or(0),
        depth: row.get(2)?.unwrap_or(0),
        relid: row.get(3)?.unwrap_or(pg_sys::InvalidOid),
        object: text(4)?,
        kind: text(5)?,
        name,
        sql,
    })
}

/// pg_get_constraintdef() goes by the transaction's snapshot, and says nothing of a constraint that is newer.
fn unprintable(name: &str) -> ! {
    pgrx::ereport!(
        ERROR,
        pgrx::PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!("could not serialize access: \"{name}\" is newer than this transaction's snapshot"),
        "What the statement takes along could not be recorded, so it was refused. Nothing was changed."
    );
}

fn oids(relids: &[Oid]) -> DatumWithOid<'static> {
    // SAFETY: an oid[] argument.
    unsafe { DatumWithOid::new(relids.to_vec(), pg_sys::OIDARRAYOID) }
}

/// Everything that `relids`, which vanish together, are made of.
pub fn tables(relids: &[Oid]) -> Vec<Definition> {
    let mut all = read(include_str!("tables.sql"), &[oids(relids)]);
    all.extend(attached(relids));
    all.extend(owned_sequences(relids, &[]));
    for relid in relids {
        all.extend(sequence_states(*relid));
    }
    all.extend(read(include_str!("registration.sql"), &[oids(relids)]));
    all
}

/// What sits on relations besides their shape.
fn attached(relids: &[Oid]) -> Vec<Definition> {
    let mut all = read(include_str!("attached.sql"), &[oids(relids)]);
    all.extend(settings(relids, &[], relids));
    all
}

/// How the indexes of relations are kept, and those of relations that stay among what goes: it belongs to the record of one
/// of `tables`.
fn settings(relids: &[Oid], gone: &[Oid], tables: &[Oid]) -> Vec<Definition> {
    let arguments = [oids(relids), oids(gone), oids(tables)];
    read(include_str!("settings.sql"), &arguments)
}

/// What the sequences have that tables' columns own; `columns` none: all of theirs.
fn owned_sequences(relids: &[Oid], columns: &[i16]) -> Vec<Definition> {
    // SAFETY: a smallint[] argument.
    let columns = unsafe { DatumWithOid::new(columns.to_vec(), pg_sys::INT2ARRAYOID) };
    read(include_str!("sequences.sql"), &[oids(relids), columns])
}

/// Where the sequences stand that a table's columns own.
fn sequence_states(relid: Oid) -> Vec<Definition> {
    // SAFETY: a catalog look-up; an OID list.
    let owned = unsafe { catalog::oid_list(pg_sys::getOwnedSequences(relid)) };
    let object = catalog::display_name(relid);
    let states = owned.into_iter();
    states
        .map(|sequence| sequence_value(relid, sequence, &object))
        .collect()
}

fn sequence_value(relid: Oid, sequence: Oid, object: &str) -> Definition {
    let name = &catalog::display_name(sequence);
    let position = state::position(sequence);
    // A sequence that has gone on since stays where it is, also one that has just handed out its first value.
    let behind = match (state::definition(sequence).0 < 0, position.is_called) {
        (true, true) => ">=",
        (true, false) => ">",
        (false, true) => "<=",
        (false, false) => "<",
    };
    let sql = format!(
        "SELECT pg_catalog.setval({}, {value}, {}) FROM {name} AS s WHERE s.last_value {behind} {value}",
        literal(name),
        position.is_called,
        value = position.value,
    );
    Definition::new(SEQUENCE_STATE, relid, object, "sequence value", name, sql)
}

/// TRUNCATE ... RESTART IDENTITY: where the table's sequences stood.
///
/// # Errors
/// None of its own.
pub fn sequences(table: &Rc<Guarded>, operation: Operation) -> Outcome<()> {
    write(
        table_names(std::slice::from_ref(table)),
        operation,
        sequence_states(table.relid),
    );
    Ok(())
}

/// The names the record has for guarded tables.
pub fn table_names(tables: &[Rc<Guarded>]) -> Vec<(Oid, Rc<str>)> {
    let names = tables.iter();
    names
        .map(|table| (table.relid, table.recorded_name.clone()))
        .collect()
}

/// A string literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
