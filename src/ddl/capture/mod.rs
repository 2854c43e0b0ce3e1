//! Captures what approved DDL is about to destroy: pre-images of the rows, definitions of what vanishes.
//!
//! It happens before PostgreSQL runs the statement, under the lock that the statement takes anyway, and is written by the
//! same transaction. `underway` remembers what was captured; what the statement destroys beyond that is refused when it
//! is reached.

mod alter;
mod alter_plan;
pub(crate) mod as_written;
pub(crate) mod closure;
mod drop;
mod dropped;
mod going;
pub(crate) mod roots;
mod truncate;
mod truncate_coverage;

use super::{Table, enforce};
use crate::guard_triggers::OwnWork;
use crate::judge::approval::Kind as ApprovalKind;
use crate::judge::ddl::{Action, Kind};
use crate::judge::unguarded;
use crate::ledger;
use crate::model::Operation;
use crate::pg::privileged::Privileged;
use crate::pg::{catalog, objects, raw};
use crate::record::whole::{self, Destroyer};
use crate::registry::{self, Guarded, Registry};
use crate::report::Outcome;
use crate::running::coverage::{self, Coverage};
use crate::running::underway;
use crate::{gucs, preview};
use catalog::OpenRelation;
use pgrx::Spi;
use pgrx::pg_sys::{self, NodeTag, Oid};
use std::rc::Rc;
use underway::Underway;

pub use truncate::reached as truncate_reached;

/// Captures what the statement destroys. True when it is under way now and `after` must end it.
///
/// # Safety
/// `statement` must be a live utility statement that the rules let pass.
pub unsafe fn before(statement: *mut pg_sys::Node, registry: &Rc<Registry>) -> Outcome<bool> {
    // SAFETY: a variable of the backend's. PostgreSQL refuses such statements in a read-only transaction.
    if unsafe { pg_sys::XactReadOnly } {
        return Ok(false);
    }
    // SAFETY: node casts follow the node's tag.
    let found = unsafe {
        match (*statement).type_ {
            NodeTag::T_TruncateStmt => Some(truncate::statement(statement.cast(), registry)?),
            NodeTag::T_DropStmt => drop::objects(statement.cast(), registry)?,
            NodeTag::T_DropOwnedStmt => drop::owned(statement.cast(), registry)?,
            NodeTag::T_AlterTableStmt => alter::table(statement.cast(), registry)?,
            _ => None,
        }
    };
    Ok(match found {
        Some(statement) => {
            underway::push(statement);
            true
        }
        None => false,
    })
}

/// The statement has run.
///
/// # Errors
/// When a table was emptied that its trigger did not capture.
pub fn after() -> Outcome<()> {
    let Some(statement) = underway::pop() else {
        return Ok(());
    };
    forget(&statement.tables);
    if let Some(retyped) = &statement.retyped {
        alter::note_left(retyped);
    }
    let Some(registry) = registry::current() else {
        return Ok(());
    };
    for relid in statement.awaited {
        if let Some(table) = Table::protected(&registry, relid, false) {
            let action = Action::new(Kind::Truncate, None);
            enforce::refuse(action.unrecorded(table.subject(), &table.registration))?;
        } else if let Some(follower) = registry.table(relid) {
            let register = registry.registered_again(relid);
            let unseen = ledger::with_subject(follower, |subject| {
                unguarded::truncate_unseen(subject, &register)
            });
            enforce::refuse(unseen)?;
        }
    }
    Ok(())
}

/// Ends the registrations of tables that are gone; their definitions hold them.
fn forget(tables: &[Oid]) {
    if tables.is_empty() {
        return;
    }
    let _privileged = Privileged::for_ddl();
    let _own = OwnWork::begin();
    let _writing = registry::Writing::begin();
    for (table, column) in [
        ("registered_table", "relation"),
        ("registered_column", "relation"),
        ("registered_sequence", "sequence"),
    ] {
        Spi::run(&format!(
            "DELETE FROM backstop.{table} AS r WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = r.{column})"
        ))
        .unwrap_or_else(|error| pgrx::error!("{error}"));
    }
}

/// A statement that names these relations.
fn begun(coverage: Coverage, named: Vec<Oid>, cause: Option<Rc<str>>) -> Underway {
    Underway {
        // SAFETY: reads the transaction state.
        nest: unsafe { raw::GetCurrentTransactionNestLevel() },
        coverage,
        named,
        cause,
        tables: Vec::new(),
        columns: Vec::new(),
        retyped: None,
        awaited: Vec::new(),
        truncated: Vec::new(),
    }
}

/// The approval that covers `operation` on the first of the protected relations that it covers.
fn coverage(registry: &Registry, relids: &[Oid], operation: Operation) -> Coverage {
    let mut tables = relids
        .iter()
        .filter_map(|relid| Table::protected(registry, *relid, false));
    tables
        .find_map(
            |table| match coverage::named_coverage(&table.names, operation, table.kind) {
                covered @ Coverage::Covered(_) => Some(covered),
                _ => None,
            },
        )
        .unwrap_or(Coverage::Absent)
}

/// The same, where a statement names `parents`: one that counts for its children alone stands for them, as the rules have it.
fn coverage_with_parents(
    registry: &Registry,
    relids: &[Oid],
    parents: &[Oid],
    operation: Operation,
) -> Coverage {
    let own = coverage(registry, relids, operation);
    if !matches!(own, Coverage::Absent) {
        return own;
    }
    let parents = parents.iter();
    let mut tables = parents.filter_map(|relid| Table::protected(registry, *relid, true));
    let covered = |found: &Coverage| matches!(found, Coverage::Covered(_));
    tables
        .find_map(|table| {
            Some(coverage::named_coverage(
                &table.names,
                operation,
                table.kind,
            ))
            .filter(covered)
        })
        .unwrap_or(own)
}

/// The approval that covers a statement which takes followers' rows and none of a protected table's: it covers each of the
/// relations that the statement names, or all there are.
fn coverage_of_followers(registry: &Registry, named: &[Oid], operation: Operation) -> Coverage {
    let of = |names: &[String]| coverage::named_coverage(names, operation, ApprovalKind::Session);
    let each = named
        .iter()
        .filter_map(|relid| Table::registered(registry, *relid, true, None))
        .map(|table| of(&table.names));
    match named {
        [] => all(std::iter::once(of(&[]))),
        _ => all(each),
    }
    .unwrap_or(Coverage::Absent)
}

/// The approval that covers all of them.
fn all(mut coverages: impl Iterator<Item = Coverage>) -> Option<Coverage> {
    let first = coverages.next()?;
    let covered = |coverage: &Coverage| matches!(coverage, Coverage::Covered(_));
    (covered(&first) && coverages.all(|coverage| covered(&coverage))).then_some(first)
}

/// Whether nothing but a refusal can come of it, so that there is nothing to capture.
fn will_be_refused(registry: &Registry, relids: &[Oid], coverage: &Coverage) -> bool {
    let protected = relids
        .iter()
        .any(|relid| registry.table(*relid).is_some_and(|t| t.is_protected()));
    protected
        && gucs::mode() == gucs::Mode::Enforce
        && !preview::active()
        && !matches!(coverage, Coverage::Covered(_))
}

/// Captures the rows of a guarded table, locked against everyone.
fn rows(registry: &Rc<Registry>, guarded: &Rc<Guarded>, destroyer: &Destroyer) -> Outcome<()> {
    let Some(relation) = OpenRelation::open(guarded.relid, pg_sys::AccessExclusiveLock) else {
        return Ok(());
    };
    if relation.kind() == 'r' {
        // SAFETY: open and locked.
        unsafe { whole::capture(registry, guarded, relation.0, destroyer)? };
    }
    Ok(())
}

/// As `rows`, where `columns` of the table are what goes: a preview tells them.
fn rows_for_columns(
    registry: &Rc<Registry>,
    guarded: &Rc<Guarded>,
    destroyer: &Destroyer,
    columns: &[closure::Object],
) -> Outcome<()> {
    rows(registry, guarded, destroyer)?;
    if preview::active() {
        // A generated column of the parent's goes from its children too.
        let reaches =
            |column: &&closure::Object| registry.with_children(column.oid).contains(&guarded.relid);
        let names: Vec<String> = columns
            .iter()
            .filter(reaches)
            .filter_map(|column| objects::column_before(column.oid, column.column as i16))
            .collect();
        preview::note_altered(
            guarded,
            destroyer.operation,
            destroyer.cause.as_ref(),
            &names,
        );
    }
    Ok(())
}

/// Locks a relation as the statement itself will; false when it is gone.
fn lock(relid: Oid) -> bool {
    OpenRelation::open(relid, pg_sys::AccessExclusiveLock).is_some()
}
