//! Writes a root's statement row, with its one chunk in it where there is no other.

use super::tables::{draw, in_scratch, insert};
use super::write::{statement_id, write_chunk};
use super::{approvals, commit, datum, pack, who};
use crate::ledger::{Move, Root};
use crate::model::Operation;
use crate::pg::{encoding, raw};
use crate::shared::progress;
use pgrx::pg_sys::{self, Datum};
use std::rc::Rc;

/// Writes what `root` destroyed since its last statement row: remaining chunks, then the statement. Returns the
/// statement's id if there was anything to write.
pub fn finish_root(root: &mut Root) -> Option<i64> {
    let rows = root.rows();
    if root.is_blank() {
        return None;
    }
    let id = statement_id(root);
    let sequences = root.sequences();
    write_lost(root, id);
    let written: i64 = root.levels().iter().map(|level| level.chunks_written).sum();
    let waiting = root
        .levels()
        .iter()
        .flat_map(|level| &level.buffers)
        .filter(|buffer| buffer.rows > 0)
        .count();
    // The statement's own row names the relation of its image first.
    let mut tallies = root.levels().iter().flat_map(|level| &level.tallies);
    let rows_only = tallies.all(|tally| tally.rows > 0);
    let alone = written == 0 && waiting == 1 && rows_only;
    let mut image: [Option<Datum>; 8] = [None; 8];
    if !alone {
        for level in root.levels() {
            for buffer in level.buffers.iter_mut().filter(|buffer| buffer.rows > 0) {
                write_chunk(id, buffer);
            }
        }
    }
    in_scratch(|| {
        let mut format = None;
        let mut images = Vec::new();
        if alone
            && let Some(buffer) = root
                .levels()
                .iter_mut()
                .flat_map(|level| &mut level.buffers)
                .find(|buffer| buffer.rows > 0)
        {
            let (count, bytes) = buffer.take();
            images = pack::packed(&bytes, pack::IN_ROW).unwrap_or(bytes);
            image = [
                Some(Datum::from(draw(c"chunk_id_seq"))),
                Some(Datum::from(buffer.format.recorded_relid)),
                Some(datum::string(buffer.operation.record_name())),
                buffer.cause.as_ref().map(|cause| datum::string(cause)),
                Some(Datum::from(count)),
                Some(Datum::from(buffer.format.key_count)),
                Some(Datum::from(buffer.format.names.as_ptr())),
                Some(Datum::from(images.as_ptr())),
            ];
            // The datums above point into both.
            format = Some(buffer.format.clone());
        }
        insert_statement(root, &sequences, id, rows, image);
        drop((format, images));
    });
    progress::capture_done();
    Some(id)
}

fn insert_statement(
    root: &mut Root,
    sequences: &[Rc<str>],
    id: i64,
    rows: i64,
    image: [Option<Datum>; 8],
) {
    let mut operations: Vec<&str> = Vec::new();
    let mut relations: Vec<Rc<str>> = Vec::new();
    for tally in root.levels().iter().flat_map(|level| &level.tallies) {
        if !operations.contains(&tally.operation.record_name()) {
            operations.push(tally.operation.record_name());
        }
        if !relations.contains(&tally.relation) {
            relations.push(tally.relation.clone());
        }
    }
    if !sequences.is_empty() {
        operations.push(Operation::Setval.record_name());
        for sequence in sequences {
            if !relations.contains(sequence) {
                relations.push(sequence.clone());
            }
        }
    }
    let relations: Vec<&str> = relations.iter().map(|relation| &**relation).collect();
    let operations = datum::text_array(&operations);
    let relations = datum::text_array(&relations);
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    let session = who::session();
    // SAFETY: reads of backend state; every text is copied into the scratch context.
    let mut values = unsafe {
        vec![
            Some(Datum::from(id)),
            Some(Datum::from(now)),
            Some(Datum::from(pg_sys::GetTopFullTransactionId().value)),
            Some(session.session_role),
            Some(session.role),
            Some(session.application_name),
            session.client_addr,
            Some(session.pid),
            root.query.as_ref().map(|query| datum::text(query)),
            root.parameters.as_ref().map(|json| datum::jsonb(json)),
            Some(Datum::from(operations.as_ptr())),
            Some(Datum::from(relations.as_ptr())),
            Some(Datum::from(rows)),
            approvals::json(root).map(|json| datum::jsonb(&encoding::encode(&json))),
            root.reverts.map(Datum::from),
        ]
    };
    values.extend(image);
    values.push(root.reverts_since.map(Datum::from));
    insert(c"statement_log", &mut values);
    commit::wrote(id, now);
}

/// Writes what was rolled back of the root's changes of sequences. They are the current level's now.
fn write_lost(root: &mut Root, id: i64) {
    let lost = std::mem::take(&mut root.lost_moves);
    if lost.is_empty() {
        return;
    }
    in_scratch(|| lost.iter().for_each(|moved| write_move(id, moved)));
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    let moves = &mut root.level(nest).moves;
    moves.extend(lost);
    moves.sort_by_key(|moved| moved.change_id);
}

/// The row of a change of a sequence.
pub fn write_move(statement_id: i64, moved: &Move) {
    let (old, new) = (moved.old, moved.new);
    insert(
        c"sequence_change",
        &mut [
            Some(Datum::from(statement_id)),
            Some(datum::string(&moved.name)),
            Some(datum::string(moved.operation.record_name())),
            old.map(|position| Datum::from(position.value)),
            old.map(|position| Datum::from(position.is_called)),
            new.map(|position| Datum::from(position.value)),
            new.map(|position| Datum::from(position.is_called)),
            Some(Datum::from(moved.change_id)),
        ],
    );
}
