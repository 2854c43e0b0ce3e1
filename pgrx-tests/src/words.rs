//! What tests say to a server again and again.

use postgres::Client;

use crate::client::{passes, query_text};

/// Runs `statement` in a transaction of its own, under an approval of so many rows.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn approved(client: &mut Client, max_rows: i64, statement: &str) {
    let approve = format!("SELECT backstop.approve_batch('OPS-8', {max_rows})");
    passes(client, &format!("BEGIN; {approve}; {statement}; COMMIT"));
}

/// The id of the newest statement of the record.
///
/// # Panics
/// When the record may not be read.
#[track_caller]
pub fn last_statement(client: &mut Client) -> String {
    query_text(client, "SELECT max(statement_id) FROM backstop.statement")
}

/// The moment by the server's clock.
///
/// # Panics
/// When the server is gone.
#[track_caller]
pub fn now(client: &mut Client) -> String {
    query_text(client, "SELECT clock_timestamp()")
}
