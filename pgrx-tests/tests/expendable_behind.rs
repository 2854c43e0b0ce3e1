//! What the functions of an `expendable` expression call decides with them, and stays what it is as far as PostgreSQL knows
//! of it: the bodies that are written with BEGIN ATOMIC, operators, aggregates and defaults.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

/// `app` is the helpers' owner.
const WORLD: &str = "
    GRANT ALL ON SCHEMA public TO app; SET ROLE app;
    CREATE FUNCTION is_internal(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT s LIKE '%@test'; END;
    CREATE FUNCTION is_internal_too(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT public.is_internal(s); END;
    CREATE FUNCTION same(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 = $2; END';
    CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
    CREATE FUNCTION step(boolean, boolean) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 OR $2; END';
    CREATE FUNCTION yes(boolean, boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
    CREATE AGGREGATE some_of(boolean) (SFUNC = step, STYPE = boolean, INITCOND = 'false');
    CREATE FUNCTION word() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'test' $$;
    CREATE TYPE mark AS (word text);
    CREATE FUNCTION to_mark(int) RETURNS mark LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN row('test'); END $$;
    CREATE CAST (int AS mark) WITH FUNCTION to_mark(int);
    CREATE FUNCTION aside(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT public.is_internal(s); END;
    RESET ROLE;
    CREATE FUNCTION is_test(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT public.is_internal_too(s); END;
    CREATE FUNCTION is_same(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT s OPERATOR(public.===) 'test'; END;
    CREATE FUNCTION is_some(s text) RETURNS boolean LANGUAGE sql IMMUTABLE
        BEGIN ATOMIC SELECT public.some_of(s = v) FROM (VALUES ('test'), ('probe')) AS of(v); END;
    CREATE FUNCTION is_word(s text, w text DEFAULT public.word()) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT s = w; END;
    CREATE FUNCTION defaults(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT public.is_word(s); END;
    CREATE FUNCTION casts(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT s = (1::mark).word; END;
    CREATE TABLE users (id int PRIMARY KEY, email text); GRANT ALL ON users TO app;
    INSERT INTO users SELECT n, 'u' || n || '@real' FROM generate_series(1, 100) n";

fn world() -> (Database, Client, Client) {
    let (db, admin) = database_with(WORLD);
    let app = db.connect_as("app");
    (db, admin, app)
}

fn protect(expression: &str) -> String {
    format!(
        "SELECT backstop.protect('users', max_rows => 2, expendable => $x${expression}$x$, require => 'always', approval => 'second_person')"
    )
}

#[track_caller]
fn is_refused(client: &mut Client, sql: &str) {
    let refusal = refused(client, sql);
    assert_eq!(refusal.sqlstate, "SF008", "{sql}\n{refusal:?}");
    assert!(
        refusal.table == "users" && refusal.message.contains("expendable"),
        "{sql}\n{refusal:?}"
    );
}

#[test]
fn a_helper_of_a_helper_stays_what_it_was() {
    let (_db, mut admin, mut app) = world();
    passes(&mut admin, &protect("public.is_test(email)"));
    for sql in [
        "CREATE OR REPLACE FUNCTION is_internal(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT true; END",
        "CREATE OR REPLACE FUNCTION is_internal(s text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'",
        "CREATE OR REPLACE FUNCTION is_internal_too(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT true; END",
        "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE FUNCTION is_internal(s text) RETURNS boolean LANGUAGE sql IMMUTABLE
            BEGIN ATOMIC SELECT true; END'; END $$",
        "ALTER FUNCTION is_internal(text) SET search_path = public",
        "ALTER FUNCTION is_internal(text) STRICT",
        "ALTER FUNCTION is_internal(text) SECURITY DEFINER",
        "ALTER FUNCTION is_internal(text) RENAME TO was_internal",
        "DROP FUNCTION aside(text), is_internal(text) CASCADE",
    ] {
        is_refused(&mut app, sql);
    }
    for sql in [
        "CREATE OR REPLACE FUNCTION is_internal(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT s LIKE '%@test'; END",
        "ALTER FUNCTION is_internal(text) COST 7",
        "CREATE OR REPLACE FUNCTION aside(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT false; END",
        "CREATE OR REPLACE FUNCTION same(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END'",
        "DROP FUNCTION aside(text)",
    ] {
        passes(&mut app, sql);
    }
    let refusal = refused(&mut app, "DELETE FROM users WHERE email LIKE '%@real'");
    assert_eq!(refusal.sqlstate, "SF005", "{refusal:?}");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM users"), "100");
    // Given up, and made anew.
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.unprotect('users');
         CREATE OR REPLACE FUNCTION is_internal(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT s LIKE '%1@real'; END;
         SELECT backstop.protect('users', max_rows => 2, expendable => 'public.is_test(email)'); COMMIT",
    );
    passes(&mut app, "DELETE FROM users WHERE email LIKE '%1@real'");
}

#[test]
fn operators_aggregates_casts_and_defaults_are_followed() {
    for (expression, change) in [
        (
            "public.is_same(email)",
            "CREATE OR REPLACE FUNCTION same(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END'",
        ),
        (
            "public.is_some(email)",
            "CREATE OR REPLACE FUNCTION step(boolean, boolean) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END'",
        ),
        (
            "public.is_some(email)",
            "CREATE OR REPLACE AGGREGATE some_of(boolean) (SFUNC = yes, STYPE = boolean, INITCOND = 'false')",
        ),
        (
            "public.defaults(email)",
            "CREATE OR REPLACE FUNCTION word() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '@real' $$",
        ),
        (
            "public.casts(email)",
            "CREATE OR REPLACE FUNCTION to_mark(int) RETURNS mark LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN row('@real'); END $$",
        ),
    ] {
        let (_db, mut admin, mut app) = world();
        passes(&mut admin, &protect(expression));
        is_refused(&mut app, change);
        passes(
            &mut admin,
            "ALTER AGGREGATE some_of(boolean) OWNER TO postgres",
        );
        passes(&mut admin, &protect("email = 'test'"));
        passes(&mut admin, change);
    }
}

#[test]
fn functions_that_call_each_other_come_to_an_end() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "CREATE FUNCTION even(n int) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT n = 0; END;
         CREATE FUNCTION odd(n int) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC
             SELECT CASE WHEN n < 1 THEN false ELSE public.even(n - 1) END; END;
         CREATE OR REPLACE FUNCTION even(n int) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC
             SELECT CASE WHEN n < 1 THEN true ELSE public.odd(n - 1) END; END",
    );
    passes(&mut admin, &protect("public.odd(id)"));
    for name in ["even", "odd"] {
        is_refused(
            &mut app,
            &format!(
                "CREATE OR REPLACE FUNCTION {name}(n int) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT true; END"
            ),
        );
    }
}

/// What a text calls is not known, which is worth a word where the text is a third role's.
#[test]
fn a_third_role_s_text_is_warned_of() {
    let (db, mut admin, mut app) = world();
    passes(
        &mut app,
        "CREATE FUNCTION theirs(s text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN s = $$test$$; END'",
    );
    passes(
        &mut admin,
        "CREATE FUNCTION through(s text) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT public.theirs(s); END;
         CREATE FUNCTION ours(s text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN s = $$test$$; END'",
    );
    let warned = |expression: &str| {
        let (mut client, notices) = db.connect_listening("postgres");
        passes(&mut client, &protect(expression));
        passes(&mut client, "SELECT 1");
        let warnings = notices.take();
        warnings
            .iter()
            .map(|n| n.message().to_owned())
            .collect::<Vec<_>>()
    };
    for expression in ["public.theirs(email)", "public.through(email)"] {
        assert_eq!(
            warned(expression),
            [
                "what function public.theirs(text) calls is not guarded, and decides which rows are expendable"
            ],
            "{expression}"
        );
    }
    for expression in [
        "public.ours(email)",
        "public.is_test(email)",
        "public.is_some(email) OR email = 'test'",
    ] {
        let expected = usize::from(expression.contains("is_some"));
        // step() is a text of app's.
        assert_eq!(warned(expression).len(), expected, "{expression}");
    }
    passes(
        &mut admin,
        "SELECT backstop.unprotect('users'); ALTER TABLE users OWNER TO app",
    );
    assert!(warned("public.theirs(email)").is_empty());
}
