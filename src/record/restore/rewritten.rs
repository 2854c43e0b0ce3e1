//! A heap that PostgreSQL rewrites, as it was before.

use super::pairing::{Pairing, Wanted, bare_joined};
use crate::pg::catalog::OpenRelation;
use crate::pg::slot::Slot;
use crate::record::encode;
use crate::record::format::RowFormat;
use crate::record::portable::PortableOutput;
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

pub(super) struct Heap {
    pub relid: Oid,
    /// The number of its table's pairing.
    pub pairing: usize,
    pub slot: Slot,
    format: RowFormat,
}

impl Heap {
    /// # Safety
    /// `context` must outlive the heap.
    pub unsafe fn new(
        relation: &OpenRelation,
        n: usize,
        pairing: &Pairing,
        context: pg_sys::MemoryContext,
    ) -> Heap {
        // SAFETY: an open relation has its descriptor; its copy and the slot live in the context.
        unsafe {
            let relid = (*relation.0).rd_id;
            let before = pg_sys::MemoryContextSwitchTo(context);
            let desc = pg_sys::CreateTupleDescCopyConstr((*relation.0).rd_att);
            let slot =
                pg_sys::MakeSingleTupleTableSlot(desc, pg_sys::table_slot_callbacks(relation.0));
            pg_sys::MemoryContextSwitchTo(before);
            let name = Rc::from(pairing.recorded.as_str());
            Heap {
                relid,
                pairing: n,
                slot: Slot(slot),
                format: RowFormat::of(relid, name, relation.columns(), &pairing.key),
            }
        }
    }

    /// What the row in the slot is looked for by.
    ///
    /// # Safety
    /// As for `text`.
    pub unsafe fn wanted(&self, slot: Slot, pairing: &Pairing) -> Wanted {
        // SAFETY: the caller vouches for the row.
        unsafe {
            let value = |name| self.text(slot, std::slice::from_ref(name));
            let likely: Vec<Vec<u8>> = pairing.likely.iter().map(value).collect();
            Wanted {
                columns: self.text(slot, &pairing.columns),
                likely: bare_joined(likely.iter().map(|text| &text[1..])),
            }
        }
    }

    /// Columns of a row of the heap as the record would write them, each behind a comma.
    ///
    /// # Safety
    /// The slot must hold the row, all of whose attributes were fetched.
    pub unsafe fn text(&self, slot: Slot, names: &[String]) -> Vec<u8> {
        let _portable = self.format.session_dependent.then(PortableOutput::begin);
        let mut text = Vec::new();
        for name in names {
            text.push(b',');
            let mut columns = self.format.columns.iter();
            let Some(column) = columns.find(|column| column.fact.name == *name) else {
                continue;
            };
            // SAFETY: the caller vouches for the row.
            unsafe {
                match slot.get(column.fact.attnum as usize - 1) {
                    Some(value) => encode::value(&mut text, column, value),
                    None => text.extend_from_slice(b"null"),
                }
            }
        }
        text
    }
}
