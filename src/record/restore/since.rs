//! Which statements were committed after a moment, and in what order they changed rows.
//!
//! A statement counts when its transaction *committed* after the moment, whenever the statement itself ran: until then
//! nobody else saw what it did. So the answer is what PostgreSQL's point-in-time recovery to that moment would show, as
//! far as the record goes. `statement_log.at` is when the statement ended; where its transaction went on after that,
//! `backstop.committed` has the moment of the commit (`record::commit`). With every statement that counts, each later
//! change of its rows counts too: who changes a row waits for the commit of who changed it before.
//!
//! The order is that of the statements' last chunks. A statement draws all its chunk ids while the locks of all its rows
//! are held, so of two statements that changed one row, the first has drawn its last id before the second drew the id
//! of the chunk with that row. Neither ids nor times of statements nor xids say that. Within a statement the ordinals do.

use super::chunk::Chunk;
use crate::pg::catalog;
use crate::pg::newest;
use crate::pg::values::{Text, typed};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::CStr;

/// The statements whose rows' images are to be undone, the last one first.
///
/// # Errors
/// When the record was pruned beyond the moment.
pub(super) fn statements(at: i64) -> Outcome<Vec<i64>> {
    if let Some(start) = record_start()
        && at < start
    {
        return Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!(
                "cannot go back to {}: the record was pruned since",
                shown(at)
            ),
        )
        .detail(format!("It reaches back to {}.", shown(start))));
    }
    // No snapshot of the caller's: a statement that committed while this one was waiting, or since a REPEATABLE READ
    // transaction began, is to be seen, as its rows are.
    let ids = newest::select(
            "WITH counted AS (
                 SELECT s.statement_id, s.image_chunk_id FROM backstop.statement_log AS s WHERE s.at > $1
                 UNION ALL
                 SELECT s.statement_id, s.image_chunk_id
                 FROM (SELECT DISTINCT xid, first_statement_id, last_statement_id FROM backstop.committed
                       WHERE at > $1) AS c
                 JOIN backstop.statement_log AS s
                     ON s.statement_id BETWEEN c.first_statement_id AND c.last_statement_id AND s.xid = c.xid
                 WHERE s.at <= $1
             ), ended AS (
                 SELECT statement_id, COALESCE((SELECT pg_catalog.max(i.chunk_id) FROM backstop.image_chunk AS i
                     WHERE i.statement_id = c.statement_id), image_chunk_id) AS last_chunk
                 FROM counted AS c)
             SELECT pg_catalog.array_agg(statement_id ORDER BY COALESCE(last_chunk,
                 (SELECT pg_catalog.max(earlier.last_chunk) FROM ended AS earlier WHERE earlier.statement_id < e.statement_id),
                 0) DESC, statement_id DESC)
             FROM ended AS e
             WHERE last_chunk IS NOT NULL
                 OR EXISTS (SELECT FROM backstop.definition AS d WHERE d.statement_id = e.statement_id)",
            &[timestamp(at)],
            |row| row.get::<Vec<i64>>(1),
        );
    Ok(ids.into_iter().next().unwrap_or_default())
}

/// The moment before which statements were pruned.
fn record_start() -> Option<i64> {
    let start = Spi::connect(|client| {
        let rows = client.select(
            "SELECT (pg_catalog.max(up_to)) FROM backstop.pruned",
            None,
            &[],
        )?;
        rows.first().get_one::<pgrx::datum::TimestampWithTimeZone>()
    });
    match start {
        Ok(start) => start.map(pg_sys::TimestampTz::from),
        Err(error) => pgrx::error!("{error}"),
    }
}

/// A timestamptz argument.
fn timestamp<'a>(at: i64) -> DatumWithOid<'a> {
    // SAFETY: a timestamptz is its microseconds.
    unsafe { DatumWithOid::new(Datum::from(at), pg_sys::TIMESTAMPTZOID) }
}

/// The moment in words.
pub fn shown(at: i64) -> String {
    // SAFETY: returns a C string in a static buffer.
    unsafe { CStr::from_ptr(pg_sys::timestamptz_to_str(at)) }
        .to_string_lossy()
        .into_owned()
}

/// The relations whose rows are wanted.
pub struct Wanted(Option<Vec<(String, Option<Oid>)>>);

impl Wanted {
    /// Relations as the record names them; all when `None`.
    pub fn recorded(names: Option<Vec<String>>) -> Wanted {
        Wanted(names.map(|names| names.into_iter().map(|name| (name, None)).collect()))
    }

    /// Relations as they are called now, or were called when they were recorded.
    ///
    /// # Errors
    /// When a name is neither.
    pub fn named(names: Option<&[String]>) -> Outcome<Wanted> {
        let named = |name: &String| match catalog::named_relation(name) {
            Some(relid) => {
                let root = partition_root(relid);
                if let Some(root) = root {
                    return Err(Report::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!("relation \"{name}\" is a partition"),
                    )
                    .hint(format!(
                        "The record has its rows as those of \"{}\".",
                        catalog::display_name(root)
                    )));
                }
                Ok((catalog::display_name(relid), Some(relid)))
            }
            None if is_recorded(name) => Ok((name.clone(), None)),
            None => Err(Report::new(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist, and the record has none of that name"),
            )
            .hint("Name it with its schema, as backstop.statement does.")),
        };
        let named = names.map(|names| names.iter().map(named).collect::<Outcome<Vec<_>>>());
        Ok(Wanted(named.transpose()?))
    }

    /// Whether the relation that the record calls `name` is wanted.
    pub fn has_name(&self, name: &str) -> bool {
        let wanted = self.0.as_ref();
        wanted.is_none_or(|wanted| wanted.iter().any(|(known, _)| known == name))
    }

    /// Whether only some are.
    pub fn are_named(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the table is one that was named, whatever the record calls it.
    pub fn has_relid(&self, relid: Option<Oid>) -> bool {
        let mut wanted = self.0.iter().flatten();
        relid.is_some() && wanted.any(|(_, known)| *known == relid)
    }

    pub fn has(&self, chunk: &Chunk) -> bool {
        self.0.as_ref().is_none_or(|wanted| {
            wanted
                .iter()
                .any(|(name, relid)| chunk.relation == *name || *relid == Some(chunk.relid))
        })
    }
}

/// The table that the partition's rows are recorded under.
pub(super) fn partition_root(relid: Oid) -> Option<Oid> {
    // SAFETY: catalog look-ups of an existing relation; pg_partition_root(regclass) is STRICT.
    unsafe {
        if !pg_sys::get_rel_relispartition(relid) {
            return None;
        }
        pgrx::direct_function_call(pg_sys::pg_partition_root, &[Some(Datum::from(relid))])
    }
}

fn is_recorded(name: &str) -> bool {
    let found = Spi::connect(|client| {
        let rows = client.select(
            "SELECT true FROM backstop.statement_log WHERE $1 = ANY (relations) LIMIT 1",
            None,
            &[typed(Text(name.to_owned()))],
        )?;
        Ok::<_, pgrx::spi::Error>(!rows.is_empty())
    });
    found.unwrap_or_else(|error| pgrx::error!("{error}"))
}
