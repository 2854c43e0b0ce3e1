//! A statement of the record: its chunks, and their rows from the last to the first.

use super::json::{self, Rows};
use crate::record::write;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{FromDatum, IntoDatum};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

/// What the rows of a chunk have in common.
#[derive(Debug)]
pub struct Chunk {
    pub relation: String,
    pub relid: Oid,
    pub operation: String,
    pub key_count: usize,
    pub columns: Rc<[String]>,
    pub rows: i64,
    last_ordinal: i64,
    place: Place,
    open: Option<Open>,
}

/// Where a chunk's images are.
#[derive(Debug)]
enum Place {
    /// In the statement's own row.
    Statement(Vec<u8>),
    Chunk(i64),
}

/// A chunk whose rows are being undone.
#[derive(Debug)]
pub struct Open {
    pub text: Vec<u8>,
    pub rows: Rows,
    /// Rows that are not done yet.
    left: usize,
}

impl Chunk {
    /// The chunk's images, once one of its rows has been taken.
    pub fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }
}

/// The statement and all its chunks.
pub struct Source {
    statement_id: i64,
    pub chunks: Vec<Chunk>,
    /// Chunks with rows left, the one with the latest row first.
    queue: BinaryHeap<(i64, usize)>,
}

/// `Anum_` of the record's tables.
mod log {
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
    pub const ROW_COUNT: usize = 6;
    pub const KEY_COUNT: usize = 7;
    pub const COLUMNS: usize = 8;
    pub const IMAGES: usize = 9;
}

impl Source {
    /// Finds the statement and its chunks.
    pub fn find(statement_id: i64) -> Outcome<Source> {
        let mut source = Source {
            statement_id,
            chunks: Vec::new(),
            queue: BinaryHeap::new(),
        };
        let mut known = false;
        scan(
            c"statement_log",
            c"statement_log_pkey",
            &[(1, statement_id)],
            |row| {
                known = true;
                if let Some(chunk_id) = row.get::<i64>(log::CHUNK_ID) {
                    let relations: Vec<String> = row.get(log::RELATIONS).unwrap_or_default();
                    let images = row.bytes(log::IMAGES);
                    source.chunks.push(Chunk {
                        relation: relations.into_iter().next().unwrap_or_default(),
                        relid: row.get(log::RELID).unwrap_or(pg_sys::InvalidOid),
                        operation: row.get(log::OPERATION).unwrap_or_default(),
                        key_count: row.get::<i16>(log::KEY_COUNT).unwrap_or(0) as usize,
                        columns: Rc::from(row.get::<Vec<String>>(log::COLUMNS).unwrap_or_default()),
                        rows: row.get::<i32>(log::ROW_COUNT).unwrap_or(0).into(),
                        last_ordinal: ordinal(&images, chunk_id)?,
                        place: Place::Statement(images),
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
                let columns: Vec<String> = row.get(chunk::COLUMNS).unwrap_or_default();
                // Most chunks have the columns of the one before.
                let columns = match source.chunks.last() {
                    Some(last) if *last.columns == *columns => last.columns.clone(),
                    _ => Rc::from(columns),
                };
                source.chunks.push(Chunk {
                    relation: row.get(chunk::RELATION).unwrap_or_default(),
                    relid: row.get(chunk::RELID).unwrap_or(pg_sys::InvalidOid),
                    operation: row.get(chunk::OPERATION).unwrap_or_default(),
                    key_count: row.get::<i16>(chunk::KEY_COUNT).unwrap_or(0) as usize,
                    columns,
                    rows: row.get::<i32>(chunk::ROW_COUNT).unwrap_or(0).into(),
                    last_ordinal: ordinal(&row.bytes(chunk::IMAGES), chunk_id)?,
                    place: Place::Chunk(chunk_id),
                    open: None,
                });
                Ok(())
            },
        )?;
        Ok(source)
    }

    /// Leaves out the chunks for which `keep` is false, and starts at the last row.
    pub fn start(&mut self, keep: impl Fn(&Chunk) -> bool) {
        self.chunks.retain(|chunk| keep(chunk));
        self.queue = self
            .chunks
            .iter()
            .enumerate()
            .map(|(n, chunk)| (chunk.last_ordinal, n))
            .collect();
    }

    /// The next row backwards in the order of capture: (chunk, row).
    pub fn previous(&mut self) -> Outcome<Option<(usize, usize)>> {
        let Some(mut top) = self.queue.peek_mut() else {
            return Ok(None);
        };
        let n = top.1;
        let chunk = &mut self.chunks[n];
        let open = match &mut chunk.open {
            Some(open) => open,
            None => {
                let text = match &mut chunk.place {
                    Place::Statement(images) => std::mem::take(images),
                    Place::Chunk(chunk_id) => images(self.statement_id, *chunk_id)?,
                };
                let rows = json::rows(&text).map_err(|_| damaged(&chunk.relation))?;
                let left = rows.rows.len();
                chunk.open.insert(Open { text, rows, left })
            }
        };
        let Some(row) = open.left.checked_sub(1) else {
            return Err(damaged(&chunk.relation));
        };
        open.left = row;
        match row.checked_sub(1) {
            Some(next) => {
                let ordinal = open.rows.rows[next].ordinal;
                // Changing the top sifts it down when the reference ends.
                if top.0.cmp(&ordinal) != Ordering::Equal {
                    top.0 = ordinal;
                }
            }
            None => {
                std::collections::binary_heap::PeekMut::pop(top);
            }
        }
        Ok(Some((n, row)))
    }

    /// Forgets the images of a chunk all of whose rows are done.
    pub fn close_if_done(&mut self, n: usize) {
        if self.chunks[n]
            .open
            .as_ref()
            .is_some_and(|open| open.left == 0)
        {
            self.chunks[n].open = None;
        }
    }
}

fn damaged(relation: &str) -> Box<Report> {
    Report::new(
        "XX001",
        format!("the record of relation \"{relation}\" is damaged"),
    )
}

fn ordinal(images: &[u8], chunk_id: i64) -> Outcome<i64> {
    json::last_ordinal(images).map_err(|json::Malformed(at)| {
        Report::new(
            "XX001",
            format!("chunk {chunk_id} of the record is damaged"),
        )
        .detail(format!("Its images make no sense at byte {at}."))
    })
}

/// The images of one chunk.
fn images(statement_id: i64, chunk_id: i64) -> Outcome<Vec<u8>> {
    let mut text = Vec::new();
    scan(
        c"image_chunk",
        c"image_chunk_pkey",
        &[(2, statement_id), (1, chunk_id)],
        |row| {
            text = row.bytes(chunk::IMAGES);
            Ok(())
        },
    )?;
    Ok(text)
}

/// A row of the record's tables, taken apart.
struct Fields {
    values: Vec<Datum>,
    nulls: Vec<bool>,
}

impl Fields {
    fn get<T: FromDatum>(&self, n: usize) -> Option<T> {
        // SAFETY: every caller reads column n as the type the record's table declares.
        unsafe { T::from_datum(self.values[n], self.nulls[n]) }
    }

    /// A json value's text.
    fn bytes(&self, n: usize) -> Vec<u8> {
        if self.nulls[n] {
            return Vec::new();
        }
        // SAFETY: the column is a varlena; what detoasting made is freed at once, a chunk being large.
        unsafe {
            let original = self.values[n].cast_mut_ptr::<pg_sys::varlena>();
            let flat = pg_sys::pg_detoast_datum_packed(original);
            let bytes = pgrx::varlena_to_byte_slice(flat).to_vec();
            if flat != original {
                pg_sys::pfree(flat.cast());
            }
            bytes
        }
    }
}

/// Reads rows of one of the record's tables by the leading columns of its primary key, without SPI: whoever may execute
/// the function may read the record through it.
fn scan(
    table: &std::ffi::CStr,
    index: &std::ffi::CStr,
    key: &[(i16, i64)],
    mut each: impl FnMut(Fields) -> Outcome<()>,
) -> Outcome<()> {
    const EQUAL: u16 = pg_sys::BTEqualStrategyNumber as u16;
    // SAFETY: the extension's own tables and indexes; the key columns are bigint; the snapshot is registered while the
    // scan lasts. After an error the resource owner releases all of it.
    unsafe {
        let relation =
            pg_sys::table_open(write::own_relation(table), pg_sys::AccessShareLock as i32);
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let mut keys = [pg_sys::ScanKeyData::default(); 2];
        for (scan_key, (column, value)) in keys.iter_mut().zip(key) {
            pg_sys::ScanKeyInit(
                scan_key,
                *column,
                EQUAL,
                pg_sys::Oid::from(pg_sys::F_INT8EQ),
                value.into_datum().unwrap_or(Datum::from(0)),
            );
        }
        let scan = pg_sys::systable_beginscan(
            relation,
            write::own_relation(index),
            true,
            snapshot,
            key.len() as i32,
            keys.as_mut_ptr(),
        );
        let natts = (*(*relation).rd_att).natts as usize;
        let mut outcome = Ok(());
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() || outcome.is_err() {
                break;
            }
            let mut fields = Fields {
                values: vec![Datum::from(0); natts],
                nulls: vec![false; natts],
            };
            pg_sys::heap_deform_tuple(
                tuple,
                (*relation).rd_att,
                fields.values.as_mut_ptr(),
                fields.nulls.as_mut_ptr(),
            );
            outcome = each(fields);
        }
        pg_sys::systable_endscan(scan);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
        outcome
    }
}
