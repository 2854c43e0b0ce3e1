//! `protect()` on a busy database: it locks the table it protects and that table's family, and waits for nobody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, database, database_with, passes, query_text, until_someone_waits,
};

const WORLD: &str = "
    CREATE TABLE one (id bigint PRIMARY KEY, n int); CREATE TABLE two (id bigint PRIMARY KEY, n int);
    CREATE TABLE three (id bigint PRIMARY KEY, one_id bigint REFERENCES one ON DELETE CASCADE, n int);
    CREATE TABLE parts (id bigint, region int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
    CREATE TABLE fresh (id bigint PRIMARY KEY, n int);
    CREATE TABLE fresh_child (id bigint PRIMARY KEY, fresh_id bigint REFERENCES fresh ON DELETE CASCADE);
    INSERT INTO one SELECT n, 0 FROM generate_series(1, 50) n; INSERT INTO two SELECT * FROM one;
    INSERT INTO three SELECT n, n, 0 FROM generate_series(1, 50) n; INSERT INTO fresh SELECT * FROM one;
    INSERT INTO parts SELECT n, 1 FROM generate_series(1, 50) n;
    GRANT ALL ON one, two, three, parts, fresh TO app;
    SELECT backstop.protect('one'); SELECT backstop.protect('two'); SELECT backstop.protect('parts')";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

/// Locks of the session that a writer of the table could wait for.
const STRONG: &str = "
    SELECT string_agg(DISTINCT relation::regclass::text, ',' ORDER BY relation::regclass::text) FROM pg_locks
    WHERE pid = pg_backend_pid() AND locktype = 'relation'
    AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
    AND relation::regclass::text NOT LIKE 'backstop.%' AND relation > 16384";

#[test]
fn it_locks_no_other_guarded_table() {
    let (_db, mut admin) = world();
    for (statement, locked) in [
        ("SELECT backstop.protect('fresh')", "fresh,fresh_child"),
        ("SELECT backstop.protect('one', max_rows => 7)", "one"),
        (
            "SELECT backstop.protect_columns('two', '{n}', 'crm')",
            "two",
        ),
        ("SELECT backstop.unprotect('two')", "two"),
    ] {
        passes(&mut admin, &format!("BEGIN; {statement}"));
        let strong = query_text(&mut admin, STRONG);
        passes(&mut admin, "ROLLBACK");
        for table in strong.split(',').filter(|table| *table != "null") {
            assert!(
                locked.split(',').any(|expected| expected == table),
                "{statement} locks {strong}"
            );
        }
    }
}

#[test]
fn it_does_not_wait_for_writers_of_other_tables() {
    let (db, mut admin) = world();
    let mut app = db.connect_as("app");
    passes(
        &mut app,
        "BEGIN; UPDATE one SET n = 1 WHERE id = 1; UPDATE two SET n = 1 WHERE id = 1; DELETE FROM parts WHERE id = 1 AND region = 1",
    );
    passes(
        &mut admin,
        "SET lock_timeout = '2s'; SELECT backstop.protect('fresh'); SELECT backstop.unprotect('fresh')",
    );
    passes(&mut app, "COMMIT");
}

/// Lets the writers stop, also when the test has failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn it_does_not_deadlock_with_traffic() {
    let (db, mut admin) = world();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = [["one", "two"], ["two", "one"], ["fresh", "one"], ["two", "fresh"]]
            .into_iter()
            .enumerate()
            .map(|(worker, [first, second])| {
                let (db, done) = (&db, &done);
                scope.spawn(move || {
                    let mut app = db.connect_as("app");
                    let mut rounds = 0;
                    while !done.load(Ordering::Relaxed) {
                        // Each worker has rows of its own: only the tables' locks can make a circle.
                        let id = worker * 10 + 1 + rounds % 10;
                        passes(
                            &mut app,
                            &format!(
                                "BEGIN; UPDATE {first} SET n = n + 1 WHERE id = {id}; SELECT pg_sleep(0.001);
                                 UPDATE {second} SET n = n + 1 WHERE id = {id}; COMMIT"
                            ),
                        );
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        let stop = Stop(&done);
        for round in 0..15 {
            // Each in its own transaction, as an administrator's script does it.
            passes(
                &mut admin,
                "SELECT backstop.protect('fresh', max_rows => 5)",
            );
            passes(
                &mut admin,
                &format!("SELECT backstop.protect('one', max_rows => {})", 50 + round),
            );
            passes(&mut admin, "SELECT backstop.unprotect('fresh')");
        }
        drop(stop);
        for writer in writers {
            let rounds = writer.join().expect("a writer was refused");
            assert!(rounds > 0);
        }
    });
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*) FROM pg_trigger WHERE tgname = 'backstop_capture' AND tgrelid = 'fresh'::regclass"
        ),
        "0"
    );
}

#[test]
fn protecting_a_table_does_not_fail_because_other_sessions_drop_theirs() {
    let db = database();
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let mut client = db.connect();
            scope.spawn(move || {
                for turn in 0..25 {
                    let table = format!("t_{worker}_{turn}");
                    passes(
                        &mut client,
                        &format!("CREATE TABLE {table} (id int PRIMARY KEY)"),
                    );
                    passes(&mut client, &format!("SELECT backstop.protect('{table}')"));
                    passes(
                        &mut client,
                        &format!(
                            "BEGIN; SELECT backstop.approve_batch('not needed any more', 1);
                             DROP TABLE {table}; COMMIT"
                        ),
                    );
                }
            });
        }
    });
}

#[test]
fn ddl_does_not_lock_what_others_have_protected_while_it_waited() {
    let (db, mut admin) = world();
    let [mut reader, mut altering, mut writer] = [db.connect(), db.connect(), db.connect()];
    passes(&mut reader, "BEGIN; SELECT count(*) FROM two");
    passes(&mut altering, "SET statement_timeout = '20s'");
    let altered =
        thread::spawn(move || passes(&mut altering, "ALTER TABLE two ADD COLUMN more int"));
    until_someone_waits(&mut admin);
    passes(&mut admin, "SELECT backstop.protect('fresh')");
    passes(&mut writer, "BEGIN; DELETE FROM fresh WHERE id = 1");
    passes(&mut reader, "COMMIT");
    altered.join().expect("it waits for the reader alone");
    passes(&mut writer, "COMMIT");
}
