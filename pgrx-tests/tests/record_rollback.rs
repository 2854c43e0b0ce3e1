//! What a block inside a root does to recorded tables, and takes back, takes no pre-image of the root's along: whatever
//! commits of the rows a statement destroyed, its record has each of them once.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text};

const WORLD: &str = "
    CREATE SCHEMA other;
    CREATE TABLE t (id int PRIMARY KEY, g int, n int);
    CREATE TABLE kid (id int PRIMARY KEY, tid int REFERENCES t ON DELETE CASCADE, x int);
    INSERT INTO t SELECT i, i, i FROM generate_series(1, 50) i;
    INSERT INTO kid SELECT i, i, i FROM generate_series(41, 45) i;
    SELECT backstop.protect('t')";

/// Each of them names what the root has destroyed before anew, or takes it away.
const DDL: &[&str] = &[
    "ALTER TABLE kid RENAME x TO y",
    "ALTER TABLE kid RENAME TO kids",
    "ALTER TABLE kid SET SCHEMA other",
    "ALTER TABLE kid DROP COLUMN x",
    "ALTER TABLE kid ALTER COLUMN x TYPE text",
    "DROP TABLE kid",
    "ALTER TABLE t RENAME g TO h",
    "ALTER TABLE t RENAME TO ts",
    "ALTER TABLE t SET SCHEMA other",
    "ALTER TABLE t DROP COLUMN g",
    "ALTER TABLE t ALTER COLUMN g TYPE bigint",
];

/// Rows of the statements beside their pre-images, and how many of these are distinct.
const COUNTED: &str = "SELECT s.rows, count(p), count(DISTINCT (p.relation, p.operation, p.key)) FROM backstop.statement s
    LEFT JOIN backstop.preimage p USING (statement_id) GROUP BY s.statement_id, s.rows";

fn run(admin: &mut Client, steps: &str) {
    passes(
        admin,
        &format!(
            "BEGIN; SELECT backstop.approve_batch('a', 1000); DO $$ BEGIN {steps} END $$; COMMIT"
        ),
    );
}

/// A block with `steps`, rolled back if it is said.
fn block(steps: &str, undone: bool) -> String {
    match undone {
        true => format!(
            "BEGIN {steps} RAISE EXCEPTION 'x'; EXCEPTION WHEN raise_exception THEN NULL; END;"
        ),
        false => format!("BEGIN {steps} EXCEPTION WHEN raise_exception THEN NULL; END;"),
    }
}

fn world() -> (Database, Client) {
    database_with(WORLD)
}

#[test]
fn ddl_that_is_rolled_back_takes_no_pre_image_along() {
    for ddl in DDL {
        let ddl = format!("{ddl};");
        let alone = block(&ddl, true);
        let outer_undone = block(&block(&ddl, false), true);
        let inner_undone = block(&alone, false);
        let both_undone = block(&alone, true);
        for inner in [alone, outer_undone, inner_undone, both_undone] {
            let (_db, mut admin) = world();
            let before = query_text(&mut admin, "SELECT count(*), sum(g), sum(n) FROM t");
            let steps = format!(
                "DELETE FROM t WHERE id IN (1, 2, 3); UPDATE t SET n = 0 WHERE id = 10; {inner}
                 DELETE FROM t WHERE id IN (4, 5); DELETE FROM t WHERE id = 41;"
            );
            run(&mut admin, &steps);
            assert_eq!(query_text(&mut admin, COUNTED), "8|8|8", "{inner}");
            let restored = "SELECT sum(restored), sum(conflicts) FROM backstop.restore(
                (SELECT statement_id FROM backstop.statement), dry_run => false)";
            assert_eq!(query_text(&mut admin, restored), "8|0", "{inner}");
            assert_eq!(
                query_text(&mut admin, "SELECT count(*), sum(g), sum(n) FROM t"),
                before,
                "{inner}"
            );
        }
    }
}

#[test]
fn ddl_that_stays_has_every_pre_image_once() {
    for ddl in DDL {
        let ddl = format!("{ddl};");
        for inner in [block(&ddl, false), block(&block(&ddl, false), false)] {
            let (_db, mut admin) = world();
            let steps = format!("DELETE FROM t WHERE id IN (1, 2, 3); {inner}");
            run(&mut admin, &steps);
            let counted = query_text(&mut admin, COUNTED);
            let counts: Vec<&str> = counted.split('|').collect();
            assert!(
                counts.windows(2).all(|two| two[0] == two[1]),
                "{inner}: {counted}"
            );
            let deleted = "SELECT count(*) FROM backstop.preimage WHERE operation = 'DELETE'";
            assert_eq!(query_text(&mut admin, deleted), "3", "{inner}");
            passes(
                &mut admin,
                "SELECT * FROM backstop.restore((SELECT statement_id FROM backstop.statement), dry_run => false)",
            );
            let table = query_text(
                &mut admin,
                "SELECT c.oid::regclass FROM pg_class c WHERE relname IN ('t', 'ts') AND relkind = 'r'",
            );
            let all = format!("SELECT count(*) FROM {table} WHERE id IN (1, 2, 3)");
            assert_eq!(query_text(&mut admin, &all), "3", "{inner}");
        }
    }
}

/// Levels that lie between: what the inner one wrote is the middle one's when it commits, and lost when that is rolled back.
#[test]
fn rows_of_every_level_around_it_stay() {
    let (_db, mut admin) = world();
    let ddl = "ALTER TABLE kid RENAME x TO y;";
    let back = "ALTER TABLE kid RENAME y TO x;";
    let innermost = block(&format!("DELETE FROM t WHERE id = 7; {ddl}"), false);
    let middle = block(
        &format!("DELETE FROM t WHERE id = 6; {innermost} {back}"),
        true,
    );
    let kept = block(
        &format!("DELETE FROM t WHERE id = 8; {}", block(ddl, true)),
        false,
    );
    run(
        &mut admin,
        &format!(
            "DELETE FROM t WHERE id = 1; {middle} DELETE FROM t WHERE id = 2; {kept} {middle}"
        ),
    );
    assert_eq!(query_text(&mut admin, COUNTED), "3|3|3");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT string_agg(key ->> 'id', ' ' ORDER BY ordinal) FROM backstop.preimage"
        ),
        "1 2 8"
    );
}

/// As many subtransactions as rows: each of them is on the books once.
#[test]
fn a_loop_of_blocks_is_recorded_as_one_statement() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TABLE many (id int PRIMARY KEY); INSERT INTO many SELECT generate_series(1, 20000);
         SELECT backstop.protect('many')",
    );
    let delete = block("DELETE FROM many WHERE id = i;", false);
    passes(
        &mut admin,
        &format!(
            "BEGIN; SELECT backstop.approve_batch('a', 20000); DO $$ BEGIN FOR i IN 1..20000 LOOP {delete} END LOOP; END $$; COMMIT"
        ),
    );
    assert_eq!(query_text(&mut admin, COUNTED), "20000|20000|20000");
}
