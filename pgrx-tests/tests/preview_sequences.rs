//! Sequences in a preview: a registered one is shown where it would go and stays where it is; another one moves, and the
//! preview says that it cannot be taken back.

mod preview {
    pub mod sequences;
}

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{passes, query_text, refused};
use preview::sequences::{STILL, previewed, state, world};

#[test]
fn the_rehearsal_of_incident_a() {
    let (_db, mut admin, mut app) = world();
    assert_eq!(
        query_text(
            &mut app,
            "SELECT relation, operation, rows, rules, sample
             FROM backstop.preview($$SELECT setval('users_id_seq', 9000000000)$$)"
        ),
        "public.users_id_seq|SETVAL|0|{sequence_guard}|{\"to\": 9000000000, \"from\": 57, \"next\": 9000000001, \
         \"registered\": true, \"to_is_called\": true, \"from_is_called\": true}"
    );
    assert_eq!(state(&mut admin), STILL);
    assert_eq!(query_text(&mut app, "SELECT nextval('users_id_seq')"), "58");
}

#[test]
fn a_registered_sequence_stays_however_it_is_moved() {
    let (_db, mut admin, mut app) = world();
    let guarded = "public.users_id_seq|57|9000|9001|true|{sequence_guard}";
    let drawn = "public.users_id_seq|57|58|59|true|{}";
    let (identity, small) = (
        "public.counted_id_seq|1|1|2|true|{}",
        "public.small_id_seq|1|1|2|true|{}",
    );
    let cases = [
        ("SELECT setval('users_id_seq', 9000)", guarded),
        (
            "SELECT setval('users_id_seq', 9000, false)",
            "public.users_id_seq|57|9000|9000|true|{sequence_guard}",
        ),
        ("SELECT jump(9000)", guarded),
        (
            "SELECT setval('users_id_seq', 60)",
            "public.users_id_seq|57|60|61|true|{}",
        ),
        (
            "SELECT setval('users_id_seq', 1)",
            "public.users_id_seq|57|1|2|true|{sequence_guard}",
        ),
        (
            "DO 'BEGIN PERFORM setval(''users_id_seq'', 60); PERFORM setval(''users_id_seq'', 9000); END'",
            guarded,
        ),
        ("SELECT nextval('users_id_seq')", drawn),
        ("SELECT draw()", drawn),
        (
            "SELECT sum(draw()) FROM generate_series(1, 3)",
            "public.users_id_seq|57|60|61|true|{}",
        ),
        ("INSERT INTO users (note) VALUES ('a')", drawn),
        (
            "INSERT INTO users (note) VALUES ('a'), ('b')",
            "public.users_id_seq|57|59|60|true|{}",
        ),
        (
            "INSERT INTO users (note) SELECT note FROM users UNION ALL SELECT 'x'",
            drawn,
        ),
        (
            "WITH w AS (INSERT INTO users (note) VALUES ('a') RETURNING id) SELECT id FROM w",
            drawn,
        ),
        (
            "MERGE INTO users AS u USING (VALUES (1)) AS v (n) ON u.id = v.n
             WHEN NOT MATCHED THEN INSERT (id, note) VALUES (draw(), 'x')",
            drawn,
        ),
        ("INSERT INTO users VALUES (1, 'x') RETURNING draw()", drawn),
        ("INSERT INTO counted DEFAULT VALUES", identity),
        (
            "INSERT INTO counted (id, note) VALUES (7, 'a'), (DEFAULT, 'b')",
            identity,
        ),
        ("INSERT INTO small (note) VALUES ('a')", small),
        (
            "INSERT INTO small (note) VALUES ('a') RETURNING pg_typeof(id)",
            small,
        ),
        (
            "EXPLAIN (ANALYZE, VERBOSE) INSERT INTO counted DEFAULT VALUES",
            identity,
        ),
    ];
    for (statement, expected) in cases {
        assert_eq!(previewed(&mut app, statement), expected, "{statement}");
        assert_eq!(state(&mut admin), STILL, "{statement}");
    }
}

#[test]
fn a_statement_sees_the_values_it_would_have_seen() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "CREATE TABLE seen (n bigint); GRANT SELECT ON seen TO app",
    );
    // What it saw is told by a row that it destroys.
    passes(&mut admin, "INSERT INTO users VALUES (1, 'x')");
    let saw = |client: &mut Client, expression: &str| {
        let sql = format!(
            "SELECT sample #>> '{{0,new_values,note}}'
             FROM backstop.preview($preview$UPDATE users SET note = concat_ws(',', {expression}) WHERE id = 1$preview$)
             WHERE operation = 'UPDATE'"
        );
        query_text(client, &sql)
    };
    assert_eq!(
        saw(
            &mut app,
            "nextval('users_id_seq'), nextval('users_id_seq'), currval('users_id_seq'), lastval()"
        ),
        "58,59,59,59"
    );
    assert_eq!(
        saw(
            &mut app,
            "setval('users_id_seq', 70), currval('users_id_seq'), nextval('users_id_seq')"
        ),
        "70,70,71"
    );
    assert_eq!(
        saw(
            &mut app,
            "setval('users_id_seq', 70, false), nextval('users_id_seq'), lastval()"
        ),
        "70,70,70"
    );
    // lastval speaks of the last sequence, which may be one that really moved.
    assert_eq!(
        saw(
            &mut app,
            "nextval('users_id_seq'), nextval('free_seq'), lastval(), currval('users_id_seq')"
        ),
        "58,11,11,58"
    );
    assert_eq!(state(&mut admin), STILL);
    // The session has drawn nothing of the registered one.
    let refusal = refused(&mut app, "SELECT currval('users_id_seq')");
    assert_eq!(refusal.sqlstate, "55000");
}

#[test]
fn the_end_of_a_sequence_is_its_end_in_a_preview_too() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE SEQUENCE three MINVALUE 1 MAXVALUE 3; CREATE SEQUENCE wheel MINVALUE 1 MAXVALUE 3 CYCLE;
         CREATE SEQUENCE down INCREMENT -1 MINVALUE -3;
         SELECT backstop.protect_sequence('three'), backstop.protect_sequence('wheel'), backstop.protect_sequence('down')",
    );
    let draw = |name: &str, times: u32| {
        format!("SELECT nextval('{name}') FROM generate_series(1, {times})")
    };
    assert_eq!(
        previewed(&mut app, &draw("three", 3)),
        "public.three|1|3|null|true|{}"
    );
    assert_eq!(
        previewed(&mut app, &draw("wheel", 4)),
        "public.wheel|1|1|2|true|{}"
    );
    assert_eq!(
        previewed(&mut app, &draw("down", 2)),
        "public.down|-1|-2|-3|true|{}"
    );
    let really = draw("three", 4);
    let preview = format!("SELECT * FROM backstop.preview($preview${really}$preview$)");
    let (shown, real) = (refused(&mut app, &preview), refused(&mut app, &really));
    assert_eq!(shown.sqlstate, "2200H");
    assert_eq!(shown.message, real.message);
    let bounds = "SELECT setval('users_id_seq', 0)";
    let preview = format!("SELECT * FROM backstop.preview($preview${bounds}$preview$)");
    let shown = refused(&mut app, &preview);
    passes(
        &mut admin,
        "SELECT backstop.unprotect_sequence('users_id_seq')",
    );
    let real = refused(&mut app, bounds);
    assert_eq!(
        (shown.sqlstate, shown.message),
        (real.sqlstate, real.message)
    );
}

#[test]
fn the_privileges_are_those_that_the_statement_needs() {
    let (db, mut admin, _app) = world();
    passes(
        &mut admin,
        "GRANT INSERT ON users, counted TO outsider; GRANT SELECT ON users_id_seq TO outsider",
    );
    let mut outsider = db.connect_as("outsider");
    for statement in [
        "SELECT nextval('users_id_seq')",
        "SELECT setval('users_id_seq', 58)",
        "INSERT INTO users (note) VALUES ('x')",
        "SELECT nextval('counted_id_seq')",
        "SELECT currval('counted_id_seq')",
    ] {
        let preview = format!("SELECT * FROM backstop.preview($preview${statement}$preview$)");
        let (shown, real) = (
            refused(&mut outsider, &preview),
            refused(&mut outsider, statement),
        );
        assert_eq!(shown.sqlstate, "42501", "{statement}");
        assert_eq!(shown.message, real.message, "{statement}");
    }
    // An identity column asks for none on its sequence.
    assert_eq!(
        query_text(
            &mut outsider,
            "SELECT count(*) FROM backstop.preview('INSERT INTO counted DEFAULT VALUES') WHERE operation = 'SETVAL'"
        ),
        "1"
    );
    passes(&mut admin, "GRANT USAGE ON users_id_seq TO outsider");
    passes(
        &mut outsider,
        "SELECT * FROM backstop.preview('INSERT INTO users (note) VALUES (''x'')')",
    );
    let refusal = refused(
        &mut outsider,
        "BEGIN READ ONLY; SELECT * FROM backstop.preview($$SELECT nextval('users_id_seq')$$)",
    );
    assert_eq!(refusal.sqlstate, "25006");
    passes(&mut outsider, "ROLLBACK");
}

#[test]
fn what_the_statement_made_itself_goes_with_it() {
    let (_db, mut admin, _app) = world();
    for statement in [
        "DO $$ BEGIN CREATE SEQUENCE made; PERFORM nextval('made'); END $$",
        "DO $$ BEGIN ALTER SEQUENCE free_seq RESTART WITH 5; PERFORM nextval('free_seq'); END $$",
    ] {
        assert_eq!(previewed(&mut admin, statement), "", "{statement}");
    }
    let standing = "SELECT last_value, to_regclass('made') FROM free_seq";
    assert_eq!(query_text(&mut admin, standing), "10|null");
}
