//! Where the rows of the record's chunks go.

use super::chunk::{Change, Chunk};
use super::engine::Engine;
use super::image::Count;
use super::resolve;
use super::target::Target;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::Oid;

impl Engine {
    /// Where a chunk's rows go and are counted: (target, shape, count).
    ///
    /// # Safety
    /// As for `new`.
    pub(super) unsafe fn place(&mut self, chunk: &Chunk) -> Outcome<(usize, usize, usize)> {
        if Change::of(&chunk.operation).is_none() {
            return Err(Report::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("cannot restore what {} destroyed", chunk.operation),
            ));
        }
        if chunk.key_count > chunk.columns.len() {
            return Err(Report::new(
                "XX001",
                format!("the record of relation \"{}\" is damaged", chunk.relation),
            ));
        }
        // Tables may have changed names between two statements: the name alone says nothing.
        let same = |(name, relid, _): &&(String, Oid, usize)| {
            *name == chunk.relation && *relid == chunk.relid
        };
        let target = match self.known.iter().find(same) {
            Some((_, _, target)) => *target,
            None => {
                // SAFETY: the caller vouches for the estate.
                let target = unsafe { self.target(chunk)? };
                let place = (chunk.relation.clone(), chunk.relid, target);
                self.known.push(place);
                target
            }
        };
        // SAFETY: as above.
        let shape = unsafe { self.shape(chunk, target)? };
        let known = self.counts.iter().position(|count| {
            count.relation == chunk.relation && count.operation == chunk.operation
        });
        let count = known.unwrap_or_else(|| {
            self.counts.push(Count {
                relation: chunk.relation.clone(),
                operation: chunk.operation.clone(),
                ..Count::default()
            });
            self.counts.len() - 1
        });
        self.counts[count].captured += chunk.rows;
        Ok((target, shape, count))
    }

    /// The number of the shape that a chunk's rows have in their target.
    ///
    /// # Safety
    /// As for `new`.
    pub(super) unsafe fn shape(&mut self, chunk: &Chunk, target: usize) -> Outcome<usize> {
        let names = self.names.of(chunk, &self.targets[target])?;
        self.check_lost(chunk, &names, &self.targets[target].name)?;
        let converted = self.converted_since(chunk, self.targets[target].relid);
        let target = &mut self.targets[target];
        let _acting = target.acting();
        // SAFETY: the caller vouches for the estate.
        Ok(unsafe { target.shape(chunk, names, converted, self.estate) })
    }

    /// The target of a chunk whose relation has not been met under its name.
    ///
    /// # Safety
    /// As for `new`.
    unsafe fn target(&mut self, chunk: &Chunk) -> Outcome<usize> {
        let relid = resolve::find(chunk, &self.names)?;
        // The table has been renamed between two statements.
        let renamed = self.targets.iter().position(|target| target.relid == relid);
        if let Some(target) = renamed {
            return Ok(target);
        }
        // SAFETY: the caller vouches for the estate.
        let target = unsafe { Target::open(chunk, relid, &self.names, self.estate)? };
        self.targets.push(target);
        Ok(self.targets.len() - 1)
    }
}
