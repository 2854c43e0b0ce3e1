//! PREPARE TRANSACTION: the record goes the way of the damage, whoever ends the transaction, and when.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{ClusterOptions, Database, database, passes, query_text, start};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 10) n;
    SELECT backstop.protect('users')";

const STATE: &str = "
    SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM backstop.statement),
           (SELECT count(*) FROM backstop.preimage)";

/// Deletes two rows, one in a rolled back subtransaction, and prepares the transaction under a name of the test's own.
fn prepare(db: &Database) -> (Client, String) {
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let name = format!("{}_delete", db.name);
    let statements = format!(
        "BEGIN; DELETE FROM users WHERE id = 7; SAVEPOINT s; DELETE FROM users WHERE id = 8; ROLLBACK TO s; \
         PREPARE TRANSACTION '{name}'"
    );
    for statement in statements.split("; ") {
        passes(&mut admin, statement);
    }
    assert_eq!(
        query_text(&mut admin, STATE),
        "10|0|0",
        "nothing shows before the commit"
    );
    (admin, name)
}

#[test]
fn a_prepared_delete_is_recorded_when_it_commits() {
    let db = database();
    let (_preparer, name) = prepare(&db);
    let mut other = db.connect();
    passes(&mut other, &format!("COMMIT PREPARED '{name}'"));
    assert_eq!(query_text(&mut other, STATE), "9|1|1");
    let row = "SELECT old_row ->> 'plan', key ->> 'id' FROM backstop.preimage";
    assert_eq!(query_text(&mut other, row), "free|7");
    passes(
        &mut other,
        "SELECT * FROM backstop.restore((SELECT statement_id FROM backstop.statement), false)",
    );
    assert_eq!(query_text(&mut other, "SELECT count(*) FROM users"), "10");
}

#[test]
fn a_prepared_delete_that_is_rolled_back_leaves_no_record() {
    let db = database();
    let (mut preparer, name) = prepare(&db);
    passes(&mut preparer, &format!("ROLLBACK PREPARED '{name}'"));
    assert_eq!(query_text(&mut preparer, STATE), "10|0|0");
}

#[test]
fn a_session_that_has_prepared_a_delete_goes_on_as_if_it_had_not() {
    let db = database();
    let (mut preparer, name) = prepare(&db);
    passes(&mut preparer, "DELETE FROM users WHERE id = 9");
    assert_eq!(query_text(&mut preparer, STATE), "9|1|1");
    passes(&mut preparer, &format!("COMMIT PREPARED '{name}'"));
    assert_eq!(query_text(&mut preparer, STATE), "8|2|2");
}

#[test]
fn a_prepared_delete_survives_a_crash_with_its_record() {
    let server = start(&ClusterOptions::default().durable());
    let db = server.database();
    let (preparer, name) = prepare(&db);
    drop(preparer);
    server.crash_and_restart().expect("the server recovers");
    let mut admin = db.connect();
    assert_eq!(query_text(&mut admin, STATE), "10|0|0");
    passes(&mut admin, &format!("COMMIT PREPARED '{name}'"));
    assert_eq!(query_text(&mut admin, STATE), "9|1|1");
}
