//! Columns that a statement converted get their former types back, when all that was recorded after the conversion is
//! undone: images are undone in the types they were recorded in.
//!
//! It is recorded as any ALTER COLUMN TYPE is: the types as they are, and every row. Undoing the restore is then to restore
//! that.

use super::engine::Engine;
use super::fill::Filler;
use super::rebuild::Rebuild;
use super::reopen::heaps;
use super::retype::Conversion;
use super::reverted::restored_before;
use super::since::partition_root;
use super::source::Source;
use super::step::Step;
use super::{OnConflict, What};
use crate::ddl::capture::as_written::is_read_alike;
use crate::model::Operation;
use crate::pg::catalog::{self, OpenRelation};
use crate::pg::slot::Slot;
use crate::record::definition::Reserved;
use crate::record::format::RowFormat;
use crate::record::portable::{PortableOutput, pinned_names};
use crate::record::{column_change, definition, image, write};
use crate::report::Outcome;
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// Where the rows of a statement's chunks go: target, shape, count.
pub(super) type Places = Vec<(usize, usize, usize)>;

impl Engine {
    /// Converts columns back that the statement's conversion `stage` converted. `places` are its chunks', and are looked up anew.
    ///
    /// # Errors
    /// When present values do not convert, or it is not certain which rows are the recorded ones; the engine can go on then.
    ///
    /// # Safety
    /// Between two images.
    pub(super) unsafe fn convert(
        &mut self,
        (rebuild, stage): (&mut Rebuild, usize),
        source: &Source,
        places: &mut Places,
    ) -> Outcome<()> {
        let (conversions, as_they_are) = rebuild.conversions(stage)?;
        // Their rows alone go back.
        if !as_they_are.is_empty() && !restored_before(source.statement_id) {
            write::settle(&mut self.root);
            let by = (self.own_id(), source.statement_id);
            for column in as_they_are {
                column_change::converted(column, Some(by), false);
            }
        }
        if conversions.is_empty() {
            return Ok(());
        }
        self.dirty = true;
        self.make_visible();
        // SAFETY: the caller vouches for the moment. No heap that is converted is open meanwhile.
        unsafe {
            let pairings = self.pairings(source, places)?;
            self.changed_since = pairings.iter().any(|pairing| pairing.exact);
            if self.request.collect {
                return self.compare_as_they_are(&pairings, places);
            }
            let of_tables: Vec<Vec<Oid>> = conversions.iter().map(|c| heaps(c.relid)).collect();
            let over = self.request.on_conflict != OnConflict::Skip || self.request.drill;
            let later = std::mem::take(&mut self.later);
            let own = ((*self.estate).es_query_cxt, self.xid);
            let filler = Filler::new(
                (source.statement_id, rebuild.rows_of(stage)),
                pairings,
                later,
                over,
                own,
            )?;
            let mut same = Vec::new();
            if !self.request.dry_run {
                for (conversion, heaps) in conversions.iter().zip(&of_tables) {
                    same.push(self.record_conversion(rebuild, conversion, heaps));
                }
            }
            let closed = self.close(&conversions, &of_tables.concat())?;
            let types =
                |(relid, attnum): (Oid, i16)| ((relid, attnum), pg_sys::get_atttype(relid, attnum));
            let reached = conversions.iter().flat_map(Conversion::reached);
            let before: Vec<((Oid, i16), Oid)> = reached.map(types).collect();
            let mut filler = Some(filler);
            let mut outcome = Ok(());
            for (n, (conversion, heaps)) in conversions.iter().zip(&of_tables).enumerate() {
                if outcome.is_ok() {
                    outcome = rebuild.retype(conversion, &mut filler, heaps);
                }
                let (Ok(()), Some(same), Some(filler)) = (&outcome, same.get(n), &filler) else {
                    continue;
                };
                // A row that lost a later value did not keep what it had.
                let lost = conversion.names_of(&filler.overwritten);
                same.record(&mut self.root, |of| !lost.contains(&of.name));
            }
            pg_sys::CommandCounterIncrement();
            if outcome.is_ok() && !self.request.dry_run {
                conversions.iter().for_each(|one| self.record_left(one));
            }
            for (conversion, heaps) in conversions.iter().zip(&of_tables) {
                if outcome.is_ok() && conversion.is_of_generated() {
                    outcome = self.recompute(heaps);
                }
            }
            self.reopen(closed, &of_tables)?;
            if outcome.is_ok() {
                self.note_conversions(source.statement_id, &before);
            }
            let mut pairings = None;
            if let Some(filler) = filler {
                self.changed_since |= filler.kept > 0 || !filler.changed.is_empty();
                outcome = outcome.and_then(|()| filler.check());
                pairings = Some(filler.pairings).filter(|_| !filler.changed.is_empty());
                self.later = filler.later;
                self.converted_back.written.extend(filler.written);
                self.converted_back.changed.extend(filler.changed);
            }
            for (chunk, place) in source.chunks.iter().zip(&mut *places) {
                place.1 = self.shape(chunk, place.0)?;
            }
            self.note_columns(rebuild);
            match (outcome, pairings) {
                // It would be refused for those rows alone, and that can be answered: what their recorded values ran into
                // cannot.
                (Err(report), Some(pairings)) if self.stops_at_conflicts() => {
                    self.in_the_way = Some(report);
                    self.compare_as_they_are(&pairings, places)
                }
                (outcome, _) => outcome,
            }
        }
    }

    /// What the restore is recorded as; nothing, where it only tries.
    fn own_id(&mut self) -> i64 {
        match self.request.dry_run {
            true => 0,
            false => write::statement_id(&mut self.root),
        }
    }

    /// Notes the columns that were converted back, by the types they had, and that this undoes `statement`.
    ///
    /// # Safety
    /// The columns must be there.
    unsafe fn note_conversions(&mut self, statement: i64, columns: &[((Oid, i16), Oid)]) {
        // Images that wait would get an id behind it.
        write::settle(&mut self.root);
        let by = self.own_id();
        // What is no mere cast in one direction is none in the other.
        let is_cast = self.names.is_as_written(statement);
        for ((relid, attnum), was) in columns {
            // SAFETY: the caller vouches for the column.
            let of_type = unsafe { pg_sys::get_atttype(*relid, *attnum) };
            let as_written = is_cast && is_read_alike(*was, of_type);
            column_change::converted((*relid, *attnum), Some((by, statement)), as_written);
        }
    }

    /// Whether rows that changed since keep the statement from being restored.
    fn stops_at_conflicts(&self) -> bool {
        let of_statement = matches!(self.request.what, What::Statement(_));
        of_statement && self.request.on_conflict == OnConflict::Abort && !self.request.drill
    }

    /// Records what the conversion back changes: the types, and every row. Which columns keep their values is known later.
    ///
    /// # Safety
    /// As for `convert`, the heaps locked.
    unsafe fn record_conversion(
        &mut self,
        rebuild: &Rebuild,
        conversion: &Conversion,
        heaps: &[Oid],
    ) -> Reserved {
        let relid = conversion.relid;
        let name: Rc<str> = Rc::from(catalog::display_name(relid));
        let columns = conversion.columns.iter();
        let same = columns.filter(|(step, _)| rebuild.keeps_values(step));
        let same: Vec<i16> = same.map(|(_, number)| *number).collect();
        let mut definitions = definition::altered_columns(relid, &conversion.reached());
        let same = definition::same_values(relid, &same);
        // Undoing takes away the defaults that come back after the rows.
        let comes = |(step, _): &&(Step, i16)| {
            let mut steps = rebuild.steps.iter();
            steps.any(|other| {
                other.kind == "default" && other.object == step.object && other.name == step.name
            })
        };
        let defaults: Vec<i16> = conversion
            .columns
            .iter()
            .filter(comes)
            .map(|(_, number)| *number)
            .collect();
        definitions.extend(definition::no_defaults(relid, &defaults));
        let (operation, nest) = (Operation::AlterColumnType, self.nest);
        let names = vec![(relid, name)];
        definition::record(&mut self.root, nest, names.clone(), operation, definitions);
        let same = Reserved::behind(&mut self.root, names, operation, same);
        for relid in heaps {
            // SAFETY: the caller vouches for the heaps.
            unsafe { self.record_rows(*relid) };
        }
        same
    }

    /// Records what has become of the checks and indexes on the columns: undoing does not touch what is changed later.
    fn record_left(&mut self, conversion: &Conversion) {
        let relid = conversion.relid;
        let left = definition::left(relid, &conversion.reached());
        let names = [(relid, Rc::from(catalog::display_name(relid)))];
        definition::record_left(&mut self.root, &names, &left);
    }

    /// # Safety
    /// As above.
    unsafe fn record_rows(&mut self, relid: Oid) {
        let Some(relation) = OpenRelation::open(relid, pg_sys::AccessExclusiveLock) else {
            return;
        };
        let root = partition_root(relid).unwrap_or(relid);
        let facts = relation.columns();
        let primary = catalog::primary_key(relid);
        let of_target = self.targets.iter().find(|target| target.relid == root);
        let key: Vec<String> = match (primary.is_empty(), of_target) {
            (true, Some(target)) => target.recorded_key.clone(),
            _ => {
                let key = facts.iter().filter(|fact| primary.contains(&fact.attnum));
                key.map(|fact| fact.name.clone()).collect()
            }
        };
        let name = Rc::from(catalog::display_name(root));
        let format = Rc::new(RowFormat::of(root, name, facts, &key));
        // SAFETY: the slot holds a row of the heap, whose attributes are fetched.
        unsafe {
            super::reopen::scan(&relation, |slot: Slot, _| {
                slot.fetch_all();
                let mut row = Vec::new();
                {
                    let _pinned = format.names_dependent.then(pinned_names);
                    let _portable = format.session_dependent.then(PortableOutput::begin);
                    image::values(&mut row, &format, slot.0, None);
                }
                row.push(b']');
                let ordinal = self.root.next_ordinal;
                self.root.next_ordinal += 1;
                let operation = Operation::AlterColumnType;
                self.root
                    .level(self.nest)
                    .tally(&format.relation, operation);
                let buffer = self.root.buffer(self.nest, &format, operation, None);
                buffer.push(ordinal, &row);
                let full = buffer.is_full();
                write::spill(&mut self.root, self.nest, full);
                true
            });
        }
    }
}
