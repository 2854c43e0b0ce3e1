//! Approval: a statement of intent in `backstop.approval`, checked when it is set, spent as rows go, over when it is.

mod approval {
    pub mod world;
}

use approval::world::{approval, under, world};
use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{passes, query_text, refused};

#[track_caller]
fn refused_under(client: &mut Client, members: &str, statements: &str) -> String {
    let refusal = refused(
        client,
        &format!("BEGIN; {}; {statements}", approval(members)),
    );
    passes(client, "ROLLBACK");
    assert!(
        !refusal.detail.is_empty() && !refusal.hint.is_empty(),
        "{refusal:?}"
    );
    refusal.sqlstate
}

#[test]
fn a_malformed_approval_is_refused_when_it_is_set() {
    let (_db, _admin, mut app) = world();
    let malformed = [
        ("yes", "JSON"),
        ("true", "object"),
        ("[]", "object"),
        (r#"{"reason": "x", "max_rows": 1"#, "JSON"),
        (r#"{"max_rows": 20}"#, "reason"),
        (r#"{"reason": "", "max_rows": 20}"#, "reason"),
        (r#"{"reason": 7, "max_rows": 20}"#, "reason"),
        (r#"{"reason": "x"}"#, "max_rows"),
        (r#"{"reason": "x", "max_rows": -1}"#, "max_rows"),
        (r#"{"reason": "x", "max_rows": 1.5}"#, "max_rows"),
        (r#"{"reason": "x", "max_rows": "all"}"#, "max_rows"),
        (r#"{"reason": "x", "max_rows": 1, "max_row": 2}"#, "max_row"),
        (
            r#"{"reason": "x", "max_rows": 1, "relations": "public.users"}"#,
            "relations",
        ),
        (
            r#"{"reason": "x", "max_rows": 1, "relations": [7]}"#,
            "relations",
        ),
        (
            r#"{"reason": "x", "max_rows": 1, "operations": ["remove"]}"#,
            "remove",
        ),
        (
            r#"{"reason": "x", "max_rows": 1, "operations": ["insert"]}"#,
            "use update, delete, truncate, drop, alter, setval",
        ),
        (
            r#"{"reason": "x", "max_rows": 1, "expires": "tomorrow-ish"}"#,
            "expires",
        ),
        (
            r#"{"reason": "x", "max_rows": 1, "expires": "2020-01-01T00:00:00Z"}"#,
            "expire",
        ),
        // PostgreSQL's text cannot hold it, nor can the record's jsonb.
        (r#"{"reason": "a\u0000b", "max_rows": 1}"#, "\"reason\""),
        (
            r#"{"reason": "x", "max_rows": 1, "relations": ["public.\u0000users"]}"#,
            "\"relations\"",
        ),
        (
            r#"{"reason": "x", "max_rows": 1, "no\u0000te": 2}"#,
            r#""no\u0000te" is unknown."#,
        ),
    ];
    for (value, named) in malformed {
        for sql in [
            format!("SET backstop.approval = '{value}'"),
            format!("SELECT set_config('backstop.approval', '{value}', false)"),
        ] {
            let refusal = refused(&mut app, &sql);
            assert_eq!(refusal.sqlstate, "SF010", "{sql}\n{refusal:?}");
            let words = format!("{} {}", refusal.message, refusal.detail);
            assert!(words.contains(named), "{sql}\n{refusal:?}");
        }
        assert_eq!(query_text(&mut app, "SHOW backstop.approval"), "");
    }
}

#[test]
fn an_approved_statement_passes_every_rule() {
    let (_db, mut admin, mut app) = world();
    for statement in [
        "DELETE FROM users WHERE id BETWEEN 101 AND 103",
        "UPDATE teams SET name = 'x'",
        "INSERT INTO users VALUES (1, 'x', 'y') ON CONFLICT (id) DO UPDATE SET plan = 'y'",
        "UPDATE users SET id = 1000 WHERE id = 200",
        "UPDATE users SET plan = 'x' WHERE auth_source = 'oauth' AND id = ANY (ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])",
    ] {
        refused(&mut app, statement);
        under(&mut app, "\"max_rows\": 50", statement);
    }
    let recorded = "SELECT count(*), count(*) FILTER (WHERE approval ->> 'reason' = 'OPS-142') FROM backstop.statement";
    assert_eq!(query_text(&mut admin, recorded), "5|5");
}

#[test]
fn the_budget_is_spent_by_rows_cascades_included() {
    let (_db, _admin, mut app) = world();
    // Every user up to 100 takes one subscription along.
    let four = "DELETE FROM users WHERE id < 5";
    assert_eq!(refused_under(&mut app, "\"max_rows\": 7", four), "SF010");
    assert_eq!(query_text(&mut app, "SELECT count(*) FROM users"), "200");
    under(&mut app, "\"max_rows\": 8", four);
}

#[test]
fn a_spent_approval_is_over() {
    let (_db, _admin, mut app) = world();
    let two = "DELETE FROM users WHERE id > 198";
    let next = "DELETE FROM users WHERE id > 197";
    assert_eq!(
        refused_under(&mut app, "\"max_rows\": 2", &format!("{two}; {next}")),
        "SF010"
    );
    under(&mut app, "\"max_rows\": 3", &format!("{two}; {next}"));
}

#[test]
fn the_budget_comes_back_when_the_work_is_rolled_back() {
    let (_db, _admin, mut app) = world();
    let two = "DELETE FROM users WHERE id > 198";
    under(
        &mut app,
        "\"max_rows\": 2",
        &format!("SAVEPOINT a; {two}; ROLLBACK TO a; {two}"),
    );
    passes(
        &mut app,
        r#"SET backstop.approval = '{"reason": "OPS-142", "max_rows": 2}'"#,
    );
    let again = "DELETE FROM users WHERE id > 196";
    passes(&mut app, &format!("BEGIN; {again}; ROLLBACK"));
    passes(&mut app, again);
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 195").sqlstate,
        "SF010"
    );
}

#[test]
fn a_refused_statement_spends_nothing() {
    let (_db, _admin, mut app) = world();
    passes(
        &mut app,
        r#"SET backstop.approval = '{"reason": "OPS-142", "max_rows": 5}'"#,
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 150").sqlstate,
        "SF010"
    );
    passes(&mut app, "DELETE FROM users WHERE id > 195");
}

#[test]
fn it_covers_the_relations_it_names_and_what_they_cascade_to() {
    let (_db, _admin, mut app) = world();
    let users = "\"max_rows\": 50, \"relations\": [\"public.users\"]";
    assert_eq!(
        refused_under(&mut app, users, "UPDATE teams SET name = 'x'"),
        "SF010"
    );
    under(&mut app, users, "DELETE FROM users WHERE id < 3");
    assert_eq!(
        query_text(&mut app, "SELECT count(*) FROM subscriptions"),
        "98"
    );
}

#[test]
fn it_covers_what_a_table_that_nothing_protects_cascades_to() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE hubs (id bigint PRIMARY KEY); INSERT INTO hubs VALUES (1), (2);
         ALTER TABLE teams ADD hub_id bigint REFERENCES hubs ON DELETE CASCADE; SET LOCAL backstop.mode = off; UPDATE teams SET hub_id = 1 + id % 2; RESET backstop.mode;
         GRANT ALL ON hubs TO app",
    );
    let delete = "DELETE FROM hubs WHERE id = 1";
    assert_eq!(refused(&mut app, delete).sqlstate, "SF005");
    for (members, sqlstate) in [
        (
            "\"max_rows\": 50, \"relations\": [\"public.users\"]",
            "SF010",
        ),
        (
            "\"max_rows\": 24, \"relations\": [\"public.hubs\"]",
            "SF010",
        ),
        (
            "\"max_rows\": 50, \"relations\": [\"public.hubs\"], \"operations\": [\"update\"]",
            "SF010",
        ),
    ] {
        assert_eq!(
            refused_under(&mut app, members, delete),
            sqlstate,
            "{members}"
        );
    }
    let hubs = "\"max_rows\": 25, \"relations\": [\"public.hubs\"], \"operations\": [\"delete\"]";
    under(&mut app, hubs, delete);
    let left = "SELECT count(*) FROM teams";
    assert_eq!(query_text(&mut app, left), "25");
    // Between a statement that is covered and what it cascades to.
    passes(
        &mut admin,
        "CREATE FUNCTION pull() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM hubs; RETURN NULL; END $$;
         CREATE TRIGGER pull AFTER DELETE ON users FOR EACH STATEMENT EXECUTE FUNCTION pull()",
    );
    let users = "\"max_rows\": 30, \"relations\": [\"public.users\"]";
    under(&mut app, users, "DELETE FROM users WHERE id = 150");
    assert_eq!(query_text(&mut app, left), "0");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*), count(approval), sum(rows) FROM backstop.statement"
        ),
        "2|2|51"
    );
}

#[test]
fn it_covers_the_operations_it_names() {
    let (_db, _admin, mut app) = world();
    let deletes = "\"max_rows\": 50, \"operations\": [\"delete\"]";
    assert_eq!(
        refused_under(
            &mut app,
            deletes,
            "UPDATE users SET plan = 'x' WHERE id > 198"
        ),
        "SF010"
    );
    under(&mut app, deletes, "DELETE FROM users WHERE id > 198");
}

#[test]
fn operations_may_be_written_as_the_record_prints_them() {
    let (_db, mut admin, mut app) = world();
    under(
        &mut app,
        "\"max_rows\": 50, \"operations\": [\"DELETE\", \"Update\"]",
        "DELETE FROM users WHERE id > 198",
    );
    let batch =
        "BEGIN; SELECT backstop.approve_batch('OPS-142', 50, operations => '{DELETE,Update}')";
    passes(
        &mut app,
        &format!("{batch}; DELETE FROM users WHERE id > 196; COMMIT"),
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT DISTINCT approval -> 'operations', count(*) FROM backstop.statement GROUP BY 1"
        ),
        r#"["delete", "update"]|2"#
    );
    for word in ["insert", "remove"] {
        let batch =
            format!("SELECT backstop.approve_batch('OPS-142', 50, operations => '{{{word}}}')");
        let refusal = refused(&mut app, &batch);
        assert_eq!(refusal.sqlstate, "SF010");
        assert_eq!(
            refusal.hint,
            "Use update, delete, truncate, drop, alter, setval."
        );
    }
}

#[test]
fn a_relation_without_its_schema_is_told_how_to_be_named() {
    let (_db, _admin, mut app) = world();
    let set = "BEGIN; SET LOCAL backstop.approval = '{\"reason\": \"x\", \"max_rows\": 5, \"relations\": [\"users\"]}'";
    let refusal = refused(
        &mut app,
        &format!("{set}; DELETE FROM users WHERE id > 198"),
    );
    assert_eq!(refusal.sqlstate, "SF010");
    let told = refusal
        .detail
        .split_once("named with their schema: ")
        .expect("how")
        .1;
    let relations = told.split_once("].").expect("a list").0;
    let set = set.replace("\"relations\": [\"users\"", relations);
    passes(
        &mut app,
        &format!("ROLLBACK; {set}; DELETE FROM users WHERE id > 198; COMMIT"),
    );
}

#[test]
fn a_statement_that_needs_no_approval_runs_beside_one_that_covers_something_else() {
    let (_db, _admin, mut app) = world();
    let teams = "\"max_rows\": 5, \"relations\": [\"public.teams\"]";
    under(&mut app, teams, "DELETE FROM users WHERE id = 200");
}

#[test]
fn an_unknown_relation_is_named() {
    let (_db, _admin, mut app) = world();
    let sql = format!(
        "BEGIN; {}; DELETE FROM users WHERE id > 198",
        approval("\"max_rows\": 5, \"relations\": [\"public.nowhere\"]")
    );
    let refusal = refused(&mut app, &sql);
    assert_eq!(refusal.sqlstate, "SF010");
    assert!(format!("{refusal:?}").contains("nowhere"), "{refusal:?}");
}

#[test]
fn approve_batch_approves_the_transaction() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "BEGIN; SELECT backstop.approve_batch('OPS-142', 2, '{public.users}', '{delete}');
         DELETE FROM users WHERE id > 198; COMMIT",
    );
    let recorded =
        "SELECT approval ->> 'reason', approval ->> 'max_rows', rows FROM backstop.statement";
    assert_eq!(query_text(&mut admin, recorded), "OPS-142|2|2");
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 197").sqlstate,
        "SF001"
    );
    for (call, named) in [
        (
            "backstop.approve_batch('', 2, '{public.users}', '{delete}')",
            "reason",
        ),
        (
            "backstop.approve_batch('OPS-142', -2, '{public.users}', '{delete}')",
            "max_rows",
        ),
        (
            "backstop.approve_batch('OPS-142', 2, '{public.users}', '{remove}')",
            "remove",
        ),
        (
            "backstop.approve_batch('OPS-142', 2, '{public.nowhere}', '{delete}')",
            "nowhere",
        ),
    ] {
        let refusal = refused(&mut app, &format!("SELECT {call}"));
        assert!(
            format!("{} {}", refusal.message, refusal.detail).contains(named),
            "{refusal:?}"
        );
    }
}

#[test]
fn the_hint_of_a_refusal_is_a_way_that_the_table_accepts() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('users', max_rows => 2, approval => 'second_person')",
    );
    for (owner, statement) in [
        (false, "DELETE FROM users WHERE plan = 'free'"),
        (true, "TRUNCATE users CASCADE"),
        (true, "ALTER TABLE users RENAME COLUMN plan TO tier"),
    ] {
        let client = if owner { &mut admin } else { &mut app };
        let refusal = refused(client, statement);
        assert!(
            refusal.hint.contains("by someone else") && !refusal.hint.contains("approve_batch"),
            "{refusal:?}"
        );
    }
}

#[test]
fn a_table_that_asks_for_a_second_person_takes_no_word_of_its_own() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('users', approval => 'second_person')",
    );
    assert_eq!(
        refused_under(
            &mut app,
            "\"max_rows\": 50",
            "DELETE FROM users WHERE id > 198"
        ),
        "SF010"
    );
    passes(
        &mut admin,
        "SELECT backstop.protect('users', approval => 'preview')",
    );
    assert_eq!(
        refused_under(
            &mut app,
            "\"max_rows\": 50",
            "DELETE FROM users WHERE id > 198"
        ),
        "SF010"
    );
    under(
        &mut app,
        "\"max_rows\": 50",
        "DELETE FROM users WHERE id = 200",
    );
}

#[test]
fn the_records_approval_holds_what_was_said() {
    let (_db, mut admin, mut app) = world();
    under(
        &mut app,
        "\"max_rows\": 20, \"relations\": [\"public.users\"], \"operations\": [\"delete\"]",
        "DELETE FROM users WHERE id > 198",
    );
    let recorded = "SELECT approval ->> 'reason', approval -> 'max_rows', approval -> 'relations', approval -> 'operations' FROM backstop.statement";
    assert_eq!(
        query_text(&mut admin, recorded),
        r#"OPS-142|20|["public.users"]|["delete"]"#
    );
}
