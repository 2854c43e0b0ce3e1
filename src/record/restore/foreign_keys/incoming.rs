//! Keys that a restore takes away, and whether anything still references them.

use super::violated;
use crate::pg::catalog;
use crate::pg::newest;
use crate::pg::values::RowText;
use crate::record::restore::engine::Engine;
use crate::record::restore::keys::{ForeignKey, INCOMING, keys};
use crate::report::Outcome;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum, Oid};

/// A foreign key that references a table, and keys of the table that a restore took away.
pub struct Incoming {
    pub(super) key: ForeignKey,
    /// The referenced columns' places and types in the leaf.
    columns: Vec<(usize, Oid)>,
    gone: Vec<*mut pg_sys::ArrayBuildState>,
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
            .get_or_insert_with(|| incoming(relid, &format));
        for reference in incoming {
            // SAFETY: the caller vouches for the rows; the arrays live in the estate's memory.
            unsafe {
                let stays = changed
                    && reference
                        .columns
                        .iter()
                        .all(|(place, _)| present.get(*place) == slot.get(*place));
                if stays
                    || reference
                        .columns
                        .iter()
                        .any(|(p, _)| present.get(*p).is_none())
                {
                    continue;
                }
                let columns = reference.columns.iter().zip(&mut reference.gone);
                for ((place, type_oid), array) in columns {
                    *array = pg_sys::accumArrayResult(
                        *array,
                        present.get(*place).unwrap_or(Datum::from(0)),
                        false,
                        *type_oid,
                        (*estate).es_query_cxt,
                    );
                }
            }
        }
    }
}

fn incoming(relid: Oid, format: &crate::record::format::RowFormat) -> Vec<Incoming> {
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
            Some(Incoming {
                gone: vec![std::ptr::null_mut(); columns.len()],
                columns,
                key,
            })
        })
        .collect()
}

/// Whether no key that went away is still referenced.
///
/// # Safety
/// Once per reference.
pub unsafe fn check_incoming(reference: &mut Incoming) -> Outcome<()> {
    if reference.gone.iter().any(|array| array.is_null()) {
        return Ok(());
    }
    let key = &reference.key;
    key.unsupported()?;
    let mut arguments = Vec::new();
    for (array, (_, type_oid)) in reference.gone.iter().zip(&reference.columns) {
        // SAFETY: the state was built in the estate's memory; the array is made in the current context.
        unsafe {
            let value = pg_sys::makeArrayResult(*array, pg_sys::CurrentMemoryContext);
            arguments.push(DatumWithOid::new(value, pg_sys::get_array_type(*type_oid)));
        }
    }
    let list = |make: &dyn Fn(usize) -> String, separator: &str| {
        (1..=key.columns.len())
            .map(make)
            .collect::<Vec<_>>()
            .join(separator)
    };
    let sql = format!(
        "SELECT pg_catalog.concat_ws(', ', {shown}) FROM ROWS FROM ({parameters}) AS k({names})
         WHERE EXISTS (SELECT FROM {child} AS f WHERE {referenced})
         AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {present}) LIMIT 1",
        shown = list(&|n| format!("k.c{n}"), ", "),
        parameters = list(&|n| format!("pg_catalog.unnest(${n})"), ", "),
        names = list(&|n| format!("c{n}"), ", "),
        child = key.child_name,
        parent = key.parent_name,
        referenced = list(
            &|n| format!("k.c{n} {} f.{}", key.operators[n - 1], key.columns[n - 1]),
            " AND "
        ),
        present = list(
            &|n| format!(
                "p.{} {} k.c{n}",
                key.referenced[n - 1],
                key.parent_operators[n - 1]
            ),
            " AND "
        ),
    );
    // Whoever referenced the key until this restore locked it has committed by now, perhaps after the snapshot that the
    // transaction goes by under REPEATABLE READ: what that one does not show would be left without its parent.
    match newest::select(&sql, &arguments, |row| row.text(1)).first() {
        None => Ok(()),
        Some(value) => Err(violated(
            key,
            &key.referenced,
            value,
            "is still referenced from",
            &key.child_name,
        )),
    }
}
