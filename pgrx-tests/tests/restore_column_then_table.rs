//! One statement dropped a column and then the table, or detached a partition and then dropped it or its parent: undoing
//! goes backwards, so the table is there first.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{approved, database_with, last_statement, now, passes, query_text};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, w text NOT NULL DEFAULT 'a' UNIQUE);
                     INSERT INTO t SELECT n, n, 'w' || n FROM generate_series(1, 3) n; CREATE INDEX tv ON t (v, w);
                     SELECT backstop.protect('t')";

const ROWS: &str = "SELECT string_agg(concat_ws(' ', id, v, w), ', ' ORDER BY id) FROM t";

/// Columns with their types and defaults, and indexes.
const SHAPE: &str = "SELECT (SELECT string_agg(concat_ws(' ', column_name, data_type, is_nullable, column_default), ', ' ORDER BY column_name)
                             FROM information_schema.columns WHERE table_name = 't'),
                            (SELECT string_agg(indexdef, ', ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 't')";

fn destroyed() -> Vec<String> {
    [
        "ALTER TABLE t DROP COLUMN w; DROP TABLE t;",
        "DELETE FROM t WHERE id = 2; ALTER TABLE t DROP COLUMN w; DROP TABLE t;",
        "ALTER TABLE t ALTER v TYPE text USING 'q' || v; ALTER TABLE t DROP COLUMN w; DROP TABLE t;",
        "ALTER TABLE t DROP COLUMN w; ALTER TABLE t ALTER v TYPE text USING 'q' || v; DROP TABLE t;",
        "ALTER TABLE t DROP COLUMN w, ALTER v TYPE text USING 'q' || v; UPDATE t SET v = 'x' WHERE id = 1; DROP TABLE t;",
        "ALTER TABLE t DROP COLUMN w; ALTER TABLE t DROP COLUMN v; DROP TABLE t;",
    ]
    .map(|block| format!("DO $$ BEGIN {block} END $$"))
    .to_vec()
}

fn both(client: &mut Client) -> (String, String) {
    (query_text(client, ROWS), query_text(client, SHAPE))
}

#[test]
fn the_table_comes_first_and_its_lost_column_after_it() {
    for block in destroyed() {
        let (_db, mut admin) = database_with(TABLE);
        let then = both(&mut admin);
        approved(&mut admin, 100, &block);
        let id = last_statement(&mut admin);
        let ok = format!("SELECT ok FROM backstop.restore_drill() WHERE statement_id = {id}");
        assert_eq!(query_text(&mut admin, &ok), "t", "{block}");
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
        );
        assert_eq!(both(&mut admin), then, "{block}");
    }
}

#[test]
fn the_restore_itself_can_be_undone_and_redone() {
    for block in destroyed() {
        // Undoing empties the columns before it takes the rows out.
        let (_db, mut admin) = database_with(&TABLE.replace(" NOT NULL", ""));
        let then = both(&mut admin);
        approved(&mut admin, 100, &block);
        let mut rows = Vec::new();
        for _ in 0..3 {
            let id = last_statement(&mut admin);
            passes(
                &mut admin,
                &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
            );
            rows.push(query_text(&mut admin, "SELECT count(*) FROM t"));
        }
        // Nobody dropped the table again: it is empty in between.
        assert_eq!(rows, ["3", "0", "3"], "{block}");
        assert_eq!(both(&mut admin), then, "{block}");
    }
}

#[test]
fn going_back_to_a_moment_crosses_it() {
    for block in destroyed() {
        let (_db, mut admin) = database_with(TABLE);
        let (then, at) = (both(&mut admin), now(&mut admin));
        passes(&mut admin, "UPDATE t SET w = 'later' WHERE id = 3");
        approved(&mut admin, 100, &block);
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
        );
        assert_eq!(both(&mut admin), then, "{block}");
    }
}

#[test]
fn a_partition_that_was_detached_before_it_went_is_attached_again() {
    for block in [
        "ALTER TABLE t DETACH PARTITION tb; DROP TABLE t;",
        "ALTER TABLE t DETACH PARTITION tb; DROP TABLE tb;",
    ] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE t (id int PRIMARY KEY, v int, w text) PARTITION BY RANGE (id);
             CREATE TABLE ta PARTITION OF t FOR VALUES FROM (0) TO (10);
             CREATE TABLE tb PARTITION OF t FOR VALUES FROM (10) TO (20); INSERT INTO t VALUES (1, 1, 'a'), (11, 11, 'b');
             SELECT backstop.protect('t'), backstop.protect('tb')",
        );
        let then = query_text(&mut admin, ROWS);
        approved(&mut admin, 100, &format!("DO $$ BEGIN {block} END $$"));
        let id = last_statement(&mut admin);
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
        );
        assert_eq!(query_text(&mut admin, ROWS), then, "{block}");
    }
}
