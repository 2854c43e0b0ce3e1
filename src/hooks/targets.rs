//! Which guarded tables a plan destroys rows of, and how.

use super::verdict;
use crate::ddl::enforce;
use crate::guard_triggers;
use crate::judge::limits::Subject;
use crate::model::{Operation, Violation};
use crate::pg::{catalog, encoding, raw};
use crate::registry::{self, Guarded, Registry};
use crate::report::Outcome;
use crate::running::coverage::Target;
use pgrx::pg_sys;
use std::ffi::CStr;
use std::rc::Rc;

/// The guarded tables a plan destroys rows of, and how.
///
/// # Safety
/// `planned` must be live.
pub(super) unsafe fn targets(
    registry: &Rc<Registry>,
    planned: *mut pg_sys::PlannedStmt,
) -> Vec<Target> {
    let mut targets = Vec::new();
    // SAFETY: the caller vouches for the plan; result relations are indexes into its range table.
    unsafe {
        for modify in modify_tables(planned) {
            let operations = operations(modify);
            let mut relations = crate::pg::compat::int_list((*modify).resultRelations);
            relations.extend(
                i32::try_from((*modify).rootRelation)
                    .ok()
                    .filter(|index| *index > 0),
            );
            for index in relations {
                let entry =
                    raw::list_nth((*planned).rtable, index - 1) as *mut pg_sys::RangeTblEntry;
                // The plan of an INSERT does not name the partitions in which it may meet a row.
                let routed = (*modify).operation == pg_sys::CmdType::CMD_INSERT
                    && !operations.is_empty()
                    && (*entry).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE;
                let mut add = |relid| {
                    if let Some(table) = registry.table(relid) {
                        let all = operations.iter();
                        targets.extend(all.map(|operation| (table.clone(), *operation)));
                    }
                };
                if routed {
                    let reached = registry.with_children((*entry).relid);
                    reached.into_iter().for_each(add);
                } else {
                    add((*entry).relid);
                }
            }
        }
    }
    targets
}

/// The tables whose row trigger does not fire: nothing would count or record what is destroyed there.
pub(super) fn uncounted(targets: &[Target]) -> impl Iterator<Item = &Rc<Guarded>> {
    let replica = guard_triggers::is_replica();
    let tables = targets.iter().map(|(table, _)| table);
    tables.filter(move |table| !table.row_trigger.fires(replica))
}

/// Refuses to destroy rows that nothing would count or record: no approval covers that.
///
/// # Safety
/// `planned` must be live.
pub(super) unsafe fn refuse_uncounted(planned: *mut pg_sys::PlannedStmt) -> Outcome<()> {
    let Some(registry) = registry::current() else {
        return Ok(());
    };
    // SAFETY: the caller vouches for the plan.
    let targets = unsafe { targets(&registry, planned) };
    uncounted(&targets).try_for_each(|table| enforce::refuse(of_trigger(&registry, table)))
}

/// SF013, of a table whose row trigger does not fire.
pub(super) fn of_trigger(registry: &Registry, table: &Guarded) -> Violation {
    let subject = Subject {
        schema: &table.schema,
        table: &table.table,
        qualified: &catalog::qualified(&table.schema, &table.table),
    };
    let register = registry.registered_again(table.relid);
    table.row_trigger.violation(subject, &register)
}

/// The relations that a plan is addressed to and takes rows of, each by the names an approval may have for it.
///
/// # Safety
/// `planned` must be live.
pub(super) unsafe fn named_targets(
    planned: *mut pg_sys::PlannedStmt,
) -> Vec<(Vec<String>, Operation)> {
    let mut targets = Vec::new();
    // SAFETY: as in `targets`.
    unsafe {
        for modify in modify_tables(planned) {
            let index = match (*modify).rootRelation {
                0 => (*modify).nominalRelation,
                root => root,
            };
            let entry =
                raw::list_nth((*planned).rtable, index as i32 - 1) as *mut pg_sys::RangeTblEntry;
            let Some((schema, table)) = catalog::relation_name((*entry).relid) else {
                continue;
            };
            let names = vec![
                catalog::qualified(&schema, &table),
                format!("{schema}.{table}"),
            ];
            let all = operations(modify).into_iter();
            targets.extend(all.map(|operation| (names.clone(), operation)));
        }
    }
    targets
}

/// The ModifyTable nodes of a plan: at its top or at that of a subplan (a data-modifying CTE), nowhere else.
///
/// # Safety
/// `planned` must be live.
pub(super) unsafe fn modify_tables(
    planned: *mut pg_sys::PlannedStmt,
) -> Vec<*mut pg_sys::ModifyTable> {
    let mut found = Vec::new();
    // SAFETY: the caller vouches for the plan; the cast follows the node's tag.
    unsafe {
        if (*planned).resultRelations.is_null() {
            return found;
        }
        let mut add = |plan: *mut pg_sys::Plan| {
            let plan = verdict::inner(plan);
            if !plan.is_null() && (*plan).type_ == pg_sys::NodeTag::T_ModifyTable {
                found.push(plan as *mut pg_sys::ModifyTable);
            }
        };
        add((*planned).planTree);
        for n in 0..raw::list_length((*planned).subplans) {
            add(raw::list_nth((*planned).subplans, n).cast());
        }
    }
    found
}

/// # Safety
/// `modify` must be live.
pub(super) unsafe fn operations(modify: *mut pg_sys::ModifyTable) -> Vec<Operation> {
    use pg_sys::CmdType::*;
    // SAFETY: the caller vouches for the node.
    unsafe {
        match (*modify).operation {
            CMD_UPDATE => vec![Operation::Update],
            CMD_DELETE => vec![Operation::Delete],
            CMD_INSERT
                if (*modify).onConflictAction == pg_sys::OnConflictAction::ONCONFLICT_UPDATE =>
            {
                vec![Operation::Update]
            }
            #[cfg(not(feature = "pg14"))]
            CMD_MERGE => crate::pg::compat::merge_operations(modify),
            _ => Vec::new(),
        }
    }
}

/// `cascade from public.users`: the referenced table whose key this referential action follows. Its query names the
/// referencing columns, which tells two keys of one table apart.
///
/// # Safety
/// `source` must be NULL or a C string.
pub(super) unsafe fn cascade_cause(
    targets: &[Target],
    source: *const std::ffi::c_char,
) -> Option<Rc<str>> {
    let edges = || targets.iter().flat_map(|(table, _)| &table.cascades);
    let text = if source.is_null() {
        String::new()
    } else {
        // SAFETY: the caller vouches for the string.
        encoding::decoded(unsafe { CStr::from_ptr(source) })
    };
    let named = |name: &String| text.contains(&format!("\"{}\"", name.replace('"', "\"\"")));
    let edge = edges()
        .find(|edge| edge.columns.iter().all(named))
        .or_else(|| edges().next())?;
    Some(Rc::from(format!("cascade from {}", edge.parent_name)))
}
