//! Whether every restored row finds the rows it references.

use super::{ask, violated};
use crate::pg::catalog;
use crate::pg::encoding;
use crate::record::restore::keys::ForeignKey;
use crate::record::restore::leaf::Leaf;
use crate::report::Outcome;
use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum};

/// Rows checked by one query, which may read all rows of the table they reference.
const BATCH: usize = 1_000_000;

/// Runs a query whose only row is three counts.
fn counts(sql: &str, arguments: &[DatumWithOid]) -> [i64; 3] {
    Spi::connect_mut(|client| {
        let rows = client.update(&encoding::c_string(sql), None, arguments)?;
        let (a, b, c) = rows.first().get_three::<i64, i64, i64>()?;
        Ok::<_, pgrx::spi::Error>([a, b, c].map(Option::unwrap_or_default))
    })
    .unwrap_or_else(|error| pgrx::error!("{error}"))
}

/// Whether the leaf's restored rows find what they reference.
pub(super) fn check_outgoing(
    leaf: &Leaf,
    key: &ForeignKey,
    xid: pg_sys::TransactionId,
) -> Outcome<()> {
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
