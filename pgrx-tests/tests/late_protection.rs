//! What sessions have planned, begun or locked already when a table becomes protected or no longer is: protection counts
//! from the moment it is there, and leaves nothing behind when it goes.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, comes_to, database, database_with, database_with_app, passes, query_text,
    refused, until_someone_waits,
};

const WORLD: &str = "
    CREATE TABLE parted (a int PRIMARY KEY, v text) PARTITION BY RANGE (a);
    CREATE TABLE half PARTITION OF parted FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (a);
    CREATE TABLE low PARTITION OF half FOR VALUES FROM (0) TO (50);
    CREATE TABLE high PARTITION OF parted FOR VALUES FROM (100) TO (200);
    INSERT INTO parted SELECT n, 'old' FROM generate_series(1, 49) n;
    INSERT INTO parted SELECT n, 'old' FROM generate_series(100, 149) n;
    CREATE TABLE users (id bigint PRIMARY KEY, plan text); INSERT INTO users SELECT n, 'free' FROM generate_series(1, 50) n;
    GRANT ALL ON parted, users TO app;
    CREATE TABLE another (id int PRIMARY KEY); SELECT backstop.protect('another')";

/// A generic plan of an upsert that names neither partition.
const PREPARE: &str = "SET plan_cache_mode = force_generic_plan;
    PREPARE upsert (int, int) AS INSERT INTO parted SELECT n, 'new' FROM generate_series($1, $2) n
        ON CONFLICT (a) DO UPDATE SET v = excluded.v;
    EXECUTE upsert (149, 149)";

const UPSERT: &str = "EXECUTE upsert (1, 9)";
const LOST: &str = "SELECT count(*) FROM low WHERE v = 'new'";
const RECORDED: &str =
    "SELECT relation, operation, count(*) FROM backstop.preimage GROUP BY 1, 2 ORDER BY 1, 2";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

#[test]
fn an_upsert_prepared_earlier_meets_the_rules_its_partitions_have_now() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, PREPARE);
    passes(&mut admin, "SELECT backstop.protect('low', max_rows => 20)");
    assert_eq!(refused(&mut app, UPSERT).sqlstate, "SF003");
    assert_eq!(query_text(&mut app, LOST), "0");
    passes(&mut admin, "SELECT backstop.unprotect('low')");
    passes(&mut app, UPSERT);
}

#[test]
fn an_upsert_prepared_earlier_meets_partitions_that_were_attached_since_at_any_depth() {
    let (_db, mut admin, mut app) = world();
    passes(&mut admin, "ALTER TABLE half DETACH PARTITION low");
    passes(&mut admin, "SELECT backstop.protect('low', max_rows => 20)");
    passes(&mut app, PREPARE);
    approved(
        &mut admin,
        1,
        "ALTER TABLE half ATTACH PARTITION low FOR VALUES FROM (0) TO (50)",
    );
    assert_eq!(refused(&mut app, UPSERT).sqlstate, "SF003");
    assert_eq!(query_text(&mut app, LOST), "0");
    approved(&mut admin, 1, "ALTER TABLE half DETACH PARTITION low");
    passes(&mut app, "EXECUTE upsert (148, 149)");
}

#[test]
fn a_transaction_that_wrote_to_the_family_before_destroys_nothing_in_a_partition_protected_since() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION put(first int, last int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO parted SELECT n, 'new' FROM generate_series(first, last) n ON CONFLICT (a) DO UPDATE SET v = excluded.v;
         END $$",
    );
    passes(&mut app, PREPARE);
    // It has locked the parent, so it has no reason to hear of what others do, until it comes to the partition.
    passes(&mut app, "BEGIN; SELECT put(149, 149)");
    passes(&mut admin, "SELECT backstop.protect('low', max_rows => 3)");
    let refusal = refused(&mut app, "SELECT put(1, 9)");
    assert_eq!(refusal.sqlstate, "SF012", "{refusal:?}");
    assert_eq!(
        refusal.message,
        "table \"low\" has been protected since this statement began"
    );
    passes(&mut app, "ROLLBACK");
    assert_eq!(refused(&mut app, UPSERT).sqlstate, "SF003");
    assert_eq!(query_text(&mut app, LOST), "0");
}

/// Starts an upsert that waits before it comes to the first row of `low`, and runs `meanwhile`.
fn while_it_runs(db: &Database, admin: &mut Client, meanwhile: &str) -> Result<(), String> {
    passes(admin, "SELECT pg_advisory_lock(7)");
    let mut app = db.connect_as("app");
    std::thread::scope(|scope| {
        let upsert = scope.spawn(move || {
            app.batch_execute(
                "INSERT INTO parted SELECT n, 'new' FROM (VALUES (149), (1), (2), (3), (4), (5)) rows (n)
                 WHERE n > 100 OR pg_advisory_lock_shared(7) IS NOT NULL ON CONFLICT (a) DO UPDATE SET v = excluded.v",
            )
            .map_err(|error| {
                error.as_db_error().map_or_else(
                    || error.to_string(),
                    |error| error.code().code().to_owned(),
                )
            })
        });
        comes_to(
            admin,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            "1",
        );
        let done = admin.batch_execute(meanwhile);
        passes(admin, "SELECT pg_advisory_unlock(7)");
        done.expect("what is done meanwhile waits for nobody");
        upsert.join().expect("the session lives")
    })
}

#[test]
fn a_running_upsert_destroys_nothing_in_a_partition_protected_since() {
    let (db, mut admin, mut app) = world();
    let outcome = while_it_runs(
        &db,
        &mut admin,
        "SET lock_timeout = '10s'; SELECT backstop.protect('low', max_rows => 3)",
    );
    assert_eq!(outcome, Err("SF012".to_owned()));
    assert_eq!(query_text(&mut app, LOST), "0");
}

#[test]
fn observe_mode_records_what_a_running_upsert_destroys_in_a_partition_protected_since() {
    let (db, mut admin, mut app) = world();
    let observe = format!("ALTER DATABASE {} SET backstop.mode = observe", db.name);
    passes(&mut admin, &observe);
    let outcome = while_it_runs(
        &db,
        &mut admin,
        "SELECT backstop.protect('low', max_rows => 3)",
    );
    assert_eq!(outcome, Ok(()));
    assert_eq!(query_text(&mut app, LOST), "5");
    assert_eq!(query_text(&mut admin, RECORDED), "public.parted|UPDATE|5");
    comes_to(
        &mut admin,
        "SELECT string_agg(sqlstate, ' ' ORDER BY sqlstate) FROM backstop.rejection WHERE rule <> 'mode'",
        "SF005 SF012",
    );
}

#[test]
fn a_running_upsert_is_recorded_in_a_partition_that_has_become_a_follower() {
    let (db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE numbers (a int PRIMARY KEY); INSERT INTO numbers SELECT generate_series(1, 49);
         ALTER TABLE low ADD FOREIGN KEY (a) REFERENCES numbers ON DELETE CASCADE",
    );
    let outcome = while_it_runs(&db, &mut admin, "SELECT backstop.protect('numbers')");
    assert_eq!(outcome, Ok(()));
    assert_eq!(query_text(&mut app, LOST), "5");
    assert_eq!(query_text(&mut admin, RECORDED), "public.parted|UPDATE|5");
}

/// A table that has its triggers already (a dump brings them) needs none, and its writers are waited for as they are where
/// one is made.
#[test]
fn protecting_waits_for_the_writers_of_a_table_that_has_its_triggers_already() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
         INSERT INTO orders SELECT n, n FROM generate_series(1, 9) n; GRANT ALL ON orders TO app;
         SELECT backstop.protect('another');
         CREATE TRIGGER backstop_capture AFTER DELETE OR UPDATE ON orders FOR EACH ROW
             WHEN (backstop.capture_row()) EXECUTE FUNCTION backstop.capture();
         CREATE TRIGGER backstop_guard_truncate BEFORE TRUNCATE ON orders FOR EACH STATEMENT
             EXECUTE FUNCTION backstop.guard_truncate();
         ALTER TABLE orders ENABLE ALWAYS TRIGGER backstop_capture, ENABLE ALWAYS TRIGGER backstop_guard_truncate",
    );
    let left = "SELECT count(*) FROM pg_trigger WHERE tgname = 'backstop_capture' AND tgrelid = 'orders'::regclass";
    assert_eq!(query_text(&mut admin, left), "1");
    passes(&mut app, "BEGIN; DELETE FROM orders WHERE id = 1");
    let waits = refused(
        &mut admin,
        "SET lock_timeout = '300ms'; SELECT backstop.protect('users')",
    );
    assert_eq!(waits.sqlstate, "55P03", "{waits:?}");
    passes(&mut app, "COMMIT");
    passes(&mut admin, "SELECT backstop.protect('users')");
    passes(&mut app, "DELETE FROM orders WHERE id = 2");
    assert_eq!(query_text(&mut admin, RECORDED), "public.orders|DELETE|1");
}

#[test]
fn a_plan_made_while_the_mode_was_off_is_judged_when_it_is_on_again() {
    let (_db, mut admin, _app) = world();
    passes(&mut admin, "SELECT backstop.protect('users')");
    passes(
        &mut admin,
        "SET backstop.mode = off; SET plan_cache_mode = force_generic_plan;
         PREPARE promote (bigint) AS UPDATE users SET plan = 'pro' WHERE id < $1; EXECUTE promote (2);
         RESET backstop.mode",
    );
    assert_eq!(refused(&mut admin, "EXECUTE promote (3)").sqlstate, "SF001");
}

/// PostgreSQL locks what most DDL names after it has been judged.
#[test]
fn ddl_that_waited_for_the_protection_is_refused() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE notes (id int PRIMARY KEY, v text); INSERT INTO notes SELECT n, n FROM generate_series(1, 9) n",
    );
    for (ddl, sqlstate) in [
        ("ALTER TABLE notes ALTER COLUMN v TYPE int USING 0", "SF008"),
        ("ALTER TABLE notes RENAME COLUMN v TO w", "SF012"),
        ("ALTER TABLE notes RENAME TO others", "SF012"),
        ("ALTER TABLE notes DROP COLUMN v", "SF008"),
        ("TRUNCATE notes", "SF008"),
        ("DROP TABLE notes", "SF008"),
        ("DELETE FROM notes", "SF002"),
    ] {
        let mut other = db.connect();
        passes(&mut other, "SELECT 1 FROM pg_class");
        passes(&mut admin, "BEGIN; SELECT backstop.protect('notes')");
        let waiting = std::thread::spawn(move || refused(&mut other, ddl));
        until_someone_waits(&mut db.connect());
        passes(&mut admin, "COMMIT");
        let refusal = waiting.join().expect("it is refused");
        assert_eq!(refusal.sqlstate, sqlstate, "{ddl}: {refusal:?}");
        assert!(
            ["notes", "others"].contains(&refusal.table.as_str()),
            "{ddl}: {refusal:?}"
        );
        passes(&mut admin, "SELECT backstop.unprotect('notes')");
    }
    let whole = "SELECT count(*), count(DISTINCT v) FROM notes";
    assert_eq!(query_text(&mut admin, whole), "9|9");
}

#[test]
fn ddl_of_a_transaction_that_began_before_the_protection_is_judged_by_it() {
    let db = database();
    let mut admin = db.connect();
    let mut other = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE notes (id int PRIMARY KEY, v text); INSERT INTO notes SELECT n, n FROM generate_series(1, 9) n",
    );
    passes(&mut other, "BEGIN; SELECT count(*) FROM notes");
    passes(&mut admin, "SELECT backstop.protect('notes')");
    let convert = "ALTER TABLE notes ALTER COLUMN v TYPE int USING 0";
    assert_eq!(refused(&mut other, convert).sqlstate, "SF008");
    passes(&mut other, "ROLLBACK");
    // Its own protection, and an approval, in one transaction.
    passes(
        &mut other,
        "BEGIN; SELECT backstop.unprotect('notes'), backstop.protect('notes'), backstop.approve_batch('meant', 9);
         ALTER TABLE notes ALTER COLUMN v TYPE int USING v::int; COMMIT",
    );
}

/// The snapshot of such a transaction is older than the protection. What it has written makes no difference.
#[test]
fn a_repeatable_read_transaction_that_has_written_meets_what_was_protected_since() {
    let (db, mut admin) = database_with(
        "CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2);
         CREATE TABLE plain (id bigint PRIMARY KEY, user_id bigint)",
    );
    let mut app = db.connect();
    passes(
        &mut app,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO plain VALUES (1)",
    );
    passes(&mut admin, "SELECT backstop.protect('users')");
    passes(&mut app, "SAVEPOINT before");
    assert_eq!(refused(&mut app, "DELETE FROM users").sqlstate, "SF002");
    passes(
        &mut app,
        "ROLLBACK TO before; DELETE FROM users WHERE id = 1;
         CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
         ALTER TABLE plain ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
         COMMIT",
    );
    let recorded = "SELECT string_agg(relation, ' ') FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, recorded), "public.users");
    let incomplete =
        "SELECT count(*) FROM backstop.status() WHERE property = 'table without enabled triggers'";
    assert_eq!(query_text(&mut admin, incomplete), "0");
    let followers =
        "SELECT string_agg(relation::text, ' ' ORDER BY relation::text) FROM backstop.follower";
    assert_eq!(query_text(&mut admin, followers), "notes plain");
}

/// DDL finds what another session has protected while it waited, triggers and all.
#[test]
fn ddl_of_a_repeatable_read_transaction_waits_for_the_protection() {
    let (db, mut admin) = database_with("CREATE TABLE users (id bigint PRIMARY KEY)");
    let mut app = db.connect();
    passes(&mut app, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    passes(&mut admin, "BEGIN; SELECT backstop.protect('users')");
    let waiting = std::thread::spawn(move || {
        passes(
            &mut app,
            "CREATE TABLE notes (id bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE); COMMIT",
        );
    });
    until_someone_waits(&mut admin);
    passes(&mut admin, "COMMIT");
    waiting.join().expect("it passes");
    let triggers = "SELECT string_agg(tgrelid::regclass::text, ' ' ORDER BY tgrelid::regclass::text) FROM pg_trigger \
                    WHERE tgname = 'backstop_capture' AND tgenabled = 'A'";
    assert_eq!(query_text(&mut admin, triggers), "notes users");
}
