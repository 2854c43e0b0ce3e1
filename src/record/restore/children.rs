//! Columns that children of a table have from it: they are dropped and converted with the parent's, recorded under its
//! name, and come back with it or not at all, while the rows are recorded as the child's.

use super::chunk::{Change, Chunk};
use super::rebuild::Rebuild;
use super::since::Wanted;
use super::source::Source;
use super::stages::{table_identity, table_of};
use super::step::Step;
use crate::pg::catalog;
use crate::pg::raw;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Oid};

/// The tables of which the steps bring columns, or their types, back: as recorded, and as the commands call them.
pub(super) fn altered_tables(steps: &[Step]) -> Vec<(String, String)> {
    let mut altered: Vec<(String, String)> = steps
        .iter()
        .filter(|step| step.is_of_column())
        .map(|step| (step.relation.clone(), step.object.clone()))
        .collect();
    altered.dedup();
    altered
}

impl Rebuild {
    /// The children, as recorded, that are not wanted themselves, and whose columns come back with those of a parent that is.
    ///
    /// # Errors
    /// When a child is wanted whose columns do not.
    pub fn children(&self, source: &Source, wanted: &Wanted) -> Outcome<Vec<String>> {
        let mut along: Vec<String> = Vec::new();
        let mut parents: Option<Vec<Parent>> = None;
        for chunk in &source.chunks {
            let named = |(relation, _): &(String, String)| *relation == chunk.relation;
            let own = self.altered.is_empty() || self.altered.iter().any(named);
            let of_columns = Change::of(&chunk.operation) == Some(Change::Column);
            if own || !of_columns || along.contains(&chunk.relation) {
                continue;
            }
            let parents = parents.get_or_insert_with(|| self.parents(wanted));
            let mut of_chunk = parents.iter().filter(|parent| parent.has(chunk));
            let goes = of_chunk.clone().any(|parent| parent.wanted);
            if goes && !wanted.has(chunk) {
                along.push(chunk.relation.clone());
            } else if !goes && wanted.has(chunk) && parents.iter().any(|parent| !parent.wanted) {
                return Err(alone(chunk, of_chunk.next()));
            }
        }
        Ok(along)
    }

    fn parents(&self, wanted: &Wanted) -> Vec<Parent> {
        let identities = self.identities_at(None);
        let parent = |(relation, object): &(String, String)| {
            let identity = table_identity(&identities, object);
            let relid = match identity {
                Some(identity) => table_of(identity),
                None => catalog::named_relation(object),
            };
            Parent {
                relation: relation.clone(),
                wanted: wanted.has_name(relation),
                members: relid.map(members).unwrap_or_default(),
            }
        };
        self.altered.iter().map(parent).collect()
    }
}

/// A table whose columns the statement dropped or converted.
struct Parent {
    relation: String,
    wanted: bool,
    /// Itself and its children.
    members: Vec<Oid>,
}

impl Parent {
    fn has(&self, chunk: &Chunk) -> bool {
        let same = catalog::display_name(chunk.relid) == chunk.relation;
        let today = match same {
            true => Some(chunk.relid),
            false => catalog::named_relation(&chunk.relation).or(Some(chunk.relid)),
        };
        today.is_some_and(|relid| self.members.contains(&relid))
    }
}

fn members(relid: Oid) -> Vec<Oid> {
    // SAFETY: locks every member as reading does; the list is the current memory context's.
    unsafe {
        let members = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
            raw::find_all_inheritors(relid, pg_sys::AccessShareLock as i32, std::ptr::null_mut())
        });
        catalog::oid_list(members)
    }
}

/// A child's columns are the parent's.
fn alone(chunk: &Chunk, parent: Option<&Parent>) -> Box<Report> {
    let child = &chunk.relation;
    let report = Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("cannot bring back the columns of table \"{child}\" alone"),
    );
    match parent.map(|parent| &parent.relation) {
        Some(parent) => report
            .detail(format!(
                "It has them from table \"{parent}\", with whose they were dropped or changed."
            ))
            .hint(format!(
                "Name the parent in the argument \"relations\": '{{{parent}}}' takes its children's rows along."
            )),
        None => report
            .detail("They were dropped or changed with those of a parent table.")
            .hint("Name the parent in the argument \"relations\", too."),
    }
}
