//! Columns that a statement converted get their former types back, when all that was recorded after the conversion is
//! undone: images are undone in the types they were recorded in.
//!
//! It is recorded as any ALTER COLUMN TYPE is: the types as they are, and every row. Undoing the restore is then to restore
//! that.

use super::engine::Engine;
use super::fill::Filler;
use super::later::Later;
use super::pairing::Pairing;
use super::rebuild::Rebuild;
use super::reopen::heaps;
use super::retype::Conversion;
use super::since::partition_root;
use super::source::Source;
use super::step::Step;
use super::{OnConflict, What};
use crate::model::Operation;
use crate::pg::catalog::{self, OpenRelation};
use crate::pg::slot::Slot;
use crate::record::format::RowFormat;
use crate::record::portable::{PortableOutput, pinned_names};
use crate::record::{definition, image, write};
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
        let conversions = rebuild.conversions(stage)?;
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
            if !self.request.dry_run {
                for (conversion, heaps) in conversions.iter().zip(&of_tables) {
                    self.record_conversion(rebuild, conversion, heaps)?;
                }
            }
            let closed = self.close(&conversions, &of_tables.concat())?;
            let mut filler = Some(filler);
            let mut outcome = Ok(());
            for (conversion, heaps) in conversions.iter().zip(&of_tables) {
                if outcome.is_ok() {
                    outcome = rebuild.retype(conversion, &mut filler, heaps);
                }
            }
            pg_sys::CommandCounterIncrement();
            if outcome.is_ok() && !self.request.dry_run {
                conversions.iter().for_each(|one| self.record_left(one));
            }
            self.reopen(closed, &of_tables)?;
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

    /// Whether rows that changed since keep the statement from being restored.
    fn stops_at_conflicts(&self) -> bool {
        let of_statement = matches!(self.request.what, What::Statement(_));
        of_statement && self.request.on_conflict == OnConflict::Abort && !self.request.drill
    }

    /// Where conflicts are only found, rows are shown as they are: nothing is converted, and converted columns are not read.
    ///
    /// # Errors
    /// When it is not certain which rows are the recorded ones.
    fn compare_as_they_are(&mut self, pairings: &[Pairing], places: &Places) -> Outcome<()> {
        for pairing in pairings {
            let is_of = |later: &Later| later.is_of(&pairing.recorded);
            if pairing.exact && self.later.iter().any(is_of) {
                return Err(pairing.changed_since());
            }
            for (target, shape, _) in places.iter().filter(|place| place.0 == pairing.target) {
                let n = *shape;
                let shape = &mut self.targets[*target].shapes[n];
                for (column, name) in shape.columns.iter().enumerate() {
                    let taken = shape.known[column].take_if(|_| pairing.converted.contains(name));
                    if let Some(known) = taken.filter(|_| pairing.kept.contains(name)) {
                        self.kept.push((*target, n, column, known.place));
                    }
                }
            }
        }
        self.unconverted = true;
        Ok(())
    }

    /// Records what the conversion back changes: the types, and every row.
    ///
    /// # Safety
    /// As for `convert`, the heaps locked.
    unsafe fn record_conversion(
        &mut self,
        rebuild: &Rebuild,
        conversion: &Conversion,
        heaps: &[Oid],
    ) -> Outcome<()> {
        let relid = conversion.relid;
        let name: Rc<str> = Rc::from(catalog::display_name(relid));
        let columns = conversion.columns.iter();
        let same = columns.filter(|(step, _)| rebuild.keeps_values(step));
        let same: Vec<i16> = same.map(|(_, number)| *number).collect();
        let mut definitions = definition::altered_columns(relid, &conversion.reached());
        definitions.extend(definition::same_values(relid, &same));
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
        definition::record(
            &mut self.root,
            nest,
            vec![(relid, name)],
            operation,
            definitions,
        );
        for relid in heaps {
            // SAFETY: the caller vouches for the heaps.
            unsafe { self.record_rows(*relid) };
        }
        Ok(())
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
