//! Row limit (SF005): one root statement destroys so many rows and no more, wherever they are.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, database_with_app, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, auth_source text, plan text, email text UNIQUE);
    CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE teams (id bigint PRIMARY KEY, name text);
    CREATE TABLE plain (id bigint PRIMARY KEY);
    INSERT INTO users SELECT n, CASE WHEN n > 60 THEN 'test' ELSE 'oauth' END, 'p' || n % 10, 'u' || n FROM generate_series(1, 100) n;
    INSERT INTO teams SELECT n, 'team' FROM generate_series(1, 50) n;
    INSERT INTO plain SELECT n FROM generate_series(1, 50) n;
    SELECT backstop.protect('users', max_rows => 10, expendable => $$auth_source = 'test'$$)";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

fn count(client: &mut Client, table: &str) -> String {
    query_text(client, &format!("SELECT count(*) FROM {table}"))
}

fn list(n: usize) -> String {
    (1..=n)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn exactly_the_limit_passes_and_one_more_is_refused() {
    let (_db, _admin, mut app) = world();
    let refusal = refused(
        &mut app,
        &format!("DELETE FROM users WHERE id IN ({})", list(11)),
    );
    assert_eq!(refusal.sqlstate, "SF005");
    assert!(
        refusal.detail.contains("10"),
        "the limit is in the detail: {refusal:?}"
    );
    assert!(refusal.hint.contains("backstop."), "{refusal:?}");
    assert_eq!(
        (refusal.schema.as_str(), refusal.table.as_str()),
        ("public", "users")
    );
    assert_eq!(count(&mut app, "users"), "100");
    passes(
        &mut app,
        &format!("DELETE FROM users WHERE id IN ({})", list(10)),
    );
    assert_eq!(count(&mut app, "users"), "90");
}

#[test]
fn updates_count_as_deletes_do() {
    let (_db, _admin, mut app) = world();
    let eleven = format!("UPDATE users SET plan = 'x' WHERE id IN ({})", list(11));
    assert_eq!(refused(&mut app, &eleven).sqlstate, "SF005");
    passes(
        &mut app,
        &format!("UPDATE users SET plan = 'x' WHERE id IN ({})", list(10)),
    );
}

#[test]
fn cascades_count_with_their_root() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "INSERT INTO subscriptions SELECT n, 1 FROM generate_series(1, 9) n",
    );
    passes(
        &mut admin,
        "INSERT INTO subscriptions SELECT n, 2 FROM generate_series(11, 20) n",
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id = 2").sqlstate,
        "SF005"
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id IN (1, 3)").sqlstate,
        "SF005"
    );
    assert_eq!(count(&mut app, "subscriptions"), "19");
    passes(&mut app, "DELETE FROM users WHERE id = 1");
}

#[test]
fn what_triggers_destroy_counts_with_their_root() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION purge() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM users WHERE plan = 'p' || OLD.id; RETURN OLD; END $$;
         CREATE TRIGGER purge AFTER DELETE ON plain FOR EACH ROW EXECUTE FUNCTION purge();
         UPDATE users SET auth_source = 'oauth' WHERE plan = 'p1'",
    );
    // Ten users have plan p1, ten p2.
    passes(
        &mut admin,
        "SELECT backstop.protect('users', max_rows => 10)",
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM plain WHERE id <= 2").sqlstate,
        "SF005"
    );
    passes(&mut app, "DELETE FROM plain WHERE id = 1");
    assert_eq!(count(&mut app, "users"), "90");
}

#[test]
fn several_ctes_are_one_statement() {
    let (_db, _admin, mut app) = world();
    let both = "WITH a AS (DELETE FROM users WHERE id IN (1, 2, 3, 4, 5, 6) RETURNING 1),
                     b AS (UPDATE users SET plan = 'x' WHERE id IN (11, 12, 13, 14, 15) RETURNING 1)
                SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)";
    assert_eq!(refused(&mut app, both).sqlstate, "SF005");
    passes(&mut app, &both.replace(", 14, 15", ", 14"));
}

#[test]
fn a_merge_counts_what_it_destroys_and_not_what_it_inserts() {
    let (_db, mut admin, mut app) = world();
    if query_text(
        &mut admin,
        "SELECT current_setting('server_version_num')::int < 150000",
    ) == "t"
    {
        return;
    }
    let merge = |n: usize| {
        format!(
            "MERGE INTO users u USING (SELECT 'u' || n AS email, 1000 + n AS id FROM generate_series(1, {n}) n
                 UNION ALL SELECT 'new' || n, 2000 + n FROM generate_series(1, 30) n) s ON u.email = s.email
             WHEN MATCHED THEN UPDATE SET plan = 'x' WHEN NOT MATCHED THEN INSERT (id, email) VALUES (s.id, s.email)"
        )
    };
    assert_eq!(refused(&mut app, &merge(11)).sqlstate, "SF005");
    passes(&mut app, &merge(10));
}

#[test]
fn an_upsert_counts_what_it_overwrites_and_not_what_it_inserts() {
    let (_db, _admin, mut app) = world();
    let upsert = |n: usize| {
        format!(
            "INSERT INTO users (id, email) SELECT 1000 + n, CASE WHEN n <= {n} THEN 'u' || n ELSE 'new' || n END
                 FROM generate_series(1, 40) n
             ON CONFLICT (email) DO UPDATE SET plan = 'x'"
        )
    };
    assert_eq!(refused(&mut app, &upsert(11)).sqlstate, "SF005");
    assert_eq!(count(&mut app, "users"), "100");
    passes(&mut app, &upsert(10));
    assert_eq!(count(&mut app, "users"), "130");
}

#[test]
fn expendable_rows_are_judged_as_they_were_and_do_not_count() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "BEGIN; DELETE FROM users WHERE auth_source = 'test'; ROLLBACK",
    );
    // To call a row expendable in the statement that destroys it helps nobody.
    let disguise = "UPDATE users SET auth_source = 'test' WHERE auth_source = 'oauth'";
    assert_eq!(refused(&mut app, disguise).sqlstate, "SF005");
    passes(
        &mut app,
        "DELETE FROM users WHERE auth_source = 'test' OR id IN (1, 2, 3)",
    );
    let captured = "SELECT count(*) FROM backstop.preimage";
    assert_eq!(
        query_text(&mut admin, captured),
        "43",
        "expendable rows are captured all the same"
    );
}

#[test]
fn a_row_for_which_the_expression_is_null_is_not_expendable() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SET backstop.mode = off; UPDATE users SET auth_source = NULL, plan = 'lost' WHERE id <= 11",
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE plan = 'lost'").sqlstate,
        "SF005"
    );
}

/// What `require => 'always'` asks for is about the table's own rows: those that hang on an expendable one count like any other.
#[test]
fn what_hangs_on_expendable_rows_needs_no_approval_up_to_the_limit() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "INSERT INTO subscriptions SELECT n, n FROM generate_series(1, 100) n;
         SELECT backstop.protect('users', max_rows => 10, expendable => $$auth_source = 'test'$$, require => 'always')",
    );
    passes(&mut app, "DELETE FROM users WHERE id IN (91, 92, 93, 94)");
    assert_eq!(count(&mut app, "subscriptions"), "96");
    for (statement, needs) in [
        ("DELETE FROM users WHERE auth_source = 'test'", false),
        ("DELETE FROM users WHERE id IN (81, 5)", true),
        ("UPDATE users SET plan = 'x' WHERE id = 5", true),
    ] {
        let refusal = refused(&mut app, statement);
        assert_eq!(refusal.sqlstate, "SF005", "{statement}");
        assert_eq!(
            refusal.detail.contains("always"),
            needs,
            "{statement}: {refusal:?}"
        );
    }
    assert_eq!(count(&mut app, "users"), "96");
}

#[test]
fn the_smallest_limit_of_the_tables_touched_holds() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('teams', max_rows => 40)",
    );
    passes(
        &mut app,
        &format!("DELETE FROM teams WHERE id IN ({})", list(30)),
    );
    let both = "WITH a AS (DELETE FROM teams WHERE id IN (31, 32, 33, 34, 35, 36, 37, 38, 39, 40) RETURNING 1)
                DELETE FROM users WHERE id = 50";
    assert_eq!(refused(&mut app, both).sqlstate, "SF005");
}

#[test]
fn the_setting_is_the_default_limit() {
    let (db, mut admin, _app) = world();
    passes(&mut admin, "SELECT backstop.protect('teams')");
    passes(
        &mut admin,
        &format!("ALTER DATABASE {} SET backstop.max_rows = 4", db.name),
    );
    let mut app = db.connect_as("app");
    let five = format!("DELETE FROM teams WHERE id IN ({})", list(5));
    assert_eq!(refused(&mut app, &five).sqlstate, "SF005");
    passes(
        &mut app,
        &format!("DELETE FROM teams WHERE id IN ({})", list(4)),
    );
    assert_eq!(
        refused(&mut app, "SET backstop.max_rows = 1000").sqlstate,
        "42501"
    );
}

#[test]
fn a_table_that_always_requires_approval_gives_up_no_row_without() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('users', expendable => $$auth_source = 'test'$$, require => 'always')",
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id = 1").sqlstate,
        "SF005"
    );
    assert_eq!(
        refused(&mut app, "UPDATE users SET plan = 'x' WHERE id = 1").sqlstate,
        "SF005"
    );
    passes(&mut app, "DELETE FROM users WHERE id = 100");
    passes(&mut app, "DELETE FROM users WHERE id = 12345");
    passes(
        &mut app,
        r#"BEGIN; SET LOCAL backstop.approval = '{"reason": "OPS-1", "max_rows": 1}';
           DELETE FROM users WHERE id = 1; COMMIT"#,
    );
}

#[test]
fn an_exception_block_gives_back_what_it_rolled_back() {
    let (_db, _admin, mut app) = world();
    let block = |rows: usize, after: usize| {
        format!(
            "DO $$ BEGIN
                BEGIN
                    DELETE FROM users WHERE id IN ({});
                    RAISE EXCEPTION 'again';
                EXCEPTION WHEN raise_exception THEN NULL;
                END;
                DELETE FROM users WHERE id IN ({});
             END $$",
            list(rows),
            list(after)
        )
    };
    assert_eq!(refused(&mut app, &block(10, 11)).sqlstate, "SF005");
    passes(&mut app, &block(10, 10));
    assert_eq!(count(&mut app, "users"), "90");
}

#[test]
fn a_refusal_that_is_swallowed_leaves_no_damage() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "DO $$ BEGIN
            DELETE FROM users WHERE auth_source = 'oauth';
         EXCEPTION WHEN OTHERS THEN
            ASSERT SQLSTATE = 'SF005';
         END $$",
    );
    assert_eq!(count(&mut app, "users"), "100");
    assert_eq!(count(&mut admin, "backstop.statement"), "0");
}

#[test]
fn a_loop_of_single_rows_is_one_root_statement() {
    let (_db, _admin, mut app) = world();
    let each = |n: usize| {
        format!(
            "DO $$ BEGIN FOR i IN 1 .. {n} LOOP DELETE FROM users WHERE id = i; END LOOP; END $$"
        )
    };
    assert_eq!(refused(&mut app, &each(11)).sqlstate, "SF005");
    passes(&mut app, &each(10));
}

#[test]
fn a_root_statement_starts_from_nothing() {
    let (_db, _admin, mut app) = world();
    for first in [1, 11, 21, 31] {
        let ids: Vec<String> = (first..first + 10).map(|n| n.to_string()).collect();
        passes(
            &mut app,
            &format!("DELETE FROM users WHERE id IN ({})", ids.join(", ")),
        );
    }
}

#[test]
fn moving_a_row_to_another_partition_is_one_update() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE metrics (id bigint, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         CREATE TABLE metrics_2025 PARTITION OF metrics FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
         CREATE TABLE metrics_2026 PARTITION OF metrics FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
         INSERT INTO metrics SELECT n, '2025-06-01' FROM generate_series(1, 10) n;
         SELECT backstop.protect('metrics', key_columns => '{id}', max_rows => 10)",
    );
    passes(
        &mut app,
        "UPDATE metrics SET day = '2026-06-01' WHERE day = '2025-06-01'",
    );
    let recorded = "SELECT operation, count(*) FROM backstop.preimage GROUP BY operation";
    assert_eq!(query_text(&mut admin, recorded), "UPDATE|10");
}

#[test]
fn it_stops_at_the_first_row_past_the_limit() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE SEQUENCE looked; GRANT ALL ON looked TO app;
         CREATE TABLE crowd (id bigint PRIMARY KEY, n int); INSERT INTO crowd SELECT n, 0 FROM generate_series(1, 100000) n;
         SELECT backstop.protect('crowd', max_rows => 10)",
    );
    // Every row the statement looks at draws a number.
    assert_eq!(
        refused(
            &mut app,
            "DELETE FROM crowd WHERE n + nextval('looked') > 0"
        )
        .sqlstate,
        "SF005"
    );
    let looked: u32 = query_text(&mut admin, "SELECT last_value FROM looked")
        .parse()
        .expect("a number");
    assert!(looked <= 12, "{looked} rows were looked at");
}

/// Its triggers stay behind: dropping them would take a lock that the statement did not ask for.
#[test]
fn a_table_that_follows_no_longer_is_its_own_again() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2);
         CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint CONSTRAINT owner REFERENCES users ON DELETE CASCADE);
         INSERT INTO notes SELECT n, 1 FROM generate_series(1, 20) n; INSERT INTO notes VALUES (30, 2);
         SELECT backstop.protect('users', max_rows => 5); GRANT ALL ON notes, users TO app",
    );
    let mut app = db.connect_as("app");
    passes(&mut app, "DELETE FROM notes WHERE id = 1");
    passes(&mut admin, "ALTER TABLE notes DROP CONSTRAINT owner");
    passes(&mut app, "DELETE FROM notes WHERE id = 2");
    passes(&mut app, "UPDATE notes SET user_id = 2 WHERE id > 10");
    passes(
        &mut app,
        "DO $$ BEGIN DELETE FROM notes WHERE id > 15; END $$",
    );
    passes(&mut app, "TRUNCATE notes");
    passes(&mut app, "DELETE FROM users WHERE id = 1");
    let recorded = "SELECT string_agg(array_to_string(relations, ' ') || ' ' || rows, ', ' ORDER BY statement_id) FROM backstop.statement";
    assert_eq!(
        query_text(&mut admin, recorded),
        "public.notes 1, public.users 1"
    );
    // It may follow again.
    passes(
        &mut admin,
        "INSERT INTO notes VALUES (1, 2); ALTER TABLE notes ADD CONSTRAINT owner FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE",
    );
    passes(&mut app, "DELETE FROM notes WHERE id = 1");
    let last = "SELECT relations FROM backstop.statement ORDER BY statement_id DESC LIMIT 1";
    assert_eq!(query_text(&mut admin, last), "{public.notes}");
}

#[test]
fn an_approval_that_is_too_small_says_what_it_has_left() {
    let (_db, _admin, mut app) = database_with_app(
        "CREATE TABLE things (id int PRIMARY KEY, batch int); INSERT INTO things SELECT n, n / 10 FROM generate_series(0, 99) n;
         SELECT backstop.protect('things', max_rows => 5)",
    );
    passes(
        &mut app,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', 12, '{public.things}', '{delete}'); DELETE FROM things WHERE batch = 1",
    );
    let refusal = refused(
        &mut app,
        "DELETE FROM things WHERE batch = 2 AND id = ANY ('{20,21,22,23,24,25,26}')",
    );
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    assert!(
        refusal
            .detail
            .contains("max_rows is 12, of which 2 were left"),
        "{refusal:?}"
    );
}
