//! Foreign keys after a restore.
//!
//! Triggers don't fire, so nothing has checked them yet. When all rows are back, two questions are asked of those that
//! were touched and of no others: does every restored row find the rows it references (which are locked against going
//! away, as the foreign key's own trigger does), and is no key that went away still referenced.

use super::engine::Engine;
use super::keys::{ForeignKey, INCOMING, OUTGOING, keys};
use super::leaf::Leaf;
use super::present::{owner_of, users_casts};
use crate::pg::acting::ActingAs;
use crate::pg::catalog;
use crate::pg::encoding;
use crate::pg::encoding::RowText;
use crate::report::{Outcome, Report};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum, Oid};

/// Rows checked by one query, which may read all rows of the table they reference.
const BATCH: usize = 1_000_000;

/// A foreign key that references a table, and keys of the table that a restore took away.
pub struct Incoming {
    key: ForeignKey,
    /// The referenced columns' places and types in the leaf.
    columns: Vec<(usize, Oid)>,
    gone: Vec<*mut pg_sys::ArrayBuildState>,
}

/// Where keys of two types are compared through a cast that a user wrote, it runs as one of the tables' owners.
fn acting(key: &ForeignKey) -> Option<ActingAs> {
    let parent = key.parent_name.trim_start_matches("ONLY ");
    let owners = [catalog::display_name(key.child).as_str(), parent].map(owner_of);
    // SAFETY: a syscache look-up.
    let is_superuser = |owner: &Oid| unsafe { pg_sys::superuser_arg(*owner) };
    let owner = owners
        .into_iter()
        .flatten()
        .find(|owner| !is_superuser(owner));
    owner.map(ActingAs::restricted)
}

/// Runs a query; the number of rows, and the first row's text.
fn ask(sql: &str, arguments: &[DatumWithOid]) -> (usize, Option<String>) {
    Spi::connect_mut(|client| {
        let rows = client.update(&encoding::c_string(sql), None, arguments)?;
        let count = rows.len();
        let text = if count > 0 {
            rows.first().text(1)?
        } else {
            None
        };
        Ok::<_, pgrx::spi::Error>((count, text))
    })
    .unwrap_or_else(|error| pgrx::error!("{error}"))
}

/// Runs a query whose only row is three counts.
fn counts(sql: &str, arguments: &[DatumWithOid]) -> [i64; 3] {
    Spi::connect_mut(|client| {
        let rows = client.update(&encoding::c_string(sql), None, arguments)?;
        let (a, b, c) = rows.first().get_three::<i64, i64, i64>()?;
        Ok::<_, pgrx::spi::Error>([a, b, c].map(Option::unwrap_or_default))
    })
    .unwrap_or_else(|error| pgrx::error!("{error}"))
}

impl Engine {
    /// The leaf's present row goes away.
    ///
    /// # Safety
    /// `present` must hold it.
    pub(super) unsafe fn remember_removed(&mut self, target: usize, leaf: usize) {
        // SAFETY: the caller vouches for the row.
        unsafe { self.remember(target, leaf, false) }
    }

    /// The leaf's present row gets another version.
    ///
    /// # Safety
    /// `present` must hold it, and the slot the new version.
    pub(super) unsafe fn remember_changed(&mut self, target: usize, leaf: usize) {
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

    /// Checks the foreign keys of all that was touched.
    ///
    /// # Safety
    /// When all rows are back, outside the per-row memory context.
    pub(super) unsafe fn check_foreign_keys(&mut self) -> Outcome<()> {
        self.dirty = true;
        self.make_visible();
        let casts = users_casts();
        for target in &mut self.targets {
            for leaf in &mut target.leaves {
                if leaf.inserted.is_empty() && leaf.updated.is_empty() {
                    continue;
                }
                for key in keys(OUTGOING, leaf.relid) {
                    let _acting = casts.then(|| acting(&key)).flatten();
                    check_outgoing(leaf, &key, self.xid)?;
                }
            }
            for reference in target
                .leaves
                .iter_mut()
                .flat_map(|leaf| leaf.incoming.iter_mut().flatten())
            {
                let _acting = casts.then(|| acting(&reference.key)).flatten();
                // SAFETY: the arrays were built by `remember`.
                unsafe { check_incoming(reference)? };
            }
        }
        Ok(())
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

/// Whether the leaf's restored rows find what they reference.
fn check_outgoing(leaf: &Leaf, key: &ForeignKey, xid: pg_sys::TransactionId) -> Outcome<()> {
    key.unsupported()?;
    let own = xid.into_inner();
    let set_back = leaf.format.columns.iter().any(|column| {
        leaf.touched[column.fact.attnum as usize - 1]
            && key.columns.contains(&catalog::quoted(&column.fact.name))
    });
    let updated: &[_] = if set_back { &leaf.updated } else { &[] };
    let (child, parent, join) = (&key.child_name, &key.parent_name, key.join());
    let whole = key.each("IS NOT NULL");
    for rows in leaf.inserted.chunks(BATCH).chain(updated.chunks(BATCH)) {
        crate::pg::memory::check();
        let places = tid_array(rows);
        // SAFETY: a tid[] value that outlives the query.
        let rows = || unsafe {
            [DatumWithOid::new(
                Datum::from(places.as_ptr()),
                pg_sys::TIDARRAYOID,
            )]
        };
        let lost = || {
            let (_, orphan) = ask(
                &format!(
                    "SELECT pg_catalog.concat_ws(', ', {}) FROM {child} AS f WHERE f.ctid = ANY ($1) AND {whole}
                     AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {join}) LIMIT 1",
                    key.columns.iter().map(|c| format!("f.{c}")).collect::<Vec<_>>().join(", ")
                ),
                &rows(),
            );
            violated(
                key,
                &key.columns,
                orphan.as_deref().unwrap_or(""),
                "is not present in",
                &key.parent_name,
            )
        };
        let [referencing, found, others] = counts(
            &format!(
                "SELECT pg_catalog.count(*), pg_catalog.count(p.xmin),
                     pg_catalog.count(*) FILTER (WHERE p.xmin OPERATOR(pg_catalog.<>) '{own}'::pg_catalog.xid)
                 FROM {child} AS f LEFT JOIN {parent} AS p ON {join} WHERE f.ctid = ANY ($1) AND {whole}"
            ),
            &rows(),
        );
        if found < referencing {
            return Err(lost());
        }
        // What this restore has written itself nobody else can take away; other rows are locked, as the key's own trigger
        // does it.
        if others > 0 {
            let (locked, _) = ask(
                &format!(
                    "SELECT NULL::text FROM {child} AS f JOIN {parent} AS p ON {join} WHERE f.ctid = ANY ($1)
                     AND p.xmin OPERATOR(pg_catalog.<>) '{own}'::pg_catalog.xid FOR KEY SHARE OF p"
                ),
                &rows(),
            );
            if (locked as i64) < others {
                return Err(lost());
            }
        }
        if key.match_full {
            let some = key
                .columns
                .iter()
                .map(|c| format!("f.{c} IS NOT NULL"))
                .collect::<Vec<_>>();
            let (mixed, _) = ask(
                &format!(
                    "SELECT NULL::text FROM {child} AS f WHERE f.ctid = ANY ($1) AND ({}) AND NOT ({whole}) LIMIT 1",
                    some.join(" OR ")
                ),
                &rows(),
            );
            if mixed > 0 {
                return Err(violated(
                    key,
                    &key.columns,
                    "",
                    "mixes null and nonnull values, against MATCH FULL, in",
                    &key.child_name,
                ));
            }
        }
    }
    Ok(())
}

/// Whether no key that went away is still referenced.
///
/// # Safety
/// Once per reference.
unsafe fn check_incoming(reference: &mut Incoming) -> Outcome<()> {
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
    match ask(&sql, &arguments) {
        (0, _) => Ok(()),
        (_, value) => Err(violated(
            key,
            &key.referenced,
            value.as_deref().unwrap_or(""),
            "is still referenced from",
            &key.child_name,
        )),
    }
}

fn violated(
    key: &ForeignKey,
    columns: &[String],
    value: &str,
    how: &str,
    other: &str,
) -> Box<Report> {
    let table = catalog::relation_name(key.child);
    let name = catalog::display_name(key.child);
    let gone = how.contains("referenced");
    let mut report = Report::new(
        "23503",
        format!(
            "restoring would violate foreign key constraint \"{}\" of table \"{name}\"",
            key.name
        ),
    )
    .detail(format!(
        "Key ({})=({value}) {how} table \"{}\".",
        columns.join(", "),
        other.trim_start_matches("ONLY ")
    ))
    .hint(if gone {
        "Remove or repoint the rows that reference it, or leave the relation out."
    } else {
        "Restore what destroyed the missing rows first, or more of this statement's relations."
    });
    if let Some((schema, table)) = table {
        report.schema = Some(schema);
        report.table = Some(table);
    }
    report
}

/// A `tid[]` value as bytes that can be used as a datum as they are.
fn tid_array(rows: &[pg_sys::ItemPointerData]) -> Box<[u64]> {
    let length = 24 + 6 * rows.len();
    let mut bytes = Vec::with_capacity(length + 8);
    bytes.extend_from_slice(&crate::record::datum::varlena_header(length));
    bytes.extend_from_slice(&1i32.to_ne_bytes());
    bytes.extend_from_slice(&0i32.to_ne_bytes());
    bytes.extend_from_slice(&u32::from(pg_sys::TIDOID).to_ne_bytes());
    bytes.extend_from_slice(&(rows.len() as i32).to_ne_bytes());
    bytes.extend_from_slice(&1i32.to_ne_bytes());
    for row in rows {
        bytes.extend_from_slice(&row.ip_blkid.bi_hi.to_ne_bytes());
        bytes.extend_from_slice(&row.ip_blkid.bi_lo.to_ne_bytes());
        bytes.extend_from_slice(&row.ip_posid.to_ne_bytes());
    }
    bytes.resize(length.next_multiple_of(8), 0);
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_ne_bytes(*word)).collect()
}
