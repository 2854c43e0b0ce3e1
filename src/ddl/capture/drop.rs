//! DROP of anything: the tables and columns it takes along, directly or by CASCADE.

use super::closure::{self, Object};
use super::dropped::{is_table, partitioned};
use super::going::Going;
use super::roots::{self, Locked, Roots};
use super::{begun, rows, rows_for_columns};
use crate::model::Operation;
use crate::pg::catalog;
use crate::record::whole::Destroyer;
use crate::record::{definition, table_change};
use crate::registry::{self, Registry};
use crate::report::Outcome;
use crate::running::underway::Underway;
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// DROP TABLE, SCHEMA, EXTENSION, TYPE, ...
///
/// # Safety
/// `statement` must be live.
pub unsafe fn objects(
    statement: *mut pg_sys::DropStmt,
    registry: &Rc<Registry>,
) -> Outcome<Option<Underway>> {
    // SAFETY: the caller vouches for the statement.
    let named = || unsafe { roots::of_drop(statement) };
    let Some(roots) = named() else {
        return Ok(None);
    };
    let guarded = |root: &Object| {
        let members = registry.with_children(root.oid);
        members.iter().any(|relid| registry.table(*relid).is_some())
    };
    if !roots.take_others() && !roots.objects.iter().any(guarded) {
        return Ok(None);
    }
    capture(registry, roots, named)
}

/// DROP OWNED.
///
/// # Safety
/// `statement` must be live.
pub unsafe fn owned(
    statement: *mut pg_sys::DropOwnedStmt,
    registry: &Rc<Registry>,
) -> Outcome<Option<Underway>> {
    // SAFETY: the caller vouches for the statement.
    let owned = || unsafe { roots::of_drop_owned(statement) };
    match owned() {
        Some(roots) => capture(registry, roots, owned),
        None => Ok(None),
    }
}

/// Captures the guarded tables and columns that go with `roots`.
fn capture(
    registry: &Rc<Registry>,
    mut roots: Roots,
    named_now: impl Fn() -> Option<Roots>,
) -> Outcome<Option<Underway>> {
    // What can only be refused is refused without a wait.
    let Some(mut going) = Going::look(registry, &roots)? else {
        return Ok(None);
    };
    let (mut registry, mut locked) = (registry.clone(), Locked::default());
    while locked.add(&roots, &going.gone) {
        // What was waited for counts, and a name may stand for another table.
        registry = registry::current().unwrap_or_default();
        let Some(now) = named_now() else {
            return Ok(None);
        };
        roots = now;
        match Going::look(&registry, &roots)? {
            Some(now) => going = now,
            None => return Ok(None),
        }
    }
    let registry = &registry;
    let concerned = going.concerned();
    if concerned.is_empty() {
        return Ok(None);
    }
    let Going {
        gone,
        mut tables,
        columns,
        named,
        coverage,
    } = going;
    let mut relids: Vec<Oid> = tables.iter().map(|table| table.relid).collect();
    // A foreign table's rows are not here: nothing can be captured, and its turn to be refused comes.
    tables.retain(|table| is_table(table.relid));
    relids.retain(|relid| is_table(*relid));
    let cause = match roots.named {
        true => describe(roots.objects[0]),
        false => "DROP OWNED".to_owned(),
    };
    let cause: Rc<str> = Rc::from(format!("cascade from {cause}"));
    // Those that vanish first: what belongs to none in particular comes back with one that is made again.
    let mut made = partitioned(registry, &relids, &gone);
    made.extend(&relids);
    let mut owners = made.clone();
    owners.extend(concerned.iter().filter(|relid| !relids.contains(relid)));
    let addresses = closure::addresses(&gone);
    let parts = definition::parts(&addresses, &owners);
    let parts_of = |owners: &[Oid]| {
        let parts = parts.iter().filter(|part| owners.contains(&part.relid));
        parts.cloned().collect::<Vec<_>>()
    };
    let mut definitions = definition::others(&closure::whole(&gone));
    definitions.extend(definition::references(&addresses));
    if !relids.is_empty() {
        definitions.extend(definition::tables(&made));
        definitions.extend(parts_of(&made));
        let names = definition::table_names(&tables);
        definition::write(names, Operation::DropTable, definitions);
        definitions = Vec::new();
    }
    let because = |relid: &Oid| (!named.contains(relid)).then(|| cause.clone());
    for table in &tables {
        let destroyer = Destroyer {
            operation: Operation::DropTable,
            cause: because(&table.relid),
            coverage: coverage.clone(),
        };
        rows(registry, table, &destroyer)?;
    }
    for relid in concerned.iter().filter(|relid| !relids.contains(relid)) {
        let Some(table) = registry.table(*relid) else {
            continue;
        };
        let lost: Vec<i16> = columns
            .iter()
            .filter(|column| column.oid == *relid)
            .map(|column| column.column as i16)
            .collect();
        if lost.is_empty() {
            continue;
        }
        // A child's column comes back with its parent's.
        if !columns.iter().any(|column| {
            column.oid != *relid && registry.with_children(column.oid).contains(relid)
        }) {
            let children = registry.with_children(*relid);
            let of_children: Vec<(Oid, i16)> = columns
                .iter()
                .filter(|column| column.oid != *relid && children.contains(&column.oid))
                .map(|column| (column.oid, column.column as i16))
                .collect();
            definitions.extend(definition::dropped_columns(*relid, &lost, &of_children));
        }
        definitions.extend(parts_of(&[*relid]));
        let names = definition::table_names(std::slice::from_ref(table));
        definition::write(
            names,
            Operation::DropColumn,
            std::mem::take(&mut definitions),
        );
        let destroyer = Destroyer {
            operation: Operation::DropColumn,
            cause: Some(cause.clone()),
            coverage: coverage.clone(),
        };
        rows_for_columns(registry, table, &destroyer, &columns)?;
    }
    // A partition's rows have their root's name in the record: that counts, too.
    let relations = gone
        .iter()
        .filter(|object| object.class == pg_sys::RelationRelationId && object.column == 0);
    relations.for_each(|object| table_change::dropped(object.oid));
    let mut statement = begun(coverage, named, Some(cause));
    statement.tables = relids;
    statement.columns = columns
        .iter()
        .map(|column| (column.oid, column.column as i16))
        .collect();
    Ok(Some(statement))
}

/// `public.users`, `schema shop`.
fn describe(root: Object) -> String {
    if root.class == pg_sys::RelationRelationId {
        return catalog::display_name(root.oid);
    }
    let address = pg_sys::ObjectAddress {
        classId: root.class,
        objectId: root.oid,
        objectSubId: root.column,
    };
    // SAFETY: missing_ok; a palloc'd text.
    unsafe { catalog::owned(pg_sys::getObjectDescription(&address, true)) }.unwrap_or_default()
}
