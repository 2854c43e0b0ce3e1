//! Writes chunks and statement rows straight into the record's tables: no SPI, no planner, no triggers, and no
//! privileges of the user whose statement is recorded.

use super::buffer::Buffer;
use super::format::RowFormat;
use super::tables::{draw, in_scratch, insert};
use super::{commit, datum, pack};
use crate::approval::token;
use crate::ledger::{self, Root};
use crate::model::Operation;
use crate::preview;
use crate::report::Outcome;
use crate::shared::progress;
use pgrx::pg_sys::Datum;

/// The statement's id, drawn at first need.
pub fn statement_id(root: &mut Root) -> i64 {
    *root
        .statement_id
        .get_or_insert_with(|| draw(c"statement_id_seq"))
}

/// Writes what is full; `full`: some buffer of the level is.
pub fn spill(root: &mut Root, nest: i32, full: bool) {
    if !full {
        return;
    }
    if root.preview.is_some() {
        let level = root.level(nest);
        for buffer in level.buffers.iter_mut().filter(|buffer| buffer.is_full()) {
            preview::keep_chunk(&mut level.seen.chunks, buffer);
        }
        level.forget_spare();
        return;
    }
    let id = statement_id(root);
    let level = root.level(nest);
    for buffer in level.buffers.iter_mut().filter(|buffer| buffer.is_full()) {
        progress::captured(id, &buffer.format.relation, buffer.rows.into());
        write_chunk(id, buffer);
        level.chunks_written += 1;
    }
    level.forget_spare();
}

/// A subtransaction is about to commit: what is complete of the level around it is written now and as a part of it, where a
/// loop of subtransactions would have it wait for its end. Should the subtransaction fail after all, it is not written.
pub fn write_complete(nest: i32) {
    ledger::with(|ledger| {
        let keys: Vec<usize> = ledger.roots().iter().map(|root| root.key).collect();
        for key in keys {
            let Some(root) = ledger.find_root(key) else {
                continue;
            };
            if !root
                .levels()
                .iter_mut()
                .any(|level| level.nest == nest && level.complete().next().is_some())
            {
                continue;
            }
            let id = (root.preview.is_none()).then(|| statement_id(root));
            let level = root.level(nest);
            let mut chunks = std::mem::take(&mut level.seen.chunks);
            for buffer in level.complete() {
                let Some(id) = id else {
                    preview::keep_chunk(&mut chunks, buffer);
                    continue;
                };
                write_copy(id, buffer, nest + 1);
            }
            level.seen.chunks = chunks;
            level.forget_spare();
        }
    });
}

/// Writes what waits in buffers, whatever level it is of: for a root that no rollback reaches but its own transaction's.
pub fn settle(root: &mut Root) {
    settle_in(root, i32::MIN);
}

/// Writes what waits in buffers, in subtransaction `nest`. The rows of levels around it stay, to be written again should it
/// be rolled back: they are still destroyed then.
pub fn settle_in(root: &mut Root, nest: i32) {
    let waits = |root: &mut Root| {
        let mut buffers = root.levels().iter().flat_map(|level| &level.buffers);
        buffers.any(Buffer::waits)
    };
    if root.preview.is_some() || !waits(root) {
        return;
    }
    let id = statement_id(root);
    for level in root.levels() {
        for buffer in level.buffers.iter_mut().filter(|buffer| buffer.waits()) {
            if level.nest < nest {
                write_copy(id, buffer, nest);
            } else {
                write_chunk(id, buffer);
                level.chunks_written += 1;
            }
        }
    }
}

/// Writes the buffer's rows in subtransaction `nest`, and keeps them.
fn write_copy(statement_id: i64, buffer: &mut Buffer, nest: i32) {
    let (rows, images) = (buffer.rows, buffer.copy());
    insert_images(statement_id, buffer, rows, &images);
    buffer.written = Some(nest);
}

pub(super) fn write_chunk(statement_id: i64, buffer: &mut Buffer) {
    let (rows, images) = buffer.take();
    let size = insert_images(statement_id, buffer, rows, &images);
    buffer.reuse(images, size);
}

/// Writes the buffer's rows, `images`, as a chunk; what they were compressed to.
fn insert_images(statement_id: i64, buffer: &Buffer, rows: i32, images: &[u8]) -> Option<usize> {
    let (operation, cause) = (buffer.operation, buffer.cause.as_deref());
    let packed = pack::packed(images, pack::PIECE);
    let rows = (buffer.first_ordinal, rows);
    let stored = packed.as_deref().unwrap_or(images);
    in_scratch(|| insert_chunk(statement_id, &buffer.format, operation, cause, rows, stored));
    packed.map(|packed| packed.len())
}

/// Writes `images`, a varlena of images that the record has already, as a chunk. `rows`: the first one's ordinal, and how many
/// they are.
pub fn copy(
    root: &mut Root,
    nest: i32,
    format: &RowFormat,
    operation: Operation,
    rows: (i64, i32),
    images: &[u8],
) {
    let id = statement_id(root);
    in_scratch(|| insert_chunk(id, format, operation, None, rows, images));
    root.level(nest).chunks_written += 1;
}

/// In the scratch context.
fn insert_chunk(
    statement_id: i64,
    format: &RowFormat,
    operation: Operation,
    cause: Option<&str>,
    (first_ordinal, rows): (i64, i32),
    images: &[u8],
) {
    insert(
        c"image_chunk",
        &mut [
            Some(Datum::from(draw(c"chunk_id_seq"))),
            Some(Datum::from(statement_id)),
            Some(datum::string(&format.relation)),
            Some(Datum::from(format.recorded_relid)),
            Some(datum::string(operation.record_name())),
            cause.map(datum::string),
            Some(Datum::from(first_ordinal)),
            Some(Datum::from(rows)),
            Some(Datum::from(format.key_count)),
            Some(Datum::from(format.names.as_ptr())),
            Some(Datum::from(images.as_ptr())),
        ],
    );
}

/// Writes everything that is not written: before the transaction commits or is prepared.
///
/// # Errors
/// SF011, when what is about to be committed is not what the token's preview showed.
pub fn flush_all() -> Outcome<()> {
    let keys: Vec<usize> =
        ledger::with(|ledger| ledger.roots().iter().map(|root| root.key).collect());
    for key in keys {
        // A token's check runs SQL of ours, so the ledger is not borrowed meanwhile.
        if let Some(mut root) = ledger::with(|ledger| ledger.remove_root(key)) {
            token::settle(&mut root)?;
            ledger::with(|ledger| {
                ledger.root(key, || root);
            });
        }
    }
    commit::note();
    Ok(())
}
