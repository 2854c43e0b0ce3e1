//! DROP of anything: the tables and columns it takes along, directly or by CASCADE.

use super::closure::{self, Object};
use super::dropped::{guarded, is_table, partitioned, taken};
use super::{begun, lock, rows, rows_for_columns, will_be_refused};
use crate::ddl::scope::{resolve_names, role_ids};
use crate::model::Operation;
use crate::pg::{catalog, compat, raw};
use crate::record::whole::Destroyer;
use crate::record::{definition, table_change};
use crate::registry::Registry;
use crate::report::Outcome;
use crate::running::underway::Underway;
use pgrx::pg_sys::{self, ObjectType::*, Oid};
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
    unsafe {
        let kind = (*statement).removeType;
        let cascade = (*statement).behavior == pg_sys::DropBehavior::DROP_CASCADE;
        let mut roots = Vec::new();
        for n in 0..raw::list_length((*statement).objects) {
            let object = raw::list_nth((*statement).objects, n) as *mut pg_sys::Node;
            match kind {
                OBJECT_TABLE | OBJECT_FOREIGN_TABLE | OBJECT_VIEW | OBJECT_MATVIEW
                | OBJECT_SEQUENCE | OBJECT_INDEX => {
                    if let Some(relid) = resolve_names(object.cast()) {
                        if !owns_relation(relid) {
                            // PostgreSQL refuses it, before it locks anything.
                            return Ok(None);
                        }
                        roots.push(Object::relation(relid));
                    }
                }
                // These go without a row or a column.
                OBJECT_TRIGGER | OBJECT_RULE | OBJECT_POLICY => return Ok(None),
                _ if cascade || kind == OBJECT_EXTENSION => {
                    roots.extend(address(kind, object));
                }
                _ => return Ok(None),
            }
        }
        let reaches = cascade
            || kind == OBJECT_EXTENSION
            || roots.iter().any(|root| {
                let members = registry.with_children(root.oid);
                members.iter().any(|relid| registry.table(*relid).is_some())
            });
        if !reaches || roots.is_empty() {
            return Ok(None);
        }
        let named = roots
            .iter()
            .filter(|root| root.class == pg_sys::RelationRelationId)
            .flat_map(|root| registry.with_children(root.oid))
            .collect();
        capture(registry, &roots, named, describe(roots[0]))
    }
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
    unsafe {
        let roles = role_ids((*statement).roles);
        if !roles
            .iter()
            .all(|role| pg_sys::has_privs_of_role(pg_sys::GetUserId(), *role))
        {
            return Ok(None);
        }
        let roots = closure::owned_by(roles);
        capture(registry, &roots, Vec::new(), "DROP OWNED".to_owned())
    }
}

/// Captures the guarded tables and columns that go with `roots`.
fn capture(
    registry: &Rc<Registry>,
    roots: &[Object],
    named: Vec<Oid>,
    cause: String,
) -> Outcome<Option<Underway>> {
    let gone = closure::closure(roots);
    let mut tables = guarded(registry, &gone);
    let columns: Vec<Object> = gone
        .iter()
        .copied()
        .filter(|object| {
            object.class == pg_sys::RelationRelationId
                && object.column > 0
                && registry.table(object.oid).is_some()
                && !tables.iter().any(|table| table.relid == object.oid)
        })
        .collect();
    let mut relids: Vec<Oid> = tables.iter().map(|table| table.relid).collect();
    if relids.is_empty() && columns.is_empty() {
        return Ok(None);
    }
    let coverage = taken(registry, &relids, &columns, roots, !named.is_empty())?;
    let mut concerned = relids.clone();
    concerned.extend(columns.iter().map(|column| column.oid));
    if will_be_refused(registry, &concerned, &coverage) {
        return Ok(None);
    }
    concerned.sort_by_key(|relid| relid.to_u32());
    concerned.dedup();
    for relid in &concerned {
        lock(*relid);
    }
    // A foreign table's rows are not here: nothing can be captured, and its turn to be refused comes.
    tables.retain(|table| is_table(table.relid));
    relids.retain(|relid| is_table(*relid));
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

/// Whether the user may drop the relation: its owner, its schema's owner, a superuser.
fn owns_relation(relid: Oid) -> bool {
    // SAFETY: syscache look-ups.
    unsafe {
        compat::owns(pg_sys::RelationRelationId, relid)
            || compat::owns(
                pg_sys::NamespaceRelationId,
                pg_sys::get_rel_namespace(relid),
            )
    }
}

/// The object that a DROP names, if it exists and is the user's to drop; PostgreSQL says so itself otherwise.
///
/// # Safety
/// `object` must be what DropStmt holds for `kind`.
unsafe fn address(kind: pg_sys::ObjectType::Type, object: *mut pg_sys::Node) -> Option<Object> {
    // SAFETY: as RemoveObjects() of commands/dropcmds.c asks; the lock is the weakest, the statement takes its own.
    unsafe {
        let mut relation = std::ptr::null_mut();
        let found = pg_sys::get_object_address(
            kind,
            object,
            &mut relation,
            pg_sys::AccessShareLock as i32,
            true,
        );
        if found.objectId == pg_sys::InvalidOid {
            return None;
        }
        let schema = pg_sys::get_object_namespace(&found);
        let schemas =
            schema != pg_sys::InvalidOid && compat::owns(pg_sys::NamespaceRelationId, schema);
        if !schemas {
            pg_sys::check_object_ownership(pg_sys::GetUserId(), kind, found, object, relation);
        }
        if !relation.is_null() {
            pg_sys::relation_close(relation, pg_sys::NoLock as i32);
        }
        Some(Object {
            class: found.classId,
            oid: found.objectId,
            column: found.objectSubId,
        })
    }
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
