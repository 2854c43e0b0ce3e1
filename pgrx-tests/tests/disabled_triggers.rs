//! A guard's trigger that is disabled or missing: its table fails closed, and no other table is troubled.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE plain (id bigint PRIMARY KEY);
    INSERT INTO users VALUES (1, 'free'), (2, 'free'); INSERT INTO subscriptions VALUES (1, 1);
    SELECT backstop.protect('users')";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

/// Where the rules are only observed, a guard's trigger can be disabled. That is said, is nobody else's trouble, and is set
/// right by the next protect().
#[test]
fn a_disabled_trigger_fails_no_other_table() {
    let (_db, mut admin) = world();
    let incomplete = "SELECT coalesce(string_agg(value, ' ' ORDER BY value), '') FROM backstop.status() \
                      WHERE property = 'table without enabled triggers'";
    assert_eq!(query_text(&mut admin, incomplete), "");
    passes(
        &mut admin,
        "SET backstop.mode = 'observe'; SET client_min_messages = error;
         ALTER TABLE users DISABLE TRIGGER ALL;
         ALTER TABLE subscriptions DISABLE TRIGGER ALL; ALTER TABLE subscriptions ENABLE TRIGGER ALL;
         RESET backstop.mode; RESET client_min_messages",
    );
    assert_eq!(
        query_text(&mut admin, incomplete),
        "public.subscriptions public.users"
    );
    // Somebody's own trigger of the name, on a table that nothing guards.
    passes(
        &mut admin,
        "CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TABLE taken (id bigint PRIMARY KEY);
         CREATE TRIGGER backstop_capture AFTER DELETE ON taken FOR EACH ROW EXECUTE FUNCTION own()",
    );
    assert_eq!(
        refused(&mut admin, "SELECT backstop.protect('taken')").sqlstate,
        "42710"
    );
    passes(
        &mut admin,
        "SELECT backstop.protect('plain'); SELECT backstop.unprotect('plain');
         CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
         CREATE TABLE parted (id bigint PRIMARY KEY) PARTITION BY LIST (id);
         SELECT backstop.protect('parted');
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
         CREATE TABLE parted_2 (LIKE parted INCLUDING ALL);
         BEGIN;
         SELECT backstop.approve_batch('OPS-1', max_rows => 1, relations => '{public.parted}', operations => '{alter}');
         ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2);
         COMMIT",
    );
    assert_eq!(
        query_text(&mut admin, incomplete),
        "public.subscriptions public.users"
    );
    passes(&mut admin, "SELECT backstop.protect('users')");
    assert_eq!(query_text(&mut admin, incomplete), "");
}

#[test]
fn a_disabled_trigger_goes_with_the_protection() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SET backstop.mode = 'observe'; SET client_min_messages = error; ALTER TABLE users DISABLE TRIGGER ALL;
         RESET backstop.mode; SELECT backstop.unprotect('users')",
    );
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'backstop%'";
    assert_eq!(query_text(&mut admin, triggers), "0");
}

/// Nothing would count or record what is destroyed: neither directly nor by a cascade, approved or not.
#[test]
fn what_a_disabled_trigger_would_not_see_is_refused() {
    let (_db, mut admin) = world();
    let disable = |admin: &mut Client, table: &str| {
        let sql = format!(
            "SET backstop.mode = 'observe'; SET client_min_messages = error; ALTER TABLE {table} DISABLE TRIGGER backstop_capture; \
             RESET backstop.mode; RESET client_min_messages"
        );
        passes(admin, &sql);
    };
    let destroy = "DELETE FROM users WHERE id = 1";
    disable(&mut admin, "users");
    for statement in [
        destroy,
        "UPDATE users SET plan = 'x' WHERE id = 1",
        "WITH gone AS (DELETE FROM users WHERE id = 1 RETURNING 1) SELECT count(*) FROM gone",
        "INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan",
        "BEGIN; SELECT backstop.approve_batch('OPS-1', max_rows => 100); DELETE FROM users WHERE id = 1; COMMIT",
    ] {
        let refusal = refused(&mut admin, statement);
        passes(&mut admin, "ROLLBACK");
        assert_eq!(refusal.sqlstate, "SF013", "{statement}\n{refusal:?}");
        assert_eq!(
            refusal.message,
            "the trigger \"backstop_capture\" of table \"users\" is disabled"
        );
        assert_eq!(
            refusal.hint,
            "ALTER TABLE public.users ENABLE ALWAYS TRIGGER backstop_capture;"
        );
        assert_eq!(refusal.table, "users");
    }
    passes(
        &mut admin,
        "SELECT * FROM users; INSERT INTO users VALUES (3, 'free'); UPDATE plain SET id = id; \
         SELECT * FROM users FOR UPDATE; EXPLAIN DELETE FROM users WHERE id = 1",
    );
    let hint = refused(&mut admin, destroy).hint;
    passes(&mut admin, &hint);
    disable(&mut admin, "subscriptions");
    let refusal = refused(&mut admin, destroy);
    assert_eq!(
        (refusal.sqlstate.as_str(), refusal.table.as_str()),
        ("SF013", "subscriptions")
    );
    passes(&mut admin, &refusal.hint);
    // Enabled for all but replicas, which only a superuser can be.
    passes(
        &mut admin,
        "SET backstop.mode = 'off'; ALTER TABLE users ENABLE TRIGGER backstop_capture; RESET backstop.mode",
    );
    passes(&mut admin, "SET session_replication_role = replica");
    assert_eq!(refused(&mut admin, destroy).sqlstate, "SF013");
    passes(&mut admin, "RESET session_replication_role");
    passes(&mut admin, destroy);
    let rows = "SELECT string_agg(relation || ' ' || n, ', ' ORDER BY relation) FROM \
                (SELECT relation, count(*) AS n FROM backstop.preimage GROUP BY 1) AS p";
    assert_eq!(
        query_text(&mut admin, rows),
        "public.subscriptions 1, public.users 1"
    );
}

#[test]
fn what_follows_since_the_rules_were_off_is_guarded() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SET backstop.mode = 'off';
         CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
         ALTER TABLE plain ADD user_id bigint REFERENCES users ON DELETE SET NULL;
         RESET backstop.mode;
         INSERT INTO notes VALUES (1, 1); INSERT INTO plain VALUES (1, 1);
         DELETE FROM users WHERE id = 1",
    );
    let rows = "SELECT string_agg(relation, ' ' ORDER BY relation) FROM backstop.preimage";
    assert_eq!(
        query_text(&mut admin, rows),
        "public.notes public.plain public.subscriptions public.users"
    );
}
