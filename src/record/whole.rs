//! Captures every row of a table that DDL is about to destroy.
//!
//! One scan of the heap under the lock the DDL takes anyway, by the newest snapshot: every row that anybody has committed
//! or this transaction has written. Each row is counted against the approval's budget before the next is read, and goes
//! into the same buffers as any other pre-image, so memory stays bounded whatever the table holds.

use super::capture;
use super::keep::{Captured, keep};
use super::{expendable, site};
use crate::ledger::{self, DestroyedRow};
use crate::model::Operation;
use crate::pg::raw;
use crate::registry::{Guarded, Registry};
use crate::report::Outcome;
use crate::running::coverage::Coverage;
use crate::running::queries::ActiveQuery;
use crate::{gucs, running};
use pgrx::pg_sys;
use std::ptr;
use std::rc::Rc;

/// What destroys the rows.
#[derive(Clone)]
pub struct Destroyer {
    pub operation: Operation,
    pub cause: Option<Rc<str>>,
    pub coverage: Coverage,
}

/// Captures the rows of one heap.
///
/// # Errors
/// At the first row that the approval's budget does not cover.
///
/// # Safety
/// `relation` must be `guarded`'s, open, and locked so that no row can be added.
pub unsafe fn capture(
    registry: &Rc<Registry>,
    guarded: &Rc<Guarded>,
    relation: pg_sys::Relation,
    destroyer: &Destroyer,
) -> Outcome<()> {
    let query = ActiveQuery {
        desc: 0,
        judged_by: None,
        estate: ptr::null_mut(),
        owner: std::ptr::null_mut(),
        waiting: Vec::new(),
        root: running::root_key().unwrap_or(usize::MAX),
        // SAFETY: reads the transaction state.
        nest: unsafe { raw::GetCurrentTransactionNestLevel() },
        cause: destroyer.cause.clone(),
        coverage: destroyer.coverage.clone(),
        trigger_depth: 0,
        referential: false,
    };
    let covered = matches!(query.coverage, Coverage::Covered(_));
    ledger::with(|ledger| {
        let root = ledger.root(query.root, running::new_root);
        for policy in &guarded.policies {
            root.touch(query.nest, policy, gucs::max_rows());
        }
        // Only the approval lets it pass: where its budget ends, so does the statement.
        if let Coverage::Covered(cover) = &query.coverage {
            root.break_rule(query.nest, cover);
        }
    });
    // What the mode or the kind of table lets pass uncovered was judged as a whole: its rows are recorded, not refused.
    // Nor are a publisher's: replication would stop.
    // SAFETY: reads the backend's kind.
    let replica = unsafe { pg_sys::IsLogicalWorker() };
    let counts = covered || (!guarded.is_protected() && !replica);
    let kind = guarded.kind();
    // SAFETY: the caller vouches for the relation. Rows are read with a registered snapshot and encoded in a context of
    // their own; after an error the resource owner and the memory contexts of the statement clean up.
    unsafe {
        let estate = pg_sys::CreateExecutorState();
        pg_sys::MakePerTupleExprContext(estate);
        let format = site::format(registry, guarded, (*relation).rd_att);
        let spared = expendable::compile(guarded, relation, estate)?;
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::InvalidOid,
            false,
            snapshot,
            0,
            ptr::null_mut(),
        );
        let context = (*(*estate).es_per_tuple_exprcontext).ecxt_per_tuple_memory;
        let before = pg_sys::MemoryContextSwitchTo(context);
        let mut outcome = Ok(());
        while outcome.is_ok() {
            crate::pg::memory::check();
            pg_sys::MemoryContextReset(context);
            if pg_sys::systable_getnext(scan).is_null() {
                break;
            }
            let slot = (*scan).slot;
            capture::fetch(slot, format.last_attnum);
            let spare = expendable::holds(&spared, estate, slot)?;
            let expendable = !counts || spare;
            let violation = ledger::book(DestroyedRow {
                query: &query,
                table: guarded,
                operation: destroyer.operation,
                expendable,
                cleared: &[],
            });
            if let Some(violation) = violation {
                outcome = capture::refuse(&query, violation);
            }
            if outcome.is_ok() {
                outcome = keep(&Captured {
                    query: &query,
                    format: &format,
                    operation: destroyer.operation,
                    old: slot,
                    new: None,
                    expendable: spare,
                    kind,
                });
            }
        }
        pg_sys::MemoryContextSwitchTo(before);
        pg_sys::systable_endscan(scan);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::FreeExecutorState(estate);
        outcome
    }
}
