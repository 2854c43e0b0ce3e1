//! TRUNCATE: its trigger captures each table after every lock is taken and every privilege checked, and before a row goes.

use super::truncate_coverage::{coverage, with_referencing};
use super::{begun, will_be_refused};
use crate::ddl::Table;
use crate::ddl::enforce::{self, Stage};
use crate::ddl::names::resolve;
use crate::guard_triggers;
use crate::judge::ddl::{Action, Kind};
use crate::judge::unguarded::{self, RowTrigger};
use crate::ledger;
use crate::model::Operation;
use crate::pg::function::Call;
use crate::pg::{catalog, classes, compat, raw};
use crate::record::definition;
use crate::record::whole::{self, Destroyer};
use crate::registry::{self, Guarded, Registry};
use crate::report::Outcome;
use crate::running;
use crate::running::coverage::Coverage;
use crate::running::underway::{self, Underway};
use pgrx::pg_sys::{self, Datum, Oid};
use std::rc::Rc;

crate::sql_function!(
    pg_finfo_backstop_guard_truncate,
    backstop_guard_truncate,
    guard_truncate
);

/// `backstop.guard_truncate()`: our hooks have judged a TRUNCATE before its triggers run, so one that they did not see is
/// refused; the rows of one that may run are captured.
unsafe fn guard_truncate(call: Call) -> Outcome<Datum> {
    // SAFETY: a trigger's call; its relation is open and locked against everyone.
    unsafe {
        let data = (*call.0).context as *mut pg_sys::TriggerData;
        let is_trigger = !data.is_null() && (*data).type_ == pg_sys::NodeTag::T_TriggerData;
        if !is_trigger {
            return Ok(Datum::null());
        }
        let relation = (*data).tg_relation;
        let Some(registry) = registry::current() else {
            return Ok(Datum::null());
        };
        let Some(table) = registry.table((*relation).rd_id) else {
            return Ok(Datum::null());
        };
        // A replica refuses nothing: that would stop replication. What it changes is recorded.
        let replica = pg_sys::IsLogicalWorker();
        if running::root_key().is_none() && !replica && table.is_protected() {
            return Err(ledger::with_subject(table, |subject| {
                unguarded::not_loaded(Some(subject))
            })
            .into());
        }
        if !replica && !guard_triggers::own_work() {
            still_covered(&registry, table.relid)?;
        }
        let destroyer = destroyer(table, replica);
        underway::with(|statement| statement.awaited.retain(|relid| *relid != table.relid));
        if (*(*relation).rd_rel).relkind as u8 == pg_sys::RELKIND_RELATION {
            whole::capture(&registry, table, relation, &destroyer)?;
        }
        if crate::hooks::utility::truncate_restarts() {
            definition::sequences(table, Operation::Truncate)?;
        }
        Ok(Datum::null())
    }
}

/// The table was judged before its lock was waited for, and may ask for a stronger approval since.
fn still_covered(registry: &Registry, relid: Oid) -> Outcome<()> {
    let action = Action::new(Kind::Truncate, None);
    match Table::protected(registry, relid, false) {
        Some(table) => enforce::again(&table, &action, Stage::Object),
        None => Ok(()),
    }
}

/// Who truncates the table: the statement itself, a cascade of it, or a publisher.
fn destroyer(table: &Rc<Guarded>, replica: bool) -> Destroyer {
    let (coverage, cause) = underway::with(|statement| {
        let named = statement.named.contains(&table.relid);
        let edge = table.cascades.first();
        let cascade = edge.map(|edge| Rc::from(format!("cascade from {}", edge.parent_name)));
        (
            statement.coverage.clone(),
            if named {
                None
            } else {
                cascade.or_else(|| statement.cause.clone())
            },
        )
    })
    .unwrap_or((
        Coverage::Absent,
        replica.then(|| Rc::from("logical replication")),
    ));
    Destroyer {
        operation: Operation::Truncate,
        cause,
        coverage,
    }
}

/// A TRUNCATE begins: who covers it, and what it names.
///
/// # Safety
/// `statement` must be live.
pub unsafe fn statement(
    statement: *mut pg_sys::TruncateStmt,
    registry: &Rc<Registry>,
) -> Outcome<Underway> {
    let mut written = Vec::new();
    let mut named = Vec::new();
    // SAFETY: the caller vouches for the node; its relations are RangeVars.
    let cascade = unsafe {
        for n in 0..raw::list_length((*statement).relations) {
            let relation = raw::list_nth((*statement).relations, n) as *mut pg_sys::RangeVar;
            let Some(relid) = resolve(relation) else {
                continue;
            };
            written.push((relid, (*relation).inh));
            match (*relation).inh {
                true => named.extend(registry.with_children(relid)),
                false => named.push(relid),
            }
        }
        (*statement).behavior == pg_sys::DropBehavior::DROP_CASCADE
    };
    let guarded = named.iter().find_map(|relid| registry.table(*relid));
    let first = match guarded {
        Some(table) => Some(table.recorded_name.to_string()),
        None => written
            .first()
            .map(|(relid, _)| catalog::display_name(*relid)),
    };
    let cause = first.map(|name| Rc::from(format!("cascade from {name}")));
    let coverage = coverage(registry, &written, &named, cascade);
    let may = || {
        let mut written = written.iter();
        // SAFETY: a catalog look-up.
        written.all(|(relid, _)| unsafe { compat::may_truncate(*relid) })
    };
    if cascade && !matches!(coverage, Coverage::Covered(_)) && may() {
        // What can only be refused is refused without a wait.
        for relid in with_referencing(&named) {
            if will_be_refused(registry, &[relid], &coverage) {
                still_covered(registry, relid)?;
            }
        }
    }
    Ok(begun(coverage, named, cause))
}

/// TRUNCATE has come to a table. A guarded one has a trigger that captures it; one that CASCADE reaches and nobody guards
/// is captured here, where it is locked already.
///
/// # Errors
/// When the table's rows can't be captured, or are more than the approval covers.
pub fn reached(registry: &Rc<Registry>, relid: Oid) -> Outcome<()> {
    let covered = underway::with(|statement| {
        let covered = matches!(statement.coverage, Coverage::Covered(_));
        if registry.table(relid).is_some() {
            let guarded = guard_triggers::guards_truncate(relid) || classes::has_pages(relid);
            if guarded && !statement.awaited.contains(&relid) {
                statement.awaited.push(relid);
            }
            return None;
        }
        (covered && !statement.named.contains(&relid))
            .then(|| (statement.coverage.clone(), statement.cause.clone()))
    });
    let Some((coverage, cause)) = covered.flatten() else {
        return Ok(());
    };
    let Some((schema, table)) = catalog::relation_name(relid) else {
        return Ok(());
    };
    let guarded = Rc::new(Guarded {
        relid,
        recorded_relid: relid,
        recorded_name: Rc::from(catalog::qualified(&schema, &table)),
        row_trigger: RowTrigger::Missing,
        schema,
        table,
        policies: Vec::new(),
        fed: Vec::new(),
        cascades: Vec::new(),
    });
    let destroyer = Destroyer {
        operation: Operation::Truncate,
        cause,
        coverage,
    };
    super::rows(registry, &guarded, &destroyer)
}
