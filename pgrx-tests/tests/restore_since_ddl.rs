//! Going back to a moment across DDL: renamed tables, detached partitions, truncated and dropped tables.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, approved, database_with, now, passes, query_text, refused};

fn world(sql: &str) -> (Database, Client) {
    database_with(sql)
}

fn go_back(at: &str) -> String {
    format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)")
}

fn rows(client: &mut Client, table: &str) -> String {
    query_text(
        client,
        &format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {table} t"),
    )
}

#[test]
fn tables_that_exchanged_their_names_never_get_each_other_s_rows() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT n, 'a' FROM generate_series(1, 3) n;
         CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b SELECT n, 'b' FROM generate_series(1, 3) n;
         SELECT backstop.protect('a'), backstop.protect('b')",
    );
    let at = now(&mut admin);
    approved(
        &mut admin,
        1000,
        "DELETE FROM a WHERE id = 1; DELETE FROM b WHERE id = 2;
         ALTER TABLE a RENAME TO c; ALTER TABLE b RENAME TO a; ALTER TABLE c RENAME TO b;
         DELETE FROM a WHERE id = 1; DELETE FROM b WHERE id = 3",
    );
    passes(&mut admin, &go_back(&at));
    assert_eq!(rows(&mut admin, "b"), "(1,a) (2,a) (3,a)");
    assert_eq!(rows(&mut admin, "a"), "(1,b) (2,b) (3,b)");
    approved(
        &mut admin,
        1000,
        "ALTER TABLE a RENAME TO c; ALTER TABLE b RENAME TO a; ALTER TABLE c RENAME TO b; DELETE FROM a WHERE id = 3",
    );
    passes(&mut admin, &go_back(&at));
    assert_eq!(rows(&mut admin, "a"), "(1,a) (2,a) (3,a)");
    assert_eq!(rows(&mut admin, "b"), "(1,b) (2,b) (3,b)");
}

#[test]
fn which_of_two_tables_a_name_means_is_not_guessed() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT n, 'a' FROM generate_series(1, 3) n;
         CREATE TABLE b (id int PRIMARY KEY, v text); SELECT backstop.protect('a')",
    );
    let at = now(&mut admin);
    // Nobody notes what is done to a table that is not registered.
    passes(
        &mut admin,
        "DELETE FROM a WHERE id = 1; SELECT backstop.unprotect('a'); ALTER TABLE a RENAME TO c; ALTER TABLE b RENAME TO a",
    );
    let refusal = refused(&mut admin, &go_back(&at));
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert!(refusal.message.contains("not certain"), "{refusal:?}");
    assert_eq!(rows(&mut admin, "c"), "(2,a) (3,a)");
    assert_eq!(rows(&mut admin, "a"), "null");
}

#[test]
fn a_table_that_kept_its_new_name_goes_back() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT n, 'a' FROM generate_series(1, 3) n;
         SELECT backstop.protect('a')",
    );
    let (then, at) = (rows(&mut admin, "a"), now(&mut admin));
    approved(
        &mut admin, 1000,
        "UPDATE a SET v = 'x' WHERE id = 1; ALTER TABLE a RENAME TO b; UPDATE b SET v = 'y' WHERE id = 1;
         ALTER TABLE b RENAME v TO w; UPDATE b SET w = 'z' WHERE id IN (1, 2); TRUNCATE b; INSERT INTO b VALUES (4, 'new');
         DELETE FROM b WHERE id = 4; INSERT INTO b VALUES (5, 'stays')",
    );
    passes(&mut admin, &go_back(&at));
    passes(&mut admin, "DELETE FROM b WHERE id IN (4, 5)");
    assert_eq!(rows(&mut admin, "b"), then);
}

#[test]
fn a_detached_partition_that_is_gone_keeps_nothing_else_from_going_back() {
    let (_db, mut admin) = world(
        "CREATE TABLE p (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
         CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
         CREATE TABLE rest PARTITION OF p DEFAULT; INSERT INTO p SELECT n, n % 4, 'v' FROM generate_series(1, 20) n;
         SELECT backstop.protect('p')",
    );
    let (then, at) = (rows(&mut admin, "p"), now(&mut admin));
    approved(
        &mut admin, 1000,
        "UPDATE p SET k = 2 WHERE k = 1; UPDATE p SET v = 'm' WHERE k = 2; ALTER TABLE p DETACH PARTITION p1;
         UPDATE p SET k = 1 WHERE k = 2 AND id < 10; TRUNCATE p2; DROP TABLE p1; DROP TABLE p2",
    );
    passes(&mut admin, &go_back(&at));
    assert_eq!(rows(&mut admin, "p"), then);
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM p2"), "5");
}

#[test]
fn going_back_twice_across_a_drop_undoes_the_undoing() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT n, 'a' FROM generate_series(1, 5) n;
         SELECT backstop.protect('a')",
    );
    let (then, at) = (rows(&mut admin, "a"), now(&mut admin));
    approved(
        &mut admin,
        1000,
        "DELETE FROM a WHERE id = 1; UPDATE a SET v = 'x' WHERE id = 2; DROP TABLE a",
    );
    for _ in 0..3 {
        passes(&mut admin, &go_back(&at));
        assert_eq!(rows(&mut admin, "a"), then);
    }
}

#[test]
fn columns_that_were_renamed_get_their_values_back() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (v text, id int PRIMARY KEY, w text); INSERT INTO a SELECT 'v' || n, n, 'w' || n FROM generate_series(1, 3) n;
         SELECT backstop.protect('a')",
    );
    let (then, at) = (rows(&mut admin, "a"), now(&mut admin));
    passes(
        &mut admin,
        "DELETE FROM a WHERE id = 1; UPDATE a SET v = 'x' WHERE id = 2; UPDATE a SET w = 'x' WHERE id = 3",
    );
    // The old name is another column's now.
    approved(
        &mut admin,
        1000,
        "ALTER TABLE a RENAME v TO former; ALTER TABLE a RENAME w TO v; ALTER TABLE a ADD COLUMN w int DEFAULT 7",
    );
    let total = "SELECT sum(restored), sum(conflicts) FROM backstop.restore_since";
    assert_eq!(
        query_text(&mut admin, &format!("{total}('{at}', dry_run => false)")),
        "3|0"
    );
    assert_eq!(
        rows(&mut admin, "(SELECT former, id, v FROM a)"),
        then,
        "by what they are, not by what they are called"
    );
    assert_eq!(query_text(&mut admin, "SELECT DISTINCT w FROM a"), "7");
}

#[test]
fn a_conversion_that_changed_nothing_stands_against_nothing() {
    for conversion in [
        "ALTER b TYPE text",
        "ALTER id TYPE bigint",
        "ALTER b TYPE text USING lower(b)",
        "ALTER b TYPE varchar(9)",
    ] {
        for on_conflict in ["abort", "skip"] {
            let (_db, mut admin) = database_with(
                "CREATE TABLE t (id bigint PRIMARY KEY, a text, b text);
                 INSERT INTO t SELECT n, 'a' || n, 'b' || n FROM generate_series(1, 3) n; SELECT backstop.protect('t')",
            );
            let at = now(&mut admin);
            passes(&mut admin, "UPDATE t SET a = 'x' WHERE id = 1");
            approved(&mut admin, 100, &format!("ALTER TABLE t {conversion}"));
            passes(
                &mut admin,
                &format!(
                    "SELECT * FROM backstop.restore_since('{at}', NULL, false, '{on_conflict}')"
                ),
            );
            assert_eq!(
                query_text(
                    &mut admin,
                    "SELECT string_agg(a || b, ' ' ORDER BY id) FROM t"
                ),
                "a1b1 a2b2 a3b3",
                "{conversion}"
            );
        }
    }
}

/// The sequence of an identity column has its column's type, and the type may go back before the column has its sequence.
#[test]
fn an_identity_column_goes_back_over_its_type_and_its_end() {
    for (from, to) in [
        ("int", "bigint"),
        ("smallint", "int"),
        (
            "int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -2)",
            "bigint",
        ),
        ("bigint", "int"),
        (
            "bigint GENERATED BY DEFAULT AS IDENTITY (MINVALUE 1 MAXVALUE 50 CYCLE)",
            "smallint",
        ),
    ] {
        let identity = if from.contains("IDENTITY") {
            from.to_owned()
        } else {
            format!("{from} GENERATED ALWAYS AS IDENTITY")
        };
        let (_db, mut admin) = world(&format!(
            "CREATE TABLE a (id int PRIMARY KEY, c {identity}); INSERT INTO a SELECT n FROM generate_series(1, 9) AS n;
             SELECT backstop.protect('a')"
        ));
        let sequence =
            "SELECT format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax, seqcycle
            FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence('a', 'c')::regclass";
        let (before, values) = (query_text(&mut admin, sequence), rows(&mut admin, "a"));
        let at = now(&mut admin);
        approved(
            &mut admin,
            1000,
            &format!("ALTER TABLE a ALTER c TYPE {to}; ALTER TABLE a DROP COLUMN c"),
        );
        passes(&mut admin, &go_back(&at));
        assert_eq!(query_text(&mut admin, sequence), before, "{identity}");
        assert_eq!(rows(&mut admin, "a"), values, "{identity}");
        let next = "INSERT INTO a VALUES (10) RETURNING c";
        let next = query_text(&mut admin, next);
        let last = query_text(&mut admin, "SELECT c FROM a WHERE id = 9");
        assert_ne!(next, last, "{identity}");
    }
}
