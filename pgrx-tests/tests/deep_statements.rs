//! However long or deep a statement is, the server outlives it. Where nothing is protected, what PostgreSQL makes of it is
//! what comes of it: a plan, or its own error.

use pg_backstop_tests::{Database, database_with, passes, query_text, refused};
use postgres::Client;

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, email text, n int NOT NULL, active bool NOT NULL);
    INSERT INTO users SELECT g, 'n' || g, 'e' || g, g, true FROM generate_series(1, 20) g;
    CREATE TABLE plain AS SELECT * FROM users;
    CREATE SEQUENCE numbers;
    SELECT backstop.protect('users'), backstop.protect_sequence('numbers');";

/// What comes of a statement: nothing, or a SQLSTATE. A lost connection is neither.
#[track_caller]
fn outcome(client: &mut Client, sql: &str) -> String {
    match client.batch_execute(sql) {
        Ok(()) => "passes".into(),
        Err(error) => match error.code() {
            Some(code) => code.code().into(),
            None => panic!("{error}: {}", &sql[..sql.len().min(300)]),
        },
    }
}

fn chain(arms: usize, operator: &str) -> String {
    vec!["SELECT 1"; arms].join(&format!(" {operator} "))
}

fn nested(depth: usize, before: &str, inner: &str, after: &str) -> String {
    format!("{}{inner}{}", before.repeat(depth), after.repeat(depth))
}

/// Conditions on a row of `users` or `plain`, of that many parts or levels, that PostgreSQL plans in no time.
fn long_conditions(size: usize) -> Vec<String> {
    vec![
        format!("id IN ({})", chain(size, "UNION")),
        format!(
            "id IN ({})",
            nested(size, "SELECT 1 UNION (", "SELECT 2", ")")
        ),
        format!("email = {}", nested(size, "lower(", "name", ")")),
        format!("email = {}", vec!["name"; size].join(" || ")),
        format!(
            "email = {}",
            nested(size, "CASE WHEN active THEN ", "name", " ELSE email END")
        ),
        nested(size, "NOT (", "active", ")"),
    ]
}

/// The same of what takes time with the square of its size.
fn deep_conditions(size: usize) -> Vec<String> {
    vec![
        format!("id IN ({})", chain(size, "UNION ALL")),
        format!("id IN ({})", chain(size, "EXCEPT")),
        format!("id IN ({})", chain(size, "INTERSECT")),
        format!("email = {}", nested(size, "(SELECT ", "name", ")")),
        format!("n = {}", nested(size, "(SELECT ", "max(n) FROM plain", ")")),
        nested(size / 4, "EXISTS (SELECT FROM plain p WHERE ", "n = 1", ")"),
        format!(
            "id IN ({})",
            nested(size, "SELECT id FROM (", "SELECT id FROM plain", ") s")
        ),
        format!("email = {}", nested(size, "coalesce(email, ", "name", ")")),
        format!("ROW(n) = {}", nested(size, "ROW(", "1", ")")),
        format!("n = {}", nested(size, "(ARRAY[", "n", "])[1]")),
        nested(size, "active AND (n = 1 OR ", "active", ")"),
        nested(size, "(", "email = 'q'", ") IS TRUE"),
    ]
}

/// Whole queries over `plain`.
fn deep_queries(size: usize) -> Vec<String> {
    let joins = size / 8;
    let common = |n: usize| match n {
        0 => "c0 AS (SELECT * FROM plain)".to_string(),
        _ => format!("c{n} AS (SELECT * FROM c{} WHERE n > 0)", n - 1),
    };
    let ctes: Vec<String> = (0..joins).map(common).collect();
    let right: String = (1..=joins)
        .map(|n| format!("(SELECT 1 AS a) v{n} JOIN ("))
        .collect();
    let merged: String = (1..=joins / 2)
        .map(|n| format!(" FULL JOIN (VALUES (1)) v{n} (a) USING (a)"))
        .collect();
    vec![
        nested(size, "SELECT * FROM (", "SELECT * FROM plain", ") s"),
        nested(size, "SELECT (", "SELECT 1", ") AS a"),
        nested(
            joins,
            "WITH c AS (",
            "SELECT * FROM plain",
            ") SELECT * FROM c",
        ),
        format!("WITH {} SELECT * FROM c{}", ctes.join(", "), joins - 1),
        format!(
            "SELECT 1 FROM {right}(SELECT 1 AS a) v0{}",
            ") ON true".repeat(joins)
        ),
        format!("SELECT a FROM (VALUES (1)) v0 (a){merged}"),
        format!(
            "SELECT name FROM plain ORDER BY {}",
            nested(size, "lower(", "name", ")")
        ),
    ]
}

fn statements(table: &str, conditions: Vec<String>, queries: Vec<String>) -> Vec<String> {
    let cursor = |query: &str| format!("BEGIN; DECLARE c CURSOR FOR {query}; ROLLBACK");
    let mut all = Vec::new();
    for condition in conditions {
        all.push(format!(
            "EXPLAIN UPDATE {table} SET n = 1 WHERE {condition}"
        ));
        all.push(cursor(&format!("SELECT * FROM {table} WHERE {condition}")));
    }
    for query in queries {
        all.push(cursor(&query));
        all.push(format!(
            "EXPLAIN DELETE FROM {table} WHERE EXISTS ({query})"
        ));
    }
    all
}

fn long(table: &str) -> Vec<String> {
    let values = nested(3000, "lower(", "name", ")");
    let assigned = format!("EXPLAIN UPDATE {table} SET email = {values} WHERE id = 1");
    let lists = ["UNION ALL", "UNION", "EXCEPT"].map(|operator| chain(2300, operator));
    let mut all = statements(table, long_conditions(2300), Vec::new());
    all.extend(lists.map(|list| format!("BEGIN; DECLARE c CURSOR FOR {list}; ROLLBACK")));
    all.push(assigned);
    all
}

fn deep(table: &str) -> Vec<String> {
    [40, 400]
        .into_iter()
        .flat_map(|size| statements(table, deep_conditions(size), deep_queries(size)))
        .collect()
}

const SESSION: &str = "SET join_collapse_limit = 1; SET from_collapse_limit = 1; SET jit = off; SET statement_timeout = '5s'";

fn session(db: &Database, stack: &str, more: &str) -> Client {
    let mut client = db.connect();
    passes(&mut client, SESSION);
    passes(
        &mut client,
        &format!("SET max_stack_depth = '{stack}'; {more}"),
    );
    client
}

fn are_planned_as_without_us(stack: &str, statements: &[String]) {
    let (db, _admin) = database_with(WORLD);
    let mut ours = session(&db, stack, "");
    let mut without = session(&db, stack, "SET backstop.mode = off");
    for statement in statements {
        let [found, expected] = [&mut ours, &mut without].map(|client| {
            let found = outcome(client, statement);
            passes(client, "ROLLBACK");
            found
        });
        // PostgreSQL itself takes its time for some of them.
        if ![&found, &expected].contains(&&"57014".to_string()) {
            assert_eq!(
                found,
                expected,
                "{}",
                &statement[..300.min(statement.len())]
            );
        }
    }
}

#[test]
fn what_is_not_protected_is_planned_as_without_us() {
    are_planned_as_without_us("2MB", &long("plain"));
    are_planned_as_without_us("2MB", &deep("plain"));
}

#[test]
fn nor_does_a_larger_stack_matter() {
    are_planned_as_without_us("7MB", &long("plain"));
}

fn the_server_outlives(stack: &str, statements: &[String]) {
    let (db, _admin) = database_with(WORLD);
    let mut client = session(&db, stack, "");
    for statement in statements {
        outcome(&mut client, statement);
        passes(&mut client, "ROLLBACK");
        if let Some(statement) = statement.strip_prefix("EXPLAIN ") {
            let check = format!("SELECT * FROM backstop.check($check${statement}$check$)");
            outcome(&mut client, &check);
        }
    }
    let rows = query_text(&mut client, "SELECT count(*) FROM users");
    assert_eq!(rows, "20");
}

#[test]
fn the_server_outlives_long_statements() {
    the_server_outlives("2MB", &long("users"));
    the_server_outlives("7MB", &long("users"));
}

#[test]
fn the_server_outlives_deep_statements() {
    the_server_outlives("2MB", &deep("users"));
}

#[test]
fn what_is_too_deep_to_read_is_refused() {
    let (_db, mut admin) = database_with(WORLD);
    passes(&mut admin, "SET statement_timeout = '3s'");
    let values = nested(450, "(SELECT ", "name", ")");
    let arms = nested(
        450,
        "SELECT id FROM plain EXCEPT (",
        "SELECT id FROM plain",
        ")",
    );
    for statement in [
        format!("UPDATE users SET n = 1 WHERE email = {values}"),
        format!("DELETE FROM users WHERE id IN ({arms})"),
    ] {
        let refusal = refused(&mut admin, &statement);
        let start = &statement[..60];
        assert_eq!(refusal.sqlstate, "SF001", "{start}: {refusal:?}");
        assert!(refusal.message.contains("cannot read"), "{refusal:?}");
    }
    let cursor = format!("BEGIN; DECLARE c CURSOR FOR SELECT * FROM users WHERE email = {values}");
    passes(&mut admin, &cursor);
    passes(&mut admin, "FETCH c; ROLLBACK");
}

#[test]
fn long_lists_of_values_are_read_however_they_are_written() {
    let (_db, mut admin) = database_with(WORLD);
    passes(&mut admin, "SET statement_timeout = '3s'");
    let arm = |n: usize| match n {
        1 => "SELECT 1::bigint AS id, 'a1' AS x".to_string(),
        _ => format!("SELECT {n}, 'a{n}'"),
    };
    for (count, operator) in [(399, "UNION ALL"), (1500, "UNION ALL"), (1500, "UNION")] {
        let arms: Vec<String> = (1..=count).map(arm).collect();
        let list = arms.join(&format!(" {operator} "));
        passes(
            &mut admin,
            &format!(
                "UPDATE users SET name = v.x FROM ({list}) v WHERE v.id = users.id AND users.n < 5"
            ),
        );
    }
    assert_eq!(
        query_text(&mut admin, "SELECT name FROM users WHERE id = 3"),
        "a3"
    );
    let range = format!(
        "SELECT id FROM plain UNION ALL {}",
        chain(1500, "UNION ALL")
    );
    let refusal = refused(
        &mut admin,
        &format!("DELETE FROM users WHERE id > ANY ({range})"),
    );
    assert_eq!(refusal.sqlstate, "SF001");
}

#[test]
fn what_is_too_large_to_be_read_is_told_so() {
    let (_db, mut admin) = database_with(WORLD);
    let mut told = |count: usize| {
        let arms = vec!["email IN (SELECT email FROM plain WHERE n = 1)"; count].join(" OR ");
        query_text(
            &mut admin,
            &format!(
                "SELECT sqlstate, detail FROM backstop.check('DELETE FROM users WHERE {arms}')"
            ),
        )
    };
    assert_eq!(told(20), "");
    let found = told(1000);
    assert!(
        found.starts_with("SF001|") && found.contains("more subqueries"),
        "{found}"
    );
}
