//! TRUNCATE and DROP that wait for another session's protect() or foreign key: they are judged by what holds when they have the
//! lock.

use pg_backstop_tests::{behind, database_with, passes, query_text, refused};

/// Something is protected already: every statement is looked at.
const WORLD: &str = "
    CREATE TABLE other (id int PRIMARY KEY); SELECT backstop.protect('other');
    CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int); INSERT INTO t (v) SELECT 0 FROM generate_series(1, 500);
    CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY RANGE (a);
    CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (1000); INSERT INTO parted SELECT generate_series(1, 500);
    CREATE TABLE follower (id int PRIMARY KEY, other_id int REFERENCES other ON DELETE CASCADE);
    INSERT INTO follower SELECT generate_series(1, 500);
    CREATE TABLE child (id int PRIMARY KEY, other_id int); INSERT INTO child SELECT generate_series(1, 500)";

#[test]
fn a_table_that_is_protected_meanwhile_stays() {
    for (first, second) in [
        ("SELECT backstop.protect('t')", "TRUNCATE t"),
        ("SELECT backstop.protect('t')", "TRUNCATE child, t"),
        ("SELECT backstop.protect('t')", "DROP TABLE t"),
        (
            "SELECT backstop.protect('t', require => 'always', approval => 'second_person')",
            "DO $$ BEGIN TRUNCATE t; EXCEPTION WHEN division_by_zero THEN NULL; END $$",
        ),
        ("SELECT backstop.protect('parted')", "TRUNCATE part"),
        ("SELECT backstop.protect('parted')", "TRUNCATE parted"),
        ("SELECT backstop.protect('parted')", "DROP TABLE part"),
        ("SELECT backstop.protect('parted')", "DROP TABLE parted"),
        ("SELECT backstop.protect('follower')", "TRUNCATE follower"),
        ("SELECT backstop.protect('follower')", "DROP TABLE follower"),
    ] {
        let (db, mut admin) = database_with(WORLD);
        assert_eq!(behind(&db, first, second), "SF008", "{second}");
        let rows = "SELECT count(*) FROM t UNION ALL SELECT count(*) FROM parted UNION ALL SELECT count(*) FROM follower";
        assert_eq!(query_text(&mut admin, rows), "500\n500\n500", "{second}");
    }
}

#[test]
fn a_sequence_that_is_registered_meanwhile_stays() {
    let (db, mut admin) = database_with(WORLD);
    let protect = "SELECT backstop.protect_sequence('t_id_seq')";
    assert_eq!(behind(&db, protect, "TRUNCATE t RESTART IDENTITY"), "SF007");
    assert_eq!(
        query_text(&mut admin, "SELECT last_value FROM t_id_seq"),
        "500"
    );
}

/// A transaction that has moved the sequence before takes no lock of it again, by which it would learn of anything.
#[test]
fn a_sequence_that_is_registered_in_the_middle_of_a_transaction_stays() {
    for other in [false, true] {
        let (db, mut admin) = database_with(WORLD);
        if other {
            passes(
                &mut admin,
                "CREATE SEQUENCE o; SELECT backstop.protect_sequence('o')",
            );
        }
        let mut one = db.connect();
        let moves = "SELECT setval('t_id_seq', 9000)";
        passes(
            &mut one,
            "PREPARE moves AS SELECT setval('t_id_seq', 9000); EXECUTE moves",
        );
        passes(
            &mut one,
            "BEGIN; SELECT setval('t_id_seq', 510); SAVEPOINT a",
        );
        passes(&mut admin, "SELECT backstop.protect_sequence('t_id_seq')");
        for statement in [
            moves,
            "EXECUTE moves",
            "DO $$ BEGIN PERFORM setval('t_id_seq', 9000); END $$",
        ] {
            let refusal = refused(&mut one, statement);
            assert_eq!(refusal.sqlstate, "SF007", "{statement}");
            passes(&mut one, "ROLLBACK TO a");
        }
        passes(&mut one, "COMMIT");
        let value = query_text(&mut admin, "SELECT last_value FROM t_id_seq");
        assert_eq!(value, "510");
    }
}

#[test]
fn a_table_that_follows_meanwhile_is_recorded() {
    let key = "ALTER TABLE child ADD FOREIGN KEY (other_id) REFERENCES other ON DELETE CASCADE";
    for second in [
        "DROP TABLE child",
        "DROP TABLE IF EXISTS child CASCADE",
        "DO $$ BEGIN DROP TABLE child; END $$",
        "TRUNCATE child",
    ] {
        let (db, mut admin) = database_with(WORLD);
        assert_eq!(behind(&db, key, second), "", "{second}");
        assert_eq!(
            query_text(&mut admin, "SELECT sum(rows) FROM backstop.statement"),
            "500",
            "{second}"
        );
    }
}

/// What a name stands for when the statement has its lock is what is judged.
#[test]
fn a_name_that_something_guarded_has_got_meanwhile() {
    let swapped = "SELECT backstop.approve_batch('a', 9, operations => '{alter}'); LOCK child; ALTER TABLE child RENAME TO x;
        ALTER TABLE other RENAME TO child";
    let sequences = "ALTER SEQUENCE free CACHE 1; ALTER SEQUENCE free RENAME TO x; ALTER SEQUENCE taken RENAME TO free";
    for (first, second, sqlstate) in [
        (swapped, "ALTER TABLE child RENAME TO z", "SF008"),
        (swapped, "ALTER TABLE child SET SCHEMA far", "SF008"),
        (
            swapped,
            "CREATE RULE r AS ON DELETE TO child DO INSTEAD NOTHING",
            "SF008",
        ),
        (swapped, "DROP TABLE child", "SF008"),
        (swapped, "TRUNCATE child", "SF008"),
        (sequences, "ALTER SEQUENCE free RESTART", "SF007"),
        (
            sequences,
            "ALTER SEQUENCE IF EXISTS free INCREMENT 100",
            "SF007",
        ),
    ] {
        let (db, mut admin) = database_with(WORLD);
        passes(
            &mut admin,
            "CREATE SCHEMA far; INSERT INTO other VALUES (1); CREATE SEQUENCE taken; CREATE SEQUENCE free;
             SELECT setval('taken', 500); SELECT backstop.protect_sequence('taken')",
        );
        assert_eq!(behind(&db, first, second), sqlstate, "{second}");
    }
}

/// Who may not drop a table locks nothing either.
#[test]
fn who_may_not_waits_for_nothing() {
    let (db, mut admin) = database_with(WORLD);
    passes(&mut admin, "REVOKE ALL ON t FROM app, PUBLIC");
    let mut one = db.connect();
    passes(&mut one, "BEGIN; LOCK TABLE t, part");
    let mut app = db.connect_as("app");
    passes(&mut app, "SET lock_timeout = '2s'");
    for statement in ["DROP TABLE t", "DROP TABLE part", "TRUNCATE t"] {
        assert_eq!(
            refused(&mut app, statement).sqlstate,
            "42501",
            "{statement}"
        );
    }
}
