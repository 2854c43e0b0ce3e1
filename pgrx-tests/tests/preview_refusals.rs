//! What a preview refuses, passes on, and leaves behind when it fails.

mod preview {
    pub mod world;
}

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Refusal, passes, query_text, refused};
use preview::world::{ask, call, steps, users, world};

#[track_caller]
fn fails(client: &mut Client, statement: &str) -> Refusal {
    refused(client, &format!("SELECT * FROM {}", call(statement)))
}

#[test]
fn what_cannot_be_rolled_back_is_refused_by_name() {
    let mut world = world();
    for (statement, word) in [
        ("SELECT 1; SELECT 2", "exactly one"),
        ("", "exactly one"),
        ("-- nothing", "exactly one"),
        ("COMMIT", "transaction control"),
        ("ROLLBACK", "transaction control"),
        ("SAVEPOINT a", "transaction control"),
        ("PREPARE TRANSACTION 'a'", "transaction control"),
        ("VACUUM users", "VACUUM"),
        ("CREATE DATABASE x", "CREATE DATABASE"),
        ("DROP DATABASE x", "DROP DATABASE"),
        ("CREATE TABLESPACE x LOCATION '/tmp'", "TABLESPACE"),
        ("ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM"),
        (
            "CREATE INDEX CONCURRENTLY i ON users (plan)",
            "CONCURRENTLY",
        ),
        ("DROP INDEX CONCURRENTLY i", "CONCURRENTLY"),
        ("COPY users FROM STDIN", "COPY"),
        ("COPY users TO STDOUT", "COPY"),
        ("COPY (DELETE FROM users RETURNING 1) TO STDOUT", "COPY"),
        ("COPY users TO PROGRAM 'cat'", "PROGRAM"),
        ("COPY users FROM PROGRAM 'true'", "PROGRAM"),
        ("COPY users TO '/tmp/never_written'", "file"),
        ("LOAD 'x'", "LOAD"),
        ("DISCARD ALL", "DISCARD"),
        ("DECLARE c CURSOR FOR SELECT 1", "DECLARE"),
        ("FETCH c", "FETCH"),
    ] {
        let refusal = fails(&mut world.admin, statement);
        assert!(
            ["0A000", "42601"].contains(&refusal.sqlstate.as_str()),
            "{statement} {refusal:?}"
        );
        assert!(refusal.message.contains(word), "{statement} {refusal:?}");
        assert!(!refusal.detail.is_empty(), "{statement} {refusal:?}");
    }
    // PostgreSQL refuses these itself.
    passes(
        &mut world.admin,
        "CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id = 1; COMMIT; END $$",
    );
    for statement in [
        "CALL commits()",
        "DO $$ BEGIN DELETE FROM users WHERE id = 1; COMMIT; END $$",
        "DO $$ BEGIN DELETE FROM users WHERE id = 1; ROLLBACK; END $$",
        "REINDEX TABLE CONCURRENTLY users",
    ] {
        let refusal = fails(&mut world.admin, statement);
        assert!(
            ["2D000", "25001"].contains(&refusal.sqlstate.as_str()),
            "{statement} {refusal:?}"
        );
    }
    assert_eq!(users(&mut world.admin), "200");
}

#[test]
fn a_preview_in_a_preview_is_refused() {
    let mut world = world();
    let nested = "DO $$ BEGIN PERFORM * FROM backstop.preview('DELETE FROM users'); END $$";
    assert_eq!(fails(&mut world.app, nested).sqlstate, "55000");
    assert_eq!(
        steps(&mut world.app, "DELETE FROM users WHERE id = 200"),
        "public.users|DELETE|null|1|1"
    );
}

#[test]
fn too_many_rows_stop_the_preview() {
    let mut world = world();
    passes(
        &mut world.admin,
        &format!(
            "ALTER DATABASE {} SET backstop.preview_max_rows = 50",
            world.db.name
        ),
    );
    let mut app = world.db.connect_as("app");
    let refusal = fails(&mut app, "DELETE FROM users WHERE id > 149");
    assert_eq!(refusal.sqlstate, "54000");
    assert!(refusal.message.contains("50"), "{refusal:?}");
    assert_eq!(
        steps(&mut app, "DELETE FROM users WHERE id > 150"),
        "public.users|DELETE|null|50|50"
    );
    assert_eq!(
        refused(&mut app, "SET backstop.preview_max_rows = 1000").sqlstate,
        "42501"
    );
}

#[test]
fn errors_of_the_statement_keep_their_fields() {
    let mut world = world();
    passes(
        &mut world.admin,
        "ALTER TABLE users ADD CONSTRAINT known_plan CHECK (plan IN ('free', 'paid'))",
    );
    let refusal = fails(&mut world.app, "UPDATE users SET plan = 'x' WHERE id = 1");
    assert_eq!(
        [
            &refusal.sqlstate,
            &refusal.constraint,
            &refusal.table,
            &refusal.schema
        ],
        ["23514", "known_plan", "users", "public"]
    );
    let refusal = fails(&mut world.app, "INSERT INTO users VALUES (1, 'x', 'free')");
    assert_eq!(
        [&refusal.sqlstate, &refusal.constraint, &refusal.table],
        ["23505", "users_pkey", "users"]
    );
    assert_eq!(
        fails(&mut world.app, "DELETE FROM nowhere").sqlstate,
        "42P01"
    );
    let refusal = fails(&mut world.app, "DELETE FORM users");
    assert_eq!(refusal.sqlstate, "42601");
    // Caught in PL/pgSQL, with the fields a handler can read.
    let caught = "CREATE FUNCTION caught() RETURNS text LANGUAGE plpgsql AS $f$
        DECLARE c text; t text; s text; BEGIN
            PERFORM * FROM backstop.preview('UPDATE users SET plan = ''x'' WHERE id = 1', 'x');
            RETURN 'passed';
        EXCEPTION WHEN check_violation THEN
            GET STACKED DIAGNOSTICS c = CONSTRAINT_NAME, t = TABLE_NAME, s = RETURNED_SQLSTATE;
            PERFORM * FROM backstop.preview('DELETE FROM users WHERE id = 1', 'x');
            RETURN concat_ws(' ', s, t, c);
        END $f$";
    passes(&mut world.app, caught);
    assert_eq!(
        query_text(&mut world.app, "SELECT caught()"),
        "23514 users known_plan"
    );
    assert_eq!(
        query_text(&mut world.app, "SELECT caught()"),
        "23514 users known_plan"
    );
    assert_eq!(users(&mut world.app), "200");
}

#[test]
fn after_a_failed_preview_everything_is_judged_and_counted_as_before() {
    let mut world = world();
    for failing in [
        "DELETE FROM users WHERE 1 / (id - 50) > 0",
        "SELECT 1; SELECT 2",
        "DO $$ BEGIN DELETE FROM users WHERE id < 50; RAISE EXCEPTION 'no'; END $$",
        "DO $$ BEGIN DELETE FROM users WHERE id < 50; PERFORM backstop.run('backstop-1-00'); END $$",
    ] {
        fails(&mut world.app, failing);
        assert_eq!(
            refused(&mut world.app, "DELETE FROM users WHERE id < 50").sqlstate,
            "SF001",
            "{failing}"
        );
        passes(&mut world.app, "BEGIN");
        passes(&mut world.app, "SAVEPOINT s");
        fails(&mut world.app, failing);
        passes(&mut world.app, "ROLLBACK TO s");
        let plan = "UPDATE users SET plan = 'free' WHERE auth_source = 'oauth'";
        assert_eq!(refused(&mut world.app, plan).sqlstate, "SF005", "{failing}");
        passes(&mut world.app, "ROLLBACK");
    }
    passes(&mut world.app, "UPDATE users SET plan = 'x' WHERE id = 1");
    let recorded = "SELECT rows, query FROM backstop.statement";
    assert_eq!(
        query_text(&mut world.admin, recorded),
        "1|UPDATE users SET plan = 'x' WHERE id = 1"
    );
}

#[test]
fn a_timeout_ends_a_preview_and_nothing_else() {
    let mut world = world();
    passes(&mut world.app, "SET statement_timeout = '200ms'");
    let slow = "DO $$ BEGIN DELETE FROM users WHERE id > 150; PERFORM pg_sleep(5); END $$";
    assert_eq!(fails(&mut world.app, slow).sqlstate, "57014");
    passes(&mut world.app, "RESET statement_timeout");
    assert_eq!(users(&mut world.app), "200");
    assert_eq!(
        steps(&mut world.app, "DELETE FROM users WHERE id = 200"),
        "public.users|DELETE|null|1|1"
    );
}

#[test]
fn a_read_only_transaction_previews_nothing_destructive() {
    let mut world = world();
    passes(&mut world.app, "BEGIN READ ONLY");
    assert_eq!(
        fails(&mut world.app, "DELETE FROM users WHERE id = 1").sqlstate,
        "25006"
    );
    passes(&mut world.app, "ROLLBACK");
}

#[test]
fn without_anything_protected_or_with_the_mode_off_a_preview_says_so() {
    let mut world = world();
    passes(&mut world.admin, "SET backstop.mode = off");
    let refusal = fails(&mut world.admin, "DELETE FROM users");
    assert!(refusal.message.contains("off"), "{refusal:?}");
    passes(&mut world.admin, "SET backstop.mode = observe");
    assert!(
        steps(&mut world.admin, "DELETE FROM users").contains("public.users|DELETE|null|200|100")
    );
    passes(
        &mut world.admin,
        "RESET backstop.mode; SELECT backstop.unprotect('users')",
    );
    let refusal = fails(&mut world.admin, "DELETE FROM users");
    assert!(
        refusal.message.contains("nothing is protected"),
        "{refusal:?}"
    );
}

#[test]
fn a_preview_of_dropping_the_extension_leaves_the_session_guarded() {
    let mut world = world();
    for statement in [
        "DROP EXTENSION pg_backstop CASCADE",
        "DROP SCHEMA backstop CASCADE",
        "SELECT backstop.unprotect('users')",
        "DROP TABLE users CASCADE",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "SET backstop.mode = off",
        "DO $$ BEGIN PERFORM set_config('backstop.mode', 'observe', false); END $$",
    ] {
        ask(&mut world.admin, statement);
        assert_eq!(
            refused(&mut world.admin, "DELETE FROM users WHERE id < 50").sqlstate,
            "SF001",
            "{statement}"
        );
        passes(&mut world.admin, "UPDATE users SET plan = 'x' WHERE id = 1");
    }
    let recorded = "SELECT count(*) FROM backstop.statement";
    assert_eq!(query_text(&mut world.admin, recorded), "7");
}

#[test]
fn a_session_that_saw_no_extension_notices_it_again() {
    let mut world = world();
    passes(
        &mut world.admin,
        "BEGIN; SET LOCAL backstop.mode = off; SAVEPOINT s; DROP EXTENSION pg_backstop CASCADE;
         SET LOCAL backstop.mode = enforce; SELECT count(*) FROM users; ROLLBACK TO s; SET LOCAL backstop.mode = enforce",
    );
    assert_eq!(
        refused(&mut world.admin, "DELETE FROM users WHERE id < 50").sqlstate,
        "SF001"
    );
}

#[test]
fn a_preview_stopped_at_any_moment_leaves_the_session_as_it_was() {
    let mut world = world();
    passes(
        &mut world.admin,
        "SET backstop.mode = off; INSERT INTO users SELECT n, 'oauth', 'free' FROM generate_series(1000, 6000) n",
    );
    let all = "SELECT count(*) FROM users";
    let before = query_text(&mut world.app, all);
    let statements = [
        "DELETE FROM users",
        "DO $$ BEGIN FOR i IN 1000..1400 LOOP
            BEGIN DELETE FROM users WHERE id = i; IF i % 3 = 0 THEN RAISE EXCEPTION 'no'; END IF;
            EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; PERFORM pg_sleep(1); END $$",
    ];
    let mut stopped = 0;
    for milliseconds in [1, 2, 4, 7, 11, 16, 22, 29, 37, 46, 60, 80, 110, 150] {
        for statement in statements {
            passes(
                &mut world.app,
                &format!("SET statement_timeout = {milliseconds}"),
            );
            let preview = format!("SELECT count(*) FROM {}", call(statement));
            stopped += i32::from(world.app.batch_execute(&preview).is_err());
            passes(&mut world.app, "SET statement_timeout = 0");
            let next = refused(&mut world.app, "DELETE FROM users WHERE id < 50");
            assert_eq!(next.sqlstate, "SF001", "{milliseconds} {statement}");
        }
    }
    assert!(stopped >= 14, "only {stopped} were stopped");
    assert_eq!(query_text(&mut world.app, all), before);
    let recorded = "SELECT count(*) FROM backstop.statement";
    assert_eq!(query_text(&mut world.admin, recorded), "0");
}
