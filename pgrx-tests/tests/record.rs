//! The record: what a statement destroyed, written in the transaction that destroyed it, and every value of it.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, passes, passes_with, query_text};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, email text UNIQUE);
    CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE invoices (id bigint PRIMARY KEY, subscription_id bigint REFERENCES subscriptions ON DELETE SET NULL);
    CREATE TABLE teams (id bigint PRIMARY KEY, owner bigint);
    CREATE TABLE plain (id bigint PRIMARY KEY);
    INSERT INTO users SELECT n, 'free', 'u' || n FROM generate_series(1, 20) n;
    INSERT INTO subscriptions SELECT n, n FROM generate_series(1, 10) n;
    INSERT INTO invoices SELECT n, n FROM generate_series(1, 10) n;
    INSERT INTO teams SELECT n, n FROM generate_series(15, 20) n;
    INSERT INTO plain VALUES (1);
    CREATE FUNCTION purge() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN DELETE FROM teams WHERE owner = OLD.id; RETURN OLD; END $$;
    CREATE TRIGGER purge AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION purge();
    SELECT backstop.protect('users'); SELECT backstop.protect('teams')";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

fn statements(client: &mut Client) -> String {
    query_text(client, "SELECT count(*) FROM backstop.statement")
}

#[test]
fn a_statement_is_recorded_with_who_sent_it_and_what_it_was() {
    let (db, mut admin, _app) = world();
    let mut app = db.connect_with(|config| {
        config.user("app").application_name("billing");
    });
    passes(&mut app, "BEGIN");
    let xid = query_text(&mut app, "SELECT pg_current_xact_id()");
    let pid = query_text(&mut app, "SELECT pg_backend_pid()");
    passes(&mut app, "DELETE FROM users WHERE id = 5; COMMIT");
    let recorded = "SELECT xid, session_role, role, application_name, pid, query ~ 'DELETE FROM users WHERE id = 5',
                        parameters IS NULL OR parameters = '{}', approval, reverts, at BETWEEN now() - interval '1 minute' AND now()
                    FROM backstop.statement";
    assert_eq!(
        query_text(&mut admin, recorded),
        format!("{xid}|app|app|billing|{pid}|t|t|null|null|t")
    );
    let totals = "SELECT rows, operations @> '{DELETE}', relations @> '{public.users, public.subscriptions, public.invoices}'
                  FROM backstop.statement";
    assert_eq!(query_text(&mut admin, totals), "3|t|t");
}

#[test]
fn bound_values_are_recorded_unless_switched_off() {
    let (db, mut admin, mut app) = world();
    let sql = "UPDATE users SET plan = $1 WHERE id = $2";
    passes_with(&mut app, sql, &[&"pro", &5_i64]);
    passes_with(&mut app, sql, &[&None::<&str>, &6_i64]);
    let recorded = "SELECT query, parameters ->> '$1', parameters ->> '$2' FROM backstop.statement ORDER BY statement_id";
    assert_eq!(
        query_text(&mut admin, recorded),
        format!("{sql}|pro|5\n{sql}|null|6")
    );
    passes(
        &mut admin,
        &format!(
            "ALTER DATABASE {} SET backstop.log_parameters = off",
            db.name
        ),
    );
    let mut app = db.connect_as("app");
    passes_with(&mut app, sql, &[&"secret", &7_i64]);
    let last = "SELECT parameters::text FROM backstop.statement ORDER BY statement_id DESC LIMIT 1";
    assert!(!query_text(&mut admin, last).contains("secret"));
}

#[test]
fn the_role_is_the_one_that_acted() {
    let (_db, mut admin, _app) = world();
    passes(
        &mut admin,
        "SET ROLE app; DELETE FROM users WHERE id = 5; RESET ROLE",
    );
    let roles = "SELECT session_role <> 'app', role FROM backstop.statement";
    assert_eq!(query_text(&mut admin, roles), "t|app");
}

#[test]
fn every_pre_image_says_what_led_there() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id IN (5, 17)");
    let causes =
        "SELECT relation, operation, cause, key FROM backstop.preimage ORDER BY relation, key";
    assert_eq!(
        query_text(&mut admin, causes),
        "public.invoices|UPDATE|cascade from public.subscriptions|{\"id\": 5}\n\
         public.subscriptions|DELETE|cascade from public.users|{\"id\": 5}\n\
         public.teams|DELETE|trigger purge on public.users|{\"id\": 17}\n\
         public.users|DELETE|null|{\"id\": 5}\n\
         public.users|DELETE|null|{\"id\": 17}"
    );
    let one = "SELECT count(DISTINCT statement_id), count(*), min(rows) FROM backstop.preimage JOIN backstop.statement USING (statement_id)";
    assert_eq!(query_text(&mut admin, one), "1|5|5");
}

/// Nothing protects the departments, but their rows take users with them; a user's other key is not the cause.
#[test]
fn a_cascade_from_an_unprotected_table_is_the_cause_too() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE departments (id int PRIMARY KEY); INSERT INTO departments VALUES (1), (2);
         CREATE TABLE badges (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE,
             department int REFERENCES departments ON DELETE CASCADE);
         INSERT INTO badges VALUES (1, 7, 1), (2, 8, 2); GRANT ALL ON departments TO app;
         ALTER TABLE users ADD department int REFERENCES departments ON DELETE SET NULL;
         UPDATE users SET department = 1 WHERE id = 7",
    );
    let before = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    passes(&mut app, "DELETE FROM departments WHERE id = 1");
    assert_eq!(
        query_text(
            &mut admin,
            &format!(
                "SELECT relation, operation, cause FROM backstop.preimage WHERE statement_id > {before} ORDER BY 1"
            )
        ),
        "public.badges|DELETE|cascade from public.departments\n\
         public.users|UPDATE|cascade from public.departments"
    );
}

#[test]
fn an_update_keeps_the_old_row_and_the_columns_that_changed() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "UPDATE users SET plan = 'pro', email = email WHERE id = 5",
    );
    let recorded = "SELECT operation, old_row, new_values FROM backstop.preimage";
    assert_eq!(
        query_text(&mut admin, recorded),
        r#"UPDATE|{"id": 5, "plan": "free", "email": "u5"}|{"plan": "pro"}"#
    );
}

#[test]
fn a_delete_has_no_new_values() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 12");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT new_values IS NULL FROM backstop.preimage"
        ),
        "t"
    );
}

#[test]
fn the_order_of_destruction_is_kept() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "DO $$ BEGIN UPDATE users SET plan = 'a' WHERE id = 5; UPDATE users SET plan = 'b' WHERE id = 5; END $$",
    );
    let recorded =
        "SELECT old_row ->> 'plan', new_values ->> 'plan' FROM backstop.preimage ORDER BY ordinal";
    assert_eq!(query_text(&mut admin, recorded), "free|a\na|b");
    assert_eq!(
        statements(&mut admin),
        "1",
        "a DO block is one root statement"
    );
}

#[test]
fn upserts_and_merges_are_recorded_where_they_overwrite() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "INSERT INTO users VALUES (100, 'x', 'u5'), (101, 'x', 'new') ON CONFLICT (email) DO UPDATE SET plan = excluded.plan",
    );
    let recorded = "SELECT operation, key FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, recorded), r#"UPDATE|{"id": 5}"#);
    if query_text(
        &mut admin,
        "SELECT current_setting('server_version_num')::int >= 150000",
    ) == "t"
    {
        passes(
            &mut app,
            "MERGE INTO users u USING (VALUES ('u6'), ('u7')) s(email) ON u.email = s.email WHEN MATCHED AND u.email = 'u6' THEN DELETE WHEN MATCHED THEN UPDATE SET plan = 'm'",
        );
        let merged = "SELECT operation, key ->> 'id' FROM backstop.preimage WHERE relation = 'public.users' ORDER BY statement_id DESC, key LIMIT 2";
        assert_eq!(query_text(&mut admin, merged), "DELETE|6\nUPDATE|7");
    }
}

#[test]
fn damage_and_record_commit_or_vanish_together() {
    let (db, mut admin, mut app) = world();
    passes(&mut app, "BEGIN; DELETE FROM users WHERE id = 5");
    assert_eq!(
        statements(&mut admin),
        "0",
        "not before the damage is committed"
    );
    passes(&mut app, "ROLLBACK");
    assert_eq!(statements(&mut admin), "0");
    passes(
        &mut app,
        "BEGIN; DELETE FROM users WHERE id = 5; SAVEPOINT a; DELETE FROM users WHERE id = 6; ROLLBACK TO a; DELETE FROM users WHERE id = 12; COMMIT",
    );
    let recorded = "SELECT string_agg(key ->> 'id', ',' ORDER BY (key ->> 'id')::int) FROM backstop.preimage WHERE relation = 'public.users'";
    assert_eq!(query_text(&mut admin, recorded), "5,12");
    assert_eq!(statements(&mut db.connect()), "2");
}

#[test]
fn what_an_exception_block_rolled_back_is_not_recorded() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "DO $$ BEGIN
            DELETE FROM users WHERE id = 11;
            BEGIN
                DELETE FROM users WHERE id = 12; RAISE EXCEPTION 'no';
            EXCEPTION WHEN raise_exception THEN NULL; END;
            DELETE FROM users WHERE id = 13;
         END $$",
    );
    let recorded = "SELECT string_agg(key ->> 'id', ',' ORDER BY ordinal), min(rows) FROM backstop.preimage JOIN backstop.statement USING (statement_id)";
    assert_eq!(query_text(&mut admin, recorded), "11,13|2");
}

#[test]
fn a_procedure_that_commits_keeps_the_record_of_each_part() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE PROCEDURE in_parts() LANGUAGE plpgsql AS $$ BEGIN
            DELETE FROM users WHERE id = 11; COMMIT; DELETE FROM users WHERE id = 12; ROLLBACK; DELETE FROM users WHERE id = 13;
         END $$",
    );
    passes(&mut app, "CALL in_parts()");
    let recorded =
        "SELECT string_agg(key ->> 'id', ',' ORDER BY (key ->> 'id')::int) FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, recorded), "11,13");
    let orphans = "SELECT count(*) FROM backstop.preimage LEFT JOIN backstop.statement s USING (statement_id) WHERE s.statement_id IS NULL";
    assert_eq!(query_text(&mut admin, orphans), "0");
}

#[test]
fn harmless_statements_leave_no_record() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "INSERT INTO users VALUES (100); SELECT * FROM users WHERE id > 5; DELETE FROM plain; DELETE FROM users WHERE id = 12345",
    );
    assert_eq!(statements(&mut admin), "0");
}

#[test]
fn partitions_are_recorded_under_their_root() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE events (id bigint, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
         INSERT INTO events VALUES (1, '2025-05-05'); SELECT backstop.protect('events')",
    );
    passes(
        &mut app,
        "DELETE FROM events_2025 WHERE id = 1 AND day = '2025-05-05'",
    );
    assert_eq!(
        query_text(&mut admin, "SELECT relation, key FROM backstop.preimage"),
        r#"public.events|{"id": 1, "day": "2025-05-05"}"#
    );
    assert_eq!(
        query_text(&mut admin, "SELECT relations FROM backstop.statement"),
        "{public.events}"
    );
}

#[test]
fn names_that_need_quotes_and_clash_with_ours_are_captured() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        r#"CREATE TABLE "Odd ""name" (id bigint PRIMARY KEY, t text, old_row text, "statement_id" int, "ümläut" text);
           INSERT INTO "Odd ""name" VALUES (1, 't', 'o', 7, 'ü'); GRANT ALL ON "Odd ""name" TO app;
           SELECT backstop.protect('"Odd ""name"')"#,
    );
    passes(&mut app, r#"DELETE FROM "Odd ""name" WHERE id = 1"#);
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT old_row ->> 't', old_row ->> 'old_row', old_row ->> 'statement_id', old_row ->> 'ümläut' FROM backstop.preimage"
        ),
        "t|o|7|ü"
    );
}

#[test]
fn many_rows_are_recorded_each_once() {
    let (db, mut admin, _app) = world();
    passes(
        &mut admin,
        "CREATE TABLE crowd (id bigint PRIMARY KEY, filler text); SELECT backstop.protect('crowd', max_rows => 100000);
         INSERT INTO crowd SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 30000) n",
    );
    passes(
        &mut admin,
        &format!(
            "ALTER DATABASE {} SET backstop.max_rows_per_transaction = 1000000",
            db.name
        ),
    );
    passes(
        &mut db.connect_as("app"),
        "DELETE FROM crowd WHERE filler <> ''",
    );
    let recorded = "SELECT count(*), count(DISTINCT ordinal), sum((key ->> 'id')::bigint),
                        bool_and(old_row ->> 'filler' = repeat(md5(key ->> 'id'), 10)) FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, recorded), "30000|30000|450015000|t");
}

#[test]
fn only_those_with_the_right_can_read_the_record() {
    let (db, mut admin, mut app) = world();
    for relation in ["statement", "preimage", "sequence_change"] {
        let sql = format!("SELECT * FROM backstop.{relation}");
        assert_eq!(
            pg_backstop_tests::refused(&mut app, &sql).sqlstate,
            "42501",
            "{relation}"
        );
        passes(
            &mut admin,
            &format!("GRANT SELECT ON backstop.{relation} TO reviewer"),
        );
        passes(&mut db.connect_as("reviewer"), &sql);
    }
}

/// jsonb holds 256 MB: the real thing takes two gigabytes and fifteen seconds, so the view's own definition is tried with
/// smaller limits.
#[test]
fn a_value_too_large_for_jsonb_hides_no_other() {
    let (_db, mut admin, mut app) = world();
    let definition = query_text(
        &mut admin,
        "SELECT pg_get_viewdef('backstop.preimage'::regclass)",
    );
    assert_eq!(definition.matches("260000000").count(), 1);
    let smaller = definition
        .replace("260000000", "2000")
        .replace("80000", "300");
    passes(&mut admin, &format!("CREATE VIEW smaller AS {smaller}"));
    passes(
        &mut app,
        "UPDATE users SET plan = repeat('x', 5000), email = 'a' WHERE id = 1;
         UPDATE users SET plan = repeat('y', 6000), email = NULL WHERE id = 1;
         UPDATE users SET plan = plan || '!' WHERE id IN (1, 2)",
    );
    let rows = "SELECT statement_id - (SELECT min(statement_id) FROM backstop.statement), key, old_row, new_values
        FROM smaller ORDER BY 1, key";
    assert_eq!(
        query_text(&mut admin, rows),
        r#"0|{"id": 1}|{"id": 1, "plan": "free", "email": "u1"}|{"plan": "(5002 bytes)", "email": "a"}
1|{"id": 1}|{"id": 1, "plan": "(5002 bytes)", "email": "a"}|{"plan": "(6002 bytes)", "email": null}
2|{"id": 1}|{"id": 1, "plan": "(6002 bytes)", "email": null}|{"plan": "(6003 bytes)"}
2|{"id": 2}|{"id": 2, "plan": "free", "email": "u2"}|{"plan": "free!"}"#
    );
    let whole = "SELECT max(length(old_row ->> 'plan')), max(length(new_values ->> 'plan')) FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, whole), "6000|6001");
}
