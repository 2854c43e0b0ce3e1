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
        "BEGIN; SELECT backstop.approve_batch('OPS-1', max_rows => 100);
         INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan; COMMIT",
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

/// A partition's trigger is its parent's: registering the partition, which is protected by itself too, would make none.
#[test]
fn the_command_for_a_partition_makes_its_parent_s_trigger() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE) PARTITION BY RANGE (id);
         CREATE TABLE notes_1 PARTITION OF notes FOR VALUES FROM (0) TO (10);
         SELECT backstop.protect('notes_1'); INSERT INTO notes VALUES (1, 1);
         SET backstop.mode = 'observe'; SET client_min_messages = error; DROP TRIGGER backstop_capture ON notes;
         RESET backstop.mode; RESET client_min_messages",
    );
    let destroy = "DELETE FROM notes WHERE id = 1";
    let refusal = refused(&mut admin, destroy);
    let table = (refusal.sqlstate.as_str(), refusal.table.as_str());
    assert_eq!(table, ("SF013", "notes_1"));
    let command = refusal.hint.split_once("makes it: ").expect("a command").1;
    passes(&mut admin, command);
    passes(&mut admin, destroy);
    let rows = "SELECT relation FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, rows), "public.notes");
}

/// The command is read as it is printed, and changes nothing that is registered, whatever the session has set.
#[test]
fn the_command_leaves_the_registration_as_it_was() {
    let (_db, mut admin) = database_with(
        r#"CREATE SCHEMA "S'x\y"; SET search_path = "S'x\y";
           CREATE TYPE "En\um" AS ENUM ('a''b', 'c\d');
           CREATE TABLE "T a'b\c" ("K'1\" bigint, "K""2" text, e "En\um", t text, on_day date, PRIMARY KEY ("K'1\", "K""2"));
           CREATE TABLE "Fo\l" (id int PRIMARY KEY, a bigint, b text, FOREIGN KEY (a, b) REFERENCES "T a'b\c" ON DELETE CASCADE);
           CREATE TABLE "Co l" (id int PRIMARY KEY, "C'1\" text, c2 text);
           CREATE TABLE "Ch'C" () INHERITS ("Co l");
           SELECT backstop.protect('"T a''b\c"', key_columns => ARRAY['K''1\', 'K"2'], max_rows => 0, require => 'always',
               approval => 'second_person', expendable => $$e = 'c\d' AND t <> E'it''s \\ x' AND on_day < '2026-02-01'$$);
           SELECT backstop.protect_columns('"Co l"', ARRAY['C''1\'], 'up''stream \ x');
           SELECT backstop.protect_columns('"Co l"', ARRAY['c2'], 'other')"#,
    );
    let registered = "SELECT (SELECT string_agg(t::text, '; ') FROM backstop.protected_table AS t) || ' and ' \
                      || (SELECT string_agg(c::text, '; ' ORDER BY column_name) FROM backstop.protected_column AS c)";
    let before = query_text(&mut admin, registered);
    for (settings, table) in [
        ("", r#""T a'b\c""#),
        ("SET standard_conforming_strings = off;", r#""Fo\l""#),
        ("SET DateStyle = 'SQL, DMY';", r#""Fo\l""#),
        ("SET standard_conforming_strings = off;", r#""Co l""#),
        ("", r#""Ch'C""#),
    ] {
        let table = format!(r#""S'x\y".{table}"#);
        passes(
            &mut admin,
            &format!(
                "SET backstop.mode = 'observe'; SET client_min_messages = error; DROP TRIGGER backstop_capture ON {table}; \
                 RESET backstop.mode; SET search_path = public; {settings}"
            ),
        );
        let destroy = format!(
            "DELETE FROM {table} WHERE {} IS NULL",
            if table.contains("T a") { "t" } else { "id" }
        );
        let refusal = refused(&mut admin, &destroy);
        assert_eq!(refusal.sqlstate, "SF013", "{refusal:?}");
        let command = refusal.hint.split_once("makes it: ").expect("a command").1;
        passes(&mut admin, command);
        passes(
            &mut admin,
            r#"RESET ALL; SET search_path = "S'x\y", public"#,
        );
        assert_eq!(query_text(&mut admin, registered), before, "{command}");
        passes(&mut admin, &destroy);
    }
}

/// Another session's temporary child is its own: nobody else reaches its rows, or may alter it.
#[test]
fn a_temporary_child_of_another_session_hinders_nobody() {
    let (db, mut admin) = world();
    let mut app = db.connect();
    passes(
        &mut app,
        "CREATE TABLE base (id bigint PRIMARY KEY); CREATE TEMP TABLE mine () INHERITS (base); INSERT INTO mine VALUES (1)",
    );
    passes(
        &mut admin,
        "SELECT backstop.protect('base'); INSERT INTO base VALUES (2); DELETE FROM base WHERE id = 2",
    );
    let refusal = refused(&mut app, "DELETE FROM base WHERE id = 1");
    assert_eq!(
        (refusal.sqlstate.as_str(), refusal.table.as_str()),
        ("SF013", "mine")
    );
    let command = refusal.hint.split_once("makes it: ").expect("a command").1;
    passes(&mut app, command);
    passes(&mut app, "DELETE FROM base WHERE id = 1");
    passes(&mut admin, "SELECT backstop.unprotect('base')");
    passes(&mut app, "INSERT INTO mine VALUES (1); DELETE FROM mine");
}

/// Every statement says so anew where the rules are only observed.
#[test]
fn what_a_disabled_trigger_does_not_see_is_warned_of_in_observe_mode() {
    let (db, _admin) = world();
    let (mut app, notices) = db.connect_listening("postgres");
    passes(
        &mut app,
        "SET backstop.mode = 'observe'; ALTER TABLE subscriptions DISABLE TRIGGER backstop_capture",
    );
    for statement in [
        "DELETE FROM subscriptions WHERE id = 5",
        "UPDATE subscriptions SET id = 1 WHERE id = 1",
        "DELETE FROM users WHERE id = 1",
    ] {
        notices.take();
        passes(&mut app, statement);
        let said = notices.take();
        assert_eq!(said.len(), 1, "{statement}: {said:?}");
        assert_eq!(
            said[0].message(),
            "the trigger \"backstop_capture\" of table \"subscriptions\" is disabled"
        );
    }
}

#[test]
fn a_truncate_that_no_trigger_sees_is_refused() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SET backstop.mode = 'observe'; SET client_min_messages = error;
         ALTER TABLE subscriptions DISABLE TRIGGER ALL; RESET backstop.mode; RESET client_min_messages",
    );
    let approved = "BEGIN; SELECT backstop.approve_batch('OPS-1', max_rows => 100); TRUNCATE users CASCADE; COMMIT";
    for statement in ["TRUNCATE subscriptions", approved] {
        let refusal = refused(&mut admin, statement);
        passes(&mut admin, "ROLLBACK");
        assert_eq!(
            (refusal.sqlstate.as_str(), refusal.table.as_str()),
            ("SF013", "subscriptions"),
            "{refusal:?}"
        );
        assert!(
            refusal.message.contains("backstop_guard_truncate"),
            "{refusal:?}"
        );
    }
    let hint = refused(&mut admin, "TRUNCATE subscriptions").hint;
    passes(
        &mut admin,
        hint.split_once("enables it: ").expect("a command").1,
    );
    passes(&mut admin, approved);
    let captured = "SELECT string_agg(relation || ' ' || n, ', ' ORDER BY relation) FROM \
                    (SELECT relation, count(*) AS n FROM backstop.preimage GROUP BY 1) AS p";
    assert_eq!(
        query_text(&mut admin, captured),
        "public.subscriptions 1, public.users 2"
    );
    let restored = "SELECT sum(restored) FROM backstop.statement s, backstop.restore(s.statement_id, dry_run => false)";
    assert_eq!(query_text(&mut admin, restored), "3");
}

#[test]
fn check_foretells_it() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SET backstop.mode = 'observe'; SET client_min_messages = error; ALTER TABLE users DISABLE TRIGGER ALL;
         RESET backstop.mode; RESET client_min_messages",
    );
    for (statement, rules) in [
        ("DELETE FROM users WHERE id = 1", "tamper"),
        ("UPDATE users SET plan = $1 WHERE id = $2", "tamper"),
        ("DELETE FROM users", "tamper, unqualified"),
        (
            "INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan",
            "key_upsert, tamper",
        ),
        (
            "INSERT INTO users VALUES (9, 'x') ON CONFLICT DO NOTHING",
            "",
        ),
        ("SELECT * FROM users FOR UPDATE", ""),
        ("DELETE FROM plain", ""),
    ] {
        let found = format!(
            "SELECT coalesce(string_agg(rule, ', ' ORDER BY rule), '') FROM backstop.check($check${statement}$check$)"
        );
        assert_eq!(query_text(&mut admin, &found), rules, "{statement}");
    }
}
