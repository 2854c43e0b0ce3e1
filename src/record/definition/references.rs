//! By what the objects that definitions sit on or refer to, and that stay, are known again when they have other names.

use super::{Definition, oids, read};
use crate::model::Operation;
use crate::pg::catalog;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// Of relations.
pub(super) fn of_relations(relids: &[Oid]) -> Vec<Definition> {
    match relids.is_empty() {
        true => Vec::new(),
        false => read(include_str!("identities.sql"), &[oids(relids)]),
    }
}

/// What the objects (class, OID, column) that go, or that definitions were read from, refer to.
pub fn references(of: &[(Oid, Oid, i32)]) -> Vec<Definition> {
    let classes: Vec<Oid> = of.iter().map(|(class, _, _)| *class).collect();
    let objects: Vec<Oid> = of.iter().map(|(_, oid, _)| *oid).collect();
    let columns: Vec<i32> = of.iter().map(|(_, _, column)| *column).collect();
    // SAFETY: an int[] argument.
    let columns = unsafe { DatumWithOid::new(columns, pg_sys::INT4ARRAYOID) };
    let arguments = [oids(&classes), oids(&objects), columns];
    let (relations, mut all): (Vec<Definition>, Vec<Definition>) =
        read(include_str!("references.sql"), &arguments)
            .into_iter()
            .partition(|found| found.kind == "relation");
    let relations: Vec<Oid> = relations.iter().map(|found| found.relid).collect();
    all.extend(of_relations(&relations));
    all
}

/// Adds the identities of the tables that definitions sit on, and that stay.
pub(super) fn add_identities(
    names: &[(Oid, Rc<str>)],
    operation: Operation,
    definitions: &mut Vec<Definition>,
) {
    // What comes before tables sits on none.
    let on_tables = definitions
        .iter()
        .filter(|definition| definition.rank >= 30);
    let mut objects: Vec<&str> = on_tables.map(|definition| &*definition.object).collect();
    objects.sort_unstable();
    objects.dedup();
    let vanishes = |relid: &Oid| {
        operation == Operation::DropTable && names.iter().any(|(known, _)| known == relid)
    };
    let known = |relid: &Oid| {
        let mut identities = definitions.iter();
        identities.any(|known| known.kind == "table identity" && known.relid == *relid)
    };
    let tables: Vec<Oid> = objects
        .into_iter()
        .filter(|object| !has_arguments(object))
        .filter_map(catalog::named_relation)
        .filter(|relid| !vanishes(relid) && !known(relid))
        .collect();
    definitions.extend(of_relations(&tables));
}

/// Whether it is a function's name: no relation has it, and to_regclass() does not even read it.
fn has_arguments(object: &str) -> bool {
    let mut quoted = false;
    object.chars().any(|c| {
        quoted ^= c == '"';
        c == '(' && !quoted
    })
}
