//! What a session has set decides nothing about which rows are `expendable`.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, database_with_app, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE jobs (id int PRIMARY KEY, created timestamptz NOT NULL, note text NOT NULL, price numeric NOT NULL);
    INSERT INTO jobs SELECT n, '2026-01-01 23:30+00', 'real ' || n, n FROM generate_series(1, 40) n;
    CREATE FUNCTION is_test(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1 = 'test' $$;
    CREATE FUNCTION is_test_too(text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN $1 = 'test'; END $$;
    CREATE SCHEMA evil;
    CREATE FUNCTION evil.yes(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
    CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
    GRANT USAGE ON SCHEMA evil TO PUBLIC";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

fn protect(expression: &str) -> String {
    format!("SELECT backstop.protect('jobs', max_rows => 10, expendable => $x${expression}$x$)")
}

#[test]
fn what_only_the_session_knows_is_refused() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    for (expression, question) in [
        (
            "current_setting('app.cleanup', true) = 'on'",
            "current_setting()",
        ),
        ("note = CURRENT_USER", "CURRENT_USER"),
        ("note = session_user::text", "SESSION_USER"),
        ("note = current_role", "CURRENT_ROLE"),
        ("note = current_schema()", "current_schema()"),
        ("pg_has_role('pg_monitor', 'member')", "pg_has_role()"),
        (
            "has_table_privilege('jobs', 'delete')",
            "has_table_privilege()",
        ),
        ("to_tsvector(note) @@ 'test'::tsquery", "to_tsvector()"),
        ("note @@ 'these'", "ts_match_tt()"),
        ("to_regclass('flag') IS NOT NULL", "to_regclass()"),
        (
            "CASE WHEN id > 5 THEN note = pg_client_encoding()::text END",
            "pg_client_encoding()",
        ),
    ] {
        let refusal = refused(&mut admin, &protect(expression));
        assert_eq!(refusal.sqlstate, "22023", "{expression}: {refusal:?}");
        assert!(
            refusal.detail.contains(question) && refusal.detail.contains("session"),
            "{expression}: {refusal:?}"
        );
    }
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.protected_table"),
        "0"
    );
    for expression in [
        "to_tsvector('simple', note) @@ to_tsquery('simple', 'test')",
        "created < now() - interval '30 days'",
        "created < CURRENT_DATE - 30",
        "to_char(created, 'YYYY') = '2025'",
        "public.is_test(note)",
    ] {
        passes(&mut admin, &protect(expression));
    }
}

/// Each of these sessions would have every row be expendable, were it asked.
#[test]
fn settings_make_no_row_expendable() {
    let (_db, mut admin, mut app) = world();
    let all = "DELETE FROM jobs WHERE note LIKE 'real%'";
    for (expression, settings) in [
        (
            "created::date = '2026-01-02'",
            "SET TimeZone = 'Asia/Tokyo'",
        ),
        (
            "date_trunc('day', created) = '2026-01-02 00:00+09'",
            "SET TimeZone = 'Asia/Tokyo'",
        ),
        (
            "created::text LIKE '01/02/2026%'",
            "SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, MDY'",
        ),
        (
            "(id::float8 + 0.0000000001)::text = id::text",
            "SET extra_float_digits = -8",
        ),
        (
            "convert_to(note, 'UTF8')::text LIKE 'real%'",
            "SET bytea_output = escape",
        ),
        (
            "('2024-01-01 00:00 EST'::text)::timestamptz < '2023-12-31 20:00+00'",
            "SET timezone_abbreviations = 'Australia'",
        ),
        (
            "public.is_test(note)",
            "SET search_path = evil, pg_catalog, public",
        ),
        (
            "public.is_test_too(note)",
            "SET search_path = evil, pg_catalog, public",
        ),
        (
            "public.is_test(note)",
            "SET search_path = evil, pg_catalog, public; PREPARE p AS DELETE FROM jobs WHERE note = $1",
        ),
    ] {
        passes(&mut admin, &protect(expression));
        passes(&mut app, settings);
        let path = query_text(&mut app, "SHOW search_path");
        let refusal = refused(&mut app, all);
        assert_eq!(
            refusal.sqlstate, "SF005",
            "{expression}, {settings}: {refusal:?}"
        );
        passes(
            &mut app,
            "BEGIN; DELETE FROM jobs WHERE id IN (1, 2, 3); ROLLBACK",
        );
        assert_eq!(query_text(&mut app, "SHOW search_path"), path);
        passes(&mut app, "DISCARD ALL");
    }
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM jobs"), "40");
}

#[test]
fn they_are_the_sessions_again_after_every_row() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION broken(numeric) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
             $$ BEGIN RETURN 1 / (20 - $1) > 5 AND now() IS NOT NULL; END $$;
         GRANT EXECUTE ON FUNCTION broken(numeric) TO PUBLIC",
    );
    passes(
        &mut admin,
        &protect("public.broken(price) AND created::date = '2026-01-01'"),
    );
    passes(
        &mut app,
        "SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'; SET search_path = public, evil; SET bytea_output = escape",
    );
    let told = "SELECT current_setting('TimeZone'), current_setting('DateStyle'), current_setting('search_path'),
        ('2026-02-01 20:00+00'::timestamptz)::text, ('\\x41'::bytea)::text";
    let before = query_text(&mut app, told);
    assert!(before.contains("02/02/2026 05:00:00"), "{before}");
    // The expression's own error ends the statement, in and out of a block that catches it.
    let refusal = refused(&mut app, "DELETE FROM public.jobs WHERE id = 20");
    assert_eq!(refusal.sqlstate, "22012", "{refusal:?}");
    assert_eq!(query_text(&mut app, told), before);
    passes(
        &mut app,
        "DO $$ BEGIN DELETE FROM public.jobs WHERE id = 20; RAISE 'not reached';
             EXCEPTION WHEN division_by_zero THEN
                 IF current_setting('TimeZone') <> 'Asia/Tokyo' OR current_setting('search_path') <> 'public, evil'
                     OR ('2026-02-01 20:00+00'::timestamptz)::text NOT LIKE '02/02/2026 05%'
                 THEN RAISE 'settings are lost'; END IF;
                 DELETE FROM public.jobs WHERE id = 21; END $$",
    );
    assert_eq!(query_text(&mut app, told), before);
    passes(&mut app, "DELETE FROM public.jobs WHERE id = 22");
    assert_eq!(query_text(&mut app, told), before);
    assert_eq!(
        query_text(&mut app, "SELECT count(*) FROM public.jobs"),
        "38"
    );
}
