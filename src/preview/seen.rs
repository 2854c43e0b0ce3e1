//! What a preview has seen, kept per (sub)transaction level of its root: what a savepoint inside the statement rolls
//! back was not destroyed.

use super::{collect, store};
use crate::judge::approval::Kind;
use crate::ledger::{self, Root};
use crate::model::Operation;
use crate::pg::memory;
use crate::pg::raw;
use crate::record::format::RowFormat;
use crate::record::image::same_value;
use crate::record::keep::Captured;
use crate::record::{Buffer, FedColumns};
use crate::registry::Guarded;
use crate::report::{Outcome, Report};
use crate::running::queries::ActiveQuery;
use crate::shared::progress;
use crate::{gucs, running};
use pgrx::pg_sys;
use std::rc::Rc;

/// How many rows of a step are shown as a sample.
const SAMPLE: usize = 3;

/// The rows of one relation, destroyed by one operation for one cause.
pub struct Step {
    pub format: Rc<RowFormat>,
    pub operation: Operation,
    pub cause: Option<Rc<str>>,
    pub rows: i64,
    pub expendable: i64,
    /// Partitions, and a table before and after DDL, have other columns, or the same in another order.
    pub shapes: Vec<Shape>,
    /// The first rows: their format, and images, each `,value,...]`.
    pub sample: Vec<(Rc<RowFormat>, Vec<u8>)>,
    /// The weakest kind of approval the table accepts.
    pub kind: Kind,
}

/// Rows of the same columns.
pub struct Shape {
    pub format: Rc<RowFormat>,
    /// By column of the format: changed, and cleared, in some row.
    pub changed: Vec<bool>,
    pub cleared: Vec<bool>,
}

impl Shape {
    fn is(&self, format: &Rc<RowFormat>) -> bool {
        let (mine, theirs) = (self.format.columns.iter(), format.columns.iter());
        Rc::ptr_eq(&self.format, format)
            || mine
                .map(|column| &column.fact.name)
                .eq(theirs.map(|column| &column.fact.name))
    }
}

impl Step {
    pub fn is(&self, format: &RowFormat, operation: Operation, cause: Option<&Rc<str>>) -> bool {
        self.format.recorded_relid == format.recorded_relid
            && self.operation == operation
            && self.cause.as_ref() == cause
    }

    fn absorb(&mut self, other: Step) {
        self.rows += other.rows;
        self.expendable += other.expendable;
        for theirs in other.shapes {
            let mine = self.shape(&theirs.format);
            for (n, (changed, cleared)) in theirs.changed.iter().zip(&theirs.cleared).enumerate() {
                mine.changed[n] |= changed;
                mine.cleared[n] |= cleared;
            }
        }
        let missing = SAMPLE.saturating_sub(self.sample.len());
        self.sample.extend(other.sample.into_iter().take(missing));
        self.kind = self.kind.max(other.kind);
    }

    fn shape(&mut self, format: &Rc<RowFormat>) -> &mut Shape {
        let known = self.shapes.iter().position(|shape| shape.is(format));
        let place = known.unwrap_or_else(|| {
            self.shapes.push(Shape {
                format: format.clone(),
                changed: vec![false; format.columns.len()],
                cleared: vec![false; format.columns.len()],
            });
            self.shapes.len() - 1
        });
        &mut self.shapes[place]
    }
}

/// A chunk in the preview's store, and whose rows it holds.
pub struct StoredChunk {
    pub number: i64,
    pub format: Rc<RowFormat>,
    pub operation: Operation,
    pub cause: Option<Rc<str>>,
}

/// The cause of what a deferred trigger destroys: PostgreSQL does not say which one it fires.
pub const DEFERRED_TRIGGER: &str = "deferred trigger";

#[derive(Default)]
pub struct Seen {
    /// In the order in which they were first seen.
    pub steps: Vec<Step>,
    pub chunks: Vec<StoredChunk>,
    /// Fingerprints of changes that are not rows: DDL, sequences.
    pub marks: Vec<u128>,
}

impl Seen {
    /// Rows that deferred triggers destroy at COMMIT, and that count.
    pub fn deferred_rows(&self) -> i64 {
        let late = |step: &&Step| step.cause.as_deref() == Some(DEFERRED_TRIGGER);
        let steps = self.steps.iter().filter(late);
        steps.map(|step| step.rows - step.expendable).sum()
    }

    /// Takes over what a committed child level saw.
    pub fn absorb(&mut self, child: Seen) {
        for step in child.steps {
            match self
                .steps
                .iter_mut()
                .find(|known| known.is(&step.format, step.operation, step.cause.as_ref()))
            {
                Some(known) => known.absorb(step),
                None => self.steps.push(step),
            }
        }
        self.chunks.extend(child.chunks);
        self.marks.extend(child.marks);
    }

    fn step(
        &mut self,
        format: &Rc<RowFormat>,
        operation: Operation,
        cause: Option<&Rc<str>>,
    ) -> &mut Step {
        let known = self
            .steps
            .iter()
            .position(|step| step.is(format, operation, cause));
        let place = known.unwrap_or_else(|| {
            self.steps.push(Step {
                format: format.clone(),
                operation,
                cause: cause.cloned(),
                rows: 0,
                expendable: 0,
                shapes: Vec::new(),
                sample: Vec::new(),
                kind: Kind::Session,
            });
            self.steps.len() - 1
        });
        &mut self.steps[place]
    }
}

/// Notes a destroyed row, which is already in its buffer.
///
/// # Errors
/// When the preview has seen more rows than `backstop.preview_max_rows`.
pub fn note_row(
    root: &mut Root,
    nest: i32,
    captured: &Captured,
    print: u128,
    row: &[u8],
) -> Outcome<()> {
    let limit = gucs::preview_max_rows();
    if root.next_ordinal > limit + 1 {
        return Err(Report::new(
            "54000",
            format!("statement destroys more than {limit} rows, too many to preview"),
        )
        .detail("The preview was stopped and rolled back. Nothing was changed.")
        .hint("Narrow the statement, or have a superuser raise backstop.preview_max_rows."));
    }
    let cause = captured.query.cause.as_ref();
    let level = root.level(nest);
    if let Some(buffer) = level
        .buffers
        .iter_mut()
        .rfind(|buffer| buffer.takes(captured.format, captured.operation, cause))
    {
        // What is left to COMMIT is shown, and does not belong to the statement that a token is for: zero.
        let print = if collect::is_deferred() { 0 } else { print };
        memory::append(&mut buffer.fingerprints, &print.to_le_bytes());
    }
    let step = level.seen.step(captured.format, captured.operation, cause);
    step.rows += 1;
    step.expendable += i64::from(captured.expendable);
    step.kind = step.kind.max(captured.kind);
    if step.sample.len() < SAMPLE {
        let image = (captured.format.clone(), memory::copied(row));
        step.sample.push(image);
    }
    Ok(())
}

/// Notes which columns an update changes and clears.
///
/// # Safety
/// The slots must hold rows of the format's relation, with all attributes fetched.
pub unsafe fn note_columns(
    query: &ActiveQuery,
    format: &Rc<RowFormat>,
    operation: Operation,
    every: &FedColumns,
    old: *mut pg_sys::TupleTableSlot,
    new: Option<*mut pg_sys::TupleTableSlot>,
) {
    let Some(new) = new else {
        return;
    };
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    ledger::with(|ledger| {
        let root = ledger.root(query.root, running::new_root);
        let step = root
            .level(nest)
            .seen
            .step(format, operation, query.cause.as_ref());
        let shape = step.shape(format);
        for (n, column) in format.columns.iter().enumerate() {
            // SAFETY: the caller vouches for the slots.
            unsafe {
                if shape.cleared[n] || same_value(column, old, new) {
                    continue;
                }
                shape.changed[n] = true;
                shape.cleared[n] = every.clears(n, old, new);
            }
        }
    });
}

/// Notes the columns, by name, whose values DDL takes away or rewrites in rows of `table` that have just been noted.
pub fn note_altered(
    table: &Guarded,
    operation: Operation,
    cause: Option<&Rc<str>>,
    names: &[String],
) {
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    ledger::with(|ledger| {
        let root = ledger.root(running::PREVIEW, running::new_root);
        let mut steps = root.level(nest).seen.steps.iter_mut();
        let step = steps.find(|step| {
            step.format.recorded_relid == table.recorded_relid
                && step.operation == operation
                && step.cause.as_ref() == cause
        });
        if let Some(step) = step {
            let format = step.format.clone();
            let shape = step.shape(&format);
            for (n, column) in format.columns.iter().enumerate() {
                shape.changed[n] |= names.contains(&column.fact.name);
            }
        }
    });
}

/// Puts a full buffer of a preview's root into its store.
pub fn keep_chunk(chunks: &mut Vec<StoredChunk>, buffer: &mut Buffer) {
    let fingerprints = std::mem::take(&mut buffer.fingerprints);
    let (rows, images) = buffer.take();
    progress::previewed(&buffer.format.relation, rows.into());
    let (number, packed) = store::put(&buffer.format, rows, &images, &fingerprints);
    memory::push(
        chunks,
        StoredChunk {
            number,
            format: buffer.format.clone(),
            operation: buffer.operation,
            cause: buffer.cause.clone(),
        },
    );
    buffer.reuse(images, packed);
}
