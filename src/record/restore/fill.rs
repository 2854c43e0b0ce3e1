//! Which recorded values the rows of tables get while their columns are converted back.

use super::converted::{Place, key_of};
use super::find::fetch;
use super::images::Images;
use super::input::ColumnInput;
use super::later::Later;
use super::pairing::Pairing;
use super::reopen::scan;
use super::rewritten::Heap;
use super::since::partition_root;
use super::source::{Order, Source};
use crate::pg::catalog::OpenRelation;
use crate::pg::memory;
use crate::record::json::Span;
use crate::report::{Outcome, Report};
use pgrx::pg_sys::{self, Oid};
use std::collections::HashMap;

/// A row that was asked for, and its image: (chunk, row).
pub(super) type Asked = (Oid, pg_sys::ItemPointerData, Option<(u32, u32)>);

pub(super) struct Filler {
    pub(super) images: Images,
    pub pairings: Vec<Pairing>,
    heaps: Vec<Heap>,
    /// The converted columns in the order in which the command asks for them, and how they are read, by the type that is asked
    /// for: what a table's owner wrote may ask, too.
    pub(super) names: Vec<String>,
    pub(super) inputs: Vec<Option<(Oid, ColumnInput)>>,
    pub later: Vec<Later>,
    /// Rows changed since get their recorded values, too.
    over: bool,
    pub(super) current: Option<Asked>,
    pub(super) context: pg_sys::MemoryContext,
    /// The restore's own transaction.
    xid: pg_sys::TransactionId,
    pub(super) scratch: Vec<u8>,
    /// See `ConvertedBack`.
    pub written: HashMap<Vec<u8>, ()>,
    pub changed: HashMap<Place, bool>,
    /// Rows that keep their present values, converted.
    pub kept: i64,
    /// Per column of `names`: its conversion kept the values, and some row got another one than it had.
    pub overwritten: Vec<bool>,
    /// Why the command cannot go on.
    pub refusal: Option<Box<Report>>,
}

impl Filler {
    /// The statement, and its rows' ordinals (see `Pairing::read`); what was recorded `later`; the memory of what reads values,
    /// and the restore's transaction.
    ///
    /// # Errors
    /// When it is not certain which rows are the recorded ones.
    pub fn new(
        (statement_id, rows): (i64, (i64, i64)),
        mut pairings: Vec<Pairing>,
        later: Vec<Later>,
        over: bool,
        (context, xid): (pg_sys::MemoryContext, pg_sys::TransactionId),
    ) -> Outcome<Filler> {
        let images = Images::of(Source::find(statement_id, Order::Backward)?);
        for pairing in &mut pairings {
            let mut of_table = later.iter().filter(|later| later.is_of(&pairing.recorded));
            if pairing.exact && (of_table.next().is_some() || !pairing.disputed.is_empty()) {
                return Err(pairing.changed_since());
            }
            pairing.read(&images, rows)?;
        }
        Ok(Filler {
            images,
            pairings,
            heaps: Vec::new(),
            names: Vec::new(),
            inputs: Vec::new(),
            later,
            over,
            current: None,
            context,
            xid,
            scratch: Vec::new(),
            written: HashMap::new(),
            changed: HashMap::new(),
            kept: 0,
            overwritten: Vec::new(),
            refusal: None,
        })
    }

    /// The command that comes asks for these columns of these heaps.
    ///
    /// # Safety
    /// The heaps must be locked, and none of them altered yet.
    pub unsafe fn begin(&mut self, names: Vec<String>, relids: &[Oid]) -> Outcome<()> {
        self.inputs = names.iter().map(|_| None).collect();
        self.overwritten = names.iter().map(|_| false).collect();
        (self.names, self.current, self.kept) = (names, None, 0);
        for relid in relids {
            let root = partition_root(*relid).unwrap_or(*relid);
            let mut pairings = self.pairings.iter();
            let Some(pairing) = pairings.position(|p| p.relid == *relid || p.relid == root) else {
                continue;
            };
            let Some(relation) = OpenRelation::open(*relid, pg_sys::NoLock) else {
                continue;
            };
            let pairing_of = &self.pairings[pairing];
            // SAFETY: the context outlives the heap.
            let heap = unsafe { Heap::new(&relation, pairing, pairing_of, self.context) };
            if !pairing_of.likely.is_empty() {
                // SAFETY: the caller vouches for the heap.
                unsafe { self.reserve(&heap, &relation)? };
            }
            self.heaps.push(heap);
        }
        Ok(())
    }

    /// Finds out which images the rows of a heap are still like, before the first row that is like none asks for one.
    ///
    /// # Safety
    /// As for `begin`.
    unsafe fn reserve(&mut self, heap: &Heap, relation: &OpenRelation) -> Outcome<()> {
        let (pairing, images) = (&mut self.pairings[heap.pairing], &mut self.images);
        let mut outcome = Ok(());
        // SAFETY: the slot holds a row of the heap, whose attributes are fetched.
        unsafe {
            scan(relation, |slot, _| {
                slot.fetch_all();
                outcome = pairing.reserve(&heap.wanted(slot, pairing), images);
                outcome.is_ok()
            });
        }
        outcome
    }

    /// The command is over.
    ///
    /// # Safety
    /// After `begin`.
    pub unsafe fn end(&mut self, done: bool) {
        // After an error a slot may believe that it still holds a buffer: it goes with its memory.
        for heap in self.heaps.drain(..).filter(|_| done) {
            // SAFETY: made by `begin`, and empty.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(heap.slot.0) };
        }
    }

    /// # Errors
    /// When an image has found no row where nothing else will do.
    pub fn check(&self) -> Outcome<()> {
        self.pairings.iter().try_for_each(Pairing::check)
    }

    /// Looks for the image of a row; whether the row gets its values.
    ///
    /// # Safety
    /// In a guarded frame, for a row version of a heap that is being rewritten.
    pub unsafe fn find(&mut self, relid: Oid, tid: pg_sys::ItemPointerData) -> Outcome<bool> {
        if let Some((of, at, found)) = &self.current
            && *of == relid
            && super::write::same(at, &tid)
        {
            return Ok(found.is_some());
        }
        // SAFETY: the caller vouches for the row.
        let found = unsafe { self.look_up(relid, tid)? };
        if found.is_none() {
            self.kept += 1;
        }
        self.current = Some((relid, tid, found));
        Ok(found.is_some())
    }

    /// # Safety
    /// As for `find`.
    unsafe fn look_up(
        &mut self,
        relid: Oid,
        tid: pg_sys::ItemPointerData,
    ) -> Outcome<Option<(u32, u32)>> {
        let heap = self.heaps.iter().find(|heap| heap.relid == relid);
        let (Some(heap), Some(relation)) = (heap, OpenRelation::open(relid, pg_sys::NoLock)) else {
            return Ok(None);
        };
        let n = heap.pairing;
        let pairing = &self.pairings[n];
        let doubts = !(self.later.is_empty() && pairing.disputed.is_empty());
        let kept = |name: &String| pairing.kept.contains(name);
        let names = self.names.iter().map(|name| (doubts || kept(name), name));
        // SAFETY: the slot has the shape that the heap's rows still have. It is emptied again: the buffer it holds belongs to
        // the command.
        let (wanted, key, now, ours) = unsafe {
            if !fetch(relation.0, tid, heap.slot) {
                return Ok(None);
            }
            let texts = (
                heap.wanted(heap.slot, pairing),
                heap.text(heap.slot, &pairing.key),
                names
                    .map(|(asked, name)| {
                        asked.then(|| heap.text(heap.slot, std::slice::from_ref(name)))
                    })
                    .collect::<Vec<_>>(),
                heap.slot.written_by(self.xid),
            );
            heap.slot.clear();
            texts
        };
        drop(relation);
        memory::check();
        let pairing = &mut self.pairings[n];
        let Some((chunk, row)) = pairing.take(&wanted, &mut self.images)? else {
            if pairing.exact {
                return Err(self.refusal.insert(pairing.changed_since()).clone());
            }
            if ours {
                let mut written = (pairing.target as u32).to_ne_bytes().to_vec();
                memory::append(&mut written, &key);
                memory::room_for_entry(&mut self.written);
                self.written.insert(written, ());
            }
            return Ok(None);
        };
        let key = self.images.places(chunk, &pairing.key).unwrap_or_default();
        let converted = self.images.places(chunk, &self.names);
        let open = self.images.opened(chunk)?;
        let (text, spans) = (&open.0[..], open.1.of(row as usize));
        let key: Vec<Span> = key.into_iter().map(|n| spans[n]).collect();
        let columns = self.images.source.chunks[chunk as usize].columns.clone();
        let changed = |later: &Later| later.changed(&pairing.recorded, &columns, text, spans);
        let key_text = key_of(pairing.target, text, &key);
        if ours {
            memory::room_for_entry(&mut self.written);
            self.written.insert(memory::copied(&key_text), ());
        }
        let found = Some((chunk, row));
        // Another value that looks like the recorded one becomes that anyway.
        let is_same = |n: usize| {
            let place = converted.as_ref().map(|places| places[n]);
            let now = now[n].as_ref();
            now.zip(place)
                .is_some_and(|(now, place)| looks_alike(&now[1..], spans[place].raw(text)))
        };
        let doubted = pairing.disputed.contains(&key_text) || self.later.iter().any(changed);
        // What its conversion kept is told by itself: another value was put there since, whether that was recorded or not.
        let kept = |name: &String| pairing.kept.contains(name);
        let mut names = self.names.iter().enumerate();
        let same = names.all(|(n, name)| !(doubted || kept(name)) || is_same(n));
        if same {
            return Ok(found);
        }
        for (n, name) in self.names.iter().enumerate() {
            self.overwritten[n] |= self.over && kept(name) && !is_same(n);
        }
        memory::room_for_entry(&mut self.changed);
        let place = (self.images.source.chunks[chunk as usize].id, row);
        self.changed.insert(place, self.over);
        Ok(found.filter(|_| self.over))
    }
}

/// Whether two values are the same but for the quotes that tell strings from numbers.
pub(super) fn looks_alike(one: &[u8], other: &[u8]) -> bool {
    bare(one) == bare(other)
}

/// A value's text without the quotes that tell strings from numbers.
pub(super) fn bare(text: &[u8]) -> &[u8] {
    let quoted = text
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    quoted.unwrap_or(text)
}
