//! Destructive DDL (SF008) that reaches a protected table sideways, what an approval can and can't do for it, and the
//! triggers that DDL has to make.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, email text UNIQUE);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users);
    CREATE TABLE base (id bigint PRIMARY KEY, kind text); CREATE TABLE derived () INHERITS (base);
    CREATE TYPE pair AS (id bigint, label text); CREATE TABLE pairs OF pair (PRIMARY KEY (id));
    CREATE RULE quiet AS ON INSERT TO users WHERE NEW.plan = 'ghost' DO INSTEAD NOTHING;
    CREATE FUNCTION tick() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER tick BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION tick();
    INSERT INTO users VALUES (1, 'free', 'a'), (2, 'free', 'b');
    INSERT INTO notes VALUES (1, 1); INSERT INTO pairs VALUES (1, 'x');
    SELECT backstop.protect('users', expendable => $$plan = 'test'$$);
    SELECT backstop.protect('derived', key_columns => '{id}'); SELECT backstop.protect('pairs');
    SELECT backstop.protect_columns('users', '{email}', 'crm')";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

fn approved(statement: &str) -> String {
    format!("BEGIN; SELECT backstop.approve_batch('OPS-7', max_rows => 5); {statement}; COMMIT")
}

#[test]
fn what_reaches_a_protected_table_sideways_is_refused() {
    let (_db, mut admin) = world();
    for (statement, table) in [
        ("TRUNCATE base", "base"),
        ("ALTER TABLE base DROP COLUMN kind", "base"),
        ("ALTER TABLE base RENAME COLUMN kind TO sort", "base"),
        ("ALTER TABLE base RENAME COLUMN id TO number", "base"),
        ("ALTER TYPE pair DROP ATTRIBUTE label CASCADE", "pairs"),
        (
            "ALTER TYPE pair ALTER ATTRIBUTE label TYPE varchar CASCADE",
            "pairs",
        ),
        (
            "ALTER TYPE pair RENAME ATTRIBUTE label TO name CASCADE",
            "pairs",
        ),
        ("DROP RULE quiet ON users", "users"),
        ("ALTER TABLE users DISABLE RULE quiet", "users"),
        ("DROP FUNCTION tick() CASCADE", "users"),
        ("ALTER TABLE users SET UNLOGGED", "users"),
        ("ALTER TABLE derived INHERIT base", "derived"),
        ("ALTER INDEX users RENAME TO persons", "users"),
        ("ALTER TABLE users ENABLE TRIGGER ALL", "users"),
        ("DROP TABLE notes, users", "users"),
        (
            "ALTER TABLE IF EXISTS users DROP COLUMN IF EXISTS plan",
            "users",
        ),
    ] {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF008", "{statement}\n{refusal:?}");
        assert_eq!(refusal.table, table, "{statement}\n{refusal:?}");
    }
}

#[test]
fn a_type_that_a_protected_column_is_made_of_keeps_its_parts() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TYPE address AS (street text, city text); CREATE DOMAIN home AS address;
         CREATE TABLE visit (day date, place text); CREATE TYPE trip AS (start address, visits visit[]);
         CREATE TYPE unused AS (a int, b int);
         CREATE TABLE direct (id bigint PRIMARY KEY, a address); CREATE TABLE listed (id bigint PRIMARY KEY, a address[]);
         CREATE TABLE homes (id bigint PRIMARY KEY, a home); CREATE TABLE trips (id bigint PRIMARY KEY, a trip);
         CREATE TABLE free (id bigint PRIMARY KEY, a unused);
         INSERT INTO direct VALUES (1, ROW('s', 'c'))",
    );
    for table in ["direct", "listed", "homes", "trips"] {
        passes(
            &mut admin,
            "BEGIN; ALTER TYPE address DROP ATTRIBUTE city; ROLLBACK",
        );
        passes(&mut admin, &format!("SELECT backstop.protect('{table}')"));
        let refusal = refused(&mut admin, "ALTER TYPE address DROP ATTRIBUTE city");
        assert_eq!(refusal.sqlstate, "SF008", "{refusal:?}");
        assert_eq!(refusal.table, table, "{refusal:?}");
        passes(
            &mut admin,
            "ALTER TYPE unused DROP ATTRIBUTE b, ADD ATTRIBUTE b int",
        );
        if table == "trips" {
            assert_eq!(
                refused(&mut admin, "ALTER TABLE visit DROP COLUMN place").sqlstate,
                "SF008"
            );
        }
        passes(&mut admin, &format!("SELECT backstop.unprotect('{table}')"));
    }
}

#[test]
fn a_part_that_goes_with_its_own_type_is_kept_as_well() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE SCHEMA kinds; CREATE DOMAIN kinds.level AS int; CREATE TYPE held AS (name text, level kinds.level);
         CREATE TYPE loose AS (level kinds.level); CREATE TABLE holders (id bigint PRIMARY KEY, h held);
         INSERT INTO holders VALUES (1, ROW('a', 1)); SELECT backstop.protect('holders')",
    );
    for statement in [
        "DROP DOMAIN kinds.level CASCADE",
        "DROP SCHEMA kinds CASCADE",
        "DO 'BEGIN DROP DOMAIN kinds.level CASCADE; END'",
    ] {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF008", "{statement} {refusal:?}");
        assert_eq!(refusal.table, "holders", "{statement} {refusal:?}");
    }
    assert_eq!(query_text(&mut admin, "SELECT h FROM holders"), "(a,1)");
    passes(
        &mut admin,
        "SELECT backstop.unprotect('holders'); DROP TYPE loose; DROP DOMAIN kinds.level CASCADE",
    );
}

#[test]
fn what_does_not_reach_it_passes() {
    let (_db, mut admin) = world();
    for statement in [
        "ALTER TABLE base OWNER TO app",
        "ALTER TABLE base OWNER TO postgres",
        "ALTER TABLE ONLY base RENAME TO base2",
        "ALTER TABLE base2 RENAME TO base",
        "DROP INDEX users_plan; SELECT 1",
        "ALTER TABLE users DROP CONSTRAINT users_email_key",
        "ALTER TABLE notes DROP CONSTRAINT notes_user_id_fkey",
        "DROP TABLE notes",
        "CREATE TEMP TABLE users (id int); DROP TABLE pg_temp.users",
        "ALTER TABLE users ENABLE TRIGGER tick",
        "ALTER TABLE users ALTER COLUMN plan DROP DEFAULT",
        "REINDEX TABLE CONCURRENTLY users",
        "CREATE UNIQUE INDEX users_plan_email ON users (plan, email); DROP INDEX users_plan_email",
        "DROP TABLE IF EXISTS nowhere.users",
        "BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE users; COMMIT",
        "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT",
    ] {
        if statement.starts_with("DROP INDEX users_plan;") {
            passes(&mut admin, "CREATE INDEX users_plan ON users (plan)");
        }
        if statement.starts_with("REINDEX") {
            passes(&mut admin, statement);
        } else {
            for part in statement.split("; ") {
                passes(&mut admin, part);
            }
        }
    }
}

#[test]
fn a_new_session_can_still_choose_its_isolation_level() {
    let (db, _admin) = world();
    let mut app = db.connect_as("app");
    passes(
        &mut app,
        "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; COMMIT",
    );
}

#[test]
fn no_approved_row_goes_unrecorded() {
    let (_db, mut admin) = world();
    for (statement, rows) in [
        ("TRUNCATE users CASCADE", "3"),
        ("DROP TABLE users CASCADE", "2"),
        ("DROP SCHEMA public CASCADE", "3"),
        ("ALTER TABLE users DROP COLUMN plan CASCADE", "2"),
        ("ALTER TABLE users ALTER COLUMN email TYPE varchar(9)", "2"),
    ] {
        let unrolled = approved(statement).replace("; COMMIT", "");
        passes(&mut admin, &unrolled);
        let captured =
            "SELECT count(*), (SELECT sum(rows) FROM backstop.statement) FROM backstop.preimage";
        assert_eq!(
            query_text(&mut admin, captured),
            format!("{rows}|{rows}"),
            "{statement}"
        );
        passes(&mut admin, "ROLLBACK");
    }
}

#[test]
fn an_approval_that_does_not_cover_it_is_refused() {
    let (_db, mut admin) = world();
    for intent in [
        r#"{"reason": "a", "max_rows": 1, "operations": ["delete"]}"#,
        r#"{"reason": "a", "max_rows": 1, "relations": ["public.notes"]}"#,
    ] {
        let statement = format!(
            "BEGIN; SET LOCAL backstop.approval = '{intent}'; ALTER TABLE users SET SCHEMA public; COMMIT"
        );
        let refusal = refused(&mut admin, &statement);
        passes(&mut admin, "ROLLBACK");
        assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    }
}

#[test]
fn approved_ddl_runs_and_the_table_stays_protected() {
    let (_db, mut admin) = world();
    for statement in [
        "ALTER TABLE pairs DROP CONSTRAINT pairs_pkey",
        "ALTER TABLE users DISABLE TRIGGER tick; ALTER TABLE users ENABLE TRIGGER tick",
        "DROP RULE quiet ON users",
        "ALTER TABLE users RENAME TO people; ALTER TABLE people RENAME TO users",
        "ALTER TABLE users OWNER TO app",
    ] {
        passes(&mut admin, &approved(statement));
    }
    assert_eq!(
        refused(&mut admin, "TRUNCATE users CASCADE").sqlstate,
        "SF008"
    );
    passes(&mut admin, "UPDATE users SET plan = 'pro' WHERE id = 1");
    let captured = "SELECT count(*) FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, captured), "1");
}

#[test]
fn a_column_that_the_registration_names_keeps_its_name() {
    let (_db, mut admin) = world();
    for column in ["id", "plan", "email"] {
        let rename = format!("ALTER TABLE users RENAME COLUMN {column} TO other");
        let refusal = refused(&mut admin, &approved(&rename));
        passes(&mut admin, "ROLLBACK");
        assert_eq!(refusal.sqlstate, "SF008", "{refusal:?}");
        assert_eq!(refusal.column, column, "{refusal:?}");
    }
}

/// The triggers of a table by name, with how they are enabled.
fn triggers(client: &mut Client, table: &str) -> String {
    let sql = format!(
        "SELECT string_agg(tgname || ' ' || tgenabled::text, ', ' ORDER BY tgname) FROM pg_trigger
         WHERE tgrelid = '{table}'::regclass AND tgname LIKE 'backstop%'"
    );
    query_text(client, &sql)
}

#[test]
fn tables_that_ddl_brings_in_get_their_triggers_whoever_runs_it() {
    let (db, mut admin) = world();
    passes(
        &mut admin,
        "GRANT CREATE ON SCHEMA public TO app; GRANT REFERENCES ON users TO app;
         CREATE TABLE events (id bigint, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         ALTER TABLE events OWNER TO app;
         SELECT backstop.protect('events')",
    );
    let mut app = db.connect_as("app");
    passes(
        &mut app,
        "CREATE TABLE logins (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
         CREATE TABLE clicks (id bigint PRIMARY KEY, login_id bigint);
         ALTER TABLE clicks ADD FOREIGN KEY (login_id) REFERENCES logins ON DELETE SET NULL;
         CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (10);
         CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (day);
         CREATE TABLE events_2a PARTITION OF events_2 FOR VALUES FROM (10) TO (15);
         DO $$ BEGIN CREATE TABLE posts (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE); END $$",
    );
    for table in ["logins", "clicks", "posts"] {
        assert_eq!(
            triggers(&mut admin, table),
            "backstop_capture A, backstop_guard_truncate A",
            "{table}"
        );
    }
    for table in ["events_1", "events_2", "events_2a"] {
        assert_eq!(
            triggers(&mut admin, table),
            "backstop_capture A, backstop_guard_truncate A",
            "{table}"
        );
    }
    assert_eq!(query_text(&mut app, "SELECT current_user"), "app");
}

#[test]
fn two_sessions_that_alter_guarded_tables_do_not_wait_for_each_other() {
    let (db, mut one) = world();
    let mut two = db.connect();
    passes(&mut one, "BEGIN; ALTER TABLE users ADD COLUMN a int");
    passes(
        &mut two,
        "SET lock_timeout = '2s'; BEGIN; ALTER TABLE pairs ADD CONSTRAINT c CHECK (id > 0); CREATE TABLE t (id int);
         ALTER TABLE t ADD CHECK (id > 0); COMMIT",
    );
    passes(
        &mut one,
        "ALTER TABLE pairs ALTER label SET NOT NULL; COMMIT",
    );
}

#[test]
fn check_tells_what_ddl_would_break() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TABLE counted (id bigint GENERATED ALWAYS AS IDENTITY); SELECT backstop.protect_sequence('counted_id_seq');
         PREPARE wipe AS DELETE FROM users",
    );
    for (statement, sqlstates) in [
        ("TRUNCATE users", "SF008"),
        ("DROP TABLE users CASCADE", "SF008"),
        ("DROP SCHEMA public CASCADE", "SF008"),
        ("ALTER TABLE users DROP COLUMN plan", "SF008"),
        ("ALTER TABLE users DROP CONSTRAINT users_pkey", "SF008"),
        ("ALTER TABLE users ADD COLUMN x int", ""),
        ("DROP EXTENSION pg_backstop", "SF013"),
        ("ALTER SEQUENCE counted_id_seq RESTART WITH 500", "SF007"),
        ("ALTER TABLE counted ALTER id RESTART WITH 500", "SF007"),
        ("ALTER TABLE counted ALTER id DROP IDENTITY", "SF007"),
        ("TRUNCATE counted RESTART IDENTITY", ""),
        ("DROP SEQUENCE counted_id_seq", "SF007"),
        ("TRUNCATE counted", ""),
        ("DROP TABLE notes", ""),
        ("EXPLAIN ANALYZE DELETE FROM users WHERE id > 1", "SF001"),
        ("EXPLAIN (ANALYZE false) DELETE FROM users WHERE id > 1", ""),
        ("EXPLAIN DELETE FROM users WHERE id > 1", ""),
        (
            "COPY (DELETE FROM users WHERE id > 1 RETURNING id) TO STDOUT",
            "SF001",
        ),
        ("COPY users FROM STDIN", ""),
        ("EXECUTE wipe", "SF002"),
        ("EXECUTE nowhere", ""),
    ] {
        let quoted = statement.replace('\'', "''");
        let sql = format!("SELECT DISTINCT sqlstate FROM backstop.check('{quoted}')");
        let first = query_text(&mut admin, &sql);
        assert_eq!(first.lines().next().unwrap_or(""), sqlstates, "{statement}");
    }
}

#[test]
fn plans_made_before_the_first_sequence_was_registered_are_made_anew() {
    let (db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE SEQUENCE s; GRANT ALL ON SEQUENCE s TO app; CREATE SEQUENCE t; GRANT ALL ON SEQUENCE t TO app",
    );
    let mut app = db.connect_as("app");
    passes(
        &mut app,
        "PREPARE jump (regclass, bigint) AS SELECT setval($1, $2)",
    );
    for n in 1..8 {
        passes(&mut app, &format!("EXECUTE jump ('s', {n})"));
    }
    passes(
        &mut admin,
        "SELECT backstop.protect_sequence('s', max_step => 5)",
    );
    passes(&mut app, "EXECUTE jump ('t', 99999)");
    passes(&mut app, "EXECUTE jump ('s', 9)");
    assert_eq!(
        refused(&mut app, "EXECUTE jump ('s', 99999)").sqlstate,
        "SF007"
    );
}
