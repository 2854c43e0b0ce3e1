//! The trigger's WHEN condition, which does the work. (Its function does it for rows that logical replication changes without
//! the executor: `replicated`.)
//!
//! PostgreSQL evaluates an AFTER ROW trigger's WHEN condition when it would queue the event: the row has been removed or
//! overwritten, BEFORE triggers have had their say, its lock is held, and both versions are at hand. So the condition
//! counts and captures the row and answers false, and no event is queued: a DELETE of ten million rows needs no memory
//! for ten million events, and the first row past a limit ends the statement at once.

use super::expendable;
use super::keep::{Captured, keep};
use super::site::{self, Found, Site};
use super::turned;
use crate::judge::unguarded;
use crate::ledger::{self, DestroyedRow};
use crate::model::{Operation, Violation};
use crate::pg::function::Call;
use crate::pg::raw;
use crate::pg::slot::Slot;
use crate::report::{self, Outcome};
use crate::running::queries::{self, ActiveQuery};
use crate::{gucs, hooks, preview, running};
use pgrx::pg_sys::{self, Datum};
use std::ffi::c_int;

crate::sql_function!(
    pg_finfo_backstop_capture_row,
    backstop_capture_row,
    capture_row
);

const FALSE: Datum = Datum::null();

/// `backstop.capture_row()`: true only when the event must be queued for `capture`.
unsafe fn capture_row(call: Call) -> Outcome<Datum> {
    // SAFETY: PostgreSQL passes a valid call; fn_extra is ours and holds a Site that lives as long as the query whose
    // memory the expression was compiled in.
    unsafe {
        let flinfo = (*call.0).flinfo;
        if (*flinfo).fn_extra.is_null() {
            match site::find(call.0)? {
                Found::Site(site) => {
                    if (*site).guarded.is_protected() {
                        hooks::enforce(&queries::take_waiting((*site).query.desc))?;
                    }
                    (*flinfo).fn_extra = site.cast();
                }
                Found::Late(site) => {
                    late(&*site)?;
                    (*flinfo).fn_extra = site.cast();
                }
                Found::Nothing => return Ok(FALSE),
                Found::Outside => return Ok(Datum::from(true)),
                Found::NotLoaded => return Err(not_loaded()),
                Found::Foreign => {
                    return Err(report::Report::new(
                        "0A000",
                        "backstop.capture_row() is the condition of pg_backstop's own triggers",
                    ));
                }
            }
        }
        let site = &mut *((*flinfo).fn_extra as *mut Site);
        let context = (*site.estate).es_per_tuple_exprcontext;
        let (old, new) = ((*context).ecxt_innertuple, (*context).ecxt_outertuple);
        if old != (*site.info).ri_TrigOldSlot || old.is_null() {
            return Ok(FALSE);
        }
        let tid = (*old).tts_tid;
        if same_tuple(&tid, &site.last) && !site.foreign {
            return Ok(FALSE);
        }
        site.last = tid;
        let (operation, new) = match (new.is_null(), moved(old)) {
            (false, _) => (Operation::Update, Some(new)),
            // An UPDATE that moves a row to another partition deletes it here first.
            (true, true) => (Operation::Update, moved_to(site.info)),
            (true, false) => (Operation::Delete, None),
        };
        destroyed(site, operation, old, new)?;
        Ok(FALSE)
    }
}

/// # Safety
/// `old` must hold the row that was destroyed, `new` what replaced it.
unsafe fn destroyed(
    site: &mut Site,
    operation: Operation,
    old: *mut pg_sys::TupleTableSlot,
    new: Option<*mut pg_sys::TupleTableSlot>,
) -> Outcome<()> {
    // SAFETY: the slots belong to the site's relation and query.
    unsafe {
        Slot(old).prefetch_next();
        fetch(old, site.format.last_attnum);
        if let Some(new) = new {
            fetch(new, site.format.last_attnum);
        }
        let expendable = is_expendable(site, operation, old, new)?;
        let cleared = match new {
            Some(new) if !site.fed.is_empty() => site.fed.cleared(old, new),
            _ => Vec::new(),
        };
        if let Some(violation) = ledger::book(DestroyedRow {
            query: &site.query,
            table: &site.guarded,
            operation,
            expendable,
            cleared: &cleared,
        }) {
            refuse(&site.query, violation)?;
        }
        keep(&Captured {
            query: &site.query,
            format: &site.format,
            operation,
            old,
            new,
            expendable,
            kind: site.kind,
        })?;
        if let Some(every) = &site.every_column {
            preview::note_columns(&site.query, &site.format, operation, every, old, new);
        }
        Ok(())
    }
}

/// Whether the row was expendable before this transaction touched it.
///
/// # Safety
/// As for `destroyed`, with all attributes fetched.
unsafe fn is_expendable(
    site: &Site,
    operation: Operation,
    old: *mut pg_sys::TupleTableSlot,
    new: Option<*mut pg_sys::TupleTableSlot>,
) -> Outcome<bool> {
    if site.expendable.is_empty() {
        return Ok(false);
    }
    let (root, relid) = (site.format.recorded_relid, site.guarded.relid);
    // SAFETY: the caller vouches for the slots.
    unsafe {
        let was = expendable::holds(&site.expendable, site.estate, old)?
            && !turned::is_turned(root, relid, (*old).tts_tid);
        if !was && operation == Operation::Update {
            match new {
                Some(new) if !expendable::holds(&site.expendable, site.estate, new)? => {}
                Some(new) if !moved(old) => turned::note(root, relid, (*new).tts_tid),
                _ => turned::note_moved(root),
            }
        }
        Ok(was)
    }
}

/// Raises a violation found at a row, or (observe) warns once per root and rule.
pub(super) fn refuse(query: &ActiveQuery, violation: Box<Violation>) -> Outcome<()> {
    if preview::active() {
        preview::note_violation(&violation);
    } else if gucs::mode() == gucs::Mode::Enforce {
        return Err((*violation).into());
    }
    let first = ledger::with(|ledger| {
        ledger.find_root(query.root).is_some_and(|root| {
            let first = !root.observed.contains(&violation.rule);
            root.observed.push(violation.rule);
            first
        })
    });
    if first && !preview::active() {
        // SAFETY: inside the guarded frame of a C function.
        unsafe { report::warn(&violation) };
    }
    Ok(())
}

/// `slot_getsomeattrs`.
///
/// # Safety
/// `slot` must hold a row with at least `last` attributes.
pub(super) unsafe fn fetch(slot: *mut pg_sys::TupleTableSlot, last: i16) {
    // SAFETY: the caller vouches for the slot.
    unsafe {
        if (*slot).tts_nvalid < last {
            raw::slot_getsomeattrs_int(slot, c_int::from(last));
        }
    }
}

fn same_tuple(a: &pg_sys::ItemPointerData, b: &pg_sys::ItemPointerData) -> bool {
    a.ip_blkid.bi_hi == b.ip_blkid.bi_hi
        && a.ip_blkid.bi_lo == b.ip_blkid.bi_lo
        && a.ip_posid == b.ip_posid
}

/// Whether the deleted version's header says that the row moved to another partition
/// (`HeapTupleHeaderIndicatesMovedPartitions`).
///
/// # Safety
/// `slot` must hold a row.
unsafe fn moved(slot: *mut pg_sys::TupleTableSlot) -> bool {
    const MOVED_PARTITIONS_OFFSET: u16 = 0xfffd;
    // SAFETY: a slot with these callbacks is a HeapTupleTableSlot that holds a physical tuple.
    unsafe {
        if (*slot).tts_ops != &raw const pg_sys::TTSOpsBufferHeapTuple {
            return false;
        }
        let tuple = (*(slot as *mut pg_sys::HeapTupleTableSlot)).tuple;
        let ctid = (*(*tuple).t_data).t_ctid;
        ctid.ip_posid == MOVED_PARTITIONS_OFFSET
            && ctid.ip_blkid.bi_hi == 0xffff
            && ctid.ip_blkid.bi_lo == 0xffff
    }
}

/// The new version of a row that is moving to another partition, in the old partition's shape.
///
/// # Safety
/// `info` must be the result relation the row is leaving.
unsafe fn moved_to(info: *mut pg_sys::ResultRelInfo) -> Option<*mut pg_sys::TupleTableSlot> {
    // SAFETY: the executor fills ri_newTupleSlot with each new version before it deletes the old one.
    unsafe {
        let slot = (*info).ri_newTupleSlot;
        let empty = slot.is_null() || (*slot).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 != 0;
        (!empty).then_some(slot)
    }
}

/// The table has been protected since the query started: an upsert locks a partition only when it first comes to it.
fn late(site: &Site) -> Outcome<()> {
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    ledger::with(|ledger| {
        let root = ledger.root(site.query.root, running::new_root);
        for policy in &site.guarded.policies {
            root.touch(nest, policy, gucs::max_rows());
        }
    });
    let violation = ledger::with_subject(&site.guarded, unguarded::protected_since);
    refuse(&site.query, Box::new(violation))
}

fn not_loaded() -> Box<report::Report> {
    unguarded::not_loaded(None).into()
}
