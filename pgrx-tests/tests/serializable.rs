//! SERIALIZABLE transactions: the guard reads its registry in them, and no transaction fails to serialize for that.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{database_with, passes, query_text};

const WORLD: &str = "
    CREATE TABLE users (id int PRIMARY KEY, name text); CREATE TABLE plain (id int PRIMARY KEY, name text);
    CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE);
    CREATE TABLE other (id int PRIMARY KEY); CREATE SEQUENCE ids;
    INSERT INTO users SELECT n, 'u' || n FROM generate_series(1, 9) n;
    INSERT INTO plain SELECT n, 'p' || n FROM generate_series(1, 9) n;
    INSERT INTO orders SELECT n, n FROM generate_series(1, 9) n;
    SELECT backstop.protect('users'); SELECT backstop.protect_sequence('ids');";

/// Our relations with predicate locks.
const LOCKED: &str = "
    SELECT string_agg(DISTINCT l.relation::regclass::text, ', ')
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.mode = 'SIReadLock' AND c.relnamespace = 'backstop'::regnamespace";

/// Runs statements in a transaction that is left open.
fn open(client: &mut Client, statements: &str) {
    passes(client, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    for statement in statements.split(';') {
        passes(client, statement);
    }
}

#[test]
fn statements_take_no_predicate_locks_on_what_is_ours() {
    let (db, mut admin) = database_with(WORLD);
    for statements in [
        "SELECT count(*) FROM plain",
        "UPDATE plain SET name = 'x' WHERE id = 1",
        "UPDATE users SET name = 'x' WHERE id = 1",
        "DELETE FROM users WHERE id = 1; INSERT INTO users VALUES (1, 'anew')",
        "SELECT nextval('ids'); UPDATE orders SET user_id = 2 WHERE id = 3",
    ] {
        // A session that has not read the registry yet.
        let mut session = db.connect();
        open(&mut session, statements);
        assert_eq!(query_text(&mut admin, LOCKED), "null", "{statements}");
        // And one that has to read it anew.
        passes(&mut admin, "SELECT backstop.protect('other')");
        passes(&mut session, "SELECT count(*) FROM plain");
        passes(&mut admin, "SELECT backstop.unprotect('other')");
        passes(&mut session, "DELETE FROM plain WHERE id = 9");
        assert_eq!(query_text(&mut admin, LOCKED), "null", "{statements}");
        passes(&mut session, "ROLLBACK");
    }
}

#[test]
fn a_registration_makes_no_other_transaction_fail() {
    let (db, mut admin) = database_with(WORLD);
    let mut writer = db.connect();
    open(
        &mut writer,
        "UPDATE plain SET name = 'written' WHERE id = 1",
    );
    // It reads what the writer writes; did the writer read what it writes, one of the two would have to fail.
    open(
        &mut admin,
        "SELECT name FROM plain WHERE id = 1; SELECT backstop.protect('other')",
    );
    passes(&mut admin, "COMMIT");
    passes(&mut writer, "COMMIT");
}
