//! A statement of the record: its chunks, and their rows from the last to the first, or from the first to the last.

use super::chunk::{Change, Chunk, Open, Place};
use super::own_rows::{Fields, scan};
use crate::pg::memory;
use crate::record::{datum, json, pack};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BinaryHeap;
use std::rc::Rc;

/// In which order images are undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they were captured, which enters keys into indexes from their end on and keeps rows beside the rows they were
    /// beside. It is right where rows were only removed, and none of them twice.
    Forward,
    /// The last one first, which is always right.
    Backward,
}

/// The statement and all its chunks.
pub struct Source {
    pub statement_id: i64,
    pub order: Order,
    pub chunks: Vec<Chunk>,
    /// What it destroyed something in, by name.
    pub relations: Vec<String>,
    /// Chunks with rows left, the one whose row is next first. Forward, ordinals are negative.
    queue: BinaryHeap<(i64, usize)>,
}

/// `Anum_` of the record's tables.
mod log {
    pub const OPERATIONS: usize = 10;
    pub const RELATIONS: usize = 11;
    pub const CHUNK_ID: usize = 15;
    pub const RELID: usize = 16;
    pub const OPERATION: usize = 17;
    pub const ROW_COUNT: usize = 19;
    pub const KEY_COUNT: usize = 20;
    pub const COLUMNS: usize = 21;
    pub const IMAGES: usize = 22;
}
mod chunk {
    pub const ID: usize = 0;
    pub const RELATION: usize = 2;
    pub const RELID: usize = 3;
    pub const OPERATION: usize = 4;
    pub const FIRST_ORDINAL: usize = 6;
    pub const ROW_COUNT: usize = 7;
    pub const KEY_COUNT: usize = 8;
    pub const COLUMNS: usize = 9;
    pub const IMAGES: usize = 10;
}

impl Order {
    /// The ordinal of the chunk's row to begin with.
    fn begin(self, text: &[u8], rows: i64, chunk_id: i64) -> Outcome<i64> {
        let ordinal = match self {
            Order::Forward => json::first_ordinal(text),
            Order::Backward => json::last_ordinal(text, rows),
        };
        ordinal.map_err(|json::Malformed(at)| {
            Report::new(
                "XX001",
                format!("chunk {chunk_id} of the record is damaged"),
            )
            .detail(format!("Its images make no sense at byte {at}."))
        })
    }

    /// The greatest is next.
    fn rank(self, ordinal: i64) -> i64 {
        match self {
            Order::Forward => -ordinal,
            Order::Backward => ordinal,
        }
    }
}

impl Source {
    /// Finds the statement and its chunks. What did not only remove rows is undone backwards, whatever is asked for.
    pub fn find(statement_id: i64, order: Order) -> Outcome<Source> {
        let mut source = Source {
            statement_id,
            order,
            chunks: Vec::new(),
            relations: Vec::new(),
            queue: BinaryHeap::new(),
        };
        let mut known = false;
        scan(
            c"statement_log",
            c"statement_log_pkey",
            &[(1, statement_id)],
            |row| {
                known = true;
                source.relations = row.texts(log::RELATIONS).unwrap_or_default();
                let operations = row.texts(log::OPERATIONS).unwrap_or_default();
                let removes = |operation: &String| Change::of(operation) == Some(Change::Removed);
                if !operations.iter().all(removes) {
                    source.order = Order::Backward;
                }
                if let Some(chunk_id) = row.get::<i64>(log::CHUNK_ID) {
                    let relations: Vec<String> = row.texts(log::RELATIONS).unwrap_or_default();
                    let relation = relations.into_iter().next().unwrap_or_default();
                    let text = unpacked(row.bytes(log::IMAGES), &relation)?;
                    let rows = row.get::<i32>(log::ROW_COUNT).unwrap_or(0).into();
                    source.chunks.push(Chunk {
                        id: chunk_id,
                        relation,
                        relid: row.get(log::RELID).unwrap_or(pg_sys::InvalidOid),
                        operation: row.text(log::OPERATION).unwrap_or_default(),
                        key_count: row.get::<i16>(log::KEY_COUNT).unwrap_or(0) as usize,
                        columns: Rc::from(row.texts(log::COLUMNS).unwrap_or_default()),
                        rows,
                        ordinal: source.order.begin(&text, rows, chunk_id)?,
                        place: Place::Statement(text),
                        open: None,
                    });
                }
                Ok(())
            },
        )?;
        if !known {
            return Err(Report::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("statement {statement_id} is not in the record"),
            )
            .hint("backstop.statement lists what is."));
        }
        scan(
            c"image_chunk",
            c"image_chunk_pkey",
            &[(2, statement_id)],
            |row| {
                let chunk_id = row.get(chunk::ID).unwrap_or(0);
                let relation = row.text(chunk::RELATION).unwrap_or_default();
                let rows = row.get::<i32>(chunk::ROW_COUNT).unwrap_or(0).into();
                let ordinal = match source.order {
                    Order::Forward => row.get(chunk::FIRST_ORDINAL).unwrap_or(0),
                    Order::Backward => {
                        let text = unpacked(row.bytes(chunk::IMAGES), &relation)?;
                        source.order.begin(&text, rows, chunk_id)?
                    }
                };
                let columns: Vec<String> = row.texts(chunk::COLUMNS).unwrap_or_default();
                // Most chunks have the columns of the one before.
                let columns = match source.chunks.last() {
                    Some(last) if *last.columns == *columns => last.columns.clone(),
                    _ => Rc::from(columns),
                };
                source.chunks.push(Chunk {
                    id: chunk_id,
                    relation,
                    relid: row.get(chunk::RELID).unwrap_or(pg_sys::InvalidOid),
                    operation: row.text(chunk::OPERATION).unwrap_or_default(),
                    key_count: row.get::<i16>(chunk::KEY_COUNT).unwrap_or(0) as usize,
                    columns,
                    rows,
                    ordinal,
                    place: Place::Chunk(chunk_id),
                    open: None,
                });
                Ok(())
            },
        )?;
        Ok(source)
    }

    /// Leaves out the chunks for which `keep` is false, and starts at the first row of the order.
    pub fn start(&mut self, keep: impl Fn(&Chunk) -> bool) {
        self.chunks.retain(|chunk| keep(chunk));
        self.queue = self
            .chunks
            .iter()
            .enumerate()
            .map(|(n, chunk)| (self.order.rank(chunk.ordinal), n))
            .collect();
    }

    /// The next row in the order: (chunk, row).
    pub fn next(&mut self) -> Outcome<Option<(usize, usize)>> {
        let Some(mut top) = self.queue.peek_mut() else {
            return Ok(None);
        };
        let n = top.1;
        let chunk = &mut self.chunks[n];
        let open = match &mut chunk.open {
            Some(open) => open,
            None => {
                let (text, packed) = match &mut chunk.place {
                    Place::Statement(text) => (std::mem::take(text), None),
                    Place::Chunk(chunk_id) => {
                        let stored = images(self.statement_id, *chunk_id)?;
                        let copied = self.order == Order::Forward && pack::is_packed(&stored);
                        let packed = copied.then(|| datum::varlena(&stored));
                        (unpacked(stored, &chunk.relation)?, packed)
                    }
                };
                let rows = json::rows(&text).map_err(|_| damaged(&chunk.relation))?;
                chunk.open.insert(Open {
                    text,
                    rows,
                    standing: Cell::new(packed.is_some().then_some((0, 0))),
                    packed,
                    done: 0,
                })
            }
        };
        let all = open.rows.rows.len();
        if open.done == all {
            return Err(damaged(&chunk.relation));
        }
        let place = |done: usize| match self.order {
            Order::Forward => done,
            Order::Backward => all - 1 - done,
        };
        let row = place(open.done);
        open.done += 1;
        if open.done < all {
            // Changing the top sifts it down when the reference ends.
            top.0 = self.order.rank(open.rows.rows[place(open.done)].ordinal);
        } else {
            std::collections::binary_heap::PeekMut::pop(top);
        }
        Ok(Some((n, row)))
    }

    /// The ordinal of a row of a chunk that is open.
    pub fn ordinal(&self, n: usize, row: usize) -> i64 {
        let open = self.chunks[n].open.as_ref();
        open.map_or(0, |open| open.rows.rows[row].ordinal)
    }

    /// The images of a chunk, whichever of its rows is next.
    pub fn rows_of(&self, n: usize) -> Outcome<(Vec<u8>, json::Rows)> {
        let chunk = &self.chunks[n];
        let text = match (&chunk.open, &chunk.place) {
            (Some(open), _) => memory::copied(&open.text),
            (None, Place::Statement(text)) => memory::copied(text),
            (None, Place::Chunk(chunk_id)) => {
                unpacked(images(self.statement_id, *chunk_id)?, &chunk.relation)?
            }
        };
        let rows = json::rows(&text).map_err(|_| damaged(&chunk.relation))?;
        Ok((text, rows))
    }

    /// Whether all rows of a chunk have been taken.
    pub fn is_done(&self, n: usize) -> bool {
        let open = self.chunks[n].open.as_ref();
        open.is_some_and(|open| open.done == open.rows.rows.len())
    }

    /// Forgets the images of a chunk.
    pub fn close(&mut self, n: usize) {
        self.chunks[n].open = None;
    }
}

fn damaged(relation: &str) -> Box<Report> {
    Report::new(
        "XX001",
        format!("the record of relation \"{relation}\" is damaged"),
    )
}

/// The images of one chunk as they are stored.
fn images(statement_id: i64, chunk_id: i64) -> Outcome<Vec<u8>> {
    let mut images = Vec::new();
    scan(
        c"image_chunk",
        c"image_chunk_pkey",
        &[(2, statement_id), (1, chunk_id)],
        |row: Fields| {
            images = row.bytes(chunk::IMAGES);
            Ok(())
        },
    )?;
    Ok(images)
}

/// The text of stored images.
fn unpacked(stored: Vec<u8>, relation: &str) -> Outcome<Vec<u8>> {
    match pack::unpacked(&stored) {
        Ok(Cow::Owned(text)) => Ok(text),
        Ok(Cow::Borrowed(_)) => Ok(stored),
        Err(pack::Damaged) => Err(damaged(relation)),
    }
}
