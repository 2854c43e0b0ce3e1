//! What takes tables and columns along, by CASCADE or inheritance, waits for another session's foreign key, and finds a
//! follower when it has the lock.

use pg_backstop_tests::{
    behind, database_with, passes, query_text, refused, sqlstate_of, until_they_wait,
};
use postgres::Client;

/// The server's first protection may come meanwhile: nothing is protected yet.
const WORLD: &str = "
    CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1);
    CREATE SCHEMA far; CREATE TYPE far.kind AS ENUM ('a'); CREATE TYPE far.shape AS (id int, other_id int);
    CREATE TABLE far.child (id int PRIMARY KEY, other_id int, k far.kind DEFAULT 'a');
    INSERT INTO far.child SELECT n, 1 FROM generate_series(1, 500) AS n;
    CREATE TABLE typed OF far.shape (PRIMARY KEY (id)); INSERT INTO typed SELECT n, 1 FROM generate_series(1, 500) AS n;
    CREATE TABLE parent (id int, other_id int, v int); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (parent);
    INSERT INTO heir SELECT n, 1, n FROM generate_series(1, 500) AS n;
    CREATE TABLE parted (id int PRIMARY KEY, other_id int, v int) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (1000);
    INSERT INTO parted SELECT n, 1, n FROM generate_series(1, 500) AS n;
    CREATE VIEW seen AS SELECT 1 AS one; CREATE TABLE viewed (id int PRIMARY KEY, other_id int, s seen);
    INSERT INTO viewed SELECT n, 1, seen FROM seen, generate_series(1, 500) AS n;
    CREATE COLLATION far.order FROM \"C\"; CREATE TABLE coded (id int PRIMARY KEY, other_id int, c text COLLATE far.order);
    INSERT INTO coded SELECT n, 1, 'c' FROM generate_series(1, 500) AS n;
    ALTER TABLE far.child OWNER TO app";

/// The table that becomes a follower, and what takes its rows or values.
const TAKING: [(&str, &str); 17] = [
    ("far.child", "DROP SCHEMA far CASCADE"),
    ("far.child", "DROP OWNED BY app"),
    ("far.child", "DROP OWNED BY app CASCADE"),
    ("far.child", "DROP TYPE far.kind CASCADE"),
    ("far.child", "DO $$ BEGIN DROP SCHEMA far CASCADE; END $$"),
    ("typed", "DROP TYPE far.shape CASCADE"),
    ("typed", "DROP SCHEMA far CASCADE"),
    ("heir", "DROP TABLE parent CASCADE"),
    ("heir", "ALTER TABLE parent DROP COLUMN v"),
    ("part", "DROP TABLE parted"),
    ("part", "ALTER TABLE parted DROP COLUMN v"),
    ("heir", "ALTER TABLE parent ALTER COLUMN v TYPE text"),
    ("part", "ALTER TABLE parted ALTER COLUMN v TYPE text"),
    ("heir", "TRUNCATE parent"),
    ("part", "TRUNCATE parted"),
    ("viewed", "DROP VIEW seen CASCADE"),
    ("coded", "DROP COLLATION far.order CASCADE"),
];

fn follows(table: &str) -> String {
    format!("ALTER TABLE {table} ADD FOREIGN KEY (other_id) REFERENCES other ON DELETE CASCADE")
}

fn recorded(admin: &mut Client) -> String {
    query_text(admin, "SELECT sum(rows) FROM backstop.statement")
}

#[test]
fn a_table_that_follows_meanwhile_is_recorded() {
    for (table, second) in TAKING {
        let (db, mut admin) = database_with(WORLD);
        passes(&mut admin, "SELECT backstop.protect('other')");
        assert_eq!(behind(&db, &follows(table), second), "", "{second}");
        assert_eq!(recorded(&mut admin), "500", "{second}");
    }
}

/// The foreign key and the first protection of all, in one transaction.
#[test]
fn the_first_protection_of_all_comes_meanwhile() {
    for (table, second) in TAKING {
        let (db, mut admin) = database_with(WORLD);
        let first = format!("{}; SELECT backstop.protect('other')", follows(table));
        assert_eq!(behind(&db, &first, second), "", "{second}");
        assert_eq!(recorded(&mut admin), "500", "{second}");
    }
}

#[test]
fn a_table_that_is_protected_meanwhile_stays() {
    for (table, second) in TAKING {
        let (db, mut admin) = database_with(WORLD);
        let values = format!("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM {table} AS t");
        let before = query_text(&mut admin, &values);
        for other in [false, true] {
            if other {
                passes(&mut admin, "SELECT backstop.protect('other')");
            }
            let first = format!("SELECT backstop.protect('{table}')");
            let outcome = behind(&db, &first, second);
            assert_eq!(outcome, "SF008", "{second}, another protected: {other}");
            assert_eq!(query_text(&mut admin, &values), before, "{second}");
            passes(&mut admin, &format!("SELECT backstop.unprotect('{table}')"));
        }
    }
}

/// A type's attribute goes from the tables that are of it, and no approval covers that.
#[test]
fn an_attribute_of_a_table_that_follows_meanwhile_stays() {
    let (db, mut admin) = database_with(WORLD);
    passes(&mut admin, "SELECT backstop.protect('other')");
    let drop = "ALTER TYPE far.shape DROP ATTRIBUTE id CASCADE";
    assert_eq!(behind(&db, &follows("typed"), drop), "SF008");
    let left = "SELECT count(id) FROM typed";
    assert_eq!(query_text(&mut admin, left), "500");
}

/// Under an approval that covers it, a statement does what it would do without a wait.
#[test]
fn what_is_approved_takes_what_is_there_when_it_has_the_lock() {
    let approved = |sql: &str| {
        format!("SET backstop.approval = '{{\"reason\":\"a\",\"max_rows\":5000}}'; {sql}")
    };
    let again =
        "DROP TABLE part; CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (1000);
        INSERT INTO parted SELECT n, 1, n FROM generate_series(1, 3) AS n";
    let child = "CREATE TABLE late (PRIMARY KEY (id)) INHERITS (parent); INSERT INTO late SELECT n, 1, n FROM generate_series(1, 3) AS n";
    for (first, second, rows) in [
        (again, "DROP TABLE part", "503"),
        (again, "DROP TABLE IF EXISTS part CASCADE", "503"),
        (again, "TRUNCATE parted", "503"),
        (child, "ALTER TABLE parent DROP COLUMN v", "503"),
        (child, "ALTER TABLE parent ALTER COLUMN v TYPE text", "503"),
        (child, "DROP TABLE parent CASCADE", "503"),
    ] {
        let (db, mut admin) = database_with(WORLD);
        passes(
            &mut admin,
            "ALTER TABLE parent ADD PRIMARY KEY (id); SELECT backstop.protect('parted'), backstop.protect('parent')",
        );
        let first = approved(first);
        assert_eq!(behind(&db, &first, &approved(second)), "", "{second}");
        assert_eq!(recorded(&mut admin), rows, "{second}");
    }
}

/// Who has an approval of his own does not have another's.
#[test]
fn a_protection_that_asks_for_more_meanwhile_gets_it() {
    for (table, second) in [
        ("parted", "TRUNCATE parted"),
        ("parted", "TRUNCATE far.child, parted"),
        ("far.child", "TRUNCATE far.child"),
        ("far.child", "DROP TABLE far.child"),
        ("far.child", "ALTER TABLE far.child DROP COLUMN k"),
        ("far.child", "ALTER TABLE far.child RENAME TO kid"),
        ("far.child", "ALTER TABLE far.child RENAME other_id TO o"),
        ("far.child", "ALTER TABLE far.child SET SCHEMA public"),
        ("far.child", "ALTER TABLE far.child OWNER TO postgres"),
        (
            "far.child",
            "CREATE RULE r AS ON DELETE TO far.child DO INSTEAD NOTHING",
        ),
    ] {
        let (db, mut admin) = database_with(WORLD);
        passes(&mut admin, &format!("SELECT backstop.protect('{table}')"));
        let first = format!("SELECT backstop.protect('{table}', approval => 'second_person')");
        let second =
            format!("SET backstop.approval = '{{\"reason\":\"a\",\"max_rows\":5000}}'; {second}");
        assert_eq!(behind(&db, &first, &second), "SF010", "{second}");
    }
}

#[test]
fn a_partition_or_a_parent_that_is_protected_meanwhile_keeps_its_place() {
    for (first, second) in [
        (
            "SELECT backstop.protect('part')",
            "ALTER TABLE parted DETACH PARTITION part",
        ),
        (
            "SELECT backstop.protect('lone', '{id}')",
            "ALTER TABLE parted ATTACH PARTITION lone FOR VALUES FROM (2000) TO (3000)",
        ),
        (
            "SELECT backstop.protect('parent', '{id}')",
            "ALTER TABLE lone INHERIT parent",
        ),
    ] {
        for other in [false, true] {
            let (db, mut admin) = database_with(WORLD);
            passes(
                &mut admin,
                "CREATE TABLE lone (id int, other_id int, v int)",
            );
            if other {
                passes(&mut admin, "SELECT backstop.protect('other')");
            }
            assert_eq!(behind(&db, first, second), "SF008", "{second} {other}");
        }
    }
}

/// What is refused anyhow waits for nothing, and neither does who may not.
#[test]
fn a_refusal_does_not_wait() {
    let (db, mut admin) = database_with(WORLD);
    let mut one = db.connect();
    passes(&mut one, "BEGIN; LOCK TABLE far.child, typed");
    let mut app = db.connect_as("app");
    let mut two = db.connect();
    let impatient = "SET lock_timeout = '2s'";
    passes(&mut app, impatient);
    passes(&mut two, impatient);
    for statement in [
        "DROP SCHEMA far CASCADE",
        "DROP TYPE far.shape CASCADE",
        "DROP OWNED BY postgres CASCADE",
    ] {
        let refusal = refused(&mut app, statement);
        assert_eq!(refusal.sqlstate, "42501", "{statement}");
    }
    passes(
        &mut admin,
        "CREATE TABLE far.kept (id int PRIMARY KEY); INSERT INTO far.kept VALUES (1); SELECT backstop.protect('far.kept')",
    );
    for statement in ["DROP SCHEMA far CASCADE", "DROP OWNED BY postgres CASCADE"] {
        let refusal = refused(&mut two, statement);
        assert_eq!(refusal.sqlstate, "SF008", "{statement}");
    }
}

/// A reader of a protected table keeps no refusal waiting, which would keep other readers waiting.
#[test]
fn a_refusal_does_not_wait_for_what_it_reaches() {
    let (db, mut admin) = database_with(WORLD);
    passes(
        &mut admin,
        "ALTER TABLE far.child ADD FOREIGN KEY (other_id) REFERENCES other; SELECT backstop.protect('far.child'), backstop.protect('coded')",
    );
    let mut one = db.connect();
    passes(&mut one, "BEGIN; SELECT count(*) FROM far.child, coded");
    let mut two = db.connect();
    passes(&mut two, "SET lock_timeout = '2s'");
    for statement in [
        "TRUNCATE other CASCADE",
        "DROP TYPE far.kind CASCADE",
        "DROP COLLATION far.order CASCADE",
    ] {
        let refusal = refused(&mut two, statement);
        assert_eq!(refusal.sqlstate, "SF008", "{statement}: {refusal:?}");
    }
}

/// The lock of whoever comes second is not one that the first has to wait for.
#[test]
fn two_that_drop_the_same_do_not_deadlock() {
    for protected in [true, false] {
        let (db, mut admin) = database_with(WORLD);
        if protected {
            passes(&mut admin, "SELECT backstop.protect('other')");
        }
        let mut locker = db.connect();
        passes(&mut locker, "BEGIN; LOCK TABLE far.child");
        let first = sqlstate_of(&db, "DROP SCHEMA far CASCADE");
        until_they_wait(&mut db.connect(), 1);
        let second = sqlstate_of(&db, "DROP SCHEMA far CASCADE");
        until_they_wait(&mut db.connect(), 2);
        passes(&mut locker, "COMMIT");
        assert_eq!(first.join().expect("the first"), "");
        assert_eq!(second.join().expect("the second"), "3F000");
    }
}
