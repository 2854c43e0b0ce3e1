//! Undoing images one by one, from the last to the first, or from the first to the last.
//!
//! Backwards, each image is undone against the state that undoing the later ones left, so a row that its statement changed several
//! times goes back to its beginning without a map of rows, and no unique key is in the way that was not in the way when
//! the statement ran. A row that was removed and that this restore has put back (its xmin is the restore's own subtransaction)
//! is known to be what the statement left at that point; of one that was changed, others may have changed what the later images say
//! nothing of. Only rows that were *not* set back must be remembered: an earlier image of
//! such a row decides anew what has become of it.
//!
//! Forwards is quicker, and right where no row was removed twice. Where an image meets a row that this restore wrote, or
//! one that it could not set back, the statement is `tangled`, and all is done again backwards.

use super::chunk::{Change, Chunk};
use super::column_history::ColumnChanges;
use super::converted::{ConvertedBack, LostColumn, Unread};
use super::image::{Conflict, Count, Image, Settled};
use super::input::PortableInput;
use super::later::Later;
use super::left_out::LeftOut;
use super::source::Order;
use super::target::Target;
use super::{OnConflict, Request};
use crate::ledger::Root;
use crate::pg::raw;
use crate::record::json::{self, Span};
use crate::report::{Outcome, Report};
use pgrx::pg_sys::{self, Oid};
use std::collections::HashMap;

pub(super) struct Engine {
    pub request: Request,
    pub order: Order,
    /// An image turned out to need the other order; nothing more is done.
    pub tangled: bool,
    /// Rows may have no partition (see `unplaced`).
    pub unplaced: bool,
    pub estate: *mut pg_sys::EState,
    /// The subtransaction everything happens in.
    pub xid: pg_sys::TransactionId,
    pub nest: i32,
    pub root: Root,
    pub targets: Vec<Target>,
    /// The targets of relations as the record has them, by name and OID.
    pub(super) known: Vec<(String, Oid, usize)>,
    pub(super) names: ColumnChanges,
    pub counts: Vec<Count>,
    pub settled: HashMap<Vec<u8>, Settled>,
    /// The columns of the image's row that are not as they were before it (see `Settled::unlike`).
    pub unlike: Vec<usize>,
    /// Conflicts in full, if they are asked for; the first one otherwise.
    pub conflicts: Vec<Option<Conflict>>,
    /// Something was written since the command counter was last advanced.
    pub dirty: bool,
    /// An earlier restore of the statement stands; looked up when it matters.
    pub restored_before: Option<bool>,
    /// An UPDATE's changed columns: (column, value).
    pub members: Vec<(usize, Span)>,
    /// Columns that DDL dropped or converted.
    pub columns: Vec<LostColumn>,
    /// An earlier restore put back the image's row, which nothing tells from others.
    pub back_before: bool,
    /// The image's row belongs into a partition that is gone.
    pub nowhere: bool,
    /// What was recorded since of converted rows.
    pub later: Vec<Later>,
    /// They are as the statement left them: conflicts are only listed.
    pub unconverted: bool,
    /// Their converted columns.
    pub unread: Vec<Unread>,
    /// Rows that changed since may be why columns could not be converted back.
    pub changed_since: bool,
    /// What their recorded values ran into. Without a conflict it is what the restore ends with.
    pub in_the_way: Option<Box<Report>>,
    /// What became of rows whose columns this restore has converted back.
    pub converted_back: ConvertedBack,
    /// Columns whose recorded values nothing takes.
    pub left_out: Vec<LeftOut>,
    /// The image's changed columns are converted ones.
    pub converted: bool,
    /// They are there, or have their type, because of this restore.
    pub back: bool,
    /// Those of them that were dropped and are not: what stands there under their name was put there since.
    pub stand_ins: Vec<usize>,
    /// One of these has a value that neither the statement nor this restore put there.
    pub theirs: bool,
    pub scratch: Vec<u8>,
    pub row: Vec<u8>,
    pub parsed: Vec<(Span, Span)>,
}

impl Engine {
    /// Opens the tables of `chunks`.
    ///
    /// # Safety
    /// Inside the subtransaction; `estate` must outlive the engine.
    pub(super) unsafe fn new(
        request: Request,
        order: Order,
        estate: *mut pg_sys::EState,
        root: Root,
    ) -> Outcome<Engine> {
        Ok(Engine {
            request,
            order,
            tangled: false,
            unplaced: false,
            estate,
            // SAFETY: reads the transaction state; a subtransaction is in progress.
            xid: unsafe { pg_sys::GetCurrentTransactionId() },
            // SAFETY: as above.
            nest: unsafe { raw::GetCurrentTransactionNestLevel() },
            root,
            targets: Vec::new(),
            known: Vec::new(),
            names: ColumnChanges::read()?,
            counts: Vec::new(),
            settled: HashMap::new(),
            unlike: Vec::new(),
            conflicts: Vec::new(),
            dirty: false,
            restored_before: None,
            members: Vec::new(),
            columns: Vec::new(),
            back_before: false,
            nowhere: false,
            later: Vec::new(),
            unconverted: false,
            unread: Vec::new(),
            changed_since: false,
            in_the_way: None,
            converted_back: ConvertedBack::default(),
            left_out: Vec::new(),
            converted: false,
            back: false,
            stand_ins: Vec::new(),
            theirs: false,
            scratch: Vec::new(),
            row: Vec::new(),
            parsed: Vec::new(),
        })
    }

    /// Undoes row `n` of a chunk.
    ///
    /// # Safety
    /// `place` must be what `place` said of the chunk.
    pub(super) unsafe fn undo(
        &mut self,
        chunk: &Chunk,
        (target, shape, count): (usize, usize, usize),
        n: usize,
    ) -> Outcome<()> {
        let Some(open) = chunk.open() else {
            return Ok(());
        };
        let columns = chunk.columns.len();
        let spans = open.rows.of(n);
        let damaged = || {
            Report::new(
                "XX001",
                format!("the record of relation \"{}\" is damaged", chunk.relation),
            )
        };
        let update = chunk.operation == "UPDATE";
        if spans.len() != columns + usize::from(update) {
            return Err(damaged());
        }
        let image = Image {
            open,
            chunk: chunk.id,
            n,
            text: &open.text,
            spans: &spans[..columns],
            target,
            shape,
            count,
        };
        self.unlike.clear();
        (self.back_before, self.nowhere) = (false, false);
        // SAFETY: what one row needs is allocated in the per-row context, which is emptied before each row.
        unsafe {
            let context = (*(*self.estate).es_per_tuple_exprcontext).ecxt_per_tuple_memory;
            pg_sys::MemoryContextReset(context);
            let before = pg_sys::MemoryContextSwitchTo(context);
            if update {
                json::members(image.text, spans[columns], &mut self.parsed)
                    .map_err(|_| damaged())?;
                self.members.clear();
                let shape = &self.targets[target].shapes[shape];
                for (name, value) in &self.parsed {
                    let from = self.members.last().map_or(0, |(n, _)| n + 1);
                    let n = shape
                        .column_named(name.bytes(image.text), from)
                        .ok_or_else(damaged)?;
                    self.members.push((n, *value));
                }
            } else {
                self.members.clear();
            }
            if let Err(report) = self.check_converted(chunk, (target, shape)) {
                pg_sys::MemoryContextSwitchTo(before);
                return Err(report);
            }
            self.note_left_out(chunk, image);
            (self.converted, self.back) = (false, false);
            self.stand_ins.clear();
            if Change::of(&chunk.operation) == Some(Change::Column) {
                self.lost_columns(image);
            }
            let _acting = self.targets[target].acting();
            let outcome = match Change::of(&chunk.operation) {
                Some(Change::Updated | Change::Column) => self.undo_update(image),
                Some(Change::Removed) => self.undo_delete(image),
                _ => self.undo_insert(image),
            };
            pg_sys::MemoryContextSwitchTo(before);
            outcome
        }
    }

    /// Puts the image's values into the target's slot.
    ///
    /// # Safety
    /// In the per-row context.
    pub(super) unsafe fn fill(&mut self, image: Image) -> Outcome<()> {
        let target = &mut self.targets[image.target];
        let shape = &mut target.shapes[image.shape];
        // SAFETY: the target's slot is virtual and of its shape.
        unsafe {
            let settings: Option<PortableInput> = shape.settings();
            target.slot.start();
            let (slot, scratch) = (target.slot, &mut self.scratch);
            shape.fill(slot, image.text, image.spans, scratch)?;
            drop(settings);
            target.slot.store();
        }
        Ok(())
    }

    /// Lets what was written so far be seen.
    pub(super) fn make_visible(&mut self) {
        if std::mem::take(&mut self.dirty) {
            // SAFETY: inside the subtransaction.
            unsafe { pg_sys::CommandCounterIncrement() };
        }
    }

    pub(super) fn overwrites(&self) -> bool {
        self.request.on_conflict == OnConflict::Overwrite
    }

    /// The number of conflicts so far.
    pub(super) fn conflict_count(&self) -> i64 {
        self.counts.iter().map(|count| count.conflicts).sum()
    }
}
