//! Approve and run: what was previewed, by whom it was asked for, once.

mod preview {
    pub mod world;
}

use pg_backstop_tests::{passes, passes_with, query_text, refused, refused_with};
use preview::world::{
    FIVE, approve, ask, left, passes_under, refused_under, run, set_local, token, users, world,
};

#[test]
fn run_does_what_was_previewed_and_records_who_approved_it() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    assert_eq!(
        query_text(&mut world.app, &run(&token)),
        "public.users|DELETE|5\npublic.subscriptions|DELETE|5\npublic.invoices|UPDATE|5"
    );
    assert_eq!(left(&mut world), "195");
    let recorded =
        "SELECT query, rows, session_role, approval - 'request_id' FROM backstop.statement";
    assert_eq!(
        query_text(&mut world.admin, recorded),
        format!(
            r#"{FIVE}|15|app|{{"kind": "second_person", "reason": "looked at the list", "approved_by": "reviewer", "requested_for": "OPS-142"}}"#
        )
    );
    let request = "SELECT used_at IS NOT NULL, used_statement_id = (SELECT statement_id FROM backstop.statement) FROM backstop.request_log";
    assert_eq!(query_text(&mut world.admin, request), "t|t");
    passes(
        &mut world.admin,
        "SELECT * FROM backstop.restore((SELECT statement_id FROM backstop.statement), false)",
    );
    assert_eq!(left(&mut world), "200");
}
#[test]
fn a_token_serves_as_the_transactions_approval() {
    let mut world = world();
    for statement in [
        FIVE,
        "SELECT count(*) FROM gone(6, 8)",
        "DO $$ BEGIN DELETE FROM users WHERE id BETWEEN 9 AND 10; END $$",
        "WITH d AS (DELETE FROM users WHERE id BETWEEN 11 AND 12 RETURNING id) SELECT * FROM d",
        "CALL goner(13, 14)",
        "UPDATE users SET plan = 'x', updated_at = now() WHERE id BETWEEN 20 AND 22",
    ] {
        passes(
            &mut world.admin,
            "CREATE OR REPLACE FUNCTION gone(a bigint, b bigint) RETURNS SETOF bigint LANGUAGE sql AS
                'DELETE FROM users WHERE id BETWEEN a AND b RETURNING id';
             CREATE OR REPLACE PROCEDURE goner(a bigint, b bigint) LANGUAGE plpgsql AS
                $$ BEGIN DELETE FROM users WHERE id BETWEEN a AND b; END $$",
        );
        let token = token(&mut world, statement);
        passes_under(&mut world.app, &token, statement);
        assert_eq!(
            refused_under(&mut world.app, &token, statement),
            "SF010",
            "{statement}"
        );
    }
    assert_eq!(left(&mut world), "186");
    let used = "SELECT count(*) FROM backstop.request_log AS r JOIN backstop.statement AS s ON s.statement_id = r.used_statement_id
                WHERE (s.approval ->> 'request_id')::bigint = r.request_id AND s.query = r.statement";
    assert_eq!(query_text(&mut world.admin, used), "6");
}
#[test]
fn the_extended_protocol_runs_it_with_and_without_parameters() {
    let mut world = world();
    let plain = token(&mut world, FIVE);
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &set_local(&plain));
    assert_eq!(passes_with(&mut world.app, FIVE, &[]), 5);
    passes(&mut world.app, "COMMIT");
    let bound = "DELETE FROM users WHERE id BETWEEN $1 AND $2";
    let request = query_text(
        &mut world.app,
        &format!("SELECT DISTINCT request_id FROM backstop.preview('{bound}', 'x', '[10, 12]')"),
    );
    let token = approve(&mut world.reviewer, &request);
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &set_local(&token));
    let refusal = refused_with(&mut world.app, bound, &[&20i64, &22i64]);
    assert_eq!(refusal.sqlstate, "SF011");
    passes(&mut world.app, "ROLLBACK; BEGIN");
    passes(&mut world.app, &set_local(&token));
    assert_eq!(passes_with(&mut world.app, bound, &[&10i64, &12i64]), 3);
    passes(&mut world.app, "COMMIT");
    // And run() binds what was previewed.
    let request = query_text(
        &mut world.app,
        &format!("SELECT DISTINCT request_id FROM backstop.preview('{bound}', 'x', '[20, 22]')"),
    );
    let token = approve(&mut world.reviewer, &request);
    assert_eq!(
        query_text(&mut world.app, &run(&token)).lines().next(),
        Some("public.users|DELETE|3")
    );
    assert_eq!(left(&mut world), "189");
}
#[test]
fn now_means_now_when_it_runs() {
    let mut world = world();
    let statement = "UPDATE users SET updated_at = now(), plan = 'paid' WHERE id < 6";
    let token = token(&mut world, statement);
    passes(&mut world.app, "SELECT pg_sleep(0.1)");
    passes(&mut world.app, &run(&token));
    let fresh = "SELECT count(*) FROM users WHERE updated_at > '2021-01-01' AND plan = 'paid'";
    assert_eq!(query_text(&mut world.app, fresh), "5");
}
#[test]
fn expendable_rows_are_counted_apart() {
    let mut world = world();
    passes(
        &mut world.admin,
        "INSERT INTO users SELECT n, 'test', 'free' FROM generate_series(1001, 1900) n;
         SELECT backstop.protect('users', max_rows => 10, require => 'always', expendable => $$auth_source = 'test'$$)",
    );
    let mixed = "DELETE FROM users WHERE id > 1000 OR id IN (1, 2, 3)";
    let request = ask(&mut world.app, mixed);
    let counted = "SELECT rows - (SELECT sum(rows) FROM backstop.request_step WHERE cause IS NOT NULL), expendable_rows FROM backstop.request_log";
    assert_eq!(query_text(&mut world.admin, counted), "3|900");
    // Three rows are three too many without an approval.
    let refusal = refused(
        &mut world.app,
        "DELETE FROM users WHERE plan = 'free' AND id IN (1, 1001, 1002)",
    );
    assert!(
        ["SF005", "SF010"].contains(&refusal.sqlstate.as_str()),
        "{refusal:?}"
    );
    assert_eq!(
        refused(&mut world.app, "DELETE FROM users WHERE id = 3").sqlstate,
        refusal.sqlstate
    );
    passes(&mut world.app, "DELETE FROM users WHERE id IN (1001, 1002)");
    // Two test users fewer: another list.
    let token = approve(&mut world.reviewer, &request);
    assert_eq!(refused(&mut world.app, &run(&token)).sqlstate, "SF011");
    let request = ask(&mut world.app, mixed);
    let token = approve(&mut world.reviewer, &request);
    passes(&mut world.app, &run(&token));
    assert_eq!(left(&mut world), "197");
}
#[test]
fn a_row_made_expendable_is_not_expendable_in_the_same_transaction() {
    let mut world = world();
    passes(
        &mut world.admin,
        "SELECT backstop.protect('users', max_rows => 10, require => 'always', expendable => $$auth_source = 'test'$$);
         CREATE TABLE events (id int, region text, kind text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
         CREATE TABLE events_eu PARTITION OF events FOR VALUES IN ('eu'); CREATE TABLE events_us PARTITION OF events FOR VALUES IN ('us');
         INSERT INTO events SELECT n, 'eu', 'real' FROM generate_series(1, 20) n; GRANT ALL ON events TO app;
         SELECT backstop.protect('events', require => 'always', expendable => $$kind = 'test'$$)",
    );
    for trick in [
        "UPDATE users SET auth_source = 'test' WHERE id = 1",
        "INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET auth_source = 'test'",
        "WITH u AS (UPDATE users SET auth_source = 'test' WHERE id = 1 RETURNING 1) SELECT * FROM u",
        "DO $$ BEGIN UPDATE users SET auth_source = 'test' WHERE id = 1; DELETE FROM users WHERE id = 1; END $$",
    ] {
        let refusal = refused(&mut world.app, trick);
        assert!(refusal.sqlstate.starts_with("SF0"), "{trick} {refusal:?}");
    }
    // An approval for the UPDATE is none for the DELETE.
    let approved = r#"SET LOCAL backstop.approval = '{"reason": "x", "max_rows": 50}'"#;
    for (update, delete) in [
        (
            "UPDATE users SET auth_source = 'test' WHERE id = ANY ('{1,2,3}')",
            "DELETE FROM users WHERE id = 2",
        ),
        (
            "UPDATE users SET auth_source = 'test' WHERE id = ANY ('{1,2,3}'); UPDATE users SET plan = 'y' WHERE id = 2",
            "DELETE FROM users WHERE id = 2",
        ),
        (
            "UPDATE events SET kind = 'test', region = 'us' WHERE id = 2",
            "DELETE FROM events WHERE id = 2 AND region = 'us'",
        ),
    ] {
        passes(
            &mut world.app,
            &format!("BEGIN; {approved}; {update}; SET LOCAL backstop.approval = ''"),
        );
        let refusal = refused(&mut world.app, delete);
        assert!(
            refusal.sqlstate.starts_with("SF0"),
            "{update}; {delete} {refusal:?}"
        );
        passes(&mut world.app, "ROLLBACK");
    }
    // In the next transaction it is what it was made; a test row stays one, changed or new.
    passes(
        &mut world.app,
        &format!("BEGIN; {approved}; UPDATE users SET auth_source = 'test' WHERE id = 2; COMMIT"),
    );
    passes(
        &mut world.app,
        "DELETE FROM subscriptions WHERE user_id = 150",
    );
    passes(
        &mut world.app,
        "BEGIN; UPDATE users SET plan = 'x' WHERE id = 150; DELETE FROM users WHERE id = 150;
         INSERT INTO users VALUES (150, 'test'); DELETE FROM users WHERE id = 150; COMMIT",
    );
    // The preview of both at once counts the row as it was.
    let both = "DO $$ BEGIN UPDATE users SET auth_source = 'test' WHERE id BETWEEN 5 AND 7; DELETE FROM users WHERE id BETWEEN 5 AND 7; END $$";
    let sql = format!(
        "SELECT operation, rows, expendable_rows FROM {} WHERE relation = 'public.users' ORDER BY operation DESC",
        preview::world::call(both)
    );
    assert_eq!(query_text(&mut world.app, &sql), "UPDATE|3|0\nDELETE|3|0");
}
#[test]
fn changes_that_are_not_rows_are_bound_too() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE TABLE logs (id int PRIMARY KEY, note text); INSERT INTO logs SELECT n, 'n' FROM generate_series(1, 20) n;
         ALTER TABLE logs OWNER TO app; SELECT backstop.protect('logs');
         CREATE SEQUENCE tickets; SELECT setval('tickets', 100); GRANT ALL ON SEQUENCE tickets TO app; SELECT backstop.protect_sequence('tickets')",
    );
    for (statement, meddling, mended) in [
        (
            "TRUNCATE logs",
            "INSERT INTO logs VALUES (21, 'n')",
            "DELETE FROM logs WHERE id = 21",
        ),
        (
            "ALTER TABLE logs DROP COLUMN note",
            "UPDATE logs SET note = 'x' WHERE id = 3",
            "UPDATE logs SET note = 'n' WHERE id = 3",
        ),
        (
            "DROP TABLE logs",
            "INSERT INTO logs VALUES (21, 'n')",
            "DELETE FROM logs WHERE id = 21",
        ),
    ] {
        let token = token(&mut world, statement);
        passes(&mut world.admin, meddling);
        for sql in [
            run(&token),
            format!("BEGIN; {}; {statement}; COMMIT", set_local(&token)),
        ] {
            assert_eq!(refused(&mut world.app, &sql).sqlstate, "SF011", "{sql}");
            passes(&mut world.app, "ROLLBACK");
        }
        passes(&mut world.admin, mended);
        passes(&mut world.app, "BEGIN");
        assert_eq!(
            query_text(&mut world.app, &run(&token)).lines().count(),
            1,
            "{statement}"
        );
        passes(&mut world.app, "ROLLBACK; BEGIN");
        passes(&mut world.app, &set_local(&token));
        passes(&mut world.app, statement);
        passes(&mut world.app, "ROLLBACK");
    }
    let back = "SELECT setval('tickets', 5)";
    assert_eq!(refused(&mut world.app, back).sqlstate, "SF007");
    let by_set = token(&mut world, back);
    assert_eq!(
        refused_under(&mut world.app, &by_set, "SELECT setval('tickets', 6)"),
        "SF011"
    );
    let last = "SELECT last_value FROM tickets";
    assert_eq!(query_text(&mut world.app, last), "100");
    passes_under(&mut world.app, &by_set, back);
    assert_eq!(query_text(&mut world.app, last), "5");
    assert_eq!(refused(&mut world.app, &run(&by_set)).sqlstate, "SF010");
    let forth = token(&mut world, "SELECT setval('tickets', 900)");
    passes(&mut world.app, &run(&forth));
    assert_eq!(query_text(&mut world.app, last), "900");
}
#[test]
fn what_the_statement_undoes_itself_is_not_held_against_it() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE TABLE ties (user_id bigint REFERENCES users); INSERT INTO ties VALUES (5); GRANT ALL ON ties TO app",
    );
    // The last user cannot go: with it the statement has, for a moment, destroyed more than it was seen to.
    let tries = "DO $$ BEGIN FOR victim IN 1..5 LOOP
            BEGIN DELETE FROM users WHERE id = victim; EXCEPTION WHEN foreign_key_violation THEN NULL; END;
        END LOOP; END $$";
    let by_run = token(&mut world, tries);
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &run(&by_run));
    assert_eq!(users(&mut world.app), "196");
    passes(&mut world.app, "ROLLBACK");
    passes(&mut world.admin, "DELETE FROM ties");
    assert_eq!(refused(&mut world.app, &run(&by_run)).sqlstate, "SF011");
    assert_eq!(refused_under(&mut world.app, &by_run, tries), "SF011");
    passes(&mut world.admin, "INSERT INTO ties VALUES (5)");
    passes_under(&mut world.app, &by_run, tries);
    assert_eq!(left(&mut world), "196");
}
#[test]
fn observe_mode_warns_of_other_rows_and_lets_them_pass() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    let observe = format!(
        "ALTER DATABASE {} SET backstop.mode = 'observe'",
        world.db.name
    );
    passes(
        &mut world.admin,
        &format!("UPDATE users SET plan = 'other' WHERE id = 3; {observe}"),
    );
    let (mut app, notices) = world.db.connect_listening("app");
    passes(&mut app, &run(&token));
    let said: Vec<String> = notices
        .take()
        .iter()
        .map(|notice| notice.message().to_owned())
        .collect();
    assert!(
        said.iter()
            .any(|message| message.contains("destroys other rows than the preview")),
        "{said:?}"
    );
}
