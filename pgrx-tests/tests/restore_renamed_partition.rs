//! A partition, or a child, that was dropped, restored and renamed is not made again.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{approved, database_with, dumped, last_statement, now, passes, query_text};

/// A partitioned table, with everything that sits on a partition.
const PARTITIONED: &str = "CREATE TABLE p (id int, k int, v int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
    CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
    CREATE SEQUENCE p1_v_seq OWNED BY p1.v; ALTER TABLE p1 ALTER v SET DEFAULT nextval('p1_v_seq'), ADD CHECK (v > 0), ADD UNIQUE (v);
    CREATE INDEX ON p1 (v, k); GRANT SELECT ON p1 TO PUBLIC; COMMENT ON TABLE p1 IS 'ones';
    CREATE TABLE f (v int REFERENCES p1 (v)); INSERT INTO p SELECT n, n % 2 + 1, n FROM generate_series(1, 6) n;
    SELECT backstop.protect('p')";

const ROWS: &str = "SELECT string_agg(to_jsonb(t)::text, ' ' ORDER BY id) FROM p t";

fn run(client: &mut Client, sql: &str) -> String {
    query_text(
        client,
        &format!("SELECT sum(restored), sum(conflicts) FROM {sql}"),
    )
}

/// Names of the indexes of the tables that are not ours.
const INDEXES: &str = "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text)
    FROM pg_index WHERE indrelid IN ('p'::regclass, 'p2'::regclass, 'f'::regclass, to_regclass('p1'), to_regclass('p1x'))";

#[test]
fn a_partition_that_was_dropped_restored_and_renamed() {
    for drop in ["DROP TABLE p1 CASCADE", "DROP TABLE p CASCADE"] {
        let (_db, mut admin) = database_with(PARTITIONED);
        let (before, at) = (query_text(&mut admin, ROWS), now(&mut admin));
        approved(&mut admin, 100, drop);
        let dropped = last_statement(&mut admin);
        run(
            &mut admin,
            &format!("backstop.restore({dropped}, dry_run => false)"),
        );
        assert_eq!(query_text(&mut admin, ROWS), before);
        approved(&mut admin, 100, "ALTER TABLE p1 RENAME TO p1x");
        let indexes = query_text(&mut admin, INDEXES);
        passes(&mut admin, "UPDATE p SET v = 20 WHERE id = 2");

        let drill = "SELECT coalesce(string_agg(detail, '; ') FILTER (WHERE NOT ok), '') FROM backstop.restore_drill()";
        assert_eq!(query_text(&mut admin, drill), "", "{drop}");
        let since = format!("backstop.restore_since('{at}', dry_run => false)");
        run(&mut admin, &since);
        assert_eq!(query_text(&mut admin, ROWS), before, "{drop}");
        passes(&mut admin, "DELETE FROM p WHERE id = 4");
        let again = format!("backstop.restore({dropped}, dry_run => false)");
        assert_eq!(run(&mut admin, &again), "1|0", "{drop}");
        assert_eq!(query_text(&mut admin, ROWS), before, "{drop}");
        assert_eq!(query_text(&mut admin, INDEXES), indexes, "{drop}");
        let there = "SELECT to_regclass('p1') IS NULL, to_regclass('p1x') IS NOT NULL";
        assert_eq!(query_text(&mut admin, there), "t|t");
    }
}

#[test]
fn a_partition_that_was_dropped_restored_and_renamed_in_a_dump() {
    let (db, mut admin) = database_with(PARTITIONED);
    let before = query_text(&mut admin, ROWS);
    approved(&mut admin, 100, "DROP TABLE p1 CASCADE");
    let dropped = last_statement(&mut admin);
    run(
        &mut admin,
        &format!("backstop.restore({dropped}, dry_run => false)"),
    );
    approved(&mut admin, 100, "ALTER TABLE p1 RENAME TO p1x");
    passes(&mut admin, "DELETE FROM p WHERE id = 2");
    let copy = dumped(&db);
    for client in [&mut copy.connect(), &mut admin] {
        let again = format!("backstop.restore({dropped}, dry_run => false)");
        assert_eq!(run(client, &again), "1|0");
        assert_eq!(query_text(client, ROWS), before);
        assert_eq!(query_text(client, "SELECT to_regclass('p1') IS NULL"), "t");
    }
}

#[test]
fn a_child_that_was_dropped_restored_and_renamed() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE p (id int PRIMARY KEY, v int); CREATE TABLE c (PRIMARY KEY (id), UNIQUE (v)) INHERITS (p);
         INSERT INTO p VALUES (1, 1); INSERT INTO c VALUES (2, 2), (3, 3); SELECT backstop.protect('p')",
    );
    let (before, at) = (query_text(&mut admin, ROWS), now(&mut admin));
    approved(&mut admin, 100, "DROP TABLE c");
    let dropped = last_statement(&mut admin);
    let again = format!("backstop.restore({dropped}, dry_run => false)");
    run(&mut admin, &again);
    approved(&mut admin, 100, "ALTER TABLE c RENAME TO d");
    passes(&mut admin, "DELETE FROM p WHERE id = 2");
    assert_eq!(run(&mut admin, &again), "1|0");
    passes(&mut admin, "UPDATE p SET v = 20 WHERE id = 3");
    let since = format!("backstop.restore_since('{at}', dry_run => false)");
    run(&mut admin, &since);
    assert_eq!(query_text(&mut admin, ROWS), before);
    assert_eq!(
        query_text(&mut admin, "SELECT to_regclass('c') IS NULL"),
        "t"
    );
}
