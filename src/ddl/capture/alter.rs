//! ALTER TABLE: columns that are dropped or change their type, partitions that are detached.

use super::alter_plan::{Plan, plan_of};
use super::closure::{self, Object};
use super::{
    begun, coverage_of_followers, coverage_with_parents, lock, rows_for_columns, will_be_refused,
};
use crate::ddl::names::resolve;
use crate::ddl::{Table, enforce};
use crate::judge::ddl::{Action, Kind};
use crate::model::Operation;
use crate::pg::{catalog, compat, objects};
use crate::record::whole::Destroyer;
use crate::record::{column_change, definition};
use crate::registry::{self, Registry};
use crate::report::Outcome;
use crate::running::underway::{Retyped, Underway};
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// # Safety
/// `statement` must be live.
pub unsafe fn table(
    statement: *mut pg_sys::AlterTableStmt,
    registry: &Rc<Registry>,
) -> Outcome<Option<Underway>> {
    // SAFETY: the caller vouches for the node; its commands are AlterTableCmd nodes.
    unsafe {
        let Some(relid) = resolve((*statement).relation) else {
            return Ok(None);
        };
        let plan = plan_of(statement, relid);
        if plan.reached.is_empty() && plan.detached.is_empty() {
            return Ok(None);
        }
        if !compat::owns(pg_sys::RelationRelationId, relid) {
            return Ok(None);
        }
        detach(registry, &plan.detached);
        columns(registry, relid, plan, &|| plan_of(statement, relid))
    }
}

/// Refuses a change of type that the rules let pass and no approval covers.
fn unrecorded(registry: &Registry, relids: &[Oid]) -> Outcome<()> {
    let action = Action::new(Kind::AlterColumnType, None);
    relids
        .iter()
        .filter_map(|relid| Table::protected(registry, *relid, false))
        .try_for_each(|table| {
            enforce::refuse(action.unrecorded(table.subject(), &table.registration))
        })
}

fn detach(registry: &Registry, partitions: &[Oid]) {
    for partition in partitions {
        if let Some(table) = registry.table(*partition) {
            let names = definition::table_names(std::slice::from_ref(table));
            let attachment = definition::detached(*partition);
            definition::write(names, Operation::DetachPartition, attachment);
        }
    }
}

/// `again` plans anew, under the locks that it takes.
fn columns(
    registry: &Rc<Registry>,
    relid: Oid,
    mut plan: Plan,
    again: &dyn Fn() -> Plan,
) -> Outcome<Option<Underway>> {
    let before = plan.reached.clone();
    // A partition's own indexes and constraints depend on the partition's column.
    let gone = match plan.gone.is_empty() {
        true => Vec::new(),
        false => closure::closure(&plan.gone),
    };
    // Generated columns go with what they are made of.
    for object in &gone {
        let is_column = object.class == pg_sys::RelationRelationId && object.column > 0;
        if is_column && !plan.gone.contains(object) {
            if object.oid == relid {
                plan.dropped.push(object.column as i16);
            }
            plan.gone.push(*object);
            plan.reached.push(*object);
        }
    }
    let mut relids: Vec<Oid> = plan.reached.iter().map(|column| column.oid).collect();
    relids.sort_by_key(|relid| relid.to_u32());
    relids.dedup();
    relids.retain(|relid| registry.table(*relid).is_some());
    if relids.is_empty() {
        return Ok(None);
    }
    let operation = match plan.dropped.is_empty() {
        true => Operation::AlterColumnType,
        false => Operation::DropColumn,
    };
    let is_protected = |relid: &Oid| registry.table(*relid).is_some_and(|t| t.is_protected());
    let coverage = match relids.iter().any(is_protected) {
        true => coverage_with_parents(registry, &relids, &[relid], operation),
        false => coverage_of_followers(registry, &[relid], operation),
    };
    if will_be_refused(registry, &relids, &coverage) {
        // No object goes when a type changes: nothing would refuse it later.
        if !plan.retyped.is_empty() {
            unrecorded(registry, &relids)?;
        }
        return Ok(None);
    }
    let members = catalog::family(relid);
    for member in members.iter().filter(|member| relids.contains(member)) {
        lock(*member);
    }
    for other in relids.iter().filter(|other| !members.contains(other)) {
        lock(*other);
    }
    // What was waited for may have made the table a child.
    let now = again();
    if now.reached != before {
        let registry = registry::current().unwrap_or_default();
        return columns(&registry, relid, now, again);
    }
    let top = registry.table(relid).or_else(|| registry.table(relids[0]));
    let names: Vec<(Oid, Rc<str>)> = top
        .map(|table| (relid, table.recorded_name.clone()))
        .into_iter()
        .collect();
    if !plan.dropped.is_empty() {
        let of_children = plan.gone.iter().filter(|column| column.oid != relid);
        let of_children: Vec<(Oid, i16)> = of_children
            .map(|column| (column.oid, column.column as i16))
            .collect();
        let mut definitions = definition::dropped_columns(relid, &plan.dropped, &of_children);
        let addresses = closure::addresses(&gone);
        definitions.extend(definition::parts(&addresses, &[relid]));
        definitions.extend(definition::references(&addresses));
        definitions.extend(definition::others(&closure::whole(&gone)));
        definition::write(names.clone(), Operation::DropColumn, definitions);
    }
    let mut retyped = None;
    if !plan.retyped.is_empty() {
        let columns: Vec<Object> = plan
            .reached
            .iter()
            .copied()
            .filter(|column| !plan.gone.contains(column))
            .collect();
        let altered: Vec<(Oid, i16)> = columns
            .iter()
            .map(|column| (column.oid, column.column as i16))
            .collect();
        let mut definitions = definition::altered_columns(relid, &altered);
        definitions.extend(definition::same_values(relid, &plan.same));
        // Their types, and what their defaults call.
        let mut named = closure::closure(&columns);
        named
            .retain(|object| object.class == objects::ATTRDEF_RELATION || columns.contains(object));
        definitions.extend(definition::references(&closure::addresses(&named)));
        definition::write(names.clone(), Operation::AlterColumnType, definitions);
        retyped = Some(Retyped {
            names,
            columns: altered,
        });
    }
    for relid in &relids {
        if let Some(table) = registry.table(*relid) {
            let destroyer = Destroyer {
                operation,
                cause: None,
                coverage: coverage.clone(),
            };
            rows_for_columns(registry, table, &destroyer, &plan.reached)?;
        }
    }
    for (column, as_written) in &plan.as_written {
        column_change::converted((column.oid, column.column as i16), None, *as_written);
    }
    let mut statement = begun(coverage, vec![relid], None);
    statement.columns = plan
        .reached
        .iter()
        .map(|column| (column.oid, column.column as i16))
        .collect();
    statement.retyped = retyped;
    Ok(Some(statement))
}

/// What PostgreSQL has made of the checks, indexes and statistics of converted columns: a restore does not touch what has been
/// changed since.
pub(super) fn note_left(retyped: &Retyped) {
    if let Some((relid, _)) = retyped.names.first() {
        let left = definition::left(*relid, &retyped.columns);
        if !left.is_empty() {
            definition::write_left(&retyped.names, &left);
        }
    }
}
