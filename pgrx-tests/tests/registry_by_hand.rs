//! What is protected is changed by the policy functions alone: an UPDATE, DELETE or TRUNCATE of the registry, by accident
//! and by a superuser, would unprotect silently.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{ClusterOptions, Preload, database, passes, query_text, refused, start};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, note text); CREATE SEQUENCE numbers;
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 20) n;
    SELECT backstop.protect('users', max_rows => 3), backstop.protect_columns('users', '{note}', 'notes'),
        backstop.protect_sequence('numbers')";

const REGISTERED: &str =
    "SELECT (SELECT string_agg(t::text, ';') FROM backstop.registered_table t),
    (SELECT string_agg(c::text, ';') FROM backstop.registered_column c),
    (SELECT string_agg(s::text, ';') FROM backstop.registered_sequence s)";

const STATEMENTS: &[&str] = &[
    "UPDATE backstop.registered_table SET max_rows = 1000000",
    "UPDATE backstop.protected_table SET approval = 'session' WHERE false",
    "DELETE FROM backstop.registered_table",
    "DELETE FROM backstop.protected_column WHERE column_name = 'note'",
    "DELETE FROM backstop.registered_sequence",
    "WITH gone AS (DELETE FROM backstop.registered_table RETURNING 1) SELECT count(*) FROM gone",
    "INSERT INTO backstop.registered_table (relation, key_columns, require, approval) VALUES ('users', '{id}', 'over_limit', 'session')
         ON CONFLICT (relation) DO UPDATE SET max_rows = 1000000",
    "MERGE INTO backstop.registered_table t USING (SELECT 1) o ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE backstop.registered_column",
    "TRUNCATE backstop.registered_table, backstop.registered_sequence",
    "DO $$ BEGIN DELETE FROM backstop.registered_table; END $$",
    "SET backstop.mode = off; DELETE FROM backstop.registered_table",
    "SET backstop.mode = observe; UPDATE backstop.registered_table SET max_rows = NULL",
    "SET backstop.mode = off; TRUNCATE backstop.registered_table",
    "SET session_replication_role = replica; DELETE FROM backstop.registered_table",
];

fn is_refused(admin: &mut Client, statement: &str) {
    let before = query_text(admin, REGISTERED);
    let refusal = refused(admin, statement);
    passes(admin, "ROLLBACK; RESET ALL");
    assert_eq!(refusal.sqlstate, "SF013", "{statement}\n{refusal:?}");
    assert!(
        refusal.hint.contains("backstop.unprotect()"),
        "{statement}\n{refusal:?}"
    );
    let names_both = refusal.hint.contains("backstop.protect()") && refusal.schema == "backstop";
    assert!(
        names_both || statement.starts_with("TRUNCATE"),
        "{statement}\n{refusal:?}"
    );
    assert_eq!(query_text(admin, REGISTERED), before, "{statement}");
    let still = refused(admin, "DELETE FROM users WHERE plan = 'free'");
    assert_eq!(still.sqlstate, "SF005", "{statement}\n{still:?}");
}

#[test]
fn a_superuser_does_not_unprotect_by_accident() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    for statement in STATEMENTS {
        is_refused(&mut admin, statement);
    }
    // The functions do what they are there for, in every mode.
    passes(
        &mut admin,
        "SELECT backstop.protect('users', max_rows => 30); SELECT backstop.unprotect_columns('users', '{note}');
         SET backstop.mode = off; SELECT backstop.unprotect_sequence('numbers'); SELECT backstop.unprotect('users');
         RESET backstop.mode; DELETE FROM users",
    );
    assert_eq!(query_text(&mut admin, REGISTERED), "null|null|null");
}

#[test]
fn not_in_a_session_without_the_library_either() {
    let server = start(&ClusterOptions::default().preload(Preload::None));
    let db = server.database();
    passes(&mut db.connect(), WORLD);
    for statement in STATEMENTS {
        // Its settings can be set where the library was loaded alone.
        if !statement.contains("backstop.mode") {
            is_refused_at_first(&mut db.connect(), statement);
        }
    }
    let mut first = db.connect();
    passes(
        &mut first,
        "SELECT backstop.protect('users', max_rows => 30)",
    );
    passes(&mut db.connect(), "SELECT backstop.unprotect('users')");
}

/// A fresh session: nothing before the statement loads the library.
fn is_refused_at_first(fresh: &mut Client, statement: &str) {
    let refusal = refused(fresh, statement);
    assert_eq!(refusal.sqlstate, "SF013", "{statement}\n{refusal:?}");
    passes(fresh, "RESET session_replication_role");
    assert!(
        !query_text(fresh, REGISTERED).contains("null"),
        "{statement}"
    );
}

#[test]
fn what_is_inserted_reaches_other_sessions_whatever_the_replication_role() {
    let db = database();
    let (mut admin, mut app) = (db.connect(), db.connect_as("app"));
    passes(
        &mut admin,
        "CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2); GRANT ALL ON users TO app",
    );
    passes(&mut app, "BEGIN; DELETE FROM users WHERE id > 0; ROLLBACK");
    passes(
        &mut admin,
        "SET session_replication_role = replica;
         INSERT INTO backstop.registered_table (relation, key_columns, require, approval)
             VALUES ('users', '{id}', 'over_limit', 'session')",
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 0").sqlstate,
        "SF001"
    );
}
