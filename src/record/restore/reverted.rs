//! Whether a statement was undone before.

use crate::pg::newest;
use crate::pg::privileged::Privileged;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

/// Whether a restore of the statement is in the record and was not undone by another one.
pub(super) fn restored_before(statement_id: i64) -> bool {
    // The restore acts as the table's owner when it asks.
    let _privileged = Privileged::begin();
    // SAFETY: a bigint argument.
    let id = unsafe { DatumWithOid::new(statement_id, pg_sys::INT8OID) };
    let later = newest::select(
            "WITH RECURSIVE ended AS (
                 SELECT s.at, (SELECT pg_catalog.max(c.at) FROM backstop.committed AS c WHERE c.at >= s.at AND c.xid = s.xid
                     AND s.statement_id BETWEEN c.first_statement_id AND c.last_statement_id) AS committed_at
                 FROM backstop.statement_log AS s WHERE s.statement_id = $1
             ), later AS (
                 SELECT statement_id, $1 AS reverts FROM backstop.statement_log, ended AS e
                 WHERE reverts = $1 OR reverts_since < COALESCE(e.committed_at, e.at) AND statement_log.at > e.at
                 UNION ALL
                 SELECT s.statement_id, s.reverts FROM later AS l JOIN backstop.statement_log AS s ON s.reverts = l.statement_id)
             SELECT statement_id, reverts FROM later ORDER BY statement_id DESC",
            &[id],
            |row| Ok(row.get::<i64>(1)?.zip(row.get::<i64>(2)?)),
        );
    let mut undone: Vec<i64> = Vec::new();
    for (id, reverts) in later {
        // The latest first: one that was undone by one that stands does not stand.
        if !undone.contains(&id) {
            undone.push(reverts);
        }
    }
    undone.contains(&statement_id)
}
