//! Each setting by which a session has texts read, printed or compared otherwise: none of them decides which rows are
//! `expendable`, also where PostgreSQL marks what depends on it immutable.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, Refusal, database_with, database_with_app, passes, query_text, refused,
};

/// The expressions below are true of the second half of the rows, and of the first in the wrong session only.
const WORLD: &str = r"
    CREATE TABLE jobs (id int PRIMARY KEY, note text NOT NULL, made text, created timestamptz, y int, list text, doc text,
        name text, bytes bytea, nothing text, path text, f float8);
    INSERT INTO jobs SELECT n, 'real ' || n, '03/02/2020', '2026-01-01 20:00+00', 2026, '{NULL}', 'words', 'plain', 'ab', NULL,
        'a\b', 2026.0000000001 FROM generate_series(1, 40) n;
    INSERT INTO jobs SELECT n, 'test ' || n, '01/02/2020', '2026-01-05 20:00+00', 2025, '{a}', '<', 'Not plain',
        decode('6162', 'base64'), 'x', 'a\\b', 2026 FROM generate_series(41, 80) n;
    CREATE FUNCTION is_x(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN coalesce($1 = NULL, $1 = 'x'); END $$;
    CREATE FUNCTION is_escaped(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN $1 = 'a\\b'; END $$;
    CREATE FUNCTION zoned(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'SQL, MDY' AS
        $$ BEGIN RETURN $1 IS NOT NULL; END $$";

fn protect(expression: &str) -> String {
    format!("SELECT backstop.protect('jobs', max_rows => 10, expendable => $x${expression}$x$)")
}

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

#[test]
fn no_row_is_expendable_by_how_a_session_reads_and_prints() {
    let (_db, mut admin, mut app) = world();
    let mut decided = Vec::new();
    let has_xml = admin.batch_execute("SELECT '<a/>'::xml").is_ok();
    for (expression, settings) in [
        ("made::date < '2020-02-15'", "SET datestyle = dmy"),
        ("made::timestamptz < '2020-02-15'", "SET datestyle = dmy"),
        (
            "(created AT TIME ZONE 'IST')::date > '2026-01-01'",
            "SET timezone_abbreviations = 'India'",
        ),
        (
            "make_timestamptz(y, 1, 1, 5, 0, 0, 'IST') < '2026-01-01 01:00+00'",
            "SET timezone_abbreviations = 'India'",
        ),
        (
            "date_trunc('day', created, 'IST') > '2026-01-01 12:00+00'",
            "SET timezone_abbreviations = 'India'",
        ),
        ("(list::text[])[1] IS NOT NULL", "SET array_nulls = off"),
        ("NOT xml_is_well_formed(doc)", "SET xmloption = document"),
        (
            "quote_ident(name) <> name",
            "SET quote_all_identifiers = on",
        ),
        (
            "format('%I', name) <> name",
            "SET quote_all_identifiers = on",
        ),
        (
            "xmlelement(name x, bytes)::text LIKE '%6162%'",
            "SET xmlbinary = hex",
        ),
        (
            "textin(float8out(f)) = '2026'",
            "SET extra_float_digits = -8",
        ),
        ("public.is_x(nothing)", "SET transform_null_equals = on"),
        (
            "public.is_escaped(path)",
            "SET standard_conforming_strings = off; SET escape_string_warning = off",
        ),
        (
            "public.zoned(note) AND created::date > '2026-01-01'",
            "SET TimeZone = 'Asia/Tokyo'",
        ),
        (
            "public.zoned(note) AND made::date < '2020-02-15'",
            "SET datestyle = dmy",
        ),
    ] {
        if expression.contains("xml") && !has_xml {
            println!("left out, this server lacks libxml: {expression}");
            continue;
        }
        passes(&mut admin, &protect(expression));
        passes(&mut app, settings);
        let told = "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
             WHERE context = 'user' AND name NOT LIKE 'plpgsql.%'";
        let before = query_text(&mut app, told);
        let real = app.batch_execute("BEGIN; DELETE FROM jobs WHERE note LIKE 'real%'");
        let refusal = real.map_err(|error| Refusal::of(&error)).err().flatten();
        if refusal.is_none_or(|refusal| refusal.sqlstate != "SF005") {
            decided.push(expression);
        }
        passes(&mut app, "ROLLBACK");
        let test = app.batch_execute("BEGIN; DELETE FROM jobs WHERE note LIKE 'test%'");
        if test.is_err() {
            decided.push(expression);
        }
        passes(&mut app, "ROLLBACK");
        assert_eq!(query_text(&mut app, told), before, "{expression}");
        passes(&mut app, "DISCARD ALL");
    }
    let none: [&str; 0] = [];
    assert_eq!(decided, none, "the session decided these");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM jobs"), "80");
}

/// An extension's settings are its own; `%` of pg_trgm is such a function.
#[test]
fn mutable_functions_in_c_are_refused() {
    let (_db, mut admin) = database_with(
        "CREATE FUNCTION likes(text, text) RETURNS boolean STABLE LANGUAGE internal AS 'textlike';
         CREATE FUNCTION always_likes(text, text) RETURNS boolean IMMUTABLE LANGUAGE internal AS 'textlike';
         CREATE FUNCTION likes_test(text) RETURNS boolean STABLE LANGUAGE sql AS $$ SELECT $1 LIKE 'test%' $$;
         CREATE OPERATOR %% (LEFTARG = text, RIGHTARG = text, FUNCTION = likes);
         CREATE TABLE jobs (id int PRIMARY KEY, note text);
         INSERT INTO jobs SELECT n, 'test' FROM generate_series(1, 40) n",
    );
    for expression in [
        "public.likes(note, 'test')",
        "note OPERATOR(public.%%) 'test'",
    ] {
        let refusal = refused(&mut admin, &protect(expression));
        assert_eq!(refusal.sqlstate, "22023", "{expression}: {refusal:?}");
        assert!(
            refusal
                .detail
                .contains("It calls function public.likes(text,text), which is written in C"),
            "{refusal:?}"
        );
    }
    for expression in [
        "public.always_likes(note, 'test')",
        "public.likes_test(note)",
    ] {
        passes(&mut admin, &protect(expression));
        passes(
            &mut admin,
            "BEGIN; DELETE FROM jobs WHERE note = 'test'; ROLLBACK",
        );
    }
}
