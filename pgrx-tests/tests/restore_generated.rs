//! A generated column that was converted has what its expression gives in the type it gets back, not a cast of a cast.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{approved, database_with, last_statement, now, passes, query_text};

const ROWS: &str = "SELECT string_agg(concat_ws(',', id, a, g), ' ' ORDER BY id) || ' ' || pg_typeof(min(g)) FROM t";

fn restored(admin: &mut Client, id: &str) {
    passes(
        admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
}

#[test]
fn its_values_are_computed_anew_and_so_are_those_of_the_undo() {
    for (table, children) in [
        ("", ""),
        (
            "PARTITION BY RANGE (id)",
            "CREATE TABLE p1 PARTITION OF t FOR VALUES FROM (0) TO (3); CREATE TABLE p2 PARTITION OF t FOR VALUES FROM (3) TO (9)",
        ),
        (
            "",
            "CREATE TABLE k (e text) INHERITS (t); INSERT INTO k (id, a, e) VALUES (9, 9, 'x')",
        ),
    ] {
        let (_db, mut admin) = database_with(&format!(
            "CREATE TABLE t (id int PRIMARY KEY, a numeric, g numeric GENERATED ALWAYS AS (id * 1.5) STORED) {table}; {children};
             CREATE INDEX ON t (g);
             INSERT INTO t (id, a) SELECT n, n FROM generate_series(1, 5) n; SELECT backstop.protect('t')"
        ));
        let before = query_text(&mut admin, ROWS);
        approved(&mut admin, 20, "ALTER TABLE t ALTER g TYPE int");
        let (id, after) = (last_statement(&mut admin), query_text(&mut admin, ROWS));
        assert!(after.ends_with("integer"), "{after}");
        let dry = format!("SELECT count(*) FROM backstop.restore({id})");
        query_text(&mut admin, &dry);
        assert_eq!(query_text(&mut admin, ROWS), after, "{table} {children}");
        restored(&mut admin, &id);
        assert_eq!(query_text(&mut admin, ROWS), before, "{table} {children}");
        let found = "SET enable_seqscan = off; SELECT id FROM t WHERE g = 4.5";
        let found = found.split_once("; ").map(|(set, query)| {
            passes(&mut admin, set);
            query_text(&mut admin, query)
        });
        assert_eq!(found.as_deref(), Some("3"), "{table} {children}");
        let undo = last_statement(&mut admin);
        restored(&mut admin, &undo);
        assert_eq!(query_text(&mut admin, ROWS), after, "{table} {children}");
    }
}

#[test]
fn rows_that_come_back_with_it_are_of_one_kind() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, a numeric, g numeric GENERATED ALWAYS AS (id * 1.5) STORED);
         INSERT INTO t (id, a) SELECT n, n FROM generate_series(1, 5) n; SELECT backstop.protect('t')",
    );
    let (before, moment) = (query_text(&mut admin, ROWS), now(&mut admin));
    passes(&mut admin, "DELETE FROM t WHERE id = 1");
    approved(&mut admin, 20, "ALTER TABLE t ALTER g TYPE int");
    passes(&mut admin, "UPDATE t SET a = 77 WHERE id = 3");
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{moment}', dry_run => false)"),
    );
    assert_eq!(query_text(&mut admin, ROWS), before);
}
