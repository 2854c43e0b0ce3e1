//! Keeps a captured row: encodes it, puts it into its buffer, and leaves its fingerprint where one is wanted.

use super::format::RowFormat;
use super::image::{changes, has_now, one_value, values};
use super::portable::{PortableOutput, pinned_names};
use super::write;
use crate::approval::fingerprint::{Clock, Key};
use crate::approval::token;
use crate::ddl::enforce;
use crate::judge::approval::Kind;
use crate::ledger::{self, Root};
use crate::model::Operation;
use crate::pg::encoding;
use crate::pg::memory;
use crate::pg::raw;
use crate::pg::reserve;
use crate::report::Outcome;
use crate::running::queries::ActiveQuery;
use crate::{preview, running};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    /// One encoded row, reused.
    static ROW: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A destroyed row on its way into the record.
pub struct Captured<'a> {
    pub query: &'a ActiveQuery,
    pub format: &'a Rc<RowFormat>,
    pub operation: Operation,
    pub old: *mut pg_sys::TupleTableSlot,
    pub new: Option<*mut pg_sys::TupleTableSlot>,
    pub expendable: bool,
    /// The weakest kind of approval its table accepts.
    pub kind: Kind,
}

/// Encodes the row and puts it into its buffer; a full buffer is written.
///
/// # Errors
/// When a preview has seen too many rows, or a token's statement destroys more than its preview showed.
///
/// # Safety
/// As for `destroyed`, with all attributes fetched.
pub unsafe fn keep(captured: &Captured) -> Outcome<()> {
    let (query, format, operation) = (captured.query, captured.format, captured.operation);
    let key = ledger::with(|ledger| ledger.root(query.root, running::new_root).fingerprint_key());
    reserve::refill();
    ROW.with_borrow_mut(|row| {
        row.clear();
        // SAFETY: the caller vouches for the slots.
        let print = unsafe {
            let _pinned = format.names_dependent.then(pinned_names);
            let _portable = format.session_dependent.then(PortableOutput::begin);
            image(row, captured, None);
            key.map(|key| fingerprint(key, captured, row))
        };
        row.push(b']');
        // SAFETY: reads the transaction state.
        let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
        ledger::with(|ledger| {
            let root = ledger.root(query.root, running::new_root);
            let ordinal = root.next_ordinal;
            root.next_ordinal += 1;
            let buffer = root.buffer(nest, format, operation, query.cause.as_ref());
            buffer.push(ordinal, row);
            let full = buffer.is_full();
            if let Some(print) = print {
                mark(root, nest, captured, print, row)?;
            }
            write::spill(root, nest, full);
            Ok(())
        })
    })
}

/// Appends the row's values and, for an UPDATE, its changes.
///
/// # Safety
/// As for `keep`.
unsafe fn image(out: &mut Vec<u8>, captured: &Captured, clock: Option<&Clock>) {
    // SAFETY: the caller vouches for the slots.
    unsafe {
        values(out, captured.format, captured.old, clock);
        if let Some(new) = captured.new {
            out.push(b',');
            changes(out, captured.format, captured.old, new, clock);
        }
    }
}

/// The fingerprint of a row whose image is `row`.
///
/// # Safety
/// As for `keep`.
unsafe fn fingerprint(key: Key, captured: &Captured, row: &[u8]) -> u128 {
    let relid = captured.format.recorded_relid;
    let operation = captured.operation.record_name();
    let clock = Clock::now();
    // SAFETY: the caller vouches for the slots.
    unsafe {
        let told = has_now(captured.format, captured.old, &clock)
            || captured
                .new
                .is_some_and(|new| has_now(captured.format, new, &clock));
        if !told {
            return key.of(relid, operation, row);
        }
        let mut timeless = Vec::new();
        image(&mut timeless, captured, Some(&clock));
        key.of(relid, operation, &timeless)
    }
}

/// Leaves the row's fingerprint with a preview, or with the token that its statement runs under.
fn mark(root: &mut Root, nest: i32, captured: &Captured, print: u128, row: &[u8]) -> Outcome<()> {
    if root.preview.is_some() {
        return preview::note_row(root, nest, captured, print, row);
    }
    let Some(claim) = root.claim().cloned() else {
        return Ok(());
    };
    let one_too_many = root.fingerprints() >= claim.total && !running::may_be_undone();
    let level = root.level(nest);
    if (one_too_many || !claim.showed(print)) && level.unseen.len() < token::EXAMPLES {
        // SAFETY: the row that is being captured.
        let name = unsafe { name_of(captured) };
        level.unseen.push(name);
    }
    if one_too_many {
        enforce::refuse(token::more_rows(root, &claim))?;
    }
    memory::push(&mut root.level(nest).fingerprints, print);
    Ok(())
}

/// A row by its key.
///
/// # Safety
/// As for `keep`.
unsafe fn name_of(captured: &Captured) -> String {
    let format = captured.format;
    let keys = &format.columns[..usize::from(format.key_count.unsigned_abs())];
    let parts: Vec<String> = keys
        .iter()
        .map(|column| {
            let place = (column.fact.attnum - 1) as usize;
            let mut value = Vec::new();
            // SAFETY: the caller fetched the attributes.
            unsafe { one_value(&mut value, column, captured.old, place, None) };
            format!("{} = {}", column.fact.name, encoding::decode(&value))
        })
        .collect();
    token::row_name(captured.operation.record_name(), &format.relation, &parts)
}
