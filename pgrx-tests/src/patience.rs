//! Waiting for what happens in another process.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::client::{passes, query_text};
use crate::database::Database;

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
    until_they_wait(client, 1);
}

/// Returns when as many sessions of the client's database wait for a lock.
///
/// # Panics
/// When fewer do.
#[track_caller]
pub fn until_they_wait(client: &mut Client, sessions: u32) {
    let waits = format!(
        "SELECT count(*) >= {sessions} FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    );
    comes_to(client, &waits, "t");
}

/// Runs `second` in a session of its own while what `first` did is not committed, and commits that when `second` waits for it:
/// its SQLSTATE, empty where it passes.
///
/// # Panics
/// When `first` fails, or `second` waits for nothing.
#[track_caller]
pub fn behind(database: &Database, first: &str, second: &str) -> String {
    let mut one = database.connect();
    passes(&mut one, &format!("BEGIN; {first}"));
    let waiting = sqlstate_of(database, second);
    until_someone_waits(&mut database.connect());
    passes(&mut one, "COMMIT");
    waiting.join().expect("the waiting session")
}

/// Starts `sql` in a session of its own: its SQLSTATE, empty where it passes.
pub fn sqlstate_of(database: &Database, sql: &str) -> JoinHandle<String> {
    let mut session = database.connect();
    let sql = sql.to_owned();
    std::thread::spawn(move || match session.batch_execute(&sql) {
        Ok(()) => String::new(),
        Err(error) => error
            .code()
            .map_or_else(|| error.to_string(), |code| code.code().to_owned()),
    })
}
