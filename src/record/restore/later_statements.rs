//! The statements that changed rows of a relation after one that converted its columns.

use super::table_history::is_known;
use crate::pg::newest;
use crate::pg::values::{RowText, Text};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};

/// A later statement.
pub(super) struct Statement {
    pub id: i64,
    /// The conversion that it undid.
    pub undid: Option<i64>,
    /// The columns that it converted.
    pub converted: Vec<String>,
}

/// The statements with images of the relation behind `chunk_id`, in the order of changes (see `since`), the last one first.
/// `places`: what it may be recorded as.
pub(super) fn statements(chunk_id: i64, places: &[(String, Oid)]) -> Vec<Statement> {
    let names: Vec<Text> = places.iter().map(|(name, _)| Text(name.clone())).collect();
    let known = places.iter().map(|(_, relid)| *relid);
    let relids: Vec<Oid> = known.filter(|relid| is_known(*relid)).collect();
    // SAFETY: values of the types that go with them.
    let arguments = unsafe {
        [
            DatumWithOid::new(chunk_id, pg_sys::INT8OID),
            DatumWithOid::new(names, pg_sys::TEXTARRAYOID),
            DatumWithOid::new(relids, pg_sys::OIDARRAYOID),
        ]
    };
    newest::select(
        "SELECT l.statement_id,
             (SELECT s.reverts FROM backstop.statement_log AS s WHERE s.statement_id = l.statement_id
                  AND EXISTS (SELECT FROM backstop.definition AS d
                              WHERE d.statement_id = s.reverts AND d.kind = 'column type')),
             ARRAY(SELECT d.name FROM backstop.definition AS d
                   WHERE d.statement_id = l.statement_id AND d.kind = 'column type')
         FROM (SELECT statement_id, image_chunk_id AS chunk_id FROM backstop.statement_log
               WHERE image_chunk_id > $1 AND (relations[1] = ANY ($2) OR image_relid = ANY ($3))
               UNION ALL
               SELECT statement_id, chunk_id FROM backstop.image_chunk
               WHERE chunk_id > $1 AND (relation = ANY ($2) OR relid = ANY ($3))) AS l
         GROUP BY l.statement_id ORDER BY pg_catalog.max(l.chunk_id) DESC, l.statement_id DESC",
        &arguments,
        |row| {
            Ok(Some(Statement {
                id: row.get(1)?.unwrap_or(0),
                undid: row.get(2)?,
                converted: row.texts(3)?.unwrap_or_default(),
            }))
        },
    )
}
