//! Waiting for what happens in another process.

use std::time::{Duration, Instant};

use postgres::Client;

use crate::client::query_text;

/// How long anything may take; a scheduler may wait for the next minute first.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks `sql` until the answer is `wanted`.
///
/// # Panics
/// When it doesn't become that: with the last answer.
#[track_caller]
pub fn comes_to(client: &mut Client, sql: &str, wanted: &str) {
    let asked = Instant::now();
    loop {
        let answer = query_text(client, sql);
        if answer == wanted {
            return;
        }
        assert!(
            asked.elapsed() < PATIENCE,
            "{sql}\nis still\n{answer}\nand not\n{wanted}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a session of this database waits for a lock.
///
/// # Panics
/// When none does.
#[track_caller]
pub fn until_someone_waits(client: &mut Client) {
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    comes_to(client, waits, "t");
}
