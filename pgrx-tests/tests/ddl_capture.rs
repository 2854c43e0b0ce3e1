//! Approved TRUNCATE, DROP and ALTER: every row they destroy is counted and captured before it goes.

#[path = "ddl/world.rs"]
mod world;

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};
use world::{approval, approved, destroyed, restore_last};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, extra jsonb);
    CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users);
    CREATE TABLE plain (id bigint PRIMARY KEY);
    CREATE TABLE events (id bigint, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
    CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (30);
    CREATE TABLE stock (id bigint PRIMARY KEY, kind text); CREATE TABLE stock_eu () INHERITS (stock);
    INSERT INTO users SELECT n, CASE WHEN n > 40 THEN 'test' ELSE 'free' END, '{\"a\": null}' FROM generate_series(1, 50) n;
    INSERT INTO subscriptions SELECT n, n FROM generate_series(1, 5) n; INSERT INTO notes SELECT n, n FROM generate_series(1, 3) n;
    INSERT INTO plain VALUES (1); INSERT INTO events SELECT n, n FROM generate_series(1, 20) n;
    INSERT INTO stock SELECT n, 'a' FROM generate_series(1, 4) n; INSERT INTO stock_eu SELECT n, 'b' FROM generate_series(5, 7) n;
    SELECT backstop.protect('users', expendable => $$plan = 'test'$$); SELECT backstop.protect('events');
    SELECT backstop.protect('stock')";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

fn count(client: &mut Client, table: &str) -> String {
    query_text(client, &format!("SELECT count(*) FROM {table}"))
}

#[test]
fn a_truncate_spends_its_rows() {
    let (_db, mut admin) = world();
    let refusal = refused(&mut admin, &approval(19, "TRUNCATE events"));
    passes(&mut admin, "ROLLBACK");
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    assert!(refusal.message.contains("TRUNCATE"), "{refusal:?}");
    assert_eq!(count(&mut admin, "events"), "20");
    assert_eq!(count(&mut admin, "backstop.preimage"), "0");
    approved(&mut admin, 20, "TRUNCATE events");
    assert_eq!(destroyed(&mut admin), "public.events|TRUNCATE|null|20");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT operations, relations, rows, approval ->> 'reason', query FROM backstop.statement"
        ),
        "{TRUNCATE}|{public.events}|20|OPS-8|TRUNCATE events"
    );
    assert_eq!(
        restore_last(&mut admin, false),
        "public.events|TRUNCATE|20|20|0|0"
    );
    assert_eq!(count(&mut admin, "events_1"), "9");
}

#[test]
fn an_approval_that_names_its_operation_is_captured_like_any_other() {
    let (_db, mut admin) = world();
    for (operation, relation, statement, captured) in [
        (
            "alter",
            "events",
            "ALTER TABLE events ADD COLUMN kind text; ALTER TABLE events ALTER COLUMN kind TYPE int USING 2",
            "public.events|ALTER COLUMN TYPE|null|20",
        ),
        (
            "alter",
            "events",
            "ALTER TABLE events DROP COLUMN kind",
            "public.events|DROP COLUMN|null|20",
        ),
        (
            "truncate",
            "events",
            "TRUNCATE events",
            "public.events|TRUNCATE|null|20",
        ),
        (
            "drop",
            "users",
            "DROP TABLE users CASCADE",
            "public.users|DROP TABLE|null|50",
        ),
    ] {
        // As the hint of the refusal prints it.
        passes(
            &mut admin,
            &format!(
                "BEGIN; SELECT backstop.approve_batch('why', max_rows => 50, relations => '{{public.{relation}}}', \
                 operations => '{{{operation}}}'); {statement}; COMMIT"
            ),
        );
        assert_eq!(destroyed(&mut admin), captured, "{statement}");
        restore_last(&mut admin, false);
    }
}

#[test]
fn the_budget_is_spent_across_statements() {
    let (_db, mut admin) = world();
    let refusal = refused(
        &mut admin,
        &approval(22, "TRUNCATE events; TRUNCATE stock_eu"),
    );
    passes(&mut admin, "ROLLBACK");
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    approved(
        &mut admin,
        22,
        "SAVEPOINT s; TRUNCATE events; ROLLBACK TO s; TRUNCATE events_1; TRUNCATE stock",
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT relations, rows FROM backstop.statement ORDER BY 1"
        ),
        "{public.events}|9\n{public.stock,public.stock_eu}|7"
    );
}

#[test]
fn expendable_rows_are_captured_and_not_counted() {
    let (_db, mut admin) = world();
    approved(&mut admin, 48, "TRUNCATE users CASCADE");
    assert_eq!(
        destroyed(&mut admin),
        "public.notes|TRUNCATE|cascade from public.users|3\n\
         public.subscriptions|TRUNCATE|cascade from public.users|5\n\
         public.users|TRUNCATE|null|50"
    );
    passes(&mut admin, "SELECT backstop.unprotect('stock')");
    assert_eq!(
        restore_last(&mut admin, false),
        "public.notes|TRUNCATE|3|3|0|0\npublic.subscriptions|TRUNCATE|5|5|0|0\npublic.users|TRUNCATE|50|50|0|0"
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*) FROM users WHERE extra = '{\"a\": null}'"
        ),
        "50"
    );
}

#[test]
fn cascades_count_against_the_approval() {
    let (_db, mut admin) = world();
    let refusal = refused(&mut admin, &approval(47, "TRUNCATE users CASCADE"));
    passes(&mut admin, "ROLLBACK");
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    assert_eq!(count(&mut admin, "users"), "50");
}

#[test]
fn an_approval_names_what_is_truncated_and_covers_what_it_cascades_to() {
    let (_db, mut admin) = world();
    passes(&mut admin, "SELECT backstop.protect('subscriptions')");
    let truncate = |relations: &str| {
        format!(
            "BEGIN; SELECT backstop.approve_batch('x', 100, relations => '{{{relations}}}'); TRUNCATE users CASCADE; COMMIT"
        )
    };
    let refusal = refused(&mut admin, &truncate("subscriptions"));
    passes(&mut admin, "ROLLBACK");
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    passes(&mut admin, &truncate("users"));
    assert_eq!(count(&mut admin, "subscriptions"), "0");
}

#[test]
fn only_and_children_are_told_apart() {
    let (_db, mut admin) = world();
    approved(&mut admin, 4, "TRUNCATE ONLY stock");
    assert_eq!(destroyed(&mut admin), "public.stock|TRUNCATE|null|4");
    approved(&mut admin, 3, "TRUNCATE stock");
    assert_eq!(destroyed(&mut admin), "public.stock_eu|TRUNCATE|null|3");
}

#[test]
fn several_tables_and_unprotected_ones_in_one_truncate() {
    let (_db, mut admin) = world();
    approved(&mut admin, 100, "TRUNCATE plain, events, stock, events_1");
    assert_eq!(
        destroyed(&mut admin),
        "public.events|TRUNCATE|null|20\npublic.stock|TRUNCATE|null|4\npublic.stock_eu|TRUNCATE|null|3"
    );
}

#[test]
fn a_function_that_truncates_is_one_statement() {
    let (_db, mut admin) = world();
    approved(
        &mut admin,
        100,
        "DO $$ BEGIN TRUNCATE events; INSERT INTO events VALUES (7, 7); TRUNCATE events;
            BEGIN TRUNCATE stock; RAISE 'no'; EXCEPTION WHEN raise_exception THEN NULL; END; END $$",
    );
    assert_eq!(destroyed(&mut admin), "public.events|TRUNCATE|null|21");
    assert_eq!(count(&mut admin, "stock"), "7");
}

#[test]
fn rows_nobody_else_could_see_are_captured_too() {
    let (db, mut admin) = world();
    let mut other = db.connect();
    passes(
        &mut admin,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM stock",
    );
    passes(&mut other, "INSERT INTO stock VALUES (100, 'late')");
    passes(
        &mut admin,
        "INSERT INTO stock VALUES (101, 'own'); SELECT backstop.approve_batch('x', 100); TRUNCATE stock; COMMIT",
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*) FROM backstop.preimage WHERE key ->> 'id' IN ('100', '101')"
        ),
        "2"
    );
}

#[test]
fn a_follower_truncated_by_itself_passes_and_is_captured() {
    let (_db, mut admin) = world();
    passes(&mut admin, "TRUNCATE subscriptions");
    assert_eq!(
        destroyed(&mut admin),
        "public.subscriptions|TRUNCATE|null|5"
    );
    passes(
        &mut admin,
        "SET session_replication_role = replica; TRUNCATE subscriptions; RESET session_replication_role",
    );
    restore_last(&mut admin, false);
    passes(&mut admin, "DROP TABLE subscriptions");
    assert_eq!(
        destroyed(&mut admin),
        "public.subscriptions|DROP TABLE|null|5"
    );
    assert_eq!(
        restore_last(&mut admin, false),
        "public.subscriptions|DROP TABLE|5|5|0|0"
    );
    passes(&mut admin, "DELETE FROM users WHERE id = 5");
    assert_eq!(count(&mut admin, "subscriptions"), "4");
}

#[test]
fn observing_captures_what_it_warns_of() {
    let (db, mut admin) = world();
    passes(&mut admin, "SET backstop.mode = observe");
    for (statement, captured) in [
        ("TRUNCATE events", "public.events|TRUNCATE|null|20"),
        (
            "ALTER TABLE stock DROP COLUMN kind",
            "public.stock|DROP COLUMN|null|4\npublic.stock_eu|DROP COLUMN|null|3",
        ),
        (
            "DROP TABLE users CASCADE",
            "public.users|DROP TABLE|null|50",
        ),
    ] {
        passes(&mut admin, statement);
        assert_eq!(destroyed(&mut admin), captured, "{statement}");
    }
    let (mut listening, notices) = db.connect_listening("postgres");
    passes(
        &mut listening,
        "SET backstop.mode = observe; TRUNCATE stock_eu",
    );
    let warnings = notices.take();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].code().code(), "SF008");
}

#[test]
fn what_postgresql_refuses_is_neither_locked_nor_captured() {
    let (db, mut admin) = world();
    let mut app = db.connect_as("app");
    passes(&mut admin, "REVOKE TRUNCATE ON events FROM app");
    passes(&mut admin, "BEGIN; SELECT FROM users; SELECT FROM events");
    passes(&mut app, "SET lock_timeout = '1s'");
    for statement in [
        "DROP TABLE users CASCADE",
        "DROP SCHEMA public CASCADE",
        "ALTER TABLE users DROP COLUMN plan",
        "TRUNCATE events",
        "DROP OWNED BY postgres",
    ] {
        let refusal = refused(&mut app, &approval(100, statement));
        passes(&mut app, "ROLLBACK");
        assert_eq!(refusal.sqlstate, "42501", "{statement}\n{refusal:?}");
    }
}

#[test]
fn columns_are_captured_with_their_rows() {
    let (_db, mut admin) = world();
    let refusal = refused(
        &mut admin,
        &approval(39, "ALTER TABLE users DROP COLUMN extra"),
    );
    passes(&mut admin, "ROLLBACK");
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    approved(&mut admin, 40, "ALTER TABLE users DROP COLUMN extra");
    assert_eq!(destroyed(&mut admin), "public.users|DROP COLUMN|null|50");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT key, old_row, new_values FROM backstop.preimage LIMIT 1"
        ),
        "{\"id\": 1}|{\"id\": 1, \"plan\": \"free\", \"extra\": \"{\\\"a\\\": null}\"}|null"
    );
    approved(
        &mut admin,
        40,
        "ALTER TABLE users ALTER plan TYPE varchar(2) USING left(plan, 2)",
    );
    assert_eq!(
        destroyed(&mut admin),
        "public.users|ALTER COLUMN TYPE|null|50"
    );
}

#[test]
fn a_detached_partition_is_recorded_and_attached_again() {
    let (_db, mut admin) = world();
    approved(
        &mut admin,
        1,
        "ALTER TABLE events DETACH PARTITION events_1",
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT operations, relations, rows FROM backstop.statement"
        ),
        "{\"DETACH PARTITION\"}|{public.events}|0"
    );
    assert_eq!(
        restore_last(&mut admin, false),
        "public.events|DETACH PARTITION|0|0|0|0"
    );
    assert_eq!(count(&mut admin, "events"), "20");
}

#[test]
fn what_cannot_be_captured_stays_refused() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TYPE pair AS (id bigint, label text); CREATE TABLE pairs OF pair (PRIMARY KEY (id));
         SELECT backstop.protect('pairs')",
    );
    for statement in [
        "ALTER TYPE pair DROP ATTRIBUTE label CASCADE",
        "ALTER TYPE pair ALTER ATTRIBUTE label TYPE varchar CASCADE",
    ] {
        let refusal = refused(&mut admin, &approval(5, statement));
        passes(&mut admin, "ROLLBACK");
        assert_eq!(refusal.sqlstate, "SF008", "{statement}\n{refusal:?}");
        assert!(refusal.hint.contains("unprotect"), "{refusal:?}");
    }
}
