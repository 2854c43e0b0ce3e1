//! Prune: the one way to shorten the record.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, database_with, passes, query_text, refused, until_someone_waits,
};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, body text);
    INSERT INTO users SELECT n, 'free', repeat(md5(n::text), 10) FROM generate_series(1, 2000) n;
    CREATE SEQUENCE numbers;
    SELECT backstop.protect('users', max_rows => 5000), backstop.protect_sequence('numbers', max_step => 1000);
    SET backstop.max_rows_per_transaction = 100000;
    UPDATE users SET plan = 'a' WHERE id = 1; SELECT setval('numbers', 7);
    BEGIN; DELETE FROM users WHERE id > 0 AND id = 2; COMMIT;
    UPDATE users SET plan = 'all' WHERE plan <> 'all'";

const COUNTS: &str = "
    SELECT (SELECT count(*) FROM backstop.statement), (SELECT count(*) > 0 FROM backstop.image_chunk),
           (SELECT count(*) FROM backstop.sequence_change), (SELECT count(*) FROM backstop.committed)";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

#[test]
fn what_is_older_goes_and_what_is_younger_stays() {
    let (_db, mut admin) = world();
    assert_eq!(query_text(&mut admin, COUNTS), "4|t|1|2");
    let day = "SELECT backstop.prune('1 day')";
    assert_eq!(query_text(&mut admin, day), "0");
    assert_eq!(query_text(&mut admin, COUNTS), "4|t|1|2");
    let at = query_text(&mut admin, "SELECT clock_timestamp()");
    passes(
        &mut admin,
        "SELECT pg_sleep(0.2); UPDATE users SET plan = 'b' WHERE id = 5; SELECT pg_sleep(0.1)",
    );
    let keep = format!("SELECT backstop.prune(clock_timestamp() - '{at}' - interval '0.05 s')");
    assert_eq!(query_text(&mut admin, &keep), "4");
    assert_eq!(query_text(&mut admin, COUNTS), "1|f|0|1");
    assert_eq!(
        query_text(&mut admin, "SELECT backstop.prune('0')"),
        "1",
        "nothing is kept for no time"
    );
    assert_eq!(query_text(&mut admin, COUNTS), "0|f|0|0");
    let prunes = "SELECT role, statements FROM backstop.pruned ORDER BY at";
    assert_eq!(query_text(&mut admin, prunes), "postgres|4\npostgres|1");
}

#[test]
fn settled_requests_go_with_the_statements_of_their_time() {
    let (_db, mut admin) = world();
    admin
        .batch_execute(
            "SELECT backstop.preview('DELETE FROM users WHERE id = 1');
             SELECT backstop.preview('DELETE FROM users WHERE id = 3');
             SELECT backstop.deny(1, 'no')",
        )
        .expect("two requests, one denied");
    admin
        .batch_execute("SELECT backstop.prune('0 seconds')")
        .expect("pruned");
    let left: String = admin
        .query_one(
            "SELECT string_agg(request_id || ' ' || (SELECT count(*) FROM backstop.request_rows(request_id)), ';')
             FROM backstop.request",
            &[],
        )
        .expect("readable")
        .get(0);
    assert_eq!(left, "2 1", "the open request is kept with its rows");
    let chunks: i64 = admin
        .query_one("SELECT count(*) FROM backstop.request_chunk", &[])
        .expect("readable")
        .get(0);
    assert_eq!(chunks, 1);
}

#[test]
fn a_large_record_is_pruned_in_portions_the_oldest_first() {
    let (_db, mut admin) = world();
    let first = query_text(
        &mut admin,
        "SELECT min(statement_id) FROM backstop.statement",
    );
    for left in ["3", "2", "1", "0"] {
        assert_eq!(
            query_text(
                &mut admin,
                "SELECT backstop.prune('0', max_statements => 1)"
            ),
            "1"
        );
        assert_eq!(
            query_text(&mut admin, "SELECT count(*) FROM backstop.statement"),
            left
        );
        let there = format!("SELECT count(*) FROM backstop.statement WHERE statement_id = {first}");
        assert_eq!(query_text(&mut admin, &there), "0");
    }
    assert_eq!(query_text(&mut admin, COUNTS), "0|f|0|0");
}

#[test]
fn nothing_is_taken_back_beyond_what_was_pruned() {
    let (_db, mut admin) = world();
    let at = query_text(&mut admin, "SELECT clock_timestamp()");
    passes(&mut admin, "SELECT backstop.prune('0')");
    passes(&mut admin, "UPDATE users SET plan = 'b' WHERE id = 5");
    let reach = "SELECT restored FROM backstop.restore_since";
    assert_eq!(query_text(&mut admin, &format!("{reach}('{at}')")), "1");
    let refusal = refused(&mut admin, &format!("{reach}('2000-01-01')"));
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert!(refusal.detail.contains("reaches back to"), "{refusal:?}");
}

#[test]
fn a_transaction_that_committed_since_is_kept_however_old_its_statements_are() {
    let (db, mut admin) = world();
    let mut app = db.connect_as("app");
    passes(&mut admin, "SELECT backstop.prune('0')");
    passes(
        &mut app,
        "BEGIN; UPDATE users SET plan = 'long' WHERE id = 5; SELECT pg_sleep(0.4); COMMIT",
    );
    assert_eq!(
        query_text(&mut admin, "SELECT backstop.prune('0.2 s')"),
        "0"
    );
    assert_eq!(query_text(&mut admin, "SELECT backstop.prune('0')"), "1");
}

#[test]
fn it_waits_for_nobody_and_nobody_waits_for_it() {
    let (db, mut admin) = world();
    let mut app = db.connect_as("app");
    passes(
        &mut app,
        "BEGIN; UPDATE users SET plan = 'open' WHERE id = 5",
    );
    passes(
        &mut admin,
        "SET lock_timeout = '2s'; BEGIN; SELECT backstop.prune('0')",
    );
    let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'backstop.statement_log'::regclass
                 AND mode NOT IN ('AccessShareLock', 'RowExclusiveLock')";
    assert_eq!(query_text(&mut admin, locks), "0");
    passes(
        &mut app,
        "SET lock_timeout = '2s'; UPDATE users SET plan = 'more' WHERE id = 6; COMMIT; UPDATE users SET plan = 'x' WHERE id = 7",
    );
    passes(&mut admin, "COMMIT");
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.statement"),
        "3"
    );
}

#[test]
fn two_prunes_at_once_remove_each_statement_once() {
    let (db, mut admin) = world();
    let mut other = db.connect();
    passes(&mut admin, "BEGIN; SELECT backstop.prune('0')");
    let second = std::thread::spawn(move || query_text(&mut other, "SELECT backstop.prune('0')"));
    let mut watcher = db.connect();
    until_someone_waits(&mut watcher);
    passes(&mut admin, "COMMIT");
    assert_eq!(second.join().expect("the second prune"), "0");
    assert_eq!(query_text(&mut admin, COUNTS), "0|f|0|0");
}

#[test]
fn a_prune_that_is_rolled_back_removed_nothing() {
    let (_db, mut admin) = world();
    passes(&mut admin, "BEGIN; SELECT backstop.prune('0'); ROLLBACK");
    assert_eq!(query_text(&mut admin, COUNTS), "4|t|1|2");
}

#[test]
fn bad_input_is_named_and_only_those_who_are_granted_it_may() {
    let (db, mut admin) = world();
    for (call, named) in [
        ("NULL", "keep"),
        ("'-1 day'", "keep"),
        ("'1 day', 0", "max_statements"),
    ] {
        let refusal = refused(&mut admin, &format!("SELECT backstop.prune({call})"));
        assert!(refusal.message.contains(named), "{refusal:?}");
        assert_ne!(refusal.sqlstate, "XX000");
    }
    let mut app = db.connect_as("app");
    let prune = "SELECT backstop.prune('0')";
    assert_eq!(refused(&mut app, prune).sqlstate, "42501");
    passes(
        &mut admin,
        "GRANT EXECUTE ON FUNCTION backstop.prune(interval) TO app",
    );
    assert_eq!(query_text(&mut app, prune), "4");
    let role = "SELECT role FROM backstop.pruned";
    assert_eq!(query_text(&mut admin, role), "app");
}

#[test]
fn what_happened_since_then_is_found_without_reading_all_of_it() {
    let (_db, mut admin) = world();
    passes(&mut admin, "SET enable_seqscan = off");
    let plan = query_text(
        &mut admin,
        "EXPLAIN SELECT * FROM backstop.statement WHERE at > now() - interval '1 hour' AND 'public.users' = ANY (relations)",
    );
    assert!(plan.contains("statement_log_at"), "{plan}");
}
