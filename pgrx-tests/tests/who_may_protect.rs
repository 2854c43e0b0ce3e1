//! Protection is changed by superusers and by roles granted EXECUTE, and read by everyone.

use pg_backstop_tests::{database, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, tags text[]);
    CREATE TABLE free (id int PRIMARY KEY, note text);
    CREATE SEQUENCE numbers;
    CREATE SEQUENCE other_numbers;
    ALTER TABLE free OWNER TO app;
    ALTER SEQUENCE other_numbers OWNER TO app;
    SELECT backstop.protect('users');
    SELECT backstop.protect_columns('users', '{tags}', 'tagger');
    SELECT backstop.protect_sequence('numbers', max_step => 10)";

const REGISTERED: &str = "
    SELECT t::text FROM backstop.protected_table t UNION ALL
    SELECT c::text FROM backstop.protected_column c UNION ALL
    SELECT s::text FROM backstop.protected_sequence s ORDER BY 1";

#[test]
fn owning_the_table_is_not_enough_to_change_its_protection() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    passes(
        &mut admin,
        "ALTER TABLE free OWNER TO app; ALTER SEQUENCE other_numbers OWNER TO app",
    );
    let before = query_text(&mut admin, REGISTERED);
    let mut app = db.connect_as("app");
    for call in [
        "protect('free')",
        "unprotect('users')",
        "protect_columns('free', '{note}', 'writer')",
        "unprotect_columns('users', '{tags}')",
        "protect_sequence('other_numbers')",
        "unprotect_sequence('numbers')",
    ] {
        let refusal = refused(&mut app, &format!("SELECT backstop.{call}"));
        assert_eq!(refusal.sqlstate, "42501", "{call}: {refusal:?}");
    }
    assert_eq!(query_text(&mut admin, REGISTERED), before);
}

#[test]
fn everyone_can_read_what_is_protected() {
    let db = database();
    passes(&mut db.connect(), WORLD);
    let mut outsider = db.connect_as("outsider");
    for (view, rows) in [
        ("protected_table", "1"),
        ("protected_column", "1"),
        ("protected_sequence", "1"),
        ("follower", "0"),
    ] {
        assert_eq!(
            query_text(
                &mut outsider,
                &format!("SELECT count(*) FROM backstop.{view}")
            ),
            rows,
            "{view}"
        );
    }
}

#[test]
fn a_role_granted_execute_may_protect_what_it_does_not_own() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let grant = "
        DO $$ DECLARE f regprocedure; BEGIN
            FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'backstop'::regnamespace
                AND proname IN ('protect', 'unprotect') LOOP
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO reviewer', f);
            END LOOP; END $$";
    passes(&mut admin, grant);
    let mut reviewer = db.connect_as("reviewer");
    passes(&mut reviewer, "SELECT backstop.protect('free')");
    assert_eq!(
        refused(&mut db.connect_as("app"), "DELETE FROM free").sqlstate,
        "SF002"
    );
    passes(&mut reviewer, "SELECT backstop.unprotect('free')");
    passes(&mut db.connect_as("app"), "DELETE FROM free");
}
