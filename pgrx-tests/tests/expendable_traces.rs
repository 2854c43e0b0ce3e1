//! Judging a row leaves no trace: what the functions of an `expendable` expression set ends with its evaluation, and they
//! approve nothing.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

/// `fowner` makes the functions, `app` has a table, and a superuser deletes.
const WORLD: &str = "
    CREATE SCHEMA judge; GRANT USAGE ON SCHEMA judge TO public; GRANT ALL ON SCHEMA public, judge TO app;
    SET ROLE app;
    CREATE TABLE e (id int PRIMARY KEY, src text); INSERT INTO e SELECT n, 'x' FROM generate_series(1, 100) n;
    CREATE FUNCTION judge.ex(s text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        PERFORM set_config('search_path', 'judge,pg_catalog,public', false);
        PERFORM set_config('DateStyle', 'German', false);
        PERFORM set_config('TimeZone', 'Asia/Tokyo', false);
        PERFORM set_config('IntervalStyle', 'sql_standard', false);
        PERFORM set_config('extra_float_digits', '-3', false);
        PERFORM set_config('bytea_output', 'escape', false);
        PERFORM set_config('quote_all_identifiers', 'on', false);
        PERFORM set_config('work_mem', '64kB', true);
        PERFORM set_config('judge.seen', s, false);
        PERFORM set_config('backstop.approval', '{\"reason\":\"sneaky\",\"max_rows\":100000}', false);
        IF s = 'fails' THEN RAISE 'it fails'; END IF;
        RETURN s = 'test'; END $$;
    CREATE FUNCTION judge.constant() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ DECLARE s text := 'constant'; BEGIN
        PERFORM judge.ex(s); RETURN 'test'; END $$;
    CREATE FUNCTION judge.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'not the real now()'; END $$;
    RESET ROLE";

const TOLD: &str = "SELECT current_setting('search_path'), current_setting('DateStyle'), current_setting('TimeZone'),
    current_setting('IntervalStyle'), current_setting('extra_float_digits'), current_setting('bytea_output'),
    current_setting('quote_all_identifiers'), current_setting('work_mem'),
    coalesce(current_setting('judge.seen', true), ''), current_setting('backstop.approval'),
    '2026-02-01 20:00+00'::timestamptz::text, '1 day 2 hours'::interval::text, (1.0::float8 / 3)::text, '\\x41'::bytea::text,
    quote_ident('a')";

fn world(expression: &str) -> (Database, Client) {
    let (db, mut admin) = database_with(WORLD);
    passes(&mut admin, &protect(expression));
    (db, admin)
}

fn protect(expression: &str) -> String {
    format!("SELECT backstop.protect('e', max_rows => 3, expendable => $x${expression}$x$)")
}

#[test]
fn settings_of_a_function_end_with_its_evaluation() {
    for expression in [
        "judge.ex(src)",
        "src = judge.constant()",
        "judge.ex(src) AND src = judge.constant()",
    ] {
        let (db, mut admin) = world(expression);
        let mut other = db.connect_as("app");
        for (client, id) in [(&mut admin, 0), (&mut other, 10)] {
            passes(
                client,
                "SET IntervalStyle = iso_8601; SET extra_float_digits = 0",
            );
            let before = query_text(client, TOLD);
            let [one, two, three, four] = [id + 1, id + 2, id + 3, id + 4];
            for statement in [
                &format!("DELETE FROM e WHERE id = {one}"),
                &format!("UPDATE e SET src = 'y' WHERE id = {two}"),
                &format!(
                    "BEGIN; DELETE FROM e WHERE id = {two}; SAVEPOINT s; DELETE FROM e WHERE id = {three}; ROLLBACK TO s"
                ),
                "COMMIT",
                &format!("EXPLAIN ANALYZE DELETE FROM e WHERE id = {four}"),
            ] {
                passes(client, statement);
                assert_eq!(
                    query_text(client, TOLD),
                    before,
                    "{expression}: {statement}"
                );
            }
        }
        let before = query_text(&mut admin, TOLD);
        for statement in [
            "SELECT * FROM backstop.preview('DELETE FROM e WHERE id = 50')",
            "SELECT * FROM backstop.check('DELETE FROM e WHERE id = 50')",
            "SELECT * FROM backstop.status()",
        ] {
            passes(&mut admin, statement);
            assert_eq!(
                query_text(&mut admin, TOLD),
                before,
                "{expression}: {statement}"
            );
        }
        passes(&mut admin, &protect(expression));
        // No approval is left over for what follows.
        let refusal = refused(&mut admin, "DELETE FROM e WHERE src IN ('x', 'y')");
        assert_eq!(refusal.sqlstate, "SF005", "{expression}: {refusal:?}");
        let refusal = refused(&mut admin, "TRUNCATE e");
        assert_eq!(refusal.sqlstate, "SF008", "{expression}: {refusal:?}");
        assert_eq!(query_text(&mut admin, "SELECT count(*) > 90 FROM e"), "t");
        let before = query_text(&mut admin, TOLD);
        let batch = "SELECT backstop.approve_batch('OPS-1', 100, '{public.e}', '{truncate}')";
        passes(&mut admin, &format!("BEGIN; {batch}; TRUNCATE e; COMMIT"));
        assert_eq!(query_text(&mut admin, TOLD), before, "{expression}");
        let approvals = "SELECT DISTINCT approval->>'reason' FROM backstop.statement WHERE approval IS NOT NULL";
        assert_eq!(query_text(&mut admin, approvals), "OPS-1", "{expression}");
    }
}

#[test]
fn they_end_with_its_errors_too() {
    let (_db, mut admin) = world("judge.ex(src)");
    passes(
        &mut admin,
        "SET backstop.mode = off; UPDATE e SET src = 'fails' WHERE id = 1; RESET backstop.mode;
         SET IntervalStyle = iso_8601; SET extra_float_digits = 0",
    );
    let before = query_text(&mut admin, TOLD);
    let refusal = refused(&mut admin, "DELETE FROM e WHERE id = 1");
    assert_eq!(refusal.message, "it fails", "{refusal:?}");
    assert_eq!(query_text(&mut admin, TOLD), before);
    passes(
        &mut admin,
        "DO $$ BEGIN DELETE FROM e WHERE id = 1; RAISE 'not reached';
             EXCEPTION WHEN raise_exception THEN DELETE FROM e WHERE id = 2; END $$",
    );
    assert_eq!(query_text(&mut admin, TOLD), before);
    // The constant part of another one.
    passes(
        &mut admin,
        "CREATE OR REPLACE FUNCTION judge.broken() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
            PERFORM judge.ex('fails'); RETURN ''; END $$;
         SELECT backstop.protect('e', max_rows => 3, expendable => 'src = judge.broken()')",
    );
    assert_eq!(query_text(&mut admin, TOLD), before);
    let refusal = refused(&mut admin, "DELETE FROM e WHERE id = 3");
    assert_eq!(refusal.message, "it fails", "{refusal:?}");
    assert_eq!(query_text(&mut admin, TOLD), before);
}

/// A domain's checks run when a literal that holds one is read.
#[test]
fn what_is_read_leaves_nothing_either() {
    let (_db, mut admin) = database_with(WORLD);
    passes(
        &mut admin,
        "CREATE DOMAIN tag AS text CHECK (NOT judge.ex(value)); CREATE TABLE t (id int PRIMARY KEY, tags tag[])",
    );
    passes(&mut admin, "SET IntervalStyle = iso_8601");
    let before = query_text(&mut admin, TOLD);
    let protect = "SELECT backstop.protect('t', expendable => $$tags = '{a}'$$)";
    let refusal = refused(&mut admin, protect);
    assert!(refusal.detail.contains("there is a domain"), "{refusal:?}");
    assert_eq!(query_text(&mut admin, TOLD), before);
    let caught = "DO $do$ BEGIN PERFORM backstop.protect('t', expendable => $$tags = '{a}'$$);
         EXCEPTION WHEN invalid_parameter_value THEN NULL; END $do$";
    passes(&mut admin, caught);
    assert_eq!(query_text(&mut admin, TOLD), before);
}

#[test]
fn nothing_is_approved_from_inside() {
    let (_db, mut admin) = database_with(WORLD);
    let request = "SELECT min(request_id) FROM backstop.preview('DELETE FROM e WHERE id > 90')";
    passes(
        &mut admin,
        "ALTER TABLE e OWNER TO postgres; SELECT backstop.protect('e', max_rows => 3, require => 'always')",
    );
    let id = query_text(&mut admin, request);
    for call in [
        "backstop.approve_batch('sneaky', 100)".to_owned(),
        "backstop.preview('DELETE FROM e')".to_owned(),
        format!("backstop.approve({id}, 'sneaky')"),
        format!("backstop.deny({id}, 'sneaky')"),
        "backstop.run('token')".to_owned(),
        "backstop.restore(1)".to_owned(),
    ] {
        let name = call.split('(').next().unwrap_or_default();
        passes(
            &mut admin,
            &format!(
                "CREATE OR REPLACE FUNCTION judge.calls(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$ BEGIN
                    PERFORM {call}; RETURN $1 = 'test'; END $f$;
                 SELECT backstop.protect('e', max_rows => 3, expendable => 'judge.calls(src)')"
            ),
        );
        let refusal = refused(&mut admin, "DELETE FROM e WHERE id = 1");
        assert_eq!(refusal.sqlstate, "55000", "{call}: {refusal:?}");
        assert!(
            refusal.message.contains(name)
                && refusal.message.contains("inside an expendable expression"),
            "{call}: {refusal:?}"
        );
        assert!(
            refusal.context.contains("expendable expression of table"),
            "{refusal:?}"
        );
        passes(&mut admin, "SELECT backstop.unprotect('e')");
        // Outside, it is what it was.
        passes(
            &mut admin,
            "BEGIN; SELECT backstop.approve_batch('OPS-2', 1); ROLLBACK",
        );
    }
    let state = format!("SELECT state FROM backstop.request WHERE request_id = {id}");
    assert_eq!(query_text(&mut admin, &state), "open");
}
