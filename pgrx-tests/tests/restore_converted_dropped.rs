//! Restore of a command that dropped columns and converted others: what others put where a dropped column was is theirs,
//! whatever becomes of the converted ones.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{approved, database_with, last_statement, passes, query_text, refused};

const REALLY: &str = ", dry_run => false";
const SKIP: &str = ", dry_run => false, on_conflict => 'skip'";
const OVERWRITE: &str = ", dry_run => false, on_conflict => 'overwrite'";

fn rows(client: &mut Client) -> String {
    query_text(client, "SELECT string_agg(t::text, ' ' ORDER BY id) FROM t")
}

/// Totals of a restore: captured, restored, unchanged, conflicts.
fn restore(client: &mut Client, id: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}{options})"
    );
    query_text(client, &sql)
}

fn refuses(client: &mut Client, id: &str) {
    let refusal = refused(
        client,
        &format!("SELECT * FROM backstop.restore({id}{REALLY})"),
    );
    assert!(
        refusal.message.contains("changed since"),
        "a conflict: {refusal:?}"
    );
}

/// The keys that `restore_conflicts` lists.
fn listed(client: &mut Client, id: &str) -> String {
    query_text(
        client,
        &format!(
            "SELECT coalesce(string_agg(key ->> 'id', ',' ORDER BY key ->> 'id'), '') FROM backstop.restore_conflicts({id})"
        ),
    )
}

const TWO: &str = "CREATE TABLE t (id int PRIMARY KEY, v int, w text DEFAULT 'a'); INSERT INTO t (id, v) VALUES (1, 1), (2, 2);
                   SELECT backstop.protect('t')";

#[test]
fn what_others_put_into_a_column_of_the_dropped_one_s_name_is_a_conflict() {
    for ddl in [
        "ALTER TABLE t DROP COLUMN w, ALTER v TYPE text USING 'q' || v",
        "DO $$ BEGIN ALTER TABLE t DROP COLUMN w; ALTER TABLE t ALTER v TYPE text USING 'q' || v; END $$",
        "ALTER TABLE t DROP COLUMN w",
    ] {
        // Two commands recorded each row twice.
        let (kept, overwritten) = match ddl.starts_with("DO") {
            true => ("4|3|0|1", "4|4|0|1"),
            false => ("2|1|0|1", "2|2|0|1"),
        };
        for (options, counts, then) in [
            (SKIP, kept, "(1,1,mine) (2,2,a)"),
            (OVERWRITE, overwritten, "(1,1,a) (2,2,a)"),
        ] {
            let (_db, mut admin) = database_with(TWO);
            approved(&mut admin, 10, ddl);
            let id = last_statement(&mut admin);
            passes(
                &mut admin,
                "ALTER TABLE t ADD COLUMN w text; UPDATE t SET w = 'mine' WHERE id = 1",
            );
            let before = rows(&mut admin);
            assert_eq!(restore(&mut admin, &id, ""), kept, "{ddl}");
            assert_eq!(listed(&mut admin, &id), "1", "{ddl}");
            refuses(&mut admin, &id);
            assert_eq!(rows(&mut admin), before, "{ddl}");
            assert_eq!(restore(&mut admin, &id, options), counts, "{ddl}");
            assert_eq!(rows(&mut admin), then, "{ddl}");
            let undo = last_statement(&mut admin);
            passes(
                &mut admin,
                &format!("SELECT * FROM backstop.restore({undo}{REALLY})"),
            );
            assert_eq!(rows(&mut admin), before, "{ddl}");
        }
    }
}

#[test]
fn what_the_same_command_put_there_is_not_the_dropped_column() {
    for ddl in [
        "ALTER TABLE t DROP COLUMN w, ADD COLUMN w text DEFAULT 'new', ALTER v TYPE text USING 'q' || v",
        "ALTER TABLE t DROP COLUMN w, ADD COLUMN w text DEFAULT 'new'",
    ] {
        let (_db, mut admin) = database_with(TWO);
        approved(&mut admin, 10, ddl);
        let id = last_statement(&mut admin);
        let before = rows(&mut admin);
        assert_eq!(restore(&mut admin, &id, ""), "2|0|0|2", "{ddl}");
        assert_eq!(listed(&mut admin, &id), "1,2", "{ddl}");
        refuses(&mut admin, &id);
        assert_eq!(rows(&mut admin), before, "{ddl}");
        restore(&mut admin, &id, SKIP);
        assert_eq!(rows(&mut admin), "(1,1,new) (2,2,new)", "{ddl}");
    }
}

#[test]
fn one_column_that_is_back_does_not_speak_for_another_one() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, v int, w text); INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b');
         SELECT backstop.protect('t')",
    );
    approved(&mut admin, 10, "ALTER TABLE t DROP COLUMN v, DROP COLUMN w");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "ALTER TABLE t ADD COLUMN w text; UPDATE t SET w = 'mine' WHERE id = 1",
    );
    assert_eq!(restore(&mut admin, &id, ""), "2|1|0|1");
    refuses(&mut admin, &id);
    restore(&mut admin, &id, OVERWRITE);
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT string_agg(concat(v, w), ' ' ORDER BY id) FROM t"
        ),
        "1a 2b"
    );
}

#[test]
fn a_plain_column_is_not_the_computed_one_that_had_its_name() {
    for ddl in [
        "ALTER TABLE t DROP COLUMN g, ALTER v TYPE text USING 'q' || v",
        "ALTER TABLE t DROP COLUMN g",
    ] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE t (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * 2) STORED);
             INSERT INTO t VALUES (1, 1), (2, 2); SELECT backstop.protect('t')",
        );
        approved(&mut admin, 10, ddl);
        let id = last_statement(&mut admin);
        passes(&mut admin, "ALTER TABLE t ADD COLUMN g int DEFAULT 70");
        assert_eq!(restore(&mut admin, &id, ""), "2|0|0|2", "{ddl}");
        refuses(&mut admin, &id);
        restore(&mut admin, &id, SKIP);
        assert_eq!(rows(&mut admin), "(1,1,70) (2,2,70)", "{ddl}");
    }
}

#[test]
fn a_row_that_got_its_recorded_value_again_is_no_conflict() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3); SELECT backstop.protect('t')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE t ALTER v TYPE bigint USING v + 1",
    );
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "UPDATE t SET v = 2 WHERE id = 2; UPDATE t SET v = 9 WHERE id = 3",
    );
    assert_eq!(restore(&mut admin, &id, ""), "3|1|1|1");
    assert_eq!(listed(&mut admin, &id), "3");
    passes(&mut admin, "UPDATE t SET v = 3 WHERE id = 3");
    assert_eq!(listed(&mut admin, &id), "");
    assert_eq!(restore(&mut admin, &id, REALLY), "3|1|2|0");
    assert_eq!(rows(&mut admin), "(1,1) (2,2) (3,3)");
}
