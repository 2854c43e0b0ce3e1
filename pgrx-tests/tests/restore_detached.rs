//! Rows whose partition was detached since have no place to go back to: they are conflicts, the others are not.

use pg_backstop_tests::{approved, database_with, last_statement, passes, query_text, refused};

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
     CREATE TABLE ta PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE tb PARTITION OF t FOR VALUES FROM (10) TO (20);
     INSERT INTO t SELECT n, n FROM unnest(ARRAY[1, 2, 11, 12]) n; SELECT backstop.protect('t')";

const ROWS: &str = "SELECT string_agg(t::text, ' ' ORDER BY id) FROM t";

#[test]
fn rows_of_a_partition_that_is_gone_are_conflicts() {
    for destroyed in [
        "UPDATE t SET v = 0",
        "DELETE FROM t",
        "ALTER TABLE t ALTER v TYPE text USING 'q' || v",
        "ALTER TABLE t DROP COLUMN v",
        // They were moved out of it before.
        "UPDATE t SET id = id - 8 WHERE id > 10; UPDATE t SET v = 0",
    ] {
        let (_db, mut admin) = database_with(TABLES);
        let block = format!("DO $$ BEGIN {destroyed}; END $$");
        approved(&mut admin, 100, &block);
        let id = last_statement(&mut admin);
        approved(&mut admin, 100, "ALTER TABLE t DETACH PARTITION tb");
        let dry = format!("SELECT sum(restored), sum(conflicts) FROM backstop.restore({id})");
        let counts = match destroyed.contains("id - 8") {
            true => "4|2",
            false => "2|2",
        };
        assert_eq!(query_text(&mut admin, &dry), counts, "{destroyed}");
        let listed = format!("SELECT count(*) FROM backstop.restore_conflicts({id})");
        assert_eq!(query_text(&mut admin, &listed), "2", "{destroyed}");
        let restore = format!("SELECT sum(restored) FROM backstop.restore({id}, dry_run => false");
        let refusal = refused(&mut admin, &format!("{restore})"));
        assert_eq!(refusal.sqlstate, "55000", "{destroyed}: {refusal:?}");
        assert!(
            refusal.detail.contains("partition that is gone"),
            "{destroyed}: {refusal:?}"
        );
        let refusal = refused(
            &mut admin,
            &format!("{restore}, on_conflict => 'overwrite')"),
        );
        assert_eq!(refusal.sqlstate, "55000", "{destroyed}: {refusal:?}");
        assert!(
            refusal.message.contains("no partition of table"),
            "{refusal:?}"
        );
        assert!(refusal.detail.contains("1"), "names the row: {refusal:?}");
        passes(&mut admin, &format!("{restore}, on_conflict => 'skip')"));
        if !destroyed.contains("id - 8") {
            assert_eq!(query_text(&mut admin, ROWS), "(1,1) (2,2)", "{destroyed}");
        }
        let ok = format!("SELECT ok FROM backstop.restore_drill() WHERE statement_id = {id}");
        assert_eq!(query_text(&mut admin, &ok), "t", "{destroyed}");
    }
}
