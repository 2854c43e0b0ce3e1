//! Judging calls nobody's functions: not those that an UPDATE assigns by, and not those of a column's default. What
//! PostgreSQL would not evaluate is no error either.

use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, n int, dflt int, broken int DEFAULT 1 / 0, email text DEFAULT '', phone text);
    INSERT INTO users (id, n, dflt, broken, email, phone) SELECT g, g, g, g, 'e', 'p' FROM generate_series(1, 20) g;
    CREATE FUNCTION boom(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'boom' USING ERRCODE = 'ZZ001', CONSTRAINT = 'cc'; END $$;
    CREATE FUNCTION told(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN RAISE NOTICE 'called'; RETURN a; END $$;
    CREATE FUNCTION esc(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN RAISE NOTICE 'as %', current_user; RETURN a; END $$;
    ALTER TABLE users ALTER dflt SET DEFAULT boom(7);
    SELECT backstop.protect('users');
    SELECT backstop.protect_columns('users', '{n,dflt,email}', 'crm'), backstop.protect_columns('users', '{broken,phone}', 'billing');";

/// What is said while an administrator runs the statement.
fn said(db: &Database, statement: &str) -> Vec<String> {
    let (mut client, notices) = db.connect_listening("postgres");
    passes(&mut client, statement);
    passes(&mut client, "SELECT 1");
    let notices = notices.take();
    notices.iter().map(|n| n.message().to_owned()).collect()
}

#[test]
fn an_assigned_function_is_called_as_often_as_without_us() {
    let (db, mut admin) = database_with(WORLD);
    let statement = "UPDATE users SET n = told(5) WHERE id = 2";
    assert_eq!(said(&db, statement), ["called"]);
    let off = format!("SET backstop.mode = off; {statement}");
    assert_eq!(said(&db, &off), ["called"]);
    assert_eq!(
        query_text(&mut admin, "SELECT n FROM users WHERE id = 2"),
        "5"
    );
}

#[test]
fn its_error_is_the_one_it_raised() {
    let (_db, mut admin) = database_with(WORLD);
    for mode in ["enforce", "observe", "off"] {
        passes(&mut admin, &format!("SET backstop.mode = {mode}"));
        let refusal = refused(&mut admin, "UPDATE users SET n = boom(1) WHERE id = 2");
        assert_eq!(refusal.sqlstate, "ZZ001", "{mode}");
        assert_eq!(refusal.constraint, "cc", "{mode}");
        assert!(refusal.context.contains("boom"), "{refusal:?}");
    }
}

#[test]
fn a_default_is_not_evaluated() {
    let (db, mut admin) = database_with(WORLD);
    for mode in ["enforce", "observe"] {
        passes(&mut admin, &format!("SET backstop.mode = {mode}"));
        passes(&mut admin, "UPDATE users SET dflt = 5 WHERE id = 1");
        passes(&mut admin, "UPDATE users SET broken = 5 WHERE id = 1");
        passes(
            &mut admin,
            "UPDATE users SET dflt = 6, broken = 7 WHERE id = 1",
        );
        passes(
            &mut admin,
            "SELECT * FROM backstop.preview('UPDATE users SET dflt = 9 WHERE id = 1')",
        );
    }
    passes(
        &mut admin,
        "ALTER TABLE users ALTER dflt SET DEFAULT esc(7)",
    );
    for statement in [
        "EXPLAIN UPDATE users SET dflt = 5 WHERE id = 1",
        "SELECT * FROM backstop.check('UPDATE users SET dflt = 5 WHERE id = 1')",
        "UPDATE users SET dflt = 5 WHERE id = 1",
        "SELECT * FROM backstop.preview('UPDATE users SET dflt = 8 WHERE id = 1')",
    ] {
        assert!(said(&db, statement).is_empty(), "{statement}");
    }
}

#[test]
fn nor_is_what_a_parameter_decides() {
    let (_db, mut admin) = database_with(WORLD);
    passes(
        &mut admin,
        "PREPARE p (int) AS UPDATE users SET n = CASE WHEN $1 = 1 THEN 1 / 0 ELSE 5 END WHERE id = 2;
         EXECUTE p(2); EXECUTE p(3)",
    );
    assert_eq!(refused(&mut admin, "EXECUTE p(1)").sqlstate, "22012");
}

#[test]
fn a_guarded_sequence_is_checked_without_them() {
    let (db, mut admin) = database_with(WORLD);
    passes(
        &mut admin,
        "CREATE SEQUENCE numbers; SELECT backstop.protect_sequence('numbers')",
    );
    let check = |value: &str| {
        format!("SELECT * FROM backstop.check($$SELECT setval('numbers', {value})$$)")
    };
    assert!(said(&db, &check("esc(900)")).is_empty());
    assert_eq!(query_text(&mut admin, &check("1 / 0")), "");
    assert!(query_text(&mut admin, &check("800 + 100")).contains("SF007"));
}

#[test]
fn constants_are_still_seen_through() {
    let (_db, mut admin) = database_with(WORLD);
    for assigned in [
        "email = NULL, phone = ''",
        "email = DEFAULT, phone = NULL",
        "email = lower(''), phone = coalesce(NULL, NULL)",
        "email = ''::varchar(10), phone = '{}'::text[]::text",
    ] {
        let statement = format!("UPDATE users SET {assigned} WHERE id = 3");
        let found = query_text(
            &mut admin,
            &format!("SELECT sqlstate FROM backstop.check($${statement}$$)"),
        );
        let expected = if assigned.contains("{}") { "" } else { "SF009" };
        assert_eq!(found, expected, "{statement}");
    }
}
