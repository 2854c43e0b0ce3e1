//! Sessions that protect, unprotect and alter tables at once: whatever is guarded in the end has its triggers, and nothing
//! else has any.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, database_with, passes, query_text, refused, until_someone_waits,
};

const WORLD: &str = "
    CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE accounts (id int PRIMARY KEY);
    CREATE TABLE orders (id int PRIMARY KEY, user_id int, account_id int);
    INSERT INTO users SELECT generate_series(1, 9); INSERT INTO accounts SELECT generate_series(1, 9);
    INSERT INTO orders SELECT n, n, n FROM generate_series(1, 9) n;
    CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY RANGE (a);
    CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (50);
    CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY);";

const OF_USERS: &str =
    "ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;";
const OF_ACCOUNTS: &str =
    "ALTER TABLE orders ADD FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE;";

const TRIGGERS: &str = "
    SELECT string_agg(tgrelid::regclass || ' ' || tgname, ', ' ORDER BY tgrelid::regclass::text, tgname)
    FROM pg_trigger WHERE tgname LIKE 'backstop_%'";

fn of(tables: &[&str]) -> String {
    let both = |table| format!("{table} backstop_capture, {table} backstop_guard_truncate");
    match tables {
        [] => "null".to_owned(),
        _ => tables.iter().map(both).collect::<Vec<_>>().join(", "),
    }
}

fn world(more: &[&str]) -> (Database, Client) {
    database_with(&format!("{WORLD} {}", more.concat()))
}

/// Runs `first` in a transaction, `second` in another session while that is open, and commits.
fn at_once(db: &Database, first: &str, second: &str) {
    let mut one = db.connect();
    passes(&mut one, &format!("BEGIN; {first}"));
    let mut two = db.connect();
    let second = second.to_owned();
    let waiting = std::thread::spawn(move || passes(&mut two, &second));
    until_someone_waits(&mut db.connect());
    passes(&mut one, "COMMIT");
    waiting
        .join()
        .expect("it passes when the first has committed");
}

#[test]
fn ddl_that_waited_for_the_first_protection_of_all_makes_the_triggers_of_what_it_brings() {
    for (table, ddl, guarded) in [
        ("users", OF_USERS, ["orders", "users"]),
        (
            "base",
            "CREATE TABLE child () INHERITS (base)",
            ["base", "child"],
        ),
    ] {
        let (db, mut admin) = world(&[]);
        at_once(&db, &format!("SELECT backstop.protect('{table}')"), ddl);
        assert_eq!(query_text(&mut admin, TRIGGERS), of(&guarded), "{ddl}");
    }
    let (db, mut admin) = world(&[]);
    let create = "CREATE TABLE high PARTITION OF parted FOR VALUES FROM (50) TO (100)";
    at_once(&db, "SELECT backstop.protect('parted')", create);
    let guarded = of(&["high", "low", "parted"]);
    assert_eq!(query_text(&mut admin, TRIGGERS), guarded);
}

#[test]
fn unprotecting_a_table_leaves_the_followers_that_another_one_has_meanwhile() {
    let (protect, unprotect) = (
        "SELECT backstop.protect('accounts')",
        "SELECT backstop.unprotect('users')",
    );
    for (first, second) in [(protect, unprotect), (unprotect, protect)] {
        let (db, mut admin) = world(&[OF_USERS, OF_ACCOUNTS, "SELECT backstop.protect('users')"]);
        at_once(&db, first, second);
        let guarded = of(&["accounts", "orders"]);
        assert_eq!(query_text(&mut admin, TRIGGERS), guarded, "{first}");
        passes(&mut admin, "DELETE FROM accounts WHERE id = 1");
        let recorded = "SELECT string_agg(relation, ' ' ORDER BY relation) FROM backstop.preimage";
        let both = "public.accounts public.orders";
        assert_eq!(query_text(&mut admin, recorded), both, "{first}");
    }
}

#[test]
fn a_follower_that_follows_another_table_while_its_own_is_unprotected_has_its_triggers() {
    let protected = "SELECT backstop.protect('users'); SELECT backstop.protect('accounts')";
    let (db, mut admin) = world(&[OF_USERS, protected]);
    at_once(&db, "SELECT backstop.unprotect('users')", OF_ACCOUNTS);
    assert_eq!(
        query_text(&mut admin, TRIGGERS),
        of(&["accounts", "orders"])
    );
}

#[test]
fn unprotecting_two_tables_at_once_leaves_no_triggers_on_what_followed_both() {
    let protected = "SELECT backstop.protect('users'); SELECT backstop.protect('accounts')";
    let (db, mut admin) = world(&[OF_USERS, OF_ACCOUNTS, protected]);
    at_once(
        &db,
        "SELECT backstop.unprotect('users')",
        "SELECT backstop.unprotect('accounts')",
    );
    assert_eq!(query_text(&mut admin, TRIGGERS), of(&[]));
}

#[test]
fn a_partition_is_unprotected_while_its_parent_is_protected() {
    let (protect, unprotect) = (
        "SELECT backstop.protect('parted')",
        "SELECT backstop.unprotect('low')",
    );
    for (first, second) in [(protect, unprotect), (unprotect, protect)] {
        let (db, mut admin) = world(&["SELECT backstop.protect('low')"]);
        at_once(&db, first, second);
        let guarded = of(&["low", "parted"]);
        assert_eq!(query_text(&mut admin, TRIGGERS), guarded, "{first}");
    }
}

/// What ALTER TABLE waits for may be a protect().
#[test]
fn ddl_that_waited_for_the_protection_meets_the_rules() {
    for (table, ddl, sqlstate) in [
        ("parted", "ALTER TABLE parted DETACH PARTITION low", "SF008"),
        ("other", "ALTER TABLE other DISABLE TRIGGER t", "SF008"),
        (
            "other",
            "ALTER TABLE other REPLICA IDENTITY NOTHING",
            "SF008",
        ),
        ("other", "DROP TRIGGER t ON other", "SF008"),
        ("other", "DROP RULE r ON other", "SF008"),
        (
            "other",
            "ALTER TRIGGER backstop_capture ON other RENAME TO u",
            "SF012",
        ),
        (
            "other",
            "CREATE RULE s AS ON DELETE TO other DO INSTEAD NOTHING",
            "SF008",
        ),
        (
            "other",
            "CREATE OR REPLACE TRIGGER backstop_capture AFTER DELETE ON other FOR EACH ROW EXECUTE FUNCTION nothing()",
            "SF013",
        ),
        (
            "other",
            "CREATE OR REPLACE TRIGGER backstop_guard_truncate BEFORE TRUNCATE ON other FOR EACH STATEMENT
                 EXECUTE FUNCTION nothing()",
            "SF013",
        ),
    ] {
        let (db, mut admin) = world(&["
            CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER t AFTER DELETE ON other FOR EACH ROW EXECUTE FUNCTION nothing();
            CREATE RULE r AS ON DELETE TO other DO ALSO NOTHING"]);
        let mut two = db.connect();
        passes(
            &mut admin,
            &format!("BEGIN; SELECT backstop.protect('{table}')"),
        );
        let waiting = std::thread::spawn(move || refused(&mut two, ddl));
        until_someone_waits(&mut db.connect());
        passes(&mut admin, "COMMIT");
        let refusal = waiting.join().expect("it is refused");
        assert_eq!(refusal.sqlstate, sqlstate, "{ddl}: {refusal:?}");
    }
}

#[test]
fn harmless_ddl_that_waited_for_the_protection_passes() {
    let (db, mut admin) = world(&["SELECT backstop.protect('users')"]);
    for ddl in [
        "ALTER TABLE base SET (fillfactor = 70)",
        "ALTER TABLE base ALTER id SET STATISTICS 10",
        "ALTER TABLE base ADD COLUMN more float DEFAULT random()",
    ] {
        at_once(&db, "SELECT backstop.protect('base')", ddl);
        passes(&mut admin, "SELECT backstop.unprotect('base')");
    }
}

/// PostgreSQL drops a trigger's clones before it, and DELETE locks the parent first.
#[test]
fn unprotecting_a_partitioned_table_waits_for_its_writers_at_the_parent() {
    let (db, mut admin) = world(&["SELECT backstop.protect('parted')"]);
    let mut writer = db.connect();
    passes(
        &mut writer,
        "BEGIN; LOCK TABLE ONLY parted IN ROW EXCLUSIVE MODE",
    );
    let waiting =
        std::thread::spawn(move || passes(&mut admin, "SELECT backstop.unprotect('parted')"));
    until_someone_waits(&mut db.connect());
    passes(&mut writer, "LOCK TABLE low IN ROW EXCLUSIVE MODE; COMMIT");
    waiting.join().expect("it waits for the writer alone");
}

/// Two sessions add a link each to a chain: neither sees the other's until it commits.
#[test]
fn a_chain_of_followers_that_two_sessions_make_is_guarded_to_its_end() {
    for last in [
        "CREATE TABLE last (id int PRIMARY KEY REFERENCES other ON DELETE CASCADE)",
        "CREATE TABLE last () INHERITS (other)",
    ] {
        let (db, mut admin) = world(&["SELECT backstop.protect('users'); \
             ALTER TABLE other ADD FOREIGN KEY (id) REFERENCES base ON DELETE CASCADE"]);
        let first = "ALTER TABLE base ADD FOREIGN KEY (id) REFERENCES users ON DELETE CASCADE";
        at_once(&db, last, first);
        assert_eq!(
            query_text(&mut admin, TRIGGERS),
            of(&["base", "last", "other", "users"])
        );
    }
}

/// What runs on a partition goes by the registration that it was judged by, and is waited for.
#[test]
fn a_registration_that_asks_for_more_waits_for_what_runs_on_a_partition() {
    let (db, mut admin) = world(&["SELECT backstop.protect('parted')"]);
    let mut writer = db.connect();
    passes(&mut writer, "BEGIN; DELETE FROM low WHERE a = 1");
    passes(
        &mut admin,
        "SELECT backstop.protect('parted', max_rows => 7)",
    );
    let more = "SELECT backstop.protect('parted', approval => 'second_person')";
    let impatient = format!("SET lock_timeout = '300ms'; {more}");
    assert_eq!(refused(&mut admin, &impatient).sqlstate, "55P03");
    passes(&mut writer, "COMMIT");
    passes(&mut admin, more);
}
