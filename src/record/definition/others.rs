//! Definitions of what goes with guarded tables besides them: schemas, types, functions, views, and what sat on relations
//! that stay.

use super::{Definition, attached, oids, read, settings};
use crate::pg::catalog;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};

/// Since 15 a table can be published in part.
const PUBLICATIONS: &str = if cfg!(feature = "pg14") {
    include_str!("publications_14.sql")
} else {
    include_str!("publications.sql")
};

/// Everything else among `gone` (class, OID) that a restore needs or that a drop took along.
pub fn others(gone: &[(Oid, Oid)]) -> Vec<Definition> {
    let classes: Vec<Oid> = gone.iter().map(|(class, _)| *class).collect();
    let objects: Vec<Oid> = gone.iter().map(|(_, oid)| *oid).collect();
    let mut all = read(
        include_str!("others.sql"),
        &[oids(&classes), oids(&objects)],
    );
    let of_kind = |all: &[Definition], kind: &str| -> Vec<Oid> {
        let found = all.iter().filter(|definition| definition.kind == kind);
        found.map(|definition| definition.relid).collect()
    };
    let views = of_kind(&all, "view");
    for sequence in of_kind(&all, "sequence") {
        let name = catalog::display_name(sequence);
        all.push(super::sequence_value(sequence, sequence, &name));
    }
    if !views.is_empty() {
        all.extend(attached(&views));
    }
    all
}

/// What sits on relations that stay, among everything that goes (class, OID, column): it belongs to the record of one of
/// `tables`.
pub fn parts(gone: &[(Oid, Oid, i32)], tables: &[Oid]) -> Vec<Definition> {
    let classes: Vec<Oid> = gone.iter().map(|(class, _, _)| *class).collect();
    let objects: Vec<Oid> = gone.iter().map(|(_, oid, _)| *oid).collect();
    let columns: Vec<i32> = gone.iter().map(|(_, _, column)| *column).collect();
    // SAFETY: an int[] argument.
    let columns = || unsafe { DatumWithOid::new(columns.clone(), pg_sys::INT4ARRAYOID) };
    let arguments = || [oids(&classes), oids(&objects), columns(), oids(tables)];
    let mut all = read(include_str!("parts.sql"), &arguments());
    all.extend(read(PUBLICATIONS, &arguments()));
    let relations = gone
        .iter()
        .filter(|(class, _, column)| *class == pg_sys::RelationRelationId && *column == 0);
    let relations: Vec<Oid> = relations.map(|(_, oid, _)| *oid).collect();
    all.extend(settings(&[], &relations, tables));
    all
}
