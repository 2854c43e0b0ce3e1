//! ALTER TABLE: columns that are dropped or change their type, partitions that are detached.

// PostgreSQL names its commands like this.
#![allow(non_upper_case_globals)]

use super::as_written;
use super::closure::{self, Object};
use super::{
    begun, coverage_of_followers, coverage_with_parents, lock, rows_for_columns, will_be_refused,
};
use crate::ddl::names::resolve;
use crate::ddl::{Table, enforce};
use crate::judge::ddl::{Action, Kind};
use crate::model::Operation;
use crate::pg::{catalog, classes, compat, objects, raw};
use crate::record::whole::Destroyer;
use crate::record::{column_change, definition};
use crate::registry::{self, Registry};
use crate::report::Outcome;
use crate::running::underway::{Retyped, Underway};
use pgrx::pg_sys::{self, AlterTableType::*, Oid};
use std::rc::Rc;

/// What the commands of one statement do to columns.
#[derive(Default)]
struct Plan {
    /// The named table's own columns.
    dropped: Vec<i16>,
    retyped: Vec<i16>,
    /// Those of them whose values stay as they are.
    same: Vec<i16>,
    /// Retyped columns, in children too, and whether older images are read as their values are then.
    as_written: Vec<(Object, bool)>,
    /// Every column that is dropped or retyped, in children too.
    reached: Vec<Object>,
    /// Those of them that are dropped.
    gone: Vec<Object>,
    detached: Vec<Oid>,
}

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

/// # Safety
/// As for `table`.
unsafe fn plan_of(statement: *mut pg_sys::AlterTableStmt, relid: Oid) -> Plan {
    let mut plan = Plan::default();
    // SAFETY: the caller vouches for the node; `def` is what parsenodes.h says for the subtype.
    unsafe {
        let inh = (*(*statement).relation).inh;
        // No approval covers what happens to the parts of a composite type: the rules have refused it.
        if classes::before(relid).is_some_and(|row| row.kind == 'c') {
            return plan;
        }
        for n in 0..raw::list_length((*statement).cmds) {
            let command = raw::list_nth((*statement).cmds, n) as *mut pg_sys::AlterTableCmd;
            let name = catalog::owned((*command).name);
            let kind = match (*command).subtype {
                AT_DropColumn => Kind::DropColumn,
                AT_AlterColumnType => Kind::AlterColumnType,
                AT_DetachPartition | AT_DetachPartitionFinalize => {
                    let partition = (*command).def as *mut pg_sys::PartitionCmd;
                    plan.detached.extend(resolve((*partition).name));
                    continue;
                }
                _ => continue,
            };
            let all = kind == Kind::AlterColumnType;
            let found = closure::columns(relid, &name.unwrap_or_default(), inh || all, all);
            let own = found.iter().filter(|column| column.oid == relid);
            let own: Vec<i16> = own.map(|column| column.column as i16).collect();
            if all {
                let same = own
                    .iter()
                    .filter(|column| keeps_values(command, relid, **column));
                plan.same.extend(same);
                let as_written = found.first().is_some_and(|column| {
                    as_written::leaves(command, column.oid, column.column as i16)
                });
                let columns = found.iter().map(|column| (*column, as_written));
                plan.as_written.extend(columns);
            }
            let list = if all {
                &mut plan.retyped
            } else {
                &mut plan.dropped
            };
            list.extend(own);
            if !all {
                plan.gone.extend(&found);
            }
            plan.reached.extend(found);
        }
    }
    plan
}

/// Whether ALTER COLUMN TYPE leaves every value as the record writes it: one integer type becomes another, or a string one
/// without a length.
///
/// # Safety
/// `command` must be live and of that subtype; the column must exist.
unsafe fn keeps_values(command: *mut pg_sys::AlterTableCmd, relid: Oid, column: i16) -> bool {
    const INTEGERS: [Oid; 3] = [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID];
    const STRINGS: [Oid; 2] = [pg_sys::TEXTOID, pg_sys::VARCHAROID];
    // SAFETY: `def` is a ColumnDef. PostgreSQL raises for a type that there is not, as the statement would.
    unsafe {
        let definition = (*command).def as *mut pg_sys::ColumnDef;
        if !(*definition).raw_default.is_null() {
            return false;
        }
        let (mut new, mut new_mod) = (pg_sys::InvalidOid, -1);
        let (mut old, mut old_mod, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
        pg_sys::typenameTypeIdAndMod(
            std::ptr::null_mut(),
            (*definition).typeName,
            &mut new,
            &mut new_mod,
        );
        pg_sys::get_atttypetypmodcoll(relid, column, &mut old, &mut old_mod, &mut collation);
        INTEGERS.contains(&old) && INTEGERS.contains(&new)
            || STRINGS.contains(&old) && STRINGS.contains(&new) && new_mod < 0
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
    for relid in &relids {
        lock(*relid);
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
