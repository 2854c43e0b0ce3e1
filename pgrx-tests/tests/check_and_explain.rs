//! check() and EXPLAIN: the verdict from planning alone, without running anything.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, passes, query_rows, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, auth_source text, plan text);
    CREATE TABLE plain (id bigint PRIMARY KEY);
    INSERT INTO users SELECT n, 'oauth', 'free' FROM generate_series(1, 300) n;
    SELECT backstop.protect('users')";

fn world() -> (Database, Client) {
    let db = database();
    passes(&mut db.connect(), WORLD);
    let app = db.connect_as("app");
    (db, app)
}

fn check(client: &mut Client, statement: &str) -> Vec<Vec<Option<String>>> {
    let sql = format!(
        "SELECT rule, sqlstate, message, detail, hint FROM backstop.check($backstop${statement}$backstop$)"
    );
    query_rows(client, &sql)
}

const REFUSED: &[(&str, &str, &str)] = &[
    (
        "DELETE FROM users WHERE id BETWEEN 1 AND 5",
        "key_range",
        "SF001",
    ),
    ("DELETE FROM users", "unqualified", "SF002"),
    (
        "UPDATE users SET plan = NULL WHERE 1 = 1",
        "unqualified",
        "SF002",
    ),
    (
        "INSERT INTO users VALUES (1) ON CONFLICT (id) DO UPDATE SET plan = 'x'",
        "key_upsert",
        "SF003",
    ),
    (
        "UPDATE users SET id = id + 1000 WHERE plan = 'x'",
        "key_update",
        "SF004",
    ),
    (
        "WITH gone AS (DELETE FROM users RETURNING 1) SELECT count(*) FROM gone",
        "unqualified",
        "SF002",
    ),
];

const PASSES: &[&str] = &[
    "DELETE FROM users WHERE id = 5",
    "DELETE FROM users WHERE auth_source = 'test'",
    "UPDATE users SET plan = 'x' WHERE plan = 'free'",
    "INSERT INTO users VALUES (1) ON CONFLICT (id) DO NOTHING",
    "SELECT * FROM users WHERE id > 5",
    "DELETE FROM plain",
];

#[test]
fn what_is_said_of_a_condition_is_true_and_leads_on() {
    let (_db, mut app) = world();
    let optional = "UPDATE users SET plan = 'x' WHERE ($1::bigint IS NULL OR id = $1)";
    let detail = check(&mut app, optional)[0][3].clone();
    assert!(
        detail
            .as_deref()
            .is_some_and(|said| said.contains("a parameter is NULL")),
        "{detail:?}"
    );
    let queue = |order| {
        format!(
            "DELETE FROM users WHERE id = (SELECT id FROM users WHERE plan = 'free' ORDER BY {order} LIMIT 1 FOR UPDATE SKIP LOCKED)"
        )
    };
    let refusal = refused(&mut app, &queue("id"));
    assert!(
        refusal.hint.contains("order by another column first"),
        "{refusal:?}"
    );
    passes(&mut app, &queue("auth_source, id"));
}

#[test]
fn check_says_what_running_the_statement_would_say() {
    let (_db, mut app) = world();
    for (statement, rule, sqlstate) in REFUSED {
        let rows = check(&mut app, statement);
        let refusal = refused(&mut app, statement);
        let said: Vec<&str> = rows[0]
            .iter()
            .map(|cell| cell.as_deref().unwrap_or(""))
            .collect();
        assert_eq!(said[..2], [*rule, *sqlstate], "{statement}");
        assert_eq!(
            said[2..],
            [&refusal.message, &refusal.detail, &refusal.hint],
            "{statement}"
        );
    }
}

#[test]
fn check_has_no_rows_for_what_passes() {
    let (_db, mut app) = world();
    for statement in PASSES {
        assert!(check(&mut app, statement).is_empty(), "{statement}");
    }
}

#[test]
fn check_lists_every_rule_in_the_order_of_reporting() {
    let (_db, mut app) = world();
    let rows = check(&mut app, "UPDATE users SET id = id + 1000 WHERE id > 5");
    let codes: Vec<&str> = rows.iter().filter_map(|row| row[1].as_deref()).collect();
    assert_eq!(codes[0], "SF001");
    assert!(codes.is_sorted(), "{codes:?}");
}

#[test]
fn check_runs_nothing() {
    let (db, mut app) = world();
    check(&mut app, "DELETE FROM users WHERE id = 5");
    check(&mut app, "DELETE FROM users");
    assert_eq!(query_text(&mut app, "SELECT count(*) FROM users"), "300");
    assert_eq!(
        query_text(&mut db.connect(), "SELECT count(*) FROM backstop.statement"),
        "0"
    );
}

#[test]
fn check_sees_parameters_without_their_values() {
    let (_db, mut app) = world();
    assert_eq!(
        check(&mut app, "DELETE FROM users WHERE id > $1")[0][1].as_deref(),
        Some("SF001")
    );
    assert!(check(&mut app, "DELETE FROM users WHERE id = $1").is_empty());
}

#[test]
fn bad_input_to_check_is_an_error_that_names_it() {
    let (_db, mut app) = world();
    assert_eq!(
        refused(&mut app, "SELECT * FROM backstop.check('DELETE FRO users')").sqlstate,
        "42601"
    );
    assert_eq!(
        refused(
            &mut app,
            "SELECT * FROM backstop.check('DELETE FROM nowhere')"
        )
        .sqlstate,
        "42P01"
    );
    for bad in ["''", "'DELETE FROM plain; DELETE FROM users'"] {
        let refusal = refused(&mut app, &format!("SELECT * FROM backstop.check({bad})"));
        assert_ne!(refusal.sqlstate, "XX000", "{refusal:?}");
        assert!(refusal.message.contains("statement"), "{refusal:?}");
    }
    assert_eq!(query_text(&mut app, "SELECT count(*) FROM users"), "300");
}

#[test]
fn explain_shows_the_verdict_and_refuses_nothing() {
    let (_db, mut app) = world();
    for (statement, rule, sqlstate) in REFUSED {
        let plan = query_text(&mut app, &format!("EXPLAIN {statement}"));
        assert!(
            plan.contains(sqlstate) || plan.contains(rule),
            "{statement}\n{plan}"
        );
        let json = query_text(
            &mut app,
            &format!("EXPLAIN (FORMAT json, VERBOSE) {statement}"),
        );
        assert!(
            json.contains(sqlstate) || json.contains(rule),
            "{statement}\n{json}"
        );
    }
    for statement in PASSES {
        let plan = query_text(&mut app, &format!("EXPLAIN {statement}"));
        assert!(!plan.contains("SF0"), "{statement}\n{plan}");
    }
}

#[test]
fn explain_of_a_prepared_statement_shows_the_verdict() {
    let (_db, mut app) = world();
    passes(
        &mut app,
        "PREPARE wipe (bigint) AS DELETE FROM users WHERE id > $1",
    );
    for mode in ["force_custom_plan", "force_generic_plan"] {
        passes(&mut app, &format!("SET plan_cache_mode = {mode}"));
        assert!(query_text(&mut app, "EXPLAIN EXECUTE wipe (5)").contains("SF001"));
        assert_eq!(
            refused(&mut app, "EXPLAIN ANALYZE EXECUTE wipe (5)").sqlstate,
            "SF001"
        );
    }
}

#[test]
fn explain_analyze_runs_and_so_is_judged_and_recorded() {
    let (db, mut app) = world();
    assert_eq!(
        refused(
            &mut app,
            "EXPLAIN ANALYZE DELETE FROM users WHERE plan = 'free'"
        )
        .sqlstate,
        "SF005"
    );
    passes(&mut app, "EXPLAIN ANALYZE DELETE FROM users WHERE id = 5");
    assert_eq!(
        query_text(&mut db.connect(), "SELECT rows FROM backstop.statement"),
        "1"
    );
}

#[test]
fn an_innocent_plan_is_the_plan_it_was() {
    let (db, mut app) = world();
    passes(
        &mut db.connect(),
        "CREATE TABLE twin (LIKE users INCLUDING ALL); INSERT INTO twin SELECT * FROM users; ANALYZE",
    );
    for statement in [
        "UPDATE users SET plan = 'x' WHERE id = 5",
        "DELETE FROM users WHERE id = ANY ('{1,2}')",
    ] {
        let guarded = query_text(&mut app, &format!("EXPLAIN (COSTS off) {statement}"));
        let free = query_text(
            &mut app,
            &format!("EXPLAIN (COSTS off) {}", statement.replace("users", "twin")),
        );
        assert_eq!(guarded, free.replace("twin", "users"));
    }
}

#[test]
fn a_refused_statement_on_a_large_table_costs_no_scan() {
    let (_db, mut app) = world();
    let plan = query_text(
        &mut app,
        "EXPLAIN (COSTS off) DELETE FROM users WHERE id < 0",
    );
    assert!(
        plan.contains("users"),
        "the plan below the verdict is still shown: {plan}"
    );
}

#[test]
fn explain_says_where_a_setval_of_constants_would_go() {
    let (db, mut app) = world();
    passes(
        &mut db.connect(),
        "CREATE SEQUENCE numbers; SELECT backstop.protect_sequence('numbers', max_step => 10);
         GRANT ALL ON SEQUENCE numbers TO app;
         CREATE FUNCTION moved() RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS
             $$ BEGIN RETURN setval('numbers', 5); END $$",
    );
    let explained = |app: &mut Client, statement: &str| {
        let lines = query_rows(app, &format!("EXPLAIN (COSTS off) {statement}"));
        let mut text = String::new();
        for line in lines.into_iter().flatten().flatten() {
            text += &(line + "\n");
        }
        text
    };
    for statement in [
        "SELECT setval('numbers', 900)",
        "WITH moved AS (SELECT setval('numbers', 2000)) SELECT * FROM moved",
        "INSERT INTO plain VALUES (setval('numbers', 900))",
    ] {
        let plan = explained(&mut app, statement);
        assert!(
            plan.contains("Backstop: SF007 sequence_guard: change of sequence \"numbers\""),
            "{statement}: {plan}"
        );
    }
    for statement in [
        "SELECT setval('numbers', 4)",
        "SELECT count(*) FROM users WHERE id > 7",
    ] {
        let plan = explained(&mut app, statement);
        assert!(!plan.contains("ackstop"), "{statement}: {plan}");
    }
    // What planning runs is guarded, and what is planned is executed later, as ever.
    passes(&mut app, "EXPLAIN SELECT moved()");
    passes(&mut app, "SELECT moved()");
    passes(&mut app, "PREPARE p AS SELECT setval('numbers', 7)");
    passes(&mut app, "EXPLAIN EXECUTE p");
    passes(&mut app, "EXECUTE p");
    let refusal = refused(&mut app, "EXPLAIN ANALYZE SELECT setval('numbers', 900)");
    assert_eq!(refusal.sqlstate, "SF007");
    assert_eq!(query_text(&mut app, "SELECT last_value FROM numbers"), "7");
}

#[test]
fn check_says_where_a_setval_of_constants_would_go() {
    let (db, mut app) = world();
    passes(
        &mut db.connect(),
        "CREATE SEQUENCE numbers START 1000; GRANT ALL ON SEQUENCE numbers TO app;
         SELECT backstop.protect_sequence('numbers', max_step => 10)",
    );
    for statement in [
        "SELECT setval('numbers', 5)",
        "SELECT setval('numbers', 5, false)",
        "SELECT setval('public.numbers'::regclass, 1000 + 500)",
        "WITH moved AS (SELECT setval('numbers', 2000)) SELECT * FROM moved",
        "COPY (SELECT setval('numbers', 7)) TO STDOUT",
        "INSERT INTO plain VALUES (setval('numbers', 8))",
    ] {
        let rows = check(&mut app, statement);
        assert_eq!(rows.len(), 1, "{statement}");
        assert_eq!(rows[0][1].as_deref(), Some("SF007"), "{statement}");
        if statement.starts_with("SELECT") {
            let refusal = refused(&mut app, statement);
            assert_eq!(rows[0][3].as_deref(), Some(&*refusal.detail));
            assert_eq!(rows[0][4].as_deref(), Some(&*refusal.hint));
        }
    }
    for statement in [
        "SELECT setval('numbers', 1005)",
        "SELECT setval('numbers', NULL)",
        "SELECT setval('numbers', $1)",
        "SELECT setval('numbers', id) FROM plain",
        "SELECT nextval('numbers')",
    ] {
        assert!(check(&mut app, statement).is_empty(), "{statement}");
    }
    assert_eq!(
        query_text(&mut app, "SELECT last_value, is_called FROM numbers"),
        "1000|f"
    );
}

#[test]
fn check_knows_that_the_record_stays_as_it_is() {
    let (db, _app) = world();
    let mut admin = db.connect();
    for statement in [
        "DELETE FROM backstop.statement_log",
        "UPDATE backstop.rejection SET message = '' WHERE rejection_id = 1",
        "WITH gone AS (DELETE FROM backstop.image_chunk RETURNING 1) SELECT count(*) FROM gone",
    ] {
        let rows = check(&mut admin, statement);
        let refusal = refused(&mut admin, statement);
        assert_eq!(rows[0][1].as_deref(), Some("SF013"), "{statement}");
        assert_eq!(rows[0][2].as_deref(), Some(&*refusal.message));
    }
    assert!(check(&mut admin, "SELECT count(*) FROM backstop.statement").is_empty());
}
