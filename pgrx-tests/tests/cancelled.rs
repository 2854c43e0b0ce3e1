//! A cancelled statement is over, wherever it was: a timeout comes once, and what goes on after it goes on for ever.

use std::time::{Duration, Instant};

use pg_backstop_tests::{database, passes, query_text, refused};

/// Cut off after a second, long before what it waits for.
fn is_cut_off(client: &mut pg_backstop_tests::postgres::Client, statement: &str) {
    let started = Instant::now();
    passes(client, "SET statement_timeout = '1s'");
    let refusal = refused(client, statement);
    passes(client, "RESET statement_timeout");
    assert_eq!(refusal.sqlstate, "57014", "{statement}: {refusal:?}");
    assert!(started.elapsed() < Duration::from_secs(6), "{statement}");
}

#[test]
fn a_preview_ends_in_its_deferred_triggers() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 20);
         CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(10); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER dawdle AFTER DELETE ON users DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION dawdle();
         SELECT backstop.protect('users')",
    );
    is_cut_off(
        &mut admin,
        "SELECT * FROM backstop.preview('DELETE FROM users WHERE id = 1', 'x')",
    );
    let requests = "SELECT count(*) FROM backstop.request_log";
    assert_eq!(query_text(&mut admin, requests), "0");
}

#[test]
fn a_restore_ends_in_a_materialized_view_that_it_fills() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE pace (seconds float); INSERT INTO pace VALUES (0);
         CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2);
         CREATE FUNCTION slow(bigint) RETURNS bigint LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep(seconds) FROM public.pace; RETURN $1; END';
         CREATE MATERIALIZED VIEW slowly AS SELECT slow(id) FROM users;
         SELECT backstop.protect('users');
         BEGIN; SELECT backstop.approve_batch('meant', 10); DROP TABLE users CASCADE; COMMIT;
         UPDATE pace SET seconds = 10",
    );
    let restore =
        "SELECT backstop.restore(max(statement_id), dry_run => false) FROM backstop.statement";
    is_cut_off(&mut admin, restore);
    assert_eq!(
        query_text(&mut admin, "SELECT to_regclass('users')::text"),
        "null"
    );
    passes(&mut admin, "UPDATE pace SET seconds = 0");
    passes(&mut admin, restore);
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM slowly"), "2");
}
