//! Restore: what a recorded statement destroyed comes back as it was.
//!
//! The images of the statement are undone one at a time (`engine`), straight in the heap and its
//! indexes, the way logical replication applies changes: no planner, no triggers, no row-level security, but every
//! constraint. What the tables' owners wrote (constraints, index expressions, domains) runs with the owners' rights,
//! never with the restorer's. Everything happens in one subtransaction, so that a dry run is the same work rolled back, and so that a
//! row version written by the restore can be told from any other by its xmin. Foreign keys, which triggers enforce, are
//! checked at the end (`foreign_keys`).
//!
//! The restore is a statement of the record like any other, written by the same code: restoring it undoes it.
//!
//! `restore_since` is the same work over many statements (`since`), one after the other, the last one first, by one
//! engine: each is undone against the state that undoing the later ones left.

mod as_they_are;
mod aside;
mod by_values;
mod children;
mod chunk;
mod column_history;
mod column_today;
mod columns;
mod command;
mod compare;
mod conversion;
mod converted;
mod converted_since;
mod copy;
mod default_privileges;
mod defaults;
mod dependent_units;
mod dependents;
mod dependents_made;
mod displace;
mod done;
pub mod drill;
mod engine;
mod fill;
mod filled;
mod find;
mod finish;
mod foreign_keys;
mod heap;
mod identity;
mod image;
mod images;
mod input;
mod kept;
mod keys;
mod later;
mod later_images;
mod later_statements;
mod leaf;
mod leaf_indexes;
mod left_out;
mod locks;
mod lookup;
mod made;
mod own_rows;
mod pairing;
mod placing;
mod present;
mod put_back;
mod read_code;
mod rebuild;
mod recheck;
mod recompute;
mod referred;
mod renamed;
mod renames_between;
mod reopen;
mod resolve;
mod retype;
mod reverted;
mod rewritten;
mod routing;
mod sequence_values;
mod settle;
mod shape;
mod shortcut;
mod since;
mod source;
mod stages;
mod step;
mod table_history;
mod take;
mod target;
mod told_by;
mod undo;
mod unplaced;
mod values_index;
mod work;
mod write;

pub use image::{Conflict, Count};
pub use since::shown;
pub use work::new_root;

use crate::report::Outcome;
use crate::shared::progress;
use displace::held_by_another;
use pgrx::pg_sys;
use source::Order;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use unplaced::may_lack_partition;
use work::work;

/// What to do with a row whose present state is not what the statement left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Restore nothing.
    Abort,
    /// Leave such rows alone.
    Skip,
    /// Put them back all the same; the present state is recorded.
    Overwrite,
}

/// What to undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Statement(i64),
    /// Everything that was committed after this moment.
    Since(i64),
}

/// What to restore, and how.
#[derive(Clone, Debug)]
pub struct Request {
    pub what: What,
    pub dry_run: bool,
    pub on_conflict: OnConflict,
    /// Relations by their name in the record; all when `None`.
    pub relations: Option<Vec<String>>,
    /// Return all conflicts in full.
    pub collect: bool,
    /// Prove the record: read every value, and note instead of refuse that rows reference what is not there.
    pub drill: bool,
}

/// How it is done.
#[derive(Clone, Copy)]
struct Way {
    order: Order,
    /// Rows have no partition any more: each is asked for its own before it is led there.
    unplaced: bool,
}

/// What came of it.
#[derive(Default)]
pub struct Done {
    /// By relation and operation, in the order in which the statement came to them.
    pub counts: Vec<Count>,
    pub conflicts: Vec<Conflict>,
    /// What a drill noted.
    pub note: Option<String>,
    /// The statement removed a row more than once: nothing is done, and only backwards is right.
    tangled: bool,
}

/// Restores, or finds out what restoring would do.
///
/// # Errors
/// When the statement isn't in the record, a table is gone, a constraint would be violated, or a conflict aborts it.
pub fn run(request: Request) -> Outcome<Done> {
    let dry_run = request.dry_run;
    progress::restore(match (request.drill, dry_run) {
        (true, _) => progress::What::Drill,
        (_, true) => progress::What::DryRun,
        _ => progress::What::Restore,
    });
    // SAFETY: an internal subtransaction, left by the same memory context and resource owner it was begun with, on
    // success, on our own errors and on PostgreSQL's.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        let roll_back = move || {
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
        };
        let mut way = Way {
            order: Order::Forward,
            unplaced: false,
        };
        let outcome = loop {
            pg_sys::BeginInternalSubTransaction(std::ptr::null());
            pg_sys::MemoryContextSwitchTo(context);
            match catch_unwind(AssertUnwindSafe(|| work(request.clone(), way))) {
                Ok(Ok(done)) if done.tangled => {
                    roll_back();
                    way.order = Order::Backward;
                }
                Ok(outcome) => break outcome,
                Err(error) => {
                    let overwrites = request.on_conflict == OnConflict::Overwrite;
                    if let Some(report) = held_by_another(&*error).filter(|_| overwrites) {
                        break Err(report);
                    }
                    roll_back();
                    if way.unplaced || !may_lack_partition(&*error) {
                        resume_unwind(error);
                    }
                    way.unplaced = true;
                }
            }
        };
        if dry_run || outcome.is_err() {
            roll_back();
        } else {
            pg_sys::ReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
        }
        progress::end();
        outcome
    }
}
