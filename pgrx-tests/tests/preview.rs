//! Preview: every form of statement, run for real and rolled back.

mod preview {
    pub mod world;
}

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{database_with, passes, query_text};
use preview::world::{call, steps, users, world};

/// Everything the world's tables hold.
const ALL: &str = "SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) FROM (
    SELECT u::text AS r FROM users u UNION ALL SELECT s::text FROM subscriptions s UNION ALL SELECT i::text FROM invoices i) x";

/// Previews, and finds everything as it was.
#[track_caller]
fn unharmed(client: &mut Client, statement: &str) -> String {
    let before = query_text(client, ALL);
    let seen = steps(client, statement);
    assert_eq!(query_text(client, ALL), before, "{statement}");
    assert_eq!(
        query_text(
            client,
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('users'::regclass, 'subscriptions'::regclass, 'invoices'::regclass)"
        ),
        "0",
        "{statement}"
    );
    seen
}

#[test]
fn a_delete_shows_what_it_takes_along() {
    let mut world = world();
    assert_eq!(
        unharmed(&mut world.app, "DELETE FROM users WHERE id < 20"),
        "public.users|DELETE|null|19|0\n\
         public.subscriptions|DELETE|cascade from public.users|19|0\n\
         public.invoices|UPDATE|cascade from public.subscriptions|19|0"
    );
    let recorded = "SELECT (SELECT count(*) FROM backstop.statement), (SELECT count(*) FROM backstop.preimage)";
    assert_eq!(query_text(&mut world.admin, recorded), "0|0");
}

#[test]
fn rules_columns_and_samples_are_told() {
    let mut world = world();
    passes(
        &mut world.admin,
        "ALTER TABLE users ADD a text DEFAULT 'a', ADD b text DEFAULT 'b';
         SELECT backstop.protect_columns('users', '{a}', 'up1'), backstop.protect_columns('users', '{b}', 'up2')",
    );
    let sql = format!(
        "SELECT columns, cleared_columns, rules, jsonb_array_length(sample), sample -> 0 -> 'key', sample -> 0 -> 'new_values', sample -> 0 -> 'old_row' ->> 'plan' FROM {}",
        call("UPDATE users SET a = NULL, b = '', plan = 'x' WHERE id < 20")
    );
    assert_eq!(
        query_text(&mut world.app, &sql),
        r#"{plan,a,b}|{a,b}|{key_range,mixed_upstreams,row_limit}|3|{"id": 1}|{"a": null, "b": "", "plan": "x"}|free"#
    );
}

#[test]
fn columns_that_ddl_takes_or_rewrites_are_told() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE TYPE mood AS ENUM ('good');
         CREATE TABLE events (id int, day int, v text, m mood, g text GENERATED ALWAYS AS (v || '!') STORED)
             PARTITION BY RANGE (day);
         CREATE TABLE early PARTITION OF events FOR VALUES FROM (0) TO (5);
         CREATE TABLE late (m mood, junk int, id int, day int, v text, g text GENERATED ALWAYS AS (v || '!') STORED);
         ALTER TABLE late DROP COLUMN junk; ALTER TABLE events ATTACH PARTITION late FOR VALUES FROM (5) TO (9);
         INSERT INTO events SELECT n, n, 'v', 'good' FROM generate_series(1, 8) n;
         SELECT backstop.protect('events', key_columns => '{id}')",
    );
    for (statement, told) in [
        (
            "ALTER TABLE users DROP COLUMN plan",
            "public.users|DROP COLUMN|200|{plan}",
        ),
        (
            "ALTER TABLE users ALTER COLUMN plan TYPE varchar(9)",
            "public.users|ALTER COLUMN TYPE|200|{plan}",
        ),
        (
            "ALTER TABLE users ALTER COLUMN plan TYPE varchar(9), DROP COLUMN auth_source CASCADE",
            "public.users|DROP COLUMN|200|{auth_source,plan}",
        ),
        (
            "ALTER TABLE events DROP COLUMN v CASCADE",
            "public.events|DROP COLUMN|8|{v,g}",
        ),
        ("DROP TYPE mood CASCADE", "public.events|DROP COLUMN|8|{m}"),
        ("TRUNCATE events", "public.events|TRUNCATE|8|{}"),
    ] {
        let sql = format!(
            "SELECT relation, operation, rows, columns FROM {}",
            call(statement)
        );
        assert_eq!(query_text(&mut world.admin, &sql), told, "{statement}");
    }
}

#[test]
fn every_form_of_statement_is_shown() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE VIEW v AS SELECT id, plan FROM users WHERE auth_source = 'oauth';
         CREATE VIEW w AS SELECT id, plan FROM users;
         CREATE FUNCTION w_gone() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM users WHERE id = OLD.id; RETURN OLD; END $$;
         CREATE TRIGGER gone INSTEAD OF DELETE ON w FOR EACH ROW EXECUTE FUNCTION w_gone();
         CREATE TABLE plain (id int); INSERT INTO plain VALUES (1);
         CREATE FUNCTION plain_gone() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM users WHERE id IN (1, 2); RETURN OLD; END $$;
         CREATE TRIGGER gone AFTER DELETE ON plain FOR EACH ROW EXECUTE FUNCTION plain_gone();
         CREATE FUNCTION gone(low bigint) RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM users WHERE id > low; RETURN 1; END $$;
         CREATE FUNCTION gone_sql(low bigint) RETURNS void LANGUAGE sql AS 'DELETE FROM users WHERE id > low';
         CREATE PROCEDURE goner(low bigint) LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id > low; END $$;
         GRANT ALL ON v, w, plain TO app",
    );
    passes(
        &mut world.app,
        "PREPARE p(bigint) AS DELETE FROM users WHERE id > $1",
    );
    let test_users = "public.users|DELETE|null|5|5";
    for (statement, shown) in [
        ("DELETE FROM users WHERE id > 195", test_users),
        (
            "UPDATE users SET plan = 'x' WHERE id > 195",
            "public.users|UPDATE|null|5|5",
        ),
        (
            "INSERT INTO users VALUES (1, 'x'), (200, 'x'), (999, 'x') ON CONFLICT (id) DO UPDATE SET plan = 'y'",
            "public.users|UPDATE|null|2|1",
        ),
        (
            "WITH d AS (DELETE FROM users WHERE id > 195 RETURNING id), u AS (UPDATE users SET plan = 'x' WHERE id = 101) SELECT * FROM d",
            "public.users|UPDATE|null|1|1\npublic.users|DELETE|null|5|5",
        ),
        (
            "DELETE FROM plain",
            "public.users|DELETE|trigger gone on public.plain|2|0\n\
             public.subscriptions|DELETE|cascade from public.users|2|0\n\
             public.invoices|UPDATE|cascade from public.subscriptions|2|0",
        ),
        (
            "UPDATE v SET plan = 'x' WHERE id > 95",
            "public.users|UPDATE|null|5|0",
        ),
        (
            "DELETE FROM w WHERE id > 195",
            "public.users|DELETE|trigger gone on public.w|5|5",
        ),
        ("SELECT gone(195)", test_users),
        ("SELECT gone_sql(195)", test_users),
        ("SELECT gone(195) FROM generate_series(1, 3)", test_users),
        (
            "DO $$ BEGIN DELETE FROM users WHERE id > 195; END $$",
            test_users,
        ),
        ("CALL goner(195)", test_users),
        ("EXECUTE p(195)", test_users),
        (
            "EXPLAIN ANALYZE DELETE FROM users WHERE id > 195",
            test_users,
        ),
        ("CREATE TABLE copy AS SELECT gone(195)", test_users),
        ("SELECT 1", ""),
        ("DELETE FROM users WHERE id = -1", ""),
    ] {
        let mut seen: Vec<String> = unharmed(&mut world.app, statement)
            .lines()
            .map(String::from)
            .collect();
        let mut shown: Vec<&str> = shown.lines().collect();
        seen.sort();
        shown.sort_unstable();
        assert_eq!(seen, shown, "{statement}");
    }
    #[rustfmt::skip]
    let merge = "MERGE INTO users u USING (VALUES (1, 'd'), (2, 'u'), (199, 'd')) s(id, what) ON u.id = s.id \
                 WHEN MATCHED AND what = 'd' THEN DELETE WHEN MATCHED THEN UPDATE SET plan = 'x'";
    if pg_backstop_tests::installation().major >= 15 {
        let seen = unharmed(&mut world.app, merge);
        assert!(seen.contains("public.users|DELETE|null|2|1"), "{seen}");
        assert!(seen.contains("public.users|UPDATE|null|1|0"), "{seen}");
    }
}

#[test]
fn partitions_and_children_are_shown_under_their_parent() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE TABLE events (id int, region text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
         CREATE TABLE events_eu PARTITION OF events FOR VALUES IN ('eu');
         CREATE TABLE events_us PARTITION OF events FOR VALUES IN ('us');
         INSERT INTO events SELECT n, CASE WHEN n % 2 = 0 THEN 'eu' ELSE 'us' END, 'n' FROM generate_series(1, 20) n;
         CREATE TABLE base (id int PRIMARY KEY, note text); CREATE TABLE child () INHERITS (base);
         INSERT INTO base SELECT n, 'n' FROM generate_series(1, 5) n; INSERT INTO child SELECT n, 'n' FROM generate_series(6, 10) n;
         SELECT backstop.protect('events'), backstop.protect('base');
         GRANT ALL ON events, events_eu, events_us, base, child TO app",
    );
    for (statement, shown) in [
        ("DELETE FROM events", "public.events|DELETE|null|20|0"),
        ("DELETE FROM events_eu", "public.events|DELETE|null|10|0"),
        // A row that moves to another partition is updated, not deleted.
        (
            "UPDATE events SET region = 'us' WHERE id = 2",
            "public.events|UPDATE|null|1|0",
        ),
        (
            "UPDATE events SET note = 'x'",
            "public.events|UPDATE|null|20|0",
        ),
    ] {
        assert_eq!(steps(&mut world.app, statement), shown, "{statement}");
    }
    let seen = steps(&mut world.app, "DELETE FROM base");
    let rows: i64 = seen
        .lines()
        .filter_map(|line| line.split('|').nth(3)?.parse::<i64>().ok())
        .sum();
    assert_eq!(rows, 10, "{seen}");
    assert_eq!(
        query_text(
            &mut world.app,
            "SELECT (SELECT count(*) FROM events_eu), (SELECT count(*) FROM base)"
        ),
        "10|10"
    );
}

#[test]
fn a_list_of_keys_is_a_json_array() {
    let mut world = world();
    let mut rows = |statement: &str, parameters: &str| {
        query_text(
            &mut world.app,
            &format!(
                "SELECT coalesce(sum(rows), 0) FROM backstop.preview('{statement}', 'x', '{parameters}') WHERE step = 1"
            ),
        )
    };
    let by_key = "DELETE FROM users WHERE id = ANY ($1)";
    for parameters in [
        "[[1, 2, 3]]",
        r#"["{1,2,3}"]"#,
        r#"{"$1": ["1", 2, 3, null]}"#,
    ] {
        assert_eq!(rows(by_key, parameters), "3", "{parameters}");
    }
    assert_eq!(rows(by_key, "[[]]"), "0");
    // A delimiter, a quote or a backslash in a member stays in it; a jsonb parameter is what it was.
    for (statement, parameters) in [
        (
            r#"UPDATE users SET plan = ($1::text[])[2] WHERE id = 1 AND ($1::text[])[1] = $$a,"b\c$$"#,
            r#"[["a,\"b\\c", "NULL"]]"#,
        ),
        (
            "UPDATE users SET plan = $1::jsonb ->> 1 WHERE id = 1",
            r#"[["a", "b"]]"#,
        ),
    ] {
        assert_eq!(rows(statement, parameters), "1", "{statement}");
    }
}

#[test]
fn parameters_come_as_an_array_or_by_name() {
    let mut world = world();
    let sql = |parameters: &str| {
        format!(
            "SELECT rows FROM backstop.preview('DELETE FROM users WHERE id > $1 AND plan = $2', 'x', {parameters}) WHERE step = 1"
        )
    };
    for parameters in [
        r#"'[195, "free"]'"#,
        r#"'["195", "free"]'"#,
        r#"'{"$1": 195, "$2": "free"}'"#,
    ] {
        assert_eq!(query_text(&mut world.app, &sql(parameters)), "5");
    }
    assert_eq!(query_text(&mut world.app, &sql("'[195, null]'")), "0");
    for parameters in [
        "NULL",
        "'[]'",
        "'[1]'",
        "'[1, 2, 3]'",
        "'7'",
        r#"'{"$1": 1, "$3": 2}'"#,
    ] {
        let refusal = pg_backstop_tests::refused(&mut world.app, &sql(parameters));
        assert!(
            ["08P01", "22023"].contains(&refusal.sqlstate.as_str()) && !refusal.hint.is_empty()
                || refusal.sqlstate == "22023",
            "{parameters} {refusal:?}"
        );
    }
    assert_eq!(users(&mut world.app), "200");
}

#[test]
fn what_the_statement_itself_rolled_back_is_not_counted() {
    let mut world = world();
    let statement = "DO $$ BEGIN
        BEGIN DELETE FROM users WHERE id < 50; RAISE EXCEPTION 'no'; EXCEPTION WHEN raise_exception THEN NULL; END;
        BEGIN DELETE FROM users WHERE id = 101; EXCEPTION WHEN raise_exception THEN NULL; END;
        DELETE FROM users WHERE id = 102; END $$";
    assert_eq!(
        unharmed(&mut world.app, statement),
        "public.users|DELETE|null|2|2"
    );
    let kept = "SELECT count(*), sum(row_count) FROM backstop.request_chunk";
    let counted = query_text(&mut world.admin, kept);
    assert!(counted.ends_with("|2"), "{counted}");
}

#[test]
fn it_sees_and_keeps_the_transactions_own_changes() {
    let mut world = world();
    passes(
        &mut world.app,
        "BEGIN; DELETE FROM users WHERE id IN (199, 200); INSERT INTO users VALUES (201, 'test', 'new'); SAVEPOINT s",
    );
    let all = "DELETE FROM users WHERE id > 195";
    assert_eq!(steps(&mut world.app, all), "public.users|DELETE|null|4|4");
    passes(&mut world.app, "ROLLBACK TO s");
    assert_eq!(steps(&mut world.app, all), "public.users|DELETE|null|4|4");
    passes(
        &mut world.app,
        "RELEASE s; DELETE FROM users WHERE id = 1; COMMIT",
    );
    assert_eq!(users(&mut world.app), "198");
    // The preview that the savepoint rolled back left no request, and neither left anything in the record.
    let kept = "SELECT (SELECT count(*) FROM backstop.request_log), (SELECT sum(rows) FROM backstop.statement)";
    assert_eq!(query_text(&mut world.admin, kept), "1|5");
}

#[test]
fn a_preview_spends_nothing_of_the_transactions_limit() {
    let mut world = world();
    passes(
        &mut world.admin,
        &format!(
            "ALTER DATABASE {} SET backstop.max_rows_per_transaction = 4",
            world.db.name
        ),
    );
    let mut app = world.db.connect_as("app");
    passes(&mut app, "BEGIN; UPDATE users SET plan = 'a' WHERE id = 1");
    for _ in 0..3 {
        steps(&mut app, "UPDATE users SET plan = 'b' WHERE id < 50");
    }
    for id in 2..=4 {
        passes(
            &mut app,
            &format!("UPDATE users SET plan = 'a' WHERE id = {id}"),
        );
    }
    let refusal = pg_backstop_tests::refused(&mut app, "UPDATE users SET plan = 'a' WHERE id = 5");
    assert_eq!(refusal.sqlstate, "SF006");
}

#[test]
fn deferred_triggers_are_shown() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE TABLE plain (id int); INSERT INTO plain VALUES (1); GRANT ALL ON plain TO app;
         CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM users WHERE id IN (198, 199); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER DELETE ON plain DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION late()",
    );
    assert_eq!(
        unharmed(&mut world.app, "DELETE FROM plain"),
        "public.users|DELETE|deferred trigger|2|2"
    );
    // And they still fire for the work of the surrounding transaction.
    passes(&mut world.app, "BEGIN; DELETE FROM plain");
    steps(&mut world.app, "DELETE FROM users WHERE id = 150");
    assert_eq!(users(&mut world.app), "200");
    passes(&mut world.app, "COMMIT");
    assert_eq!(users(&mut world.app), "198");
}

/// Columns are told by their names: partitions have them in another order, and DDL adds some meanwhile.
#[test]
fn columns_are_those_of_each_row() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE pp (id int PRIMARY KEY, a int, b int) PARTITION BY RANGE (id); CREATE TABLE p2 (b int, a int, id int NOT NULL);
         ALTER TABLE pp ATTACH PARTITION p2 FOR VALUES FROM (1) TO (100);
         CREATE TABLE p3 PARTITION OF pp FOR VALUES FROM (100) TO (200); INSERT INTO pp SELECT n, 1, 2 FROM generate_series(1, 150) n;
         CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT n, 0 FROM generate_series(1, 9) n;
         SELECT backstop.protect('pp'), backstop.protect('t')",
    );
    let shown = |admin: &mut _, columns: &str, statement: &str| {
        query_text(
            admin,
            &format!("SELECT {columns} FROM backstop.preview($statement${statement}$statement$)"),
        )
    };
    let partitions = "UPDATE pp SET b = NULL WHERE id = ANY ('{3,120}')";
    assert_eq!(
        shown(&mut admin, "columns, cleared_columns", partitions),
        "{b}|{b}"
    );
    let sample = "sample @> '[{\"key\": {\"id\": 3}, \"old_row\": {\"a\": 1, \"b\": 2}}, {\"key\": {\"id\": 120}, \"old_row\": {\"a\": 1, \"b\": 2}}]'";
    assert_eq!(shown(&mut admin, sample, partitions), "t");
    for inner in [
        "UPDATE t SET v = 1 WHERE id = 4;",
        "BEGIN UPDATE t SET v = 1 WHERE id = 4; EXCEPTION WHEN OTHERS THEN RAISE; END;",
    ] {
        let added = format!(
            "DO $$ BEGIN UPDATE t SET v = 1 WHERE id = 3; ALTER TABLE t ADD COLUMN z int; {inner} END $$"
        );
        assert_eq!(shown(&mut admin, "rows, columns", &added), "2|{v}");
    }
}
