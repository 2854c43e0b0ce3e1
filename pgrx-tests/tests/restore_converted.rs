//! Restore of ALTER COLUMN TYPE: nobody's later work is overwritten, and going back across one goes all the way.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database_with, last_statement, now, passes, query_text, refused,
};

fn rows(client: &mut Client, table: &str) -> String {
    query_text(
        client,
        &format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {table} t"),
    )
}

/// Totals of a restore: captured, restored, unchanged, conflicts.
fn restore(client: &mut Client, id: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}{options})"
    );
    query_text(client, &sql)
}

/// Totals of going back: captured, restored, unchanged, conflicts.
fn go_back(client: &mut Client, at: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts)
         FROM backstop.restore_since('{at}', dry_run => false{options})"
    );
    query_text(client, &sql)
}

/// Statement `id` converted e.v; since then row 1 was changed, and row 2 removed and entered anew.
fn changed_since() -> (Database, Client, String) {
    let (db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v text, w text); INSERT INTO e VALUES (1, '1'), (2, '2'), (3, '3'), (4, '4');
         SELECT backstop.protect('e')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE e ALTER v TYPE int USING v::int",
    );
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "UPDATE e SET v = 99 WHERE id = 1; DELETE FROM e WHERE id = 2; INSERT INTO e VALUES (2, 77);
         UPDATE e SET w = 'x' WHERE id = 4",
    );
    (db, admin, id)
}

#[test]
fn what_was_changed_since_a_conversion_is_a_conflict() {
    let (_db, mut admin, id) = changed_since();
    assert_eq!(restore(&mut admin, &id, ""), "4|2|0|2");
    refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert_eq!(rows(&mut admin, "e"), "(1,99,) (2,77,) (3,3,) (4,4,x)");
    let listed = format!(
        "SELECT string_agg(concat_ws(' ', key ->> 'id', old_row ->> 'v', jsonb_typeof(left_as -> 'v'), left_as ->> 'v', current_row ->> 'v'), ', ' ORDER BY key ->> 'id')
         FROM backstop.restore_conflicts({id})"
    );
    assert_eq!(
        query_text(&mut admin, &listed),
        "1 1 number 1 99, 2 2 number 2 77"
    );
}

#[test]
fn what_was_changed_since_a_conversion_stays_or_is_overwritten_as_asked() {
    let (_db, mut admin, id) = changed_since();
    let skip = ", dry_run => false, on_conflict => 'skip'";
    assert_eq!(restore(&mut admin, &id, skip), "4|2|0|2");
    assert_eq!(rows(&mut admin, "e"), "(1,99,) (2,77,) (3,3,) (4,4,x)");
    assert_eq!(
        query_text(&mut admin, "SELECT DISTINCT pg_typeof(v) FROM e"),
        "text"
    );
    let overwrite = ", dry_run => false, on_conflict => 'overwrite'";
    assert_eq!(restore(&mut admin, &id, overwrite), "4|2|2|2");
    assert_eq!(rows(&mut admin, "e"), "(1,1,) (2,2,) (3,3,) (4,4,x)");
}

#[test]
fn later_work_on_a_converted_column_that_was_itself_undone_is_no_conflict() {
    let (_db, mut admin, id) = changed_since();
    let at = query_text(
        &mut admin,
        "SELECT string_agg(statement_id::text, ' ' ORDER BY statement_id DESC) FROM backstop.statement",
    );
    for later in at.split(' ').filter(|later| *later != id) {
        let how = ", dry_run => false, on_conflict => 'overwrite'";
        restore(&mut admin, later, how);
    }
    assert_eq!(
        restore(&mut admin, &id, ", dry_run => false"),
        "4|4|0|0",
        "value by value as the conversion left them"
    );
    assert_eq!(rows(&mut admin, "e"), "(1,1,) (2,2,) (3,3,) (4,4,)");
}

#[test]
fn a_conversion_beside_a_dropped_column_overwrites_nothing_either() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v text, w text); INSERT INTO e VALUES (1, '1', 'a'), (2, '2', 'b'), (3, '3', 'c');
         SELECT backstop.protect('e')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE e DROP COLUMN w, ALTER v TYPE int USING v::int * 2",
    );
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "UPDATE e SET v = 99 WHERE id = 1; DELETE FROM e WHERE id = 2; INSERT INTO e VALUES (2, 77)",
    );
    let skip = ", dry_run => false, on_conflict => 'skip'";
    assert_eq!(restore(&mut admin, &id, skip), "3|1|0|2");
    assert_eq!(
        query_text(&mut admin, "SELECT string_agg(v, ' ' ORDER BY id) FROM e"),
        "99 77 3"
    );
}

#[test]
fn a_later_conversion_that_was_undone_changed_nothing() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v int, w int); INSERT INTO e VALUES (1, 1, 1), (2, 2, 2);
         SELECT backstop.protect('e')",
    );
    let mut statements = Vec::new();
    for using in [
        "v TYPE bigint USING v * 3",
        "v TYPE numeric USING v / 2.0",
        "w TYPE bigint USING w + 1",
    ] {
        approved(&mut admin, 10, &format!("ALTER TABLE e ALTER {using}"));
        statements.push(last_statement(&mut admin));
    }
    // Another column's conversion is nothing to this one's.
    assert_eq!(restore(&mut admin, &statements[1], ""), "2|2|0|0");
    assert_eq!(restore(&mut admin, &statements[0], ""), "2|0|0|2");
    restore(&mut admin, &statements[1], ", dry_run => false");
    assert_eq!(
        restore(&mut admin, &statements[0], ", dry_run => false"),
        "2|2|0|0"
    );
    assert_eq!(rows(&mut admin, "e"), "(1,1,2) (2,2,3)");
}

#[test]
fn what_was_changed_since_a_conversion_was_undone_is_a_conflict() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v int); INSERT INTO e VALUES (1, 1), (2, 2), (3, 3);
         SELECT backstop.protect('e')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE e ALTER v TYPE numeric USING v * 2.5",
    );
    let id = last_statement(&mut admin);
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "3|3|0|0");
    assert_eq!(restore(&mut admin, &id, ""), "3|0|3|0");
    passes(&mut admin, "UPDATE e SET v = 5 WHERE id = 1");
    assert_eq!(restore(&mut admin, &id, ""), "3|0|2|1");
}

#[test]
fn going_back_across_a_conversion_that_loses_nothing_undoes_what_was_before_it() {
    for conversion in ["bigint", "text"] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE t (id int PRIMARY KEY, b int, a text); INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b');
             SELECT backstop.protect('t')",
        );
        let at = now(&mut admin);
        approved(
            &mut admin,
            10,
            &format!(
                "UPDATE t SET a = '9' WHERE id = 1; UPDATE t SET b = 9 WHERE id = 2; ALTER TABLE t ALTER b TYPE {conversion}"
            ),
        );
        assert_eq!(go_back(&mut admin, &at, ""), "4|4|0|0", "{conversion}");
        assert_eq!(rows(&mut admin, "t"), "(1,1,a) (2,2,b)", "{conversion}");
        assert_eq!(
            query_text(&mut admin, "SELECT DISTINCT pg_typeof(b) FROM t"),
            "integer"
        );
    }
}

#[test]
fn what_comes_back_with_its_column_is_not_called_unchanged() {
    let (_db, mut admin) = database_with(
        "CREATE DOMAIN d AS int DEFAULT 7; CREATE TABLE e (id int PRIMARY KEY, v text, b d);
         INSERT INTO e VALUES (1, '1', DEFAULT), (2, '2', 2); SELECT backstop.protect('e')",
    );
    for ddl in [
        "ALTER TABLE e ALTER v TYPE varchar(9)",
        "DROP DOMAIN d CASCADE",
    ] {
        approved(&mut admin, 10, ddl);
        let id = last_statement(&mut admin);
        assert_eq!(
            restore(&mut admin, &id, ", dry_run => false"),
            "2|2|0|0",
            "{ddl}"
        );
        assert_eq!(restore(&mut admin, &id, ""), "2|0|2|0", "{ddl}, again");
        assert_eq!(rows(&mut admin, "e"), "(1,1,7) (2,2,2)", "{ddl}");
    }
}

#[test]
fn going_back_leaves_what_was_entered_anew_since_a_conversion() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v text); INSERT INTO e VALUES (1, '1'), (2, '2');
         SELECT backstop.protect('e')",
    );
    let at = now(&mut admin);
    approved(
        &mut admin,
        10,
        "ALTER TABLE e ALTER v TYPE int USING v::int",
    );
    passes(
        &mut admin,
        "DELETE FROM e WHERE id = 2; INSERT INTO e VALUES (2, 77)",
    );
    assert_eq!(
        go_back(&mut admin, &at, ", on_conflict => 'skip'"),
        "3|1|0|2"
    );
    assert_eq!(rows(&mut admin, "e"), "(1,1) (2,77)");
    assert_eq!(
        go_back(&mut admin, &at, ", on_conflict => 'overwrite'"),
        "5|5|0|1"
    );
    assert_eq!(rows(&mut admin, "e"), "(1,1) (2,2)");
}

#[test]
fn rows_removed_after_a_conversion_come_back_with_the_values_before_it() {
    for gone in [
        "DELETE FROM t WHERE id = 1",
        "TRUNCATE t",
        "UPDATE t SET id = 7 WHERE id = 1; DELETE FROM t WHERE id = 7",
        "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 4.5, 'a'); DELETE FROM t WHERE id = 1",
    ] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE t (id int PRIMARY KEY, b int NOT NULL CHECK (b < 3), a text, c int GENERATED ALWAYS AS (id) STORED);
             INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'); SELECT backstop.protect('t')",
        );
        let (then, at) = (rows(&mut admin, "t"), now(&mut admin));
        approved(
            &mut admin,
            10,
            &format!(
                "ALTER TABLE t DROP CONSTRAINT t_b_check; ALTER TABLE t ALTER b TYPE numeric USING b * 2.5; {gone}"
            ),
        );
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
        );
        assert_eq!(rows(&mut admin, "t"), then, "{gone}");
        let undoing = last_statement(&mut admin);
        // What the conversion made of the others fits no former type: undoing leaves them without a value.
        approved(&mut admin, 1, "ALTER TABLE t ALTER b DROP NOT NULL");
        restore(&mut admin, &undoing, ", dry_run => false");
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
        );
        assert_eq!(rows(&mut admin, "t"), then, "{gone}, again");
    }
}

#[test]
fn a_row_that_waits_for_its_value_goes_through_earlier_changes_and_over_later_work() {
    // All but what was removed can be converted back, so that the column keeps its constraints.
    let conversion = "ALTER TABLE t ALTER b TYPE numeric USING CASE b WHEN 1 THEN 2.5 ELSE b END";
    for (since, options) in [
        (
            "UPDATE t SET a = 'z' WHERE id = 1; DELETE FROM t WHERE id = 1",
            "",
        ),
        (
            "UPDATE t SET a = 'z' WHERE id = 1; UPDATE t SET id = 9 WHERE id = 1; DELETE FROM t WHERE id = 9",
            "",
        ),
        (
            "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 4, 'new')",
            ", on_conflict => 'overwrite'",
        ),
    ] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE t (id int PRIMARY KEY, b int NOT NULL UNIQUE CHECK (b IS NOT NULL), a text);
             INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'); SELECT backstop.protect('t')",
        );
        let (then, at) = (rows(&mut admin, "t"), now(&mut admin));
        approved(&mut admin, 10, &format!("{conversion}; {since}"));
        let changed = rows(&mut admin, "t");
        go_back(&mut admin, &at, options);
        assert_eq!(rows(&mut admin, "t"), then, "{since}");
        let undoing = last_statement(&mut admin);
        restore(&mut admin, &undoing, ", dry_run => false");
        assert_eq!(rows(&mut admin, "t"), changed, "{since}, undone");
    }
}

#[test]
fn partitioned_rows_changed_after_a_conversion_go_back() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE p (id int, k int, b int, a text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
         CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
         INSERT INTO p VALUES (1, 1, 1, 'a'), (2, 2, 2, 'b'); SELECT backstop.protect('p')",
    );
    let (then, at) = (rows(&mut admin, "p"), now(&mut admin));
    approved(
        &mut admin,
        10,
        "ALTER TABLE p ALTER b TYPE numeric USING b * 2.5; UPDATE p SET a = 'z' WHERE id = 1; DELETE FROM p WHERE id = 2",
    );
    assert_eq!(go_back(&mut admin, &at, ""), "4|4|0|0");
    assert_eq!(rows(&mut admin, "p"), then);
}

#[test]
fn a_value_that_nothing_converts_back_is_never_made_up() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, b int); INSERT INTO t VALUES (1, 1); SELECT backstop.protect('t')",
    );
    let at = now(&mut admin);
    approved(
        &mut admin,
        10,
        "ALTER TABLE t ALTER b TYPE numeric USING b * 2.5; INSERT INTO t VALUES (3, 3.5); DELETE FROM t WHERE id = 3",
    );
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
    );
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert_eq!(rows(&mut admin, "t"), "(1,2.5)");
}
