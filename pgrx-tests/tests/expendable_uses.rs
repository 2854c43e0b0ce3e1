//! What an `expendable` expression is built of does not change under it: no function, operator, type or label that it
//! uses comes to mean something else while the table is protected.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

/// `app` owns everything but the registration.
const WORLD: &str = "
    GRANT ALL ON SCHEMA public TO app; SET ROLE app;
    CREATE TYPE src AS ENUM ('web', 'test', 'spare');
    CREATE TYPE other AS ENUM ('a', 'b');
    CREATE TABLE k (id bigint PRIMARY KEY, kind src, v text);
    INSERT INTO k SELECT n, 'web', 'v' FROM generate_series(1, 200) n;
    CREATE FUNCTION is_t(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1 = 'test' $$;
    CREATE TABLE k2 (id bigint PRIMARY KEY, v varchar);
    INSERT INTO k2 SELECT n, 'v' FROM generate_series(1, 200) n;
    CREATE FUNCTION same(text, text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN $1 = $2; END $$;
    CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
    CREATE TABLE k3 (id bigint PRIMARY KEY, v text);
    INSERT INTO k3 SELECT n, 'v' FROM generate_series(1, 200) n;
    CREATE FUNCTION free(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT true $$;
    RESET ROLE;
    SELECT backstop.protect('k', max_rows => 5, expendable => $$kind = 'test'$$);
    SELECT backstop.protect('k2', max_rows => 5, expendable => 'public.is_t(v)');
    SELECT backstop.protect('k3', max_rows => 5, expendable => $$v OPERATOR(public.===) 'test'$$)";

fn world() -> (Database, Client, Client) {
    let (db, admin) = database_with(WORLD);
    let app = db.connect_as("app");
    (db, admin, app)
}

#[track_caller]
fn is_refused(client: &mut Client, sql: &str, table: &str) {
    let refusal = refused(client, sql);
    assert_eq!(refusal.sqlstate, "SF008", "{sql}\n{refusal:?}");
    assert_eq!(refusal.table, table, "{sql}\n{refusal:?}");
    let registration = format!("backstop.unprotect('public.{table}')");
    assert!(
        refusal.message.contains("expendable") && refusal.hint.contains(&registration),
        "{sql}\n{refusal:?}"
    );
}

#[test]
fn labels_of_an_enum_keep_their_names() {
    let (db, mut admin, mut app) = world();
    is_refused(
        &mut app,
        "ALTER TYPE src RENAME VALUE 'test' TO 'testing'",
        "k",
    );
    let told = query_text(
        &mut app,
        "SELECT sqlstate, message FROM backstop.check($$ALTER TYPE src RENAME VALUE 'test' TO 'testing'$$)",
    );
    assert!(
        told.starts_with("SF008|") && told.contains("label \"test\" of type src"),
        "{told}"
    );
    // Where labels are read as text, each of them counts.
    passes(
        &mut admin,
        "SELECT backstop.protect('k', max_rows => 5, expendable => $$kind::text = 'old'$$)",
    );
    is_refused(&mut app, "ALTER TYPE src RENAME VALUE 'web' TO 'old'", "k");
    passes(
        &mut app,
        "CREATE FUNCTION old(src) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'old' $$",
    );
    is_refused(
        &mut app,
        "CREATE CAST (src AS text) WITH FUNCTION old(src)",
        "k",
    );
    let refusal = refused(&mut db.connect_as("app"), "DELETE FROM k WHERE v = 'v'");
    assert_eq!(refusal.sqlstate, "SF005");
}

#[test]
fn what_decides_nothing_may_change() {
    let (_db, mut admin, mut app) = world();
    for sql in [
        "ALTER TYPE src RENAME VALUE 'spare' TO 'unused'",
        "ALTER TYPE src ADD VALUE 'more' BEFORE 'web'",
        "ALTER TYPE other RENAME VALUE 'a' TO 'test'",
        "CREATE OR REPLACE FUNCTION free(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT false $$",
        "DROP FUNCTION free(text)",
        "CREATE FUNCTION free(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT false $$",
        // A deployment that makes it as it is.
        "CREATE OR REPLACE FUNCTION is_t(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1 = 'test' $$",
        "ALTER FUNCTION is_t(text) COST 7",
        "GRANT EXECUTE ON FUNCTION is_t(text) TO PUBLIC",
        "CREATE OPERATOR == (LEFTARG = text, RIGHTARG = text, FUNCTION = same)",
        "DROP OPERATOR == (text, text)",
    ] {
        passes(&mut app, sql);
    }
    // Who may give up the protection does, and makes it anew.
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.unprotect('k'); ALTER TYPE src RENAME VALUE 'test' TO 'testing';
         SELECT backstop.protect('k', max_rows => 5, expendable => $$kind = 'testing'$$); COMMIT",
    );
    passes(&mut app, "DELETE FROM k WHERE id = 1");
}

#[test]
fn functions_and_operators_stay_what_they_were() {
    let (db, mut admin, mut app) = world();
    for (sql, table) in [
        (
            "CREATE OR REPLACE FUNCTION is_t(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT true $$",
            "k2",
        ),
        (
            "CREATE FUNCTION is_t(varchar) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT true $$",
            "k2",
        ),
        ("ALTER FUNCTION is_t(text) RENAME TO was_t", "k2"),
        ("ALTER FUNCTION is_t(text) SET search_path = public", "k2"),
        ("ALTER FUNCTION is_t(text) STRICT", "k2"),
        ("DROP FUNCTION is_t(text)", "k2"),
        ("DROP FUNCTION is_t", "k2"),
        (
            "CREATE OR REPLACE FUNCTION same(text, text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN true; END'",
            "k3",
        ),
        ("DROP FUNCTION same(text, text) CASCADE", "k3"),
        ("DROP OPERATOR === (text, text)", "k3"),
        (
            "DO $$ BEGIN EXECUTE 'DROP FUNCTION is_t(text)'; END $$",
            "k2",
        ),
    ] {
        is_refused(&mut app, sql, table);
    }
    // The table goes, and its function with it.
    passes(
        &mut admin,
        "CREATE SCHEMA gone; CREATE FUNCTION gone.yes(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
         CREATE TABLE gone.t (id int PRIMARY KEY, v text);
         SELECT backstop.protect('gone.t', expendable => 'gone.yes(v)');
         BEGIN; SELECT backstop.approve_batch('OPS-1', 100, '{gone.t}', '{drop}'); DROP SCHEMA gone CASCADE; COMMIT",
    );
    let refusal = refused(&mut db.connect_as("app"), "DELETE FROM k2 WHERE v = 'v'");
    assert_eq!(refusal.sqlstate, "SF005");
}

#[test]
fn an_expression_that_fails_says_whose_it_is() {
    let (db, mut admin, _app) = world();
    assert!(
        !query_text(&mut admin, "SELECT * FROM backstop.status()").contains("expression fails")
    );
    passes(
        &mut admin,
        "SET backstop.mode = off; DROP FUNCTION is_t(text); RESET backstop.mode",
    );
    let mut app = db.connect_as("app");
    let refusal = refused(&mut app, "DELETE FROM k2 WHERE id = 1");
    assert_eq!(refusal.sqlstate, "42883", "{refusal:?}");
    assert!(
        refusal
            .context
            .contains("expendable expression of table \"public.k2\"")
            && refusal.context.contains("backstop.protect"),
        "{refusal:?}"
    );
    // It would be one in the expression.
    assert_eq!(refusal.position, None, "{refusal:?}");
    assert!(
        query_text(&mut admin, "SELECT * FROM backstop.status()")
            .contains("table whose expendable expression fails|public.k2")
    );
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM k2"), "200");
    passes(&mut admin, "SELECT backstop.protect('k2')");
    passes(&mut app, "DELETE FROM k2 WHERE id = 1");
}
