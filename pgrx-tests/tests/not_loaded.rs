//! SF012: a session that planned its statement without the library is refused, and loses nothing.

use pg_backstop_tests::{
    Cluster, ClusterOptions, Database, Preload, passes, query_text, refused, start,
};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    CREATE TABLE sessions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE plain (id bigint PRIMARY KEY);
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 50) n;
    INSERT INTO sessions SELECT n, n FROM generate_series(1, 50) n;
    INSERT INTO plain SELECT n FROM generate_series(1, 50) n;
    SELECT backstop.protect('users')";

const COUNTS: &str =
    "SELECT (SELECT count(*) FROM users WHERE plan = 'free'), (SELECT count(*) FROM sessions)";

fn world(preload: Preload) -> (Cluster, Database) {
    let server = start(&ClusterOptions::default().preload(preload));
    let db = server.database();
    passes(&mut db.connect(), WORLD);
    (server, db)
}

#[test]
fn without_the_library_a_destructive_statement_is_refused_and_the_next_one_works() {
    let (_server, db) = world(Preload::None);
    for statement in [
        "DELETE FROM users WHERE id = 7",
        "DELETE FROM users",
        "UPDATE users SET plan = 'pro' WHERE id = 7",
        "UPDATE users SET plan = 'pro'",
        "DELETE FROM sessions WHERE id = 7",
        "TRUNCATE users, sessions",
        "INSERT INTO users VALUES (7, 'pro') ON CONFLICT (id) DO UPDATE SET plan = EXCLUDED.plan",
        "MERGE INTO users u USING plain p ON u.id = p.id WHEN MATCHED THEN DELETE",
    ] {
        let mut fresh = db.connect_as("app");
        let refusal = refused(&mut fresh, statement);
        assert_eq!(refusal.sqlstate, "SF012", "{statement}: {refusal:?}");
        assert!(
            refusal.hint.contains("preload_libraries"),
            "{statement}: {refusal:?}"
        );
        assert!(
            refusal
                .message
                .starts_with("pg_backstop was not loaded when this statement"),
            "{statement}: {refusal:?}"
        );
        assert_eq!(query_text(&mut fresh, COUNTS), "50|50", "after {statement}");
    }
    let mut admin = db.connect();
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.statement"),
        "0"
    );

    let mut app = db.connect_as("app");
    refused(&mut app, "DELETE FROM users WHERE id = 7");
    passes(&mut app, "DELETE FROM users WHERE id = 7");
    assert_eq!(query_text(&mut app, COUNTS), "49|49");
    let recorded = "SELECT rows, query FROM backstop.statement";
    assert_eq!(
        query_text(&mut admin, recorded),
        "2|DELETE FROM users WHERE id = 7"
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 0").sqlstate,
        "SF001"
    );
}

#[test]
fn a_plan_made_without_the_library_is_judged_once_it_is_loaded() {
    let (_server, db) = world(Preload::None);
    let mut app = db.connect_as("app");
    passes(
        &mut app,
        "SET plan_cache_mode = force_generic_plan; PREPARE promote (bigint) AS UPDATE users SET plan = 'pro' WHERE id < $1;
         EXPLAIN EXECUTE promote (3)",
    );
    assert_eq!(refused(&mut app, "EXECUTE promote (3)").sqlstate, "SF012");
    assert_eq!(refused(&mut app, "EXECUTE promote (3)").sqlstate, "SF001");
    assert_eq!(query_text(&mut app, COUNTS), "50|50");
}

#[test]
fn without_the_library_what_destroys_nothing_protected_passes() {
    let (_server, db) = world(Preload::None);
    for statement in [
        "INSERT INTO users VALUES (51, 'free')",
        "SELECT count(*) FROM users",
        "DELETE FROM plain",
    ] {
        passes(&mut db.connect_as("app"), statement);
    }
}

#[test]
fn a_library_preloaded_per_session_guards_as_one_preloaded_by_the_server() {
    for preload in [Preload::Session, Preload::Shared] {
        let (_server, db) = world(preload);
        let mut app = db.connect_as("app");
        assert_eq!(
            refused(&mut app, "DELETE FROM users WHERE id > 0").sqlstate,
            "SF001"
        );
        passes(&mut app, "DELETE FROM users WHERE id = 7");
        let mut admin = db.connect();
        assert_eq!(
            query_text(&mut admin, "SELECT rows FROM backstop.statement"),
            "2"
        );
    }
}

#[test]
fn the_triggers_functions_are_nobody_else_s() {
    let (_server, db) = world(Preload::Shared);
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE mine (id bigint PRIMARY KEY); INSERT INTO mine VALUES (1); ALTER TABLE mine OWNER TO app;
         CREATE TABLE other (id int); INSERT INTO other VALUES (1); GRANT ALL ON other TO app; SELECT backstop.protect('mine')",
    );
    let mut app = db.connect_as("app");
    // The condition has nothing to say outside the trigger.
    for statement in [
        "SELECT count(*) FROM users WHERE backstop.capture_row()",
        "WITH gone AS (DELETE FROM other WHERE backstop.capture_row() RETURNING *) SELECT count(*) FROM gone",
    ] {
        assert_eq!(query_text(&mut app, statement), "0", "{statement}");
    }
    let refusal = refused(
        &mut app,
        "DELETE FROM mine WHERE id = 1 AND backstop.capture_row()",
    );
    assert_eq!(refusal.sqlstate, "0A000", "{refusal:?}");
    assert!(refusal.message.contains("capture_row()"), "{refusal:?}");
    // A second trigger with the guard's function would write every row down twice.
    passes(
        &mut app,
        "CREATE TRIGGER again AFTER DELETE ON mine FOR EACH ROW EXECUTE FUNCTION backstop.capture()",
    );
    let refusal = refused(&mut app, "DELETE FROM mine WHERE id = 1");
    assert_eq!(refusal.sqlstate, "0A000", "{refusal:?}");
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.preimage"),
        "0"
    );
}

/// A follower that was made behind the guard's back has no trigger: what would take its rows is refused until the table it
/// follows is registered again, as it was.
#[test]
fn a_follower_made_without_the_library_is_not_destroyed_unseen() {
    let (_server, db) = world(Preload::None);
    let mut admin = db.connect();
    passes(
        &mut admin,
        "SELECT backstop.protect('users', max_rows => 7, expendable => $$plan = 'it''s'$$)",
    );
    let mut fresh = db.connect();
    passes(
        &mut fresh,
        "CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
         INSERT INTO notes VALUES (1, 1)",
    );
    let missing =
        "SELECT value FROM backstop.status() WHERE property = 'table without enabled triggers'";
    assert_eq!(query_text(&mut admin, missing), "public.notes");
    let mut register = String::new();
    for statement in [
        "DELETE FROM notes WHERE id = 1",
        "DELETE FROM users WHERE id = 1",
    ] {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF013", "{refusal:?}");
        assert_eq!(
            refusal.message,
            "table \"notes\" lacks the trigger \"backstop_capture\""
        );
        register = refusal
            .hint
            .split_once("makes it: ")
            .expect("a command")
            .1
            .to_string();
    }
    passes(&mut admin, &register);
    let registered = "SELECT max_rows, expendable FROM backstop.protected_table";
    assert_eq!(
        query_text(&mut admin, registered),
        "7|(plan = 'it''s'::text)"
    );
    passes(&mut admin, "DELETE FROM users WHERE id = 1");
    let rows = "SELECT string_agg(relation, ' ' ORDER BY relation) FROM backstop.preimage";
    assert_eq!(
        query_text(&mut admin, rows),
        "public.notes public.sessions public.users"
    );
}
