//! What captured DDL is tested on.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{passes, query_text};

/// Runs `statement` under an approval of `max_rows` rows, in one transaction.
pub fn approved(client: &mut Client, max_rows: i64, statement: &str) {
    passes(client, &approval(max_rows, statement));
}

/// `statement` under an approval of `max_rows` rows.
pub fn approval(max_rows: i64, statement: &str) -> String {
    format!("BEGIN; SELECT backstop.approve_batch('OPS-8', {max_rows}); {statement}; COMMIT")
}

/// Relation, operation, cause and rows of what the last statement destroyed.
pub fn destroyed(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT relation, operation, cause, count(*) FROM backstop.preimage
         WHERE statement_id = (SELECT max(statement_id) FROM backstop.statement) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    )
}

/// Restores the last statement; relation, operation, captured, restored, unchanged, conflicts.
pub fn restore_last(client: &mut Client, dry_run: bool) -> String {
    let id = query_text(client, "SELECT max(statement_id) FROM backstop.statement");
    query_text(
        client,
        &format!(
            "SELECT * FROM backstop.restore({id}, dry_run => {dry_run}) ORDER BY relation, operation"
        ),
    )
}
