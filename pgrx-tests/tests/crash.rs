//! A crash leaves the damage and its record together: both, or neither.

use std::thread;
use std::time::{Duration, Instant};

use pg_backstop_tests::{Cluster, ClusterOptions, Database, passes, query_text, start};

const ROWS: u32 = 100_000;

/// The advisory lock that holds the DELETE up in its middle.
const GATE: u32 = 4711;

const WORLD: &str = "
    CREATE TABLE letters (id bigint PRIMARY KEY, state text, body text);
    INSERT INTO letters SELECT n, 'old', repeat('x', 40) FROM generate_series(1, 100000) n;
    SELECT backstop.protect('letters')";

/// Holds the statement up when half of its rows have been captured: row triggers fire at the statement's end, row by
/// row, and this one's name sorts last.
const HOLD_UP: &str = "
    CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END';
    CREATE TRIGGER zzz_hold_up AFTER DELETE ON letters
        FOR EACH ROW WHEN (OLD.id = 50000) EXECUTE FUNCTION hold_up()";

const DELETE: &str = "
    BEGIN;
    SELECT backstop.approve_batch('crash test', 100000, '{public.letters}', '{delete}');
    DELETE FROM letters WHERE state = 'old'";

/// Rows of the table; recorded statements, and the rows they say they destroyed; recorded rows, and different ones.
const STATE: &str = "
    SELECT (SELECT count(*) FROM letters),
           (SELECT count(*) FROM backstop.statement), (SELECT coalesce(sum(rows), 0) FROM backstop.statement),
           count(*), count(DISTINCT key) FROM backstop.preimage";

fn world() -> (Cluster, Database) {
    let server = start(&ClusterOptions::default().durable());
    let db = server.database();
    passes(&mut db.connect(), WORLD);
    (server, db)
}

fn process_id(client: &mut pg_backstop_tests::postgres::Client) -> i32 {
    query_text(client, "SELECT pg_backend_pid()")
        .parse()
        .expect("a process id")
}

/// Waits until somebody waits for the gate.
fn wait_for_the_gate(db: &Database) {
    let waiting = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {GATE} AND NOT granted"
    );
    let mut watcher = db.connect();
    let asked = Instant::now();
    while query_text(&mut watcher, &waiting) != "1" {
        assert!(
            asked.elapsed() < Duration::from_secs(60),
            "the DELETE never came to its middle"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_backend_killed_in_the_middle_of_a_captured_delete_leaves_all_rows_and_no_record() {
    let (server, db) = world();
    passes(&mut db.connect(), HOLD_UP);
    let mut gatekeeper = db.connect();
    passes(&mut gatekeeper, &format!("SELECT pg_advisory_lock({GATE})"));
    let mut client = db.connect();
    let pid = process_id(&mut client);
    let deleting = thread::spawn(move || client.batch_execute(DELETE));
    wait_for_the_gate(&db);
    server.kill_backend(pid).expect("the server recovers");
    assert!(deleting.join().expect("the client's thread ends").is_err());
    let state = query_text(&mut db.connect(), STATE);
    assert_eq!(state, format!("{ROWS}|0|0|0|0"));
}

#[test]
fn a_backend_killed_before_commit_leaves_all_rows_and_no_record() {
    let (server, db) = world();
    let mut client = db.connect();
    let pid = process_id(&mut client);
    passes(&mut client, DELETE);
    server.kill_backend(pid).expect("the server recovers");
    assert_eq!(
        query_text(&mut db.connect(), STATE),
        format!("{ROWS}|0|0|0|0")
    );
}

#[test]
fn a_backend_killed_after_commit_leaves_no_rows_and_the_whole_record() {
    let (server, db) = world();
    let mut client = db.connect();
    let pid = process_id(&mut client);
    passes(&mut client, DELETE);
    passes(&mut client, "COMMIT");
    server.kill_backend(pid).expect("the server recovers");
    let mut admin = db.connect();
    assert_eq!(
        query_text(&mut admin, STATE),
        format!("0|1|{ROWS}|{ROWS}|{ROWS}")
    );
    passes(
        &mut admin,
        "SELECT * FROM backstop.restore((SELECT statement_id FROM backstop.statement), false)",
    );
    let restored = "SELECT count(*), min(id), max(id), min(body) = repeat('x', 40) FROM letters WHERE state = 'old'";
    assert_eq!(
        query_text(&mut admin, restored),
        format!("{ROWS}|1|{ROWS}|t")
    );
}
