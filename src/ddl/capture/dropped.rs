//! What a DROP takes of what is guarded, and whether that is approved.

use super::closure::Object;
use super::{coverage, coverage_of_followers, coverage_with_parents};
use crate::ddl::enforce::{self, Stage};
use crate::ddl::{Finding, Table};
use crate::judge::ddl::{Action, Kind};
use crate::model::Operation;
use crate::pg::{classes, objects};
use crate::registry::{Guarded, Registry};
use crate::report::Outcome;
use crate::running::coverage::Coverage;
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// The approval that covers what goes (tables as a whole, and columns of others), and what none covers for itself. What is
/// named stands for what it takes along; where only a type, a function or a schema is, nothing does, and every table must be
/// covered.
pub(super) fn taken(
    registry: &Registry,
    tables: &[Oid],
    columns: &[Object],
    roots: &[Object],
    named: bool,
) -> Outcome<(Coverage, Vec<Finding>)> {
    let whole = tables
        .iter()
        .map(|relid| (*relid, Action::new(Kind::DropTable, None)));
    let parts = columns.iter().map(|column| {
        let name = objects::column_before(column.oid, column.column as i16);
        (column.oid, Action::new(Kind::DropColumn, name))
    });
    let (mut covered, mut uncovered) = (Coverage::Absent, Vec::new());
    for (relid, action) in whole.chain(parts) {
        let Some(table) = Table::protected(registry, relid, false) else {
            continue;
        };
        match coverage(registry, &[relid], action.kind.operation()) {
            found @ Coverage::Covered(_) if !matches!(covered, Coverage::Covered(_)) => {
                covered = found;
            }
            Coverage::Covered(_) => {}
            _ => uncovered.push(Finding::Table { table, action }),
        }
    }
    let relations = roots
        .iter()
        .filter(|root| named && root.class == pg_sys::RelationRelationId && root.column == 0);
    let parents: Vec<Oid> = relations.map(|root| root.oid).collect();
    if uncovered.is_empty() && matches!(covered, Coverage::Absent) {
        let coverage = coverage_of_followers(registry, &parents, Operation::DropTable);
        return Ok((coverage, uncovered));
    }
    if named && matches!(covered, Coverage::Absent) {
        let coverage = coverage_with_parents(registry, &[], &parents, Operation::DropTable);
        return Ok((coverage, uncovered));
    }
    if named || uncovered.is_empty() || matches!(covered, Coverage::Absent) {
        return Ok((covered, uncovered));
    }
    enforce::all(&uncovered, Stage::Statement)?;
    Ok((Coverage::Absent, uncovered))
}

/// The partitioned tables that go with guarded partitions and are not guarded themselves: those are nothing without them.
pub(super) fn partitioned(registry: &Registry, relids: &[Oid], gone: &[Object]) -> Vec<Oid> {
    let goes = |relid: Oid| {
        let mut objects = gone.iter();
        objects.any(|object| {
            (object.class, object.oid, object.column) == (pg_sys::RelationRelationId, relid, 0)
        })
    };
    let is_partitioned = |relid: Oid| classes::before(relid).is_some_and(|row| row.kind == 'p');
    let mut found = Vec::new();
    for ancestor in relids.iter().flat_map(|relid| registry.ancestors(*relid)) {
        let known = relids.contains(&ancestor) || found.contains(&ancestor);
        if !known && goes(ancestor) && is_partitioned(ancestor) {
            found.push(ancestor);
        }
    }
    found
}

/// The guarded tables among objects that go, in the order of their making.
pub(super) fn guarded(registry: &Registry, gone: &[Object]) -> Vec<Rc<Guarded>> {
    let mut tables: Vec<Rc<Guarded>> = gone
        .iter()
        .filter(|object| object.class == pg_sys::RelationRelationId && object.column == 0)
        .filter_map(|object| registry.table(object.oid).cloned())
        .collect();
    tables.sort_by_key(|table| table.relid.to_u32());
    tables
}

pub(super) fn is_table(relid: Oid) -> bool {
    // SAFETY: a syscache look-up.
    let kind = unsafe { pg_sys::get_rel_relkind(relid) } as u8;
    kind == pg_sys::RELKIND_RELATION || kind == pg_sys::RELKIND_PARTITIONED_TABLE
}
