//! What an `expendable` expression is made of and the expression's registration wait for each other.

use pg_backstop_tests::{behind, database_with, passes, query_text};

const WORLD: &str = "
    CREATE SCHEMA fs; CREATE TYPE en AS ENUM ('p', 'q');
    CREATE FUNCTION f(text) RETURNS bool IMMUTABLE LANGUAGE sql AS $$ SELECT $1 = 'x' $$;
    CREATE FUNCTION fs.f(text) RETURNS bool IMMUTABLE LANGUAGE sql AS $$ SELECT $1 = 'x' $$;
    CREATE FUNCTION behind(text) RETURNS bool IMMUTABLE BEGIN ATOMIC SELECT f($1); END;
    CREATE TABLE t (id int PRIMARY KEY, v text, e en DEFAULT 'p'); INSERT INTO t SELECT n, 'v' FROM generate_series(1, 20) AS n;
    CREATE TABLE elsewhere (id int)";

const REPLACE: &str =
    "CREATE OR REPLACE FUNCTION f(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true'";

/// An expression, and what makes another one of it.
const CASES: [(&str, &str); 7] = [
    ("public.f(v)", REPLACE),
    ("public.behind(v)", REPLACE),
    (
        "public.f(v)",
        "ALTER FUNCTION f(text) RENAME TO g; CREATE FUNCTION f(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true'",
    ),
    (
        "fs.f(v)",
        "ALTER SCHEMA fs RENAME TO fs2; CREATE SCHEMA fs; CREATE FUNCTION fs.f(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true'",
    ),
    (
        "e = 'q'",
        "ALTER TYPE en RENAME VALUE 'q' TO 'z'; ALTER TYPE en RENAME VALUE 'p' TO 'q'",
    ),
    (
        "public.f(v)",
        "CREATE FUNCTION f(varchar) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true'",
    ),
    ("public.f(v)", "ALTER FUNCTION f(text) SET search_path = fs"),
];

fn protect(expression: &str) -> String {
    format!("SELECT backstop.protect('t', max_rows => 3, expendable => $x${expression}$x$)")
}

#[test]
fn a_registration_waits_for_what_the_expression_is_made_of() {
    for (expression, change) in CASES {
        let (db, _admin) = database_with(WORLD);
        let outcome = behind(&db, change, &protect(expression));
        assert_eq!(outcome, "", "{change}");
    }
}

#[test]
fn what_it_is_made_of_waits_for_the_registration() {
    for (expression, change) in CASES {
        for protected in [false, true] {
            let (db, mut admin) = database_with(WORLD);
            if protected {
                passes(&mut admin, "SELECT backstop.protect('t')");
            }
            let outcome = behind(&db, &protect(expression), change);
            assert_eq!(outcome, "SF008", "{change}");
        }
    }
}

#[test]
fn nothing_else_waits() {
    let (db, mut admin) = database_with(WORLD);
    let mut two = db.connect();
    passes(&mut two, "SET lock_timeout = '2s'");
    let harmless = "BEGIN; CREATE TEMP TABLE a (id int); CREATE TABLE b (id int PRIMARY KEY); ALTER TABLE elsewhere ADD c text;
        ALTER TABLE elsewhere RENAME TO other; CREATE INDEX ON other (id); CREATE VIEW w AS SELECT 1 AS one";
    // In either order.
    passes(&mut admin, "BEGIN");
    passes(&mut admin, &protect("public.f(v)"));
    passes(&mut two, harmless);
    passes(&mut two, "ROLLBACK");
    passes(&mut admin, "ROLLBACK; SET lock_timeout = '2s'");
    passes(&mut two, harmless);
    passes(&mut admin, &protect("public.f(v)"));
    passes(
        &mut two,
        "COMMIT; BEGIN; CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    );
    // Who replaces functions does not wait for another who does, nor for a registration without an expression.
    let mut three = db.connect();
    passes(
        &mut three,
        "SET lock_timeout = '2s'; CREATE FUNCTION h() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    );
    passes(&mut three, "SELECT backstop.protect('b', max_rows => 9)");
    passes(&mut two, "COMMIT");
    let count = "SELECT count(*) FROM backstop.protected_table";
    assert_eq!(query_text(&mut admin, count), "2");
}
