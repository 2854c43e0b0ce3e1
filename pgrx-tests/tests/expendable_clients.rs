//! What an `expendable` expression calls runs as the current user, as a check would, or as the table's owner where that is a
//! superuser: nobody gets rights by it that he has not.

use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

/// Who ran what said so while `role` ran the statements.
fn ran_as(db: &Database, role: &str, statements: &str) -> Vec<String> {
    let (mut client, notices) = db.connect_listening(role);
    passes(&mut client, statements);
    passes(&mut client, "SELECT 1");
    let mut said: Vec<String> = (notices.take().iter())
        .map(|notice| notice.message().to_owned())
        .collect();
    said.dedup();
    said
}

/// A function that looks a table up by its name finds the client's temporary view, and the view calls what the client made.
#[test]
fn what_the_client_put_in_front_runs_as_the_client() {
    let (db, _admin) = database_with(
        "CREATE TABLE allow (x text); GRANT SELECT ON allow TO PUBLIC;
         CREATE FUNCTION is_test(t text) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = public
             AS 'BEGIN RETURN EXISTS (SELECT FROM allow WHERE x = t); END';
         CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'real' FROM generate_series(1, 5) g;
         CREATE FUNCTION delete_one(int) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM public.t WHERE id = $1';
         CREATE ROLE keeper; ALTER TABLE t OWNER TO keeper; GRANT ALL ON t TO app;
         SELECT backstop.protect('t', expendable => 'public.is_test(v)')",
    );
    let front = "
        CREATE FUNCTION pg_temp.evil() RETURNS text LANGUAGE plpgsql AS
            $$ BEGIN RAISE NOTICE 'as %', current_user; RETURN 'x'; END $$;
        CREATE TEMP VIEW allow AS SELECT pg_temp.evil() AS x; GRANT SELECT ON allow TO PUBLIC;";
    let ran = ran_as(&db, "app", &format!("{front} DELETE FROM t WHERE id = 1"));
    assert_eq!(ran, ["as app"]);
    // With rights that are lent it does not run at all, and the row counts.
    let ran = ran_as(&db, "app", &format!("{front} SELECT delete_one(2)"));
    assert!(ran.is_empty(), "{ran:?}");
    let ran = ran_as(
        &db,
        "postgres",
        &format!("{front} DELETE FROM t WHERE id = 3"),
    );
    assert_eq!(ran, ["as keeper"]);
}

/// A domain of the owner's calls a stranger's function, and so does a function of the owner's.
#[test]
fn what_strangers_put_below_runs_as_the_client() {
    let (db, mut admin) = database_with(
        "CREATE SCHEMA sh AUTHORIZATION app; GRANT USAGE ON SCHEMA sh TO PUBLIC; SET ROLE app;
         CREATE FUNCTION sh.ok(t text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
             $$ BEGIN RAISE NOTICE 'as %', current_user; RETURN true; END $$; RESET ROLE;
         CREATE DOMAIN checked AS text CHECK (sh.ok(value) AND sh.ok('constant'));
         CREATE FUNCTION wrap(t text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT sh.ok(t)';
         CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'a' FROM generate_series(1, 9) g;
         GRANT ALL ON t TO app, outsider",
    );
    for (expression, id) in [
        ("v::public.checked = 'x'", 1),
        ("v = 'x'::public.checked", 3),
        ("public.wrap(v)", 5),
        ("public.wrap('constant')", 7),
    ] {
        passes(
            &mut admin,
            &format!("SELECT backstop.protect('t', expendable => $${expression}$$)"),
        );
        for (role, id) in [("app", id), ("outsider", id + 1)] {
            let ran = ran_as(&db, role, &format!("DELETE FROM t WHERE id = {id}"));
            assert_eq!(ran, [format!("as {role}")], "{expression}");
        }
    }
}

/// Whoever owns a type may rename its labels and fields, and add some.
#[test]
fn a_strangers_type_is_compared_and_not_printed() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA sh AUTHORIZATION app; SET ROLE app; CREATE TYPE sh.mood AS ENUM ('sad', 'happy');
         CREATE TYPE sh.comp AS (a text, b text); CREATE TABLE sh.line (a text, b text); RESET ROLE;
         CREATE TYPE own_mood AS ENUM ('sad', 'happy'); CREATE TYPE own_comp AS (a text, b text);
         CREATE TABLE e (id int PRIMARY KEY, m sh.mood, c sh.comp, ca sh.comp[], r sh.line, o own_mood, oc own_comp)",
    );
    for refused_one in [
        "row(m, id)::text LIKE '(sad,%'",
        "to_jsonb(row(m))->>'f1' = 'sad'",
        "concat(row(m)) = '(sad)'",
        "m::text = 'sad'",
        "to_jsonb(c)->>'b' = 'test'",
        "to_json(ca)->0->>'b' = 'test'",
        "jsonb_build_object('k', c)->'k'->>'b' = 'test'",
        "to_json(r)->>'b' = 'test'",
        "NOT (c IS NOT NULL)",
        "m < enum_last(NULL::sh.mood)",
        "array_length(enum_range(m), 1) > 2",
    ] {
        let protect = format!("SELECT backstop.protect('e', expendable => $${refused_one}$$)");
        let refusal = refused(&mut admin, &protect);
        assert_eq!(refusal.sqlstate, "22023", "{refused_one}: {refusal:?}");
    }
    for passing in [
        "m = 'sad'",
        "m IN ('sad', 'happy')",
        "m = ANY ('{sad}')",
        "m IS NULL",
        "(c).b = 'test'",
        "o::text = 'sad'",
        "to_jsonb(oc)->>'b' = 'test'",
    ] {
        passes(
            &mut admin,
            &format!("SELECT backstop.protect('e', expendable => $${passing}$$)"),
        );
    }
}

/// `'x'::regclass` is read by its name.
#[test]
fn a_relation_that_is_named_keeps_its_name() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE SEQUENCE s1.test_sq; CREATE TABLE s1.tst (id int); CREATE TABLE s1.other (id int);
         CREATE TABLE ev (id int PRIMARY KEY, src oid);
         SELECT backstop.protect('ev', expendable => $$src = 's1.test_sq'::regclass OR src = ANY ('{s1.tst}'::regclass[])$$)",
    );
    for statement in [
        "ALTER SEQUENCE s1.test_sq RENAME TO x",
        "ALTER TABLE s1.tst RENAME TO x",
        "ALTER TABLE s1.tst SET SCHEMA s2",
        "ALTER SCHEMA s1 RENAME TO s3",
        "DROP TABLE s1.tst",
        "DO 'BEGIN ALTER TABLE s1.tst RENAME TO x; END'",
    ] {
        assert_eq!(
            refused(&mut admin, statement).sqlstate,
            "SF008",
            "{statement}"
        );
    }
    let temporary = refused(
        &mut admin,
        "CREATE TEMP TABLE tt (id int); SELECT backstop.protect('ev', expendable => $$src = 'tt'::regclass$$)",
    );
    assert!(temporary.detail.contains("temporary"), "{temporary:?}");
    passes(
        &mut admin,
        "ALTER TABLE s1.other RENAME TO another; ALTER TABLE s1.tst ADD COLUMN n int; DELETE FROM ev WHERE id = 1",
    );
}

/// An operator that only the session's search_path finds is not silently another one.
#[test]
fn what_the_session_means_by_an_operator_is_what_is_kept() {
    let (_db, mut admin) = database_with("SELECT 1");
    if admin.batch_execute("CREATE EXTENSION citext").is_err() {
        println!("left out: this server lacks citext");
        return;
    }
    passes(
        &mut admin,
        "CREATE TABLE u (id int PRIMARY KEY, src citext); INSERT INTO u VALUES (1, 'Real'), (2, 'TEST')",
    );
    let refusal = refused(
        &mut admin,
        "SELECT backstop.protect('u', expendable => $$src = 'test'$$)",
    );
    assert_eq!(refusal.sqlstate, "22023", "{refusal:?}");
    assert!(
        refusal.detail.contains("OPERATOR(schema.=)") && refusal.hint.contains("OPERATOR"),
        "{refusal:?}"
    );
    for meant in ["src OPERATOR(public.=) 'test'", "src::text = 'test'"] {
        passes(
            &mut admin,
            &format!("SELECT backstop.protect('u', max_rows => 1, expendable => $${meant}$$)"),
        );
    }
    let kept = query_text(
        &mut admin,
        "SELECT expendable FROM backstop.protected_table",
    );
    passes(
        &mut admin,
        &format!("SELECT backstop.protect('u', expendable => $${kept}$$)"),
    );
}

/// The code's owner gets no rights of those whom it runs for, behind a SECURITY DEFINER function, a cascade or SET ROLE.
#[test]
fn what_the_owner_put_there_has_no_rights_of_the_clients() {
    let (db, mut admin) = database_with(
        "CREATE ROLE author; CREATE ROLE dba SUPERUSER; GRANT dba TO app; CREATE SCHEMA x AUTHORIZATION author;
         GRANT USAGE ON SCHEMA x TO PUBLIC; CREATE TABLE orders (id int PRIMARY KEY); GRANT REFERENCES, SELECT ON orders TO author;
         GRANT ALL ON orders TO app; SET ROLE author;
         CREATE FUNCTION x.is_test(s text) RETURNS boolean STABLE LANGUAGE plpgsql AS
             $$ BEGIN RAISE NOTICE 'as %', current_user; RETURN s = 'test'; END $$;
         CREATE TABLE x.notes (id int PRIMARY KEY, o int REFERENCES public.orders ON DELETE CASCADE, src text);
         GRANT ALL ON x.notes TO dba;
         CREATE FUNCTION x.api(i int) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM x.notes WHERE id = i'; RESET ROLE;
         SELECT backstop.protect('x.notes', expendable => 'x.is_test(src)');
         INSERT INTO orders VALUES (1), (2), (3); INSERT INTO x.notes VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')",
    );
    for statement in [
        "SELECT x.api(1)",
        "DELETE FROM orders WHERE id = 2",
        "SET ROLE dba; DELETE FROM x.notes WHERE id = 3",
    ] {
        assert_eq!(ran_as(&db, "app", statement), ["as author"], "{statement}");
    }
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM x.notes"), "0");
    passes(
        &mut admin,
        "REVOKE dba FROM app; DROP OWNED BY dba; DROP ROLE dba",
    );
}
