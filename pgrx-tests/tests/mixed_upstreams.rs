//! Mixed upstreams (SF009): one statement clears the columns of one pipeline, never of two.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE results (
        id bigint PRIMARY KEY, customer_id bigint, created_at timestamptz NOT NULL, note text,
        cache_a text, cache_a2 text, cache_b text DEFAULT 'pending', cache_c jsonb, cache_d text[], cache_e bytea
    );
    INSERT INTO results SELECT n, n % 3, '2026-01-01Z'::timestamptz + n * interval '1 day', 'n', 'a', 'a2', 'b',
        '{\"c\": 1}', '{d}', '\\xee' FROM generate_series(1, 10) n;
    INSERT INTO results VALUES (20, 20, '2026-02-01Z', 'n', NULL, '', 'pending', '{}', '{}', '');
    SELECT backstop.protect('results');
    SELECT backstop.protect_columns('results', '{cache_a, cache_a2}', 'pipeline a');
    SELECT backstop.protect_columns('results', '{cache_b}', 'pipeline b');
    SELECT backstop.protect_columns('results', '{cache_c}', 'pipeline c');
    SELECT backstop.protect_columns('results', '{cache_d}', 'pipeline d');
    SELECT backstop.protect_columns('results', '{cache_e}', 'pipeline e')";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

const ALL: &str = "SELECT md5(string_agg(r::text, ',' ORDER BY id)) FROM results r";

#[track_caller]
fn is_refused(client: &mut Client, sql: &str) {
    let before = query_text(client, ALL);
    let refusal = refused(client, sql);
    assert_eq!(refusal.sqlstate, "SF009", "{sql}\n{refusal:?}");
    assert_eq!(
        (refusal.schema.as_str(), refusal.table.as_str()),
        ("public", "results")
    );
    assert!(refusal.column.starts_with("cache_"), "{refusal:?}");
    assert!(
        refusal.detail.contains("pipeline"),
        "the upstreams are in the detail: {refusal:?}"
    );
    assert!(!refusal.hint.is_empty(), "{refusal:?}");
    assert_eq!(query_text(client, ALL), before, "{sql}");
}

#[test]
fn the_agents_statement_is_refused() {
    let (_db, _admin, mut app) = world();
    is_refused(
        &mut app,
        "UPDATE results SET cache_a = NULL, cache_b = NULL, cache_c = NULL WHERE created_at BETWEEN '2026-01-01' AND '2026-01-20'",
    );
}

#[test]
fn every_way_to_empty_a_value_counts() {
    let (_db, _admin, mut app) = world();
    for cleared in [
        "cache_b = NULL",
        "cache_b = DEFAULT",
        "cache_b = 'pending'",
        "cache_b = ''",
        "cache_c = NULL",
        "cache_c = '{}'",
        "cache_c = '[]'",
        "cache_d = NULL",
        "cache_d = '{}'",
        "cache_e = ''",
        "cache_b = (SELECT NULL::text)",
        "cache_b = nullif(cache_b, 'b')",
        "cache_b = left(cache_b, 0)",
        "cache_c = cache_c - 'c'",
        "cache_d = array_remove(cache_d, 'd')",
    ] {
        is_refused(
            &mut app,
            &format!("UPDATE results SET cache_a = NULL, {cleared} WHERE id = 3"),
        );
    }
}

#[test]
fn it_is_one_statement_however_it_is_spread() {
    let (_db, mut admin, mut app) = world();
    is_refused(
        &mut app,
        "UPDATE results SET cache_a = CASE WHEN id = 1 THEN NULL ELSE cache_a END,
                            cache_b = CASE WHEN id = 2 THEN NULL ELSE cache_b END WHERE id IN (1, 2)",
    );
    is_refused(
        &mut app,
        "WITH a AS (UPDATE results SET cache_a = NULL WHERE id = 1) UPDATE results SET cache_b = NULL WHERE id = 2",
    );
    is_refused(
        &mut app,
        "DO $$ BEGIN UPDATE results SET cache_a = NULL WHERE id = 1; UPDATE results SET cache_b = NULL WHERE id = 1; END $$",
    );
    is_refused(
        &mut app,
        "INSERT INTO results (id, created_at) VALUES (3, now()) ON CONFLICT (id) DO NOTHING;
         PREPARE wipe (text, jsonb) AS UPDATE results SET cache_a = $1, cache_c = $2 WHERE id = 3; EXECUTE wipe ('', '[]')",
    );
    passes(
        &mut admin,
        "CREATE VIEW caches AS SELECT id, cache_a AS a, cache_b AS b FROM results; GRANT ALL ON caches TO app",
    );
    is_refused(
        &mut app,
        "UPDATE caches SET a = NULL, b = NULL WHERE id = 3",
    );
}

#[test]
fn one_upstream_may_be_cleared() {
    let (_db, _admin, mut app) = world();
    passes(
        &mut app,
        "UPDATE results SET cache_a = NULL, cache_a2 = '' WHERE created_at < '2026-01-05'",
    );
    passes(
        &mut app,
        "UPDATE results SET cache_b = DEFAULT WHERE id IN (1, 2)",
    );
    passes(
        &mut app,
        "UPDATE results SET cache_c = NULL, note = NULL WHERE customer_id = 1",
    );
}

#[test]
fn what_was_empty_already_is_not_cleared() {
    let (_db, _admin, mut app) = world();
    let all = "cache_a = NULL, cache_a2 = NULL, cache_b = NULL, cache_c = NULL, cache_d = NULL, cache_e = NULL";
    passes(&mut app, &format!("UPDATE results SET {all} WHERE id = 20"));
    passes(
        &mut app,
        "UPDATE results SET cache_a = NULL, cache_b = cache_b, cache_d = cache_d WHERE id = 1",
    );
    passes(
        &mut app,
        "UPDATE results SET cache_a = NULL, cache_b = NULL WHERE false",
    );
}

#[test]
fn new_values_clear_nothing() {
    let (_db, _admin, mut app) = world();
    passes(
        &mut app,
        "UPDATE results SET cache_a = 'new', cache_b = 'new', cache_c = 'null', cache_d = '{new}' WHERE id = 1",
    );
    passes(
        &mut app,
        "UPDATE results SET cache_a = NULL, cache_b = 'refilled' WHERE id = 2",
    );
}

#[test]
fn deleting_a_row_clears_no_column() {
    let (_db, _admin, mut app) = world();
    passes(&mut app, "DELETE FROM results WHERE id = 3");
}

#[test]
fn two_statements_of_one_transaction_are_two_statements() {
    let (_db, _admin, mut app) = world();
    passes(
        &mut app,
        "BEGIN; UPDATE results SET cache_a = NULL WHERE id = 1; UPDATE results SET cache_b = NULL WHERE id = 1; COMMIT",
    );
}

#[test]
fn an_approval_lets_it_through_and_the_record_has_every_value() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        r#"BEGIN; SET LOCAL backstop.approval = '{"reason": "OPS-5", "max_rows": 2, "relations": ["public.results"], "operations": ["update"]}';
           UPDATE results SET cache_a = NULL, cache_b = NULL WHERE id IN (1, 2); COMMIT"#,
    );
    let old = "SELECT old_row ->> 'cache_a', old_row ->> 'cache_b', new_values::text FROM backstop.preimage ORDER BY ordinal";
    assert_eq!(
        query_text(&mut admin, old),
        r#"a|b|{"cache_a": null, "cache_b": null}
a|b|{"cache_a": null, "cache_b": null}"#
    );
}

#[test]
fn columns_that_are_fed_by_nobody_any_more_are_free() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SELECT backstop.unprotect_columns('results', '{cache_b}')",
    );
    passes(
        &mut app,
        "UPDATE results SET cache_a = NULL, cache_b = NULL WHERE id = 1",
    );
    is_refused(
        &mut app,
        "UPDATE results SET cache_a = NULL, cache_c = NULL WHERE id = 2",
    );
}

#[test]
fn json_that_is_empty_but_for_white_space_is_empty() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE drafts (id bigint PRIMARY KEY, a text, b json, c jsonb, d jsonb[]); GRANT ALL ON drafts TO app;
         INSERT INTO drafts SELECT n, 'a', '{\"b\": 1}', '{\"c\": 1}', '{null}' FROM generate_series(1, 5) n;
         SELECT backstop.protect('drafts'); SELECT backstop.protect_columns('drafts', '{a}', 'pipeline a');
         SELECT backstop.protect_columns('drafts', '{b, c}', 'pipeline b')",
    );
    for value in ["{}", "{ }", " {\n\t} ", "[]", "[ ]", "\n[\t]\n"] {
        for column in ["b", "c"] {
            let sql = format!("UPDATE drafts SET a = NULL, {column} = E'{value}' WHERE id = 3");
            let refusal = refused(&mut app, &sql);
            assert_eq!(refusal.sqlstate, "SF009", "{sql}\n{refusal:?}");
        }
    }
    for value in ["{ \"x\": 0 }", "[ 0 ]", "[ [ ] ]", "[ { } ]", "\" \"", "0"] {
        for column in ["b", "c"] {
            let sql = format!("UPDATE drafts SET a = NULL, {column} = '{value}' WHERE id = 3");
            passes(&mut app, &format!("BEGIN; {sql}; ROLLBACK"));
        }
    }
}

#[test]
fn columns_of_a_table_that_is_not_protected_are_accepted_with_a_notice() {
    let (db, mut admin, _app) = world();
    passes(
        &mut admin,
        "CREATE TABLE loose (id int PRIMARY KEY, a text)",
    );
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(
        &mut admin,
        "SELECT backstop.protect_columns('loose', '{a}', 'pipeline a')",
    );
    let told = notices.take();
    assert!(
        told.iter()
            .any(|notice| notice.message().contains("public.loose is not protected")),
        "{told:?}"
    );
    passes(&mut admin, "SELECT backstop.protect('loose')");
    passes(
        &mut admin,
        "SELECT backstop.protect_columns('loose', '{a}', 'pipeline b')",
    );
    assert!(notices.take().is_empty());
}
