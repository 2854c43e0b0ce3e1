//! Judging a statement evaluates parts of it. What fails on the way leaves nothing behind, functions that are not
//! PostgreSQL's are not called with values that no row has, and however long a condition is, it is planned where
//! PostgreSQL plans it.

use pg_backstop_tests::{Database, database_with, passes, query_text, refused};
use postgres::Client;

const WORLD: &str = "
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE users (id bigint PRIMARY KEY, email text, name text, active boolean NOT NULL, mood mood NOT NULL, n int);
    INSERT INTO users SELECT g, 'e' || g, 'n', g % 2 = 0, 'good', g FROM generate_series(1, 20) g;
    CREATE TABLE user_roles (user_id bigint, role_id int, note text, PRIMARY KEY (user_id, role_id));
    INSERT INTO user_roles SELECT g, g FROM generate_series(1, 20) g;
    CREATE TABLE config (id boolean PRIMARY KEY DEFAULT true CHECK (id), v text);
    INSERT INTO config VALUES (true, 'a');
    CREATE TABLE numbered (id int PRIMARY KEY DEFAULT 1 CHECK (id = 1), v text, n int NOT NULL DEFAULT 0 CHECK (n >= 0));
    INSERT INTO numbered VALUES (1, 'a');
    CREATE TABLE switches (state boolean PRIMARY KEY, v text);
    INSERT INTO switches VALUES (true, 'a'), (false, 'b');
    SELECT backstop.protect(t::regclass) FROM unnest('{users, user_roles, config, numbered, switches}'::text[]) t;
    CREATE FUNCTION boom(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN PERFORM count(*) FROM users; RAISE EXCEPTION 'boom %', n; END $$;";

/// No person is asked to read what happened while a statement was judged.
#[track_caller]
fn is_silent(db: &Database, run: impl FnOnce(&mut Client)) {
    let (mut client, notices) = db.connect_listening("postgres");
    run(&mut client);
    passes(&mut client, "SELECT 1");
    let said = notices.take();
    assert!(said.is_empty(), "{said:?}");
}

const FAILING: &[&str] = &[
    "UPDATE users SET name = 'x' WHERE email = 'q' AND 10 / active::int > 5",
    "UPDATE users SET name = 'x' WHERE email = 'q' AND boom(CASE WHEN active THEN 1 ELSE 1 END) = 3",
    "UPDATE users SET name = 'x' WHERE email = 'q' AND (active OR boom(CASE WHEN active THEN 1 ELSE 1 END) = 3)",
    "UPDATE users SET name = 'x' WHERE email = 'q' AND (mood::text || '1')::int > 3",
];

#[test]
fn what_fails_while_it_is_judged_leaves_nothing() {
    let (db, _admin) = database_with(WORLD);
    is_silent(&db, |client| {
        for statement in FAILING {
            passes(client, statement);
        }
    });
    is_silent(&db, |client| {
        passes(client, "BEGIN");
        for statement in FAILING {
            passes(client, statement);
        }
        passes(client, "UPDATE users SET name = 'y' WHERE id = 3");
        passes(client, "COMMIT");
        let name = query_text(client, "SELECT name FROM users WHERE id = 3");
        assert_eq!(name, "y");
    });
}

#[test]
fn nor_does_it_in_a_loop() {
    let (db, _admin) = database_with(WORLD);
    for statement in FAILING {
        is_silent(&db, |client| {
            let block = format!(
                "DO $do$ DECLARE n bigint; BEGIN
                    FOR n IN SELECT id FROM users LIMIT 3 LOOP {statement}; EXECUTE $q${statement}$q$; END LOOP;
                    UPDATE users SET name = 'z' WHERE id = 4;
                    BEGIN {statement}; PERFORM 1 / (n - n); EXCEPTION WHEN division_by_zero THEN NULL; END;
                    COMMIT;
                    {statement};
                END $do$"
            );
            passes(client, &block);
            let name = query_text(client, "SELECT name FROM users WHERE id = 4");
            assert_eq!(name, "z");
            passes(client, "UPDATE users SET name = 'n' WHERE id = 4");
        });
    }
}

#[test]
fn what_postgresql_does_not_evaluate_is_no_error() {
    let (_db, mut admin) = database_with(WORLD);
    for condition in ["(false AND 1 / 0 = 1)", "(email ~ '[' AND false)"] {
        let statement = format!("UPDATE users SET name = 'x' WHERE email = 'q' AND {condition}");
        passes(&mut admin, &statement);
    }
}

#[test]
fn tautologies_around_strange_functions_are_seen_through() {
    let (_db, mut admin) = database_with(WORLD);
    let statement = "UPDATE users SET name = 'x' WHERE CASE WHEN active THEN true ELSE NOT active OR boom(n) = 1 END";
    assert_eq!(refused(&mut admin, statement).sqlstate, "SF002");
}

fn list(numbers: usize, one: impl Fn(usize) -> String, between: &str) -> String {
    (1..=numbers).map(one).collect::<Vec<_>>().join(between)
}

#[test]
fn long_conditions_are_planned() {
    let (_db, mut admin) = database_with(WORLD);
    passes(&mut admin, "SET statement_timeout = '20s'");
    let pair = |n| format!("({n}, {n})");
    let long = [
        format!(
            "DELETE FROM user_roles WHERE (user_id, role_id) IN ({})",
            list(2000, pair, ", ")
        ),
        format!(
            "DELETE FROM user_roles WHERE {}",
            list(
                5000,
                |n| format!("(user_id = {n} AND role_id = {n})"),
                " OR "
            )
        ),
        format!(
            "UPDATE user_roles SET note = 'x' WHERE user_id = 1 AND role_id = 1 AND (user_id, role_id) NOT IN ({})",
            list(2000, |n| format!("({n}, 0)"), ", ")
        ),
        format!(
            "UPDATE users SET name = 'x' WHERE (email, n) IN ({})",
            list(2000, |n| format!("('f{n}', {n})"), ", ")
        ),
        format!(
            "UPDATE users SET name = 'x' WHERE {}",
            list(4000, |n| format!("id = {n}"), " OR ")
        ),
        format!(
            "UPDATE users SET name = 'x' WHERE id IN ({})",
            list(10000, |n| n.to_string(), ", ")
        ),
        format!(
            "UPDATE users SET name = 'x' WHERE email = 'q' AND name = {}",
            list(2000, |_| "'x'".into(), " || ")
        ),
        format!(
            "UPDATE users SET name = 'x' WHERE n = {}",
            list(2000, |n| n.to_string(), " + n + ")
        ),
        format!(
            "UPDATE users SET name = 'x' FROM (VALUES {}) v (a, b) WHERE id = v.a",
            list(5000, pair, ", ")
        ),
    ];
    for statement in &long {
        passes(&mut admin, "BEGIN");
        passes(&mut admin, &format!("EXPLAIN {statement}"));
        passes(&mut admin, "ROLLBACK");
    }
}

#[test]
fn the_only_row_is_changed_by_its_key() {
    let (_db, mut admin) = database_with(WORLD);
    for (table, condition) in [
        ("config", "id"),
        ("config", "id = true"),
        ("config", "id IS TRUE"),
        ("numbered", "id = 1"),
        ("numbered", "id = ANY ('{1}')"),
        ("numbered", "id IN (1)"),
        ("numbered", "id = 1 OR id = 2"),
        ("numbered", "id = 1 AND n >= 0"),
        ("switches", "state"),
        ("switches", "NOT state"),
    ] {
        passes(
            &mut admin,
            &format!("UPDATE {table} SET v = 'x' WHERE {condition}"),
        );
    }
    for (table, condition) in [
        ("config", "id IS NOT NULL"),
        ("numbered", "n >= 0"),
        ("numbered", "id >= 1"),
        ("switches", "state OR NOT state"),
    ] {
        let statement = format!("UPDATE {table} SET v = 'x' WHERE {condition}");
        assert!(
            refused(&mut admin, &statement).sqlstate.starts_with("SF"),
            "{statement}"
        );
    }
}
