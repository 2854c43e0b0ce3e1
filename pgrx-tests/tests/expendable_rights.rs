//! An `expendable` expression is read as the table's owner, whoever asks: whoever changes a row needs no rights to what it
//! names, and a superuser lends his own to nobody's code.

use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

/// What is said while `role` runs the statement.
fn said(db: &Database, role: &str, statement: &str) -> Vec<String> {
    let (mut client, notices) = db.connect_listening(role);
    passes(&mut client, statement);
    passes(&mut client, "SELECT 1");
    let notices = notices.take();
    let mut said: Vec<String> = notices.iter().map(|n| n.message().to_owned()).collect();
    said.dedup();
    said
}

#[test]
fn who_changes_a_row_needs_no_rights_to_what_it_names() {
    let (db, mut admin) = database_with(
        "CREATE SCHEMA priv; CREATE FUNCTION priv.is_test(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
            $$ BEGIN RETURN $1 = 'test'; END $$;
         REVOKE ALL ON FUNCTION priv.is_test(text) FROM PUBLIC;
         CREATE TABLE t (id int PRIMARY KEY, src text); GRANT ALL ON t TO app;
         INSERT INTO t SELECT n, CASE WHEN n > 10 THEN 'test' ELSE 'web' END FROM generate_series(1, 20) n;
         SELECT backstop.protect('t', max_rows => 3, expendable => 'priv.is_test(src)')",
    );
    let mut app = db.connect_as("app");
    passes(&mut app, "UPDATE t SET src = 'web' WHERE id = 20");
    passes(&mut app, "DELETE FROM t WHERE src = 'test'");
    assert_eq!(
        refused(&mut app, "DELETE FROM t WHERE src = 'web'").sqlstate,
        "SF005"
    );
    // The owner needs them.
    passes(
        &mut admin,
        "CREATE TABLE theirs (id int PRIMARY KEY, src text); ALTER TABLE theirs OWNER TO app",
    );
    let protect = "SELECT backstop.protect('theirs', expendable => 'priv.is_test(src)')";
    let refusal = refused(&mut admin, protect);
    assert_eq!(refusal.sqlstate, "22023", "{refusal:?}");
    assert!(refusal.detail.contains("schema priv"), "{refusal:?}");
    passes(&mut admin, "GRANT USAGE ON SCHEMA priv TO app");
    let refusal = refused(&mut admin, protect);
    assert!(
        refusal.detail.contains("function priv.is_test(text)"),
        "{refusal:?}"
    );
    passes(
        &mut admin,
        &format!("GRANT EXECUTE ON FUNCTION priv.is_test(text) TO app; {protect}"),
    );
    let fails = |admin: &mut _| {
        query_text(admin, "SELECT * FROM backstop.status()")
            .contains("expression fails|public.theirs")
    };
    assert!(!fails(&mut admin));
    passes(
        &mut admin,
        "REVOKE EXECUTE ON FUNCTION priv.is_test(text) FROM app",
    );
    assert!(fails(&mut admin));
}

#[test]
fn functions_run_as_the_owner_for_a_superuser() {
    let (db, mut admin) = database_with(
        "CREATE SCHEMA m4 AUTHORIZATION app; GRANT ALL ON SCHEMA public TO app; SET ROLE app;
         CREATE FUNCTION m4.chk(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
            $$ BEGIN RAISE NOTICE 'chk as %', current_user; RETURN true; END $$;
         CREATE FUNCTION m4.is_t(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
            $$ BEGIN RAISE NOTICE 'is_t as %', current_user; RETURN $1 = 't'; END $$;
         CREATE DOMAIN m4.tag AS int CHECK (m4.chk(value));
         CREATE TABLE t (id int PRIMARY KEY, tag m4.tag, src text);
         INSERT INTO t VALUES (1, 7, 't'), (2, 8, 't'), (3, 8, 't'); RESET ROLE",
    );
    let protect = "SELECT backstop.protect('t', expendable => $$tag = 7::m4.tag OR m4.is_t(src)$$)";
    for statement in [protect, "SELECT * FROM backstop.status()"] {
        assert!(said(&db, "postgres", statement).is_empty(), "{statement}");
    }
    for (role, id) in [("postgres", 2), ("app", 3)] {
        assert_eq!(
            said(&db, role, &format!("DELETE FROM t WHERE id = {id}")),
            ["chk as app", "is_t as app"],
            "{role}"
        );
    }
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM t"), "1");
}

#[test]
fn nobody_gets_the_owners_rights_by_a_function_of_his_own() {
    let (db, _admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, src text); GRANT ALL ON t TO app; INSERT INTO t VALUES (1, 'a'), (2, 'b');
         CREATE FUNCTION is_t(text, text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
            $$ BEGIN RAISE NOTICE 'as %', current_user; RETURN $1 = $2; END $$;
         CREATE FUNCTION constant() RETURNS text IMMUTABLE LANGUAGE plpgsql AS
            $$ BEGIN RAISE NOTICE 'as %', current_user; RETURN 't'; END $$;
         ALTER FUNCTION is_t(text, text) OWNER TO app; ALTER FUNCTION constant() OWNER TO app;
         SELECT backstop.protect('t', expendable => 'public.is_t(src, public.constant())')",
    );
    assert_eq!(said(&db, "app", "DELETE FROM t WHERE id = 1"), ["as app"]);
}

/// A domain's checks run when a literal that holds one is read, with the table owner's rights.
#[test]
fn literals_that_run_code_and_a_third_role_s_types_are_refused() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA theirs AUTHORIZATION app; GRANT USAGE ON SCHEMA theirs TO PUBLIC; SET ROLE app;
         CREATE DOMAIN theirs.tag AS int CHECK (value > 0); CREATE TYPE theirs.mood AS ENUM ('test', 'web');
         CREATE TYPE theirs.pair AS (a theirs.tag, b int); RESET ROLE;
         CREATE TABLE t (id int PRIMARY KEY, tags theirs.tag[], tag theirs.tag, p theirs.pair, m theirs.mood, n int);
         CREATE DOMAIN ours AS int CHECK (value > 0)",
    );
    for expression in [
        "tags = '{7}'",
        "p = '(1,2)'::theirs.pair",
        "n = 7::theirs.tag",
    ] {
        let protect = format!("SELECT backstop.protect('t', expendable => $${expression}$$)");
        let refusal = refused(&mut admin, &protect);
        assert_eq!(refusal.sqlstate, "22023", "{expression}: {refusal:?}");
        assert!(
            refusal.detail.contains("type theirs."),
            "{expression}: {refusal:?}"
        );
    }
    for expression in [
        "m = 'test'",
        "tag = 7",
        "n = 7::public.ours",
        "tags IS NULL",
        "(p).a = 7",
    ] {
        passes(
            &mut admin,
            &format!("SELECT backstop.protect('t', expendable => $${expression}$$)"),
        );
    }
    passes(
        &mut admin,
        "SELECT backstop.unprotect('t'); ALTER TABLE t OWNER TO app; SELECT backstop.protect('t', expendable => 'n = 7::theirs.tag')",
    );
    let refusal = refused(
        &mut admin,
        "SELECT backstop.protect('t', expendable => $$tags = '{7}'$$)",
    );
    assert!(refusal.detail.contains("there is a domain"), "{refusal:?}");
}
