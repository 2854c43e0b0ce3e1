//! Definitions of columns that are dropped or change their type, and of partitions that are detached.

use super::{
    Definition, dependents, oids, owned_sequences, read, references, sequence_states, settings,
};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};

pub(super) fn attnums(columns: &[i16]) -> DatumWithOid<'static> {
    // SAFETY: a smallint[] argument.
    unsafe { DatumWithOid::new(columns.to_vec(), pg_sys::INT2ARRAYOID) }
}

/// The columns of `relid` and what they are made of. `of_children`: those of its partitions and other children that go
/// with them.
pub fn dropped_columns(relid: Oid, columns: &[i16], of_children: &[(Oid, i16)]) -> Vec<Definition> {
    let arguments = [oids(&[relid]), attnums(columns)];
    let mut all = read(include_str!("columns.sql"), &arguments);
    let names: Vec<&str> = all
        .iter()
        .filter(|d| d.kind == "owned sequence")
        .map(|d| d.name.as_str())
        .collect();
    let states = sequence_states(relid);
    let states: Vec<Definition> = states
        .into_iter()
        .filter(|state| names.contains(&state.name.as_str()))
        .collect();
    all.retain(|d| d.kind != "owned sequence");
    all.extend(states);
    all.extend(owned_sequences(&[relid], columns));
    if !of_children.is_empty() {
        let children: Vec<Oid> = of_children.iter().map(|(child, _)| *child).collect();
        let columns: Vec<i16> = of_children.iter().map(|(_, column)| *column).collect();
        let arguments = [oids(&[relid]), oids(&children), attnums(&columns)];
        all.extend(read(include_str!("child_columns.sql"), &arguments));
    }
    all
}

/// The types and defaults that columns (table, column) of `relid` and of its children have before ALTER COLUMN TYPE, and what
/// sits on them by an expression.
pub fn altered_columns(relid: Oid, columns: &[(Oid, i16)]) -> Vec<Definition> {
    let dependents = dependents::before(relid, columns);
    let tables: Vec<Oid> = columns.iter().map(|(table, _)| *table).collect();
    let columns: Vec<i16> = columns.iter().map(|(_, column)| *column).collect();
    let arguments = [oids(&[relid]), oids(&tables), attnums(&columns)];
    let mut all = read(include_str!("column_types.sql"), &arguments);
    // Indexes are built anew, and all else that they have is theirs again.
    let mut indexes = settings(&tables, &[], &[relid]);
    indexes.retain(|setting| setting.kind == "index statistics");
    all.extend(indexes);
    all.extend(dependents);
    all
}

/// Columns whose conversion leaves their values as the record writes them: rows are known by those in both types.
pub fn same_values(relid: Oid, columns: &[i16]) -> Vec<Definition> {
    let sql = "SELECT 42, 0, c.oid, format('%I.%I', n.nspname, c.relname), 'same values', a.attname::text,
                      '-- they stay as they are'
               FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
               JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY ($2)
               WHERE c.oid = ANY ($1::oid[])";
    match columns {
        [] => Vec::new(),
        _ => read(sql, &[oids(&[relid]), attnums(columns)]),
    }
}

/// Takes defaults away from columns that have none now.
pub fn no_defaults(relid: Oid, columns: &[i16]) -> Vec<Definition> {
    let sql = "SELECT 40, 0, c.oid, format('%I.%I', n.nspname, c.relname), 'column default', a.attname::text,
                      format('ALTER TABLE %I.%I ALTER COLUMN %I DROP DEFAULT', n.nspname, c.relname, a.attname)
               FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
               JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY ($2) AND NOT a.atthasdef
               WHERE c.oid = ANY ($1::oid[])";
    match columns {
        [] => Vec::new(),
        _ => read(sql, &[oids(&[relid]), attnums(columns)]),
    }
}

/// The attachment of a partition to its parent, in force.
pub fn detached(partition: Oid) -> Vec<Definition> {
    let sql = "SELECT 60, 0, c.oid, i.inhparent::regclass::text, 'partition', c.oid::regclass::text,
                      format('ALTER TABLE %s ATTACH PARTITION %s %s', i.inhparent::regclass, c.oid::regclass,
                             pg_get_expr(c.relpartbound, c.oid))
               FROM pg_class AS c JOIN pg_inherits AS i ON i.inhrelid = c.oid
               WHERE c.oid = ANY ($1::oid[]) AND c.relispartition";
    let mut all = read(sql, &[oids(&[partition])]);
    all.extend(references::of_relations(&[partition]));
    all
}
