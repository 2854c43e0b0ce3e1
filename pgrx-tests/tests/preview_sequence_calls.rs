//! What stands in for nextval and setval in a preview: where it cannot, that it stays there, and what it does outside.

mod preview {
    pub mod sequences;
}

use pg_backstop_tests::{passes, query_text, refused};
use preview::sequences::{STILL, previewed, state, world};

#[test]
fn an_unregistered_sequence_moves_and_the_preview_says_so() {
    let (_db, _admin, mut app) = world();
    assert_eq!(
        previewed(&mut app, "SELECT nextval('free_seq')"),
        "public.free_seq|10|11|12|false|{}"
    );
    assert_eq!(
        previewed(&mut app, "SELECT setval('free_seq', 500)"),
        "public.free_seq|11|500|501|false|{}"
    );
    assert_eq!(
        previewed(&mut app, "INSERT INTO loose (note) VALUES ('a'), ('b')"),
        "public.loose_id_seq|1|2|3|false|{}"
    );
    let warned = "SELECT count(*) FROM backstop.preview($$SELECT nextval('free_seq')$$)
                  WHERE sample ->> 'warning' LIKE '%do not roll back%'";
    assert_eq!(query_text(&mut app, warned), "1");
    assert_eq!(
        query_text(&mut app, "SELECT last_value FROM free_seq"),
        "501"
    );
}

#[test]
fn ddl_that_restarts_is_shown_and_rolled_back() {
    let (_db, mut admin, _app) = world();
    passes(
        &mut admin,
        "INSERT INTO counted (note) VALUES ('a'), ('b'), ('c')",
    );
    let still = "57|t|3|t|f";
    let cases = [
        (
            "ALTER SEQUENCE users_id_seq RESTART WITH 5",
            "public.users_id_seq|57|5|5|true|{sequence_guard}",
        ),
        (
            "ALTER SEQUENCE users_id_seq RESTART WITH 60",
            "public.users_id_seq|57|60|60|true|{}",
        ),
        (
            "DO $$ BEGIN ALTER SEQUENCE users_id_seq RESTART WITH 5; PERFORM nextval('users_id_seq'); END $$",
            "public.users_id_seq|57|5|6|true|{sequence_guard}",
        ),
        (
            "ALTER TABLE counted ALTER id RESTART WITH 9000",
            "public.counted_id_seq|3|9000|9000|true|{sequence_guard}",
        ),
        (
            "TRUNCATE counted RESTART IDENTITY",
            "public.counted_id_seq|3|1|1|true|{sequence_guard}",
        ),
    ];
    for (statement, expected) in cases {
        assert_eq!(previewed(&mut admin, statement), expected, "{statement}");
        assert_eq!(state(&mut admin), still, "{statement}");
    }
    let recorded = "SELECT count(*) FROM backstop.sequence_change";
    assert_eq!(query_text(&mut admin, recorded), "0");
}

#[test]
fn what_no_query_plans_is_refused() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE checked (n bigint CHECK (setval('users_id_seq', n) > 0));
         CREATE TABLE drawing (n bigint CHECK (n < nextval('free_seq')))",
    );
    for (statement, name) in [
        (
            "ALTER TABLE counted ADD COLUMN n bigint DEFAULT nextval('users_id_seq')",
            "nextval",
        ),
        (
            "ALTER TABLE counted ADD COLUMN n bigint DEFAULT setval('users_id_seq', 9000)",
            "setval",
        ),
    ] {
        passes(
            &mut admin,
            "TRUNCATE counted; INSERT INTO counted (id) VALUES (1)",
        );
        let preview = format!("SELECT * FROM backstop.preview($preview${statement}$preview$)");
        let refusal = refused(&mut admin, &preview);
        assert_eq!(refusal.sqlstate, "0A000", "{statement}");
        assert!(refusal.message.contains(name), "{refusal:?}");
    }
    for table in ["checked", "drawing"] {
        let preview = format!("SELECT * FROM backstop.preview('INSERT INTO {table} VALUES (5)')");
        let refusal = refused(&mut app, &preview);
        assert_eq!(refusal.sqlstate, "0A000", "{table}");
        assert!(!refusal.detail.is_empty());
    }
    assert_eq!(state(&mut admin), STILL);
    // Outside a preview, nextval is nobody's concern.
    passes(&mut app, "INSERT INTO drawing VALUES (5)");
}

#[test]
fn cached_plans_carry_no_substitute_out_of_a_preview_nor_into_it() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "PREPARE add AS INSERT INTO users (note) VALUES ('p') RETURNING id;
         PREPARE count AS INSERT INTO counted DEFAULT VALUES RETURNING id;
         CREATE FUNCTION add_one() RETURNS bigint LANGUAGE plpgsql AS
             $$ DECLARE drawn bigint := nextval('users_id_seq'); BEGIN RETURN drawn; END $$",
    );
    for n in 0..7 {
        let drawn = 57 + 2 * n;
        assert_eq!(query_text(&mut app, "EXECUTE add"), (drawn + 1).to_string());
        assert_eq!(query_text(&mut app, "EXECUTE count"), (n + 1).to_string());
        assert_eq!(
            query_text(&mut app, "SELECT add_one()"),
            (drawn + 2).to_string()
        );
        for (statement, expected) in [
            (
                "EXECUTE add",
                format!(
                    "public.users_id_seq|{}|{}|{}|true|{{}}",
                    drawn + 2,
                    drawn + 3,
                    drawn + 4
                ),
            ),
            (
                "EXECUTE count",
                format!(
                    "public.counted_id_seq|{}|{}|{}|true|{{}}",
                    n + 1,
                    n + 2,
                    n + 3
                ),
            ),
            (
                "SELECT add_one()",
                format!(
                    "public.users_id_seq|{}|{}|{}|true|{{}}",
                    drawn + 2,
                    drawn + 3,
                    drawn + 4
                ),
            ),
        ] {
            assert_eq!(previewed(&mut app, statement), expected, "{statement}");
        }
        // A preview that fails leaves nothing behind either.
        let failing = "SELECT * FROM backstop.preview($$SELECT add_one() / 0$$)";
        assert_eq!(refused(&mut app, failing).sqlstate, "22012");
    }
    assert_eq!(state(&mut admin), "71|t|7|t|f");
    let plan = query_text(&mut app, "EXPLAIN (VERBOSE, COSTS OFF) EXECUTE count");
    assert!(!plan.contains("preview"), "{plan}");
}

#[test]
fn the_substitutes_called_by_hand_are_the_functions_they_stand_for() {
    let (db, _admin, mut app) = world();
    assert_eq!(
        query_text(
            &mut app,
            "SELECT backstop.preview_nextval('users_id_seq'), backstop.preview_currval('users_id_seq'),
                    backstop.preview_lastval(), nextval('users_id_seq')"
        ),
        "58|58|58|59"
    );
    let mut outsider = db.connect_as("outsider");
    for call in [
        "preview_nextval('users_id_seq')",
        "preview_currval('users_id_seq')",
    ] {
        let refusal = refused(&mut outsider, &format!("SELECT backstop.{call}"));
        assert_eq!(refusal.sqlstate, "42501", "{call}");
    }
    // The one that asks for no privilege can be called by nobody.
    for call in [
        "preview_identity('users_id_seq')",
        "preview_identity(NULL)",
        "preview_identity('users_id_seq'::regclass)",
        "preview_identity(NULL::internal)",
    ] {
        let refusal = refused(&mut outsider, &format!("SELECT backstop.{call}"));
        assert!(
            ["42883", "42846", "0A000"].contains(&refusal.sqlstate.as_str()),
            "{call}: {refusal:?}"
        );
    }
}
