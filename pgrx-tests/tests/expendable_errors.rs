//! An error raised over an `expendable` expression is the error that was raised: an application that tells errors by their
//! SQLSTATE or fields finds them. Its CONTEXT says whose expression it is.

use pg_backstop_tests::{Refusal, comes_to, database_with_app, passes, query_text, refused};

#[path = "rejections/world.rs"]
mod rejections;

const LINE: &str = "expendable expression of table \"public.t3\"";

fn lines(refusal: &Refusal) -> usize {
    refusal.context.matches(LINE).count()
}

#[test]
fn every_field_goes_through() {
    let (_db, mut admin, mut app) = database_with_app(
        "CREATE TABLE t3 (id int PRIMARY KEY, s text); INSERT INTO t3 SELECT n, 's' FROM generate_series(1, 9) n;
         GRANT ALL ON t3 TO app;
         CREATE FUNCTION fn2(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
             RAISE NOTICE 'so far'; BEGIN RAISE EXCEPTION 'another'; EXCEPTION WHEN raise_exception THEN NULL; END;
             RAISE EXCEPTION 'no' USING errcode = 'AB123', detail = 'why', hint = 'what', schema = 'a', table = 'b',
                 column = 'c', datatype = 'd', constraint = 'e';
         END $$",
    );
    // Of a constant, it is called where the expression is prepared.
    for expression in ["public.fn2(s)", "public.fn2('s')"] {
        passes(
            &mut admin,
            &format!("SELECT backstop.protect('t3', expendable => $${expression}$$)"),
        );
        let refusal = refused(&mut app, "DELETE FROM t3 WHERE id = 1");
        assert_eq!(refusal.sqlstate, "AB123", "{refusal:?}");
        let fields = [
            &refusal.message,
            &refusal.detail,
            &refusal.hint,
            &refusal.schema,
            &refusal.table,
            &refusal.column,
            &refusal.datatype,
            &refusal.constraint,
        ];
        assert_eq!(fields, ["no", "why", "what", "a", "b", "c", "d", "e"]);
        assert!(
            refusal.context.starts_with("PL/pgSQL function") && lines(&refusal) == 1,
            "{refusal:?}"
        );
        assert!(
            refusal.context.contains("fn2") && refusal.context.contains("backstop.protect()"),
            "{refusal:?}"
        );
        // Around it, what called the statement.
        passes(
            &mut app,
            "DO $$ DECLARE told text; BEGIN DELETE FROM t3 WHERE id = 1; RAISE 'not reached';
                 EXCEPTION WHEN SQLSTATE 'AB123' THEN GET STACKED DIAGNOSTICS told = PG_EXCEPTION_CONTEXT;
                     IF told NOT LIKE '%fn2(text)%expendable expression of table%inline_code_block%' OR
                         told LIKE '%inline_code_block%inline_code_block%' THEN RAISE 'context: %', told; END IF;
             END $$",
        );
    }
    passes(
        &mut admin,
        "SELECT backstop.protect('t3', expendable => $$s = 's'$$)",
    );
    passes(&mut app, "DELETE FROM t3 WHERE s = 's'");
}

#[test]
fn it_is_told_once_however_deep_it_is_raised() {
    let (_db, _admin, mut app) = database_with_app(
        "CREATE TABLE t3 (id int PRIMARY KEY); INSERT INTO t3 SELECT generate_series(1, 9); GRANT ALL ON t3 TO app;
         CREATE FUNCTION next(int) RETURNS bool LANGUAGE plpgsql VOLATILE AS $$ BEGIN
             IF $1 = 3 THEN RAISE EXCEPTION 'no' USING errcode = 'AB123', detail = 'why', hint = 'what'; END IF;
             DELETE FROM t3 WHERE id = $1 + 1; RETURN true; END $$;
         CREATE FUNCTION nexts(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.next($1); END';
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO app; ALTER FUNCTION next(int) SET search_path = public;
         SELECT backstop.protect('t3', max_rows => 5, expendable => 'public.nexts(id)')",
    );
    let refusal = refused(&mut app, "DELETE FROM t3 WHERE id = 1");
    let told = [
        &refusal.sqlstate,
        &refusal.message,
        &refusal.detail,
        &refusal.hint,
    ];
    assert_eq!(told, ["AB123", "no", "why", "what"], "{refusal:?}");
    assert_eq!(lines(&refusal), 3, "{refusal:?}");
}

#[test]
fn a_refusal_of_ours_in_it_is_that_refusal_and_recorded() {
    let (_db, mut admin) = rejections::world();
    passes(
        &mut admin,
        "CREATE TABLE t3 (id int PRIMARY KEY); INSERT INTO t3 SELECT generate_series(1, 9);
         CREATE TABLE others (id int PRIMARY KEY, s text); INSERT INTO others SELECT n, 's' FROM generate_series(1, 99) n;
         CREATE FUNCTION sweep() RETURNS bool LANGUAGE plpgsql AS
             $$ BEGIN DELETE FROM public.others WHERE s = 's'; RETURN true; END $$;
         CREATE FUNCTION sweeps(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.sweep(); END';
         SELECT backstop.protect('others', max_rows => 5),
             backstop.protect('t3', max_rows => 5, expendable => 'public.sweeps(id)')",
    );
    let refusal = refused(&mut admin, "DELETE FROM t3 WHERE id = 1");
    assert_eq!(refusal.sqlstate, "SF005", "{refusal:?}");
    // What the function destroys counts with the statement that it is asked for.
    assert_eq!(
        (refusal.schema.as_str(), refusal.table.as_str()),
        ("public", "t3"),
        "{refusal:?}"
    );
    assert_eq!(lines(&refusal), 1, "{refusal:?}");
    comes_to(
        &mut admin,
        "SELECT string_agg(sqlstate || ' ' || relation, ',') FROM backstop.rejection WHERE rule <> 'mode'",
        "SF005 public.t3",
    );
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM t3"), "9");
}
