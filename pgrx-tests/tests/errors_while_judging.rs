//! An error that comes up while a statement is judged is no error of the statement's: it goes on, and what it does is
//! committed or rolled back as it would have been.

use pg_backstop_tests::{Database, database_with, passes, query_text};
use postgres::Client;

const WORLD: &str = "
    CREATE TYPE standing AS ENUM ('open', 'closed', 'held');
    CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, email text, n int NOT NULL,
        standing standing NOT NULL DEFAULT 'open');
    INSERT INTO users SELECT g, 'n' || g, 'e' || g, g FROM generate_series(1, 20) g;
    CREATE TABLE plain_log (line text);
    SELECT backstop.protect('users');";

/// Evaluates every label, one that is not committed yet included.
const LABELS: &str =
    "UPDATE users SET n = 1 WHERE name = 'zz' AND standing = ANY (enum_range(standing, NULL))";

/// Deeper than our own look at it goes, and not too deep to be planned.
fn deep() -> String {
    let parts = vec!["name"; 600].join(" || ");
    format!("UPDATE users SET n = 1 WHERE email = {parts}")
}

#[track_caller]
fn lines(db: &Database) -> String {
    let mut other = db.connect();
    query_text(
        &mut other,
        "SELECT string_agg(line, ',' ORDER BY line) FROM plain_log",
    )
}

/// Everything that was written is there for others, and the session goes on.
#[track_caller]
fn commits(db: &Database, client: &mut Client, statement: &str) {
    passes(client, "TRUNCATE plain_log");
    passes(client, statement);
    passes(client, "INSERT INTO plain_log VALUES ('alone')");
    assert_eq!(lines(db), "alone");

    passes(client, "BEGIN; INSERT INTO plain_log VALUES ('before')");
    passes(client, statement);
    passes(client, "INSERT INTO plain_log VALUES ('after')");
    assert_eq!(lines(db), "alone");
    passes(client, "COMMIT");
    assert_eq!(lines(db), "after,alone,before");

    passes(client, "BEGIN; SAVEPOINT a");
    passes(client, statement);
    passes(
        client,
        "INSERT INTO plain_log VALUES ('gone'); ROLLBACK TO a",
    );
    passes(client, "INSERT INTO plain_log VALUES ('kept'); RELEASE a");
    passes(client, statement);
    passes(client, "COMMIT");
    assert_eq!(lines(db), "after,alone,before,kept");

    passes(client, "BEGIN; INSERT INTO plain_log VALUES ('never')");
    passes(client, statement);
    passes(client, "ROLLBACK");
    assert_eq!(lines(db), "after,alone,before,kept");

    let block = |more: &str| {
        format!(
            "DO $do$ BEGIN
                INSERT INTO plain_log VALUES ('outside');
                BEGIN INSERT INTO plain_log VALUES ('inside'); {statement}; {more}
                EXCEPTION WHEN OTHERS THEN INSERT INTO plain_log VALUES (SQLSTATE); END;
            END $do$"
        )
    };
    passes(client, &block(""));
    assert_eq!(lines(db), "after,alone,before,inside,kept,outside");
    passes(client, "TRUNCATE plain_log");
    passes(client, &block("PERFORM 1 / 0;"));
    assert_eq!(lines(db), "22012,outside");
    assert_eq!(query_text(client, "SELECT 1"), "1");
}

#[test]
fn a_condition_too_deep_to_be_looked_into() {
    let (db, mut admin) = database_with(WORLD);
    commits(&db, &mut admin, &deep());
}

#[test]
fn a_condition_that_reads_labels_not_committed_yet() {
    let (db, mut admin) = database_with(WORLD);
    commits(&db, &mut admin, LABELS);
    passes(&mut admin, "TRUNCATE plain_log");
    passes(&mut admin, "BEGIN; ALTER TYPE standing ADD VALUE 'new'");
    passes(
        &mut admin,
        &format!(
            "DO $do$ BEGIN
                INSERT INTO plain_log VALUES ('inside'); {LABELS}; PERFORM 1 / 0;
            EXCEPTION WHEN division_by_zero THEN INSERT INTO plain_log VALUES (SQLSTATE); END $do$"
        ),
    );
    passes(&mut admin, LABELS);
    passes(&mut admin, "COMMIT");
    assert_eq!(lines(&db), "22012");
    passes(&mut admin, LABELS);
}
