//! What was destroyed before a column was converted has no values of the column as it is now: they come back when the
//! conversion is undone, and not as something else.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Refusal, approved, database_with, last_statement, now, passes, query_text, refused,
};

fn restored(statement: &str) -> String {
    format!("SELECT * FROM backstop.restore({statement}, dry_run => false)")
}

fn rows(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM t",
    )
}

fn is_converted(refusal: &Refusal, column: &str, by: &str) {
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert!(
        refusal
            .message
            .contains(&format!(r#"column "{column}" was converted since"#)),
        "{refusal:?}"
    );
    assert!(
        refusal.hint.contains(&format!("backstop.restore({by},"))
            && refusal.hint.contains("backstop.restore_since()"),
        "{refusal:?}"
    );
}

#[test]
fn values_that_a_conversion_made_others_come_back_when_it_is_undone() {
    for (of_type, values, conversion) in [
        ("int", ["100", "250"], "TYPE numeric USING v / 100.0"),
        (
            "timestamptz",
            ["2026-01-01 00:00:00+00", "2026-07-01 00:00:00+00"],
            "TYPE timestamp",
        ),
        (
            "timestamp",
            ["2026-01-01 00:00:00", "2026-07-01 00:00:00"],
            "TYPE timestamptz",
        ),
        ("text", ["A", "B"], "TYPE text USING lower(v)"),
        (
            "float8",
            ["0.1", "0.3"],
            "TYPE numeric USING (v * 10)::numeric",
        ),
    ] {
        for change in [
            "DELETE FROM t WHERE id = 2",
            "UPDATE t SET v = NULL WHERE id = 2",
        ] {
            let (_db, mut admin) = database_with(&format!(
                "CREATE TABLE t (id bigint PRIMARY KEY, v {of_type}, w text); SET TimeZone = 'Europe/Berlin';
                 INSERT INTO t VALUES (1, '{}', 'w'), (2, '{}', 'w'); SELECT backstop.protect('t')",
                values[0], values[1]
            ));
            let (before, at) = (rows(&mut admin), now(&mut admin));
            passes(&mut admin, change);
            let id = last_statement(&mut admin);
            approved(
                &mut admin,
                100,
                &format!("ALTER TABLE t ALTER v {conversion}"),
            );
            let conversion_id = last_statement(&mut admin);
            approved(&mut admin, 100, "ALTER TABLE t RENAME v TO n");
            let after = rows(&mut admin);
            for sql in [
                restored(&id),
                format!("SELECT * FROM backstop.restore({id})"),
            ] {
                is_converted(&refused(&mut admin, &sql), "n", &conversion_id);
            }
            assert_eq!(rows(&mut admin), after);

            passes(&mut admin, &restored(&conversion_id));
            let undone = last_statement(&mut admin);
            passes(&mut admin, &restored(&id));
            assert_eq!(rows(&mut admin), before, "{conversion}");

            if conversion.contains("lower") {
                continue; // its type was the same
            }
            // Undoing that converts it again.
            let back = last_statement(&mut admin);
            passes(&mut admin, &restored(&back));
            passes(&mut admin, &restored(&undone));
            refused(&mut admin, &restored(&id));
            passes(
                &mut admin,
                &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
            );
            assert_eq!(rows(&mut admin), before, "{conversion}");
        }
    }
}

#[test]
fn what_a_conversion_left_as_it_was_comes_back() {
    for (of_type, value, conversion, then) in [
        ("int", "7", "TYPE bigint", "7"),
        ("int", "7", "TYPE numeric(9,2)", "7.00"),
        ("int", "7", "TYPE text USING v::text", "7"),
        ("text", "07", "TYPE int USING v::int", "7"),
        ("varchar(9)", "x", "TYPE text", "x"),
        ("text", "x", "TYPE varchar(9)", "x"),
        ("text", "x", "TYPE text COLLATE \"C\"", "x"),
        ("json", "{\"a\":  1}", "TYPE jsonb", "{\"a\": 1}"),
        (
            "date",
            "2026-07-01",
            "TYPE timestamp",
            "2026-07-01 00:00:00",
        ),
        (
            "timestamptz",
            "2026-07-01 00:00:00.123+00",
            "TYPE timestamptz(0)",
            "2026-07-01 00:00:00+00",
        ),
    ] {
        let (_db, mut admin) = database_with(&format!(
            "CREATE TABLE t (id bigint PRIMARY KEY, v {of_type}); INSERT INTO t VALUES (1, '{value}');
             SELECT backstop.protect('t'); DELETE FROM t WHERE id = 1"
        ));
        let id = last_statement(&mut admin);
        approved(
            &mut admin,
            100,
            &format!("ALTER TABLE t ALTER v {conversion}"),
        );
        passes(&mut admin, &restored(&id));
        passes(&mut admin, "SET TimeZone = 'UTC'");
        assert_eq!(
            query_text(&mut admin, "SELECT v FROM t"),
            then,
            "{conversion}"
        );
    }
}

#[test]
fn an_update_of_other_columns_than_the_converted_one_is_undone() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id bigint PRIMARY KEY, v int, w text); INSERT INTO t VALUES (1, 100, 'w');
         SELECT backstop.protect('t'); UPDATE t SET w = 'x' WHERE id = 1",
    );
    let id = last_statement(&mut admin);
    approved(
        &mut admin,
        100,
        "ALTER TABLE t ALTER v TYPE numeric USING v / 100.0",
    );
    passes(&mut admin, &restored(&id));
    assert_eq!(query_text(&mut admin, "SELECT w FROM t"), "w");
}

#[test]
fn rows_are_not_looked_for_by_a_key_that_was_converted() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id bigint PRIMARY KEY, w text); INSERT INTO t VALUES (1, 'one'), (2, 'two');
         SELECT backstop.protect('t'); UPDATE t SET w = 'x' WHERE id = 2",
    );
    let id = last_statement(&mut admin);
    approved(
        &mut admin,
        100,
        "ALTER TABLE t ALTER id TYPE bigint USING id + 1",
    );
    let conversion = last_statement(&mut admin);
    is_converted(&refused(&mut admin, &restored(&id)), "id", &conversion);
}

#[test]
fn what_was_destroyed_between_a_conversion_and_its_undoing_waits_for_that() {
    let (_db, mut admin) = database_with(
        "SET TimeZone = 'Europe/Berlin'; CREATE TABLE t (id bigint PRIMARY KEY, v timestamptz);
         INSERT INTO t VALUES (1, '2026-01-01 00:00:00+00'), (2, '2026-07-01 00:00:00+00'); SELECT backstop.protect('t')",
    );
    approved(&mut admin, 100, "ALTER TABLE t ALTER v TYPE timestamp");
    let conversion = last_statement(&mut admin);
    passes(&mut admin, "DELETE FROM t WHERE id = 2");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({conversion}, false, 'skip')"),
    );
    let undone = last_statement(&mut admin);
    is_converted(&refused(&mut admin, &restored(&id)), "v", &undone);
}

/// What was set back in the parent is set back in its children, also where they had no row then.
#[test]
fn a_child_that_was_empty_is_set_back_with_its_parent() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, a int); CREATE TABLE k () INHERITS (t);
         INSERT INTO t VALUES (1, 1); INSERT INTO k VALUES (2, 2); SELECT backstop.protect('t')",
    );
    passes(&mut admin, "DELETE FROM t WHERE a = 2");
    let deleted = last_statement(&mut admin);
    approved(&mut admin, 9, "ALTER TABLE t ALTER a TYPE int USING -a");
    let converted = last_statement(&mut admin);
    for id in [converted, deleted] {
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
        );
    }
    let rows = "SELECT string_agg(t::text, ' ' ORDER BY id) FROM t";
    assert_eq!(query_text(&mut admin, rows), "(1,1) (2,2)");
}
