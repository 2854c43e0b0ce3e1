//! Keys that a restore takes away, and whether anything still references them.

use super::outgoing::{not_in, shown};
use super::side::Side;
use super::values::{Asked, Values};
use super::violated;
use crate::pg::catalog;
use crate::pg::newest;
use crate::record::restore::engine::Engine;
use crate::record::restore::keys::{ForeignKey, INCOMING, keys};
use crate::report::Outcome;
use pgrx::pg_sys::{self, Datum, Oid};

/// A foreign key that references a table, and keys of the table that a restore took away.
pub struct Incoming {
    pub(super) key: ForeignKey,
    /// The referenced columns' places and types in the leaf.
    columns: Vec<(usize, Oid)>,
    gone: Values,
}

impl Incoming {
    /// The places of the referenced columns in the leaf.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|(place, _)| *place)
    }
}

impl Engine {
    /// The leaf's present row goes away.
    ///
    /// # Safety
    /// `present` must hold it.
    pub(in crate::record::restore) unsafe fn remember_removed(
        &mut self,
        target: usize,
        leaf: usize,
    ) {
        // SAFETY: the caller vouches for the row.
        unsafe { self.remember(target, leaf, false) }
    }

    /// The leaf's present row gets another version.
    ///
    /// # Safety
    /// `present` must hold it, and the slot the new version.
    pub(in crate::record::restore) unsafe fn remember_changed(
        &mut self,
        target: usize,
        leaf: usize,
    ) {
        // SAFETY: the caller vouches for both.
        unsafe { self.remember(target, leaf, true) }
    }

    /// # Safety
    /// As above.
    unsafe fn remember(&mut self, target: usize, leaf: usize, changed: bool) {
        let (estate, leaf) = (self.estate, &mut self.targets[target].leaves[leaf]);
        let relid = leaf.relid;
        let (present, slot) = (leaf.present, leaf.slot);
        let format = leaf.format.clone();
        let incoming = leaf
            .incoming
            .get_or_insert_with(|| incoming(relid, &format, estate));
        for reference in incoming {
            // SAFETY: the caller vouches for the rows; the values live in the estate's memory.
            unsafe {
                let stays = |place| present.get(place) == slot.get(place);
                if changed && reference.places().all(stays) {
                    continue;
                }
                let places = reference.places();
                let row: Option<Vec<Datum>> = places.map(|place| present.get(place)).collect();
                if let Some(row) = row {
                    reference.gone.push(&row);
                }
            }
        }
    }
}

fn incoming(
    relid: Oid,
    format: &crate::record::format::RowFormat,
    estate: *mut pg_sys::EState,
) -> Vec<Incoming> {
    let place = |name: &String| {
        let column = format
            .columns
            .iter()
            .find(|column| catalog::quoted(&column.fact.name) == *name)?;
        Some((column.fact.attnum as usize - 1, column.fact.type_oid))
    };
    keys(INCOMING, relid)
        .into_iter()
        .filter_map(|key| {
            let columns: Vec<_> = key.referenced.iter().map(place).collect::<Option<_>>()?;
            let types = columns.iter().map(|(_, type_oid)| *type_oid).collect();
            Some(Incoming {
                // SAFETY: the engine's estate outlives its leaves.
                gone: unsafe { Values::new(types, (*estate).es_query_cxt) },
                columns,
                key,
            })
        })
        .collect()
}

/// Whether no key that went away is still referenced. Once per reference.
///
/// Whoever referenced the key until this restore locked it has committed by now, perhaps after the snapshot that the
/// transaction goes by under REPEATABLE READ: what that one does not show would be left without its parent.
pub fn check_incoming(reference: &mut Incoming) -> Outcome<()> {
    let all = reference.gone.asked();
    if all.is_empty() {
        return Ok(());
    }
    let key = &reference.key;
    key.unsupported()?;
    let children = Side::of(key.child, &key.child_name);
    let parents = Side::of(key.parent, &key.parent_name);
    for asked in all {
        crate::pg::memory::check();
        let mut left: Vec<i64> = children
            .iter()
            .flat_map(|child| referenced(child, &asked, &key.is_referenced()))
            .collect();
        for parent in &parents {
            if !left.is_empty() {
                left = not_in(parent, &asked, &key.is_present(), left);
            }
        }
        let (Some(first), Some(child)) = (left.first(), children.first()) else {
            continue;
        };
        return Err(violated(
            key,
            &key.referenced,
            &child.ask(|| shown(&asked, *first)),
            "is still referenced from",
            &key.child_name,
        ));
    }
    Ok(())
}

/// The numbers of the rows that a row of the child references.
fn referenced(child: &Side, asked: &Asked, condition: &str) -> Vec<i64> {
    let sql = format!(
        "SELECT k.n FROM {} WHERE EXISTS (SELECT FROM {} AS f WHERE {condition})",
        asked.source, child.name
    );
    child.ask(|| newest::select(&sql, &asked.arguments(), |row| row.get(1)))
}
