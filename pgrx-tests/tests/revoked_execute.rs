//! The functions that PostgreSQL calls with the rights of whoever changes what is guarded stay executable by everyone: a
//! REVOKE, as hardening guides have it, would make every change of a protected table fail.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database, database_with_app, passes, query_text, refused,
};

const WORLD: &str = "
    CREATE TABLE users (id int PRIMARY KEY, plan text); INSERT INTO users VALUES (1, 'free'), (2, 'free');
    CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE SEQUENCE numbers;
    GRANT ALL ON users TO app; GRANT ALL ON SEQUENCE numbers TO app; GRANT CREATE ON SCHEMA public TO app;
    ALTER TABLE parted OWNER TO app;
    SELECT backstop.protect('users'); SELECT backstop.protect('parted');
    SELECT backstop.protect_sequence('numbers', max_step => 5)";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

const REFUSED: &[&str] = &[
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA backstop FROM PUBLIC",
    "REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA public, backstop FROM app, PUBLIC",
    "REVOKE EXECUTE ON FUNCTION backstop.capture_row() FROM PUBLIC",
    "REVOKE ALL PRIVILEGES ON FUNCTION backstop.capture_row FROM PUBLIC CASCADE",
    "REVOKE EXECUTE ON ROUTINE backstop.capture() FROM PUBLIC",
    "REVOKE EXECUTE ON FUNCTION backstop.guarded_setval(regclass, bigint) FROM PUBLIC",
    "SET search_path = backstop; REVOKE EXECUTE ON FUNCTION guarded_setval(regclass, bigint, boolean) FROM PUBLIC",
    "DO $$ BEGIN EXECUTE 'REVOKE EXECUTE ON FUNCTION backstop.capture_row() FROM PUBLIC'; END $$",
];

#[test]
fn what_everyone_needs_cannot_be_revoked_from_everyone() {
    let (_db, mut admin, mut app) = world();
    for statement in REFUSED {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF013", "{statement}\n{refusal:?}");
        assert!(
            refusal
                .message
                .starts_with("change of everyone's privileges on function \"backstop."),
            "{refusal:?}"
        );
        assert!(
            refusal
                .hint
                .contains("PUBLIC keeps EXECUTE on backstop.capture_row()"),
            "{refusal:?}"
        );
    }
    for statement in [
        "UPDATE users SET plan = 'pro' WHERE id = 1",
        "DELETE FROM users WHERE id = 1",
        "SELECT setval('numbers', 3); SELECT setval('numbers', 4, true)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9)",
    ] {
        passes(&mut app, statement);
    }
}

#[test]
fn an_approval_does_not_cover_it() {
    let (_db, mut admin, _app) = world();
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', 100)",
    );
    assert_eq!(refused(&mut admin, REFUSED[0]).sqlstate, "SF013");
}

#[test]
fn other_functions_and_other_grantees_are_not_its_business() {
    let (_db, mut admin, mut app) = world();
    for statement in [
        "REVOKE EXECUTE ON FUNCTION backstop.check(text), backstop.status(), backstop.preview(text, text) FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION backstop.capture_row() TO app",
        "REVOKE EXECUTE ON FUNCTION backstop.capture_row() FROM app",
        "REVOKE GRANT OPTION FOR EXECUTE ON FUNCTION backstop.capture_row() FROM PUBLIC",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION mine() FROM PUBLIC",
    ] {
        passes(&mut admin, statement);
    }
    // Who may not grant it cannot take it either: PostgreSQL warns of that, and nothing is changed.
    passes(&mut app, REFUSED[2]);
    passes(
        &mut app,
        "UPDATE users SET plan = 'pro' WHERE id = 1; DELETE FROM users WHERE id = 2",
    );
    let recorded = "SELECT count(*) FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, recorded), "2");
}

/// Nothing that the guard does for ordinary users asks whether they may use its schema.
#[test]
fn the_schema_may_be_closed_to_everyone() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "REVOKE ALL ON SCHEMA backstop FROM PUBLIC; GRANT REFERENCES ON users TO app",
    );
    for statement in [
        "UPDATE users SET plan = 'pro' WHERE id = 1",
        "SELECT setval('numbers', 3)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9)",
        "CREATE TABLE later (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE)",
        "INSERT INTO later VALUES (1, 2)",
        "DELETE FROM users WHERE id = 2",
        "ALTER TABLE later DROP COLUMN user_id",
        "CREATE TABLE parted_2 (id int PRIMARY KEY)",
        r#"BEGIN; SET LOCAL backstop.approval = '{"reason": "OPS-1", "max_rows": 5}';
           ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (9) TO (20); COMMIT"#,
    ] {
        passes(&mut app, statement);
    }
    let recorded =
        "SELECT relation, operation, count(*) FROM backstop.preimage GROUP BY 1, 2 ORDER BY 1, 2";
    assert_eq!(
        query_text(&mut admin, recorded),
        "public.later|DELETE|1\npublic.users|DELETE|1\npublic.users|UPDATE|1"
    );
    assert_eq!(refused(&mut app, "DELETE FROM users").sqlstate, "SF002");
}

#[test]
fn where_nothing_is_protected_it_passes_and_nothing_can_be_protected_until_it_is_granted_again() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE users (id int PRIMARY KEY); CREATE SEQUENCE numbers;
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA backstop FROM PUBLIC",
    );
    let withheld = "SELECT value FROM backstop.status() WHERE property = 'function without EXECUTE for PUBLIC'";
    assert_eq!(
        query_text(&mut admin, withheld),
        "backstop.capture_row()\nbackstop.capture()\nbackstop.guarded_setval(regclass, bigint)\n\
         backstop.guarded_setval(regclass, bigint, boolean)"
    );
    let mut hint = String::new();
    for statement in [
        "SELECT backstop.protect('users')",
        "SELECT backstop.protect_columns('users', '{id}', 'x')",
        "SELECT backstop.protect_sequence('numbers')",
    ] {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
        assert_eq!(
            refusal.message,
            "function \"backstop.capture_row()\" is not executable by everyone"
        );
        hint = refusal.hint;
    }
    passes(&mut admin, hint.trim_end_matches('.'));
    passes(&mut admin, "SELECT backstop.protect('users')");
    assert_eq!(query_text(&mut admin, withheld), "");
}

#[test]
fn what_was_revoked_while_the_mode_was_off_stands_in_the_way_of_no_other_revoke() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SET backstop.mode = off; REVOKE EXECUTE ON FUNCTION backstop.capture_row() FROM PUBLIC; RESET backstop.mode;
         REVOKE EXECUTE ON FUNCTION backstop.check(text) FROM PUBLIC",
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT value FROM backstop.status() WHERE property LIKE 'function%'"
        ),
        "backstop.capture_row()"
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id = 1").sqlstate,
        "42501"
    );
    passes(
        &mut admin,
        "GRANT EXECUTE ON FUNCTION backstop.capture_row() TO PUBLIC",
    );
    passes(&mut app, "DELETE FROM users WHERE id = 1");
    approved(&mut admin, 10, "DROP TABLE parted");
}
