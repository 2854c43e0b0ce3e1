//! Foreign keys as the catalogs have them, in words that queries are made of.

use crate::pg::catalog;
use crate::pg::values::RowText;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};

/// A foreign key, in SQL's words.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    pub name: String,
    pub child: Oid,
    pub child_name: String,
    pub parent: Oid,
    pub parent_name: String,
    pub columns: Vec<String>,
    /// The referencing columns' places in the child.
    pub places: Vec<usize>,
    pub referenced: Vec<String>,
    /// referenced = referencing, and referenced = referenced.
    pub operators: Vec<String>,
    pub parent_operators: Vec<String>,
    /// ` COLLATE ...` of the referenced columns where values may be equal that are not the same, else nothing: by that
    /// collation a child's value is the parent's, whatever its own column has.
    pub collations: Vec<String>,
    pub match_full: bool,
    /// It is not NOT VALID: all rows are known to find what they reference.
    pub validated: bool,
    pub period: bool,
}

impl ForeignKey {
    /// `p.a = k.c1 AND ...`: whether a parent is the one that a value of the referencing columns means.
    pub fn finds(&self) -> String {
        let pairs = self.referenced.iter().zip(&self.operators);
        all(pairs
            .zip(1..)
            .map(|((parent, operator), n)| format!("p.{parent} {operator} k.c{n}")))
    }

    /// `k.c1 = f.x AND ...`: whether a child references a value of the referenced columns.
    pub fn is_referenced(&self) -> String {
        let pairs = self.columns.iter().zip(&self.operators);
        all(pairs
            .zip(&self.collations)
            .zip(1..)
            .map(|(((child, operator), collation), n)| {
                format!("k.c{n}{collation} {operator} f.{child}")
            }))
    }

    /// `p.a = k.c1 AND ...`: whether a parent has a value of the referenced columns.
    pub fn is_present(&self) -> String {
        let pairs = self.referenced.iter().zip(&self.parent_operators);
        all(pairs
            .zip(1..)
            .map(|((parent, operator), n)| format!("p.{parent} {operator} k.c{n}")))
    }

    /// # Errors
    /// For a foreign key whose check is not an equality.
    pub fn unsupported(&self) -> Outcome<()> {
        if !self.period {
            return Ok(());
        }
        Err(Report::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("cannot check foreign key \"{}\" of a restore", self.name),
        )
        .detail("It references a PERIOD."))
    }
}

fn all(conditions: impl Iterator<Item = String>) -> String {
    conditions.collect::<Vec<_>>().join(" AND ")
}

const KEYS: &str = "
    SELECT c.conname::text, c.conrelid, c.confrelid, c.conkey,
           CASE WHEN child.relkind = 'p' THEN '' ELSE 'ONLY ' END, CASE WHEN parent.relkind = 'p' THEN '' ELSE 'ONLY ' END,
           ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY AS k(n, i)
                 JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.i),
           ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY AS k(n, i)
                 JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.i),
           ARRAY(SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
                 FROM pg_catalog.unnest(c.conpfeqop) WITH ORDINALITY AS k(op, i)
                 JOIN pg_catalog.pg_operator AS o ON o.oid = k.op
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace ORDER BY k.i),
           ARRAY(SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
                 FROM pg_catalog.unnest(c.conppeqop) WITH ORDINALITY AS k(op, i)
                 JOIN pg_catalog.pg_operator AS o ON o.oid = k.op
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace ORDER BY k.i),
           c.confmatchtype = 'f',
           COALESCE((pg_catalog.to_jsonb(c) ->> 'conperiod')::boolean, false),
           ARRAY(SELECT CASE WHEN NOT l.collisdeterministic THEN pg_catalog.format(' COLLATE %I.%I', n.nspname, l.collname) ELSE '' END
                 FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY AS k(n, i)
                 JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.n
                 LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
                 LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = l.collnamespace ORDER BY k.i),
           c.convalidated
    FROM pg_catalog.pg_constraint AS c
    JOIN pg_catalog.pg_class AS child ON child.oid = c.conrelid
    JOIN pg_catalog.pg_class AS parent ON parent.oid = c.confrelid
    WHERE c.contype = 'f' AND COALESCE((pg_catalog.to_jsonb(c) ->> 'conenforced')::boolean, true)";

/// Foreign keys of the table itself; a partition's copy of its root's key is its own, the copy that a key has for each
/// partition of the table it references is not.
pub const OUTGOING: &str = " AND c.conrelid = $1 AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)";

/// Foreign keys, as they were declared, that reference the table or what it is a partition of.
pub const INCOMING: &str = " AND c.conparentid = 0 AND (c.confrelid = $1
    OR c.confrelid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors($1)))";

/// The one of this OID.
pub const ITSELF: &str = " AND c.oid = $1";

/// The foreign keys that `which` chooses of those that concern `relid`.
pub fn keys(which: &str, relid: Oid) -> Vec<ForeignKey> {
    let sql = format!("{KEYS}{which} ORDER BY c.conname");
    let found = Spi::connect(|client| {
        // SAFETY: an oid argument.
        let relid = unsafe { DatumWithOid::new(relid, pg_sys::OIDOID) };
        let rows = client.select(&sql, None, &[relid])?;
        let mut found = Vec::new();
        for row in rows {
            let text = |n| row.text(n).map(Option::unwrap_or_default);
            let texts = |n| row.texts(n).map(Option::unwrap_or_default);
            let oid = |n| Ok::<_, pgrx::spi::Error>(row.get(n)?.unwrap_or(pg_sys::InvalidOid));
            let (child, parent): (Oid, Oid) = (oid(2)?, oid(3)?);
            let numbers: Vec<i16> = row.get(4)?.unwrap_or_default();
            found.push(ForeignKey {
                name: text(1)?,
                child,
                // In full: they are read as other users, whose search_path is theirs.
                child_name: format!("{}{}", text(5)?, catalog::display_name(child)),
                parent,
                parent_name: format!("{}{}", text(6)?, catalog::display_name(parent)),
                places: numbers.iter().map(|number| *number as usize - 1).collect(),
                columns: quoted(texts(7)?),
                referenced: quoted(texts(8)?),
                operators: texts(9)?,
                parent_operators: texts(10)?,
                match_full: row.get(11)?.unwrap_or(false),
                period: row.get(12)?.unwrap_or(false),
                collations: texts(13)?,
                validated: row.get(14)?.unwrap_or(true),
            });
        }
        Ok::<_, pgrx::spi::Error>(found)
    });
    found.unwrap_or_else(|error| pgrx::error!("{error}"))
}

/// Column names as SQL has them, and as `catalog` quotes them elsewhere: whatever quote_all_identifiers says.
fn quoted(names: Vec<String>) -> Vec<String> {
    names.iter().map(|name| catalog::quoted(name)).collect()
}
