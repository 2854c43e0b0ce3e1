//! Restore of ALTER COLUMN TYPE that kept the values: later work is a conflict there as well.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database_with, last_statement, now, passes, query_text, refused,
};

const SKIP: &str = ", dry_run => false, on_conflict => 'skip'";

fn rows(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT string_agg(u::text, ' ' ORDER BY u::text) FROM u",
    )
}

/// Totals of a restore: captured, restored, unchanged, conflicts.
fn restore(client: &mut Client, id: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}{options})"
    );
    query_text(client, &sql)
}

/// Column c was converted, keeping its values, and row 1 changed since.
fn changed_since(columns: &str, conversion: &str) -> (Database, Client, String) {
    let (db, mut admin) = database_with(&format!(
        "CREATE TABLE u ({columns}); INSERT INTO u VALUES (1, 1), (2, 2);
         SELECT backstop.protect('u', key_columns => '{{id}}')"
    ));
    approved(
        &mut admin,
        10,
        &format!("ALTER TABLE u ALTER c TYPE {conversion}"),
    );
    let id = last_statement(&mut admin);
    passes(&mut admin, "UPDATE u SET c = 99 WHERE id = 1");
    (db, admin, id)
}

#[test]
fn work_after_a_conversion_that_kept_the_values_is_a_conflict() {
    for (columns, conversion) in [
        ("id int PRIMARY KEY, c int", "bigint"),
        ("id int PRIMARY KEY, c int CHECK (c < 1000)", "numeric"),
        ("id int PRIMARY KEY, c int UNIQUE", "bigint"),
        ("id int, c int", "bigint"),
        ("id int PRIMARY KEY, c varchar(9)", "text"),
    ] {
        let (_db, mut admin, id) = changed_since(columns, conversion);
        assert_eq!(restore(&mut admin, &id, ""), "2|1|0|1", "{columns}");
        refused(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
        );
        let listed = format!("SELECT count(*) FROM backstop.restore_conflicts({id})");
        assert_eq!(query_text(&mut admin, &listed), "1", "{columns}");
        assert_eq!(restore(&mut admin, &id, SKIP), "2|1|0|1", "{columns}");
        assert_eq!(rows(&mut admin), "(1,99) (2,2)", "{columns}");
    }
}

#[test]
fn unrecorded_work_after_a_conversion_that_kept_the_values_is_a_conflict() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE u (id int PRIMARY KEY, c int); INSERT INTO u VALUES (1, 1), (2, 2); SELECT backstop.protect('u')",
    );
    let at = now(&mut admin);
    approved(&mut admin, 10, "ALTER TABLE u ALTER c TYPE bigint");
    passes(
        &mut admin,
        "SET backstop.mode = off; UPDATE u SET c = 99 WHERE id = 1; RESET backstop.mode",
    );
    let back = |options: &str| {
        format!(
            "SELECT sum(restored), sum(conflicts) FROM backstop.restore_since('{at}', dry_run => false{options})"
        )
    };
    refused(&mut admin, &back(""));
    assert_eq!(
        query_text(&mut admin, &back(", on_conflict => 'skip'")),
        "1|1"
    );
    assert_eq!(rows(&mut admin), "(1,99) (2,2)");
}

#[test]
fn work_after_the_undoing_of_a_conversion_is_a_conflict_of_its_own_undoing() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE u (id int PRIMARY KEY, c int); INSERT INTO u VALUES (1, 1), (2, 2); SELECT backstop.protect('u')",
    );
    approved(&mut admin, 10, "ALTER TABLE u ALTER c TYPE bigint");
    let id = last_statement(&mut admin);
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "2|2|0|0");
    let undoing = last_statement(&mut admin);
    passes(&mut admin, "UPDATE u SET c = 99 WHERE id = 1");
    refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({undoing}, dry_run => false)"),
    );
    assert_eq!(restore(&mut admin, &undoing, SKIP), "2|1|0|1");
    assert_eq!(rows(&mut admin), "(1,99) (2,2)");
    let overwrite = ", dry_run => false, on_conflict => 'overwrite'";
    restore(&mut admin, &id, overwrite);
    assert_eq!(rows(&mut admin), "(1,1) (2,2)");
}

#[test]
fn a_key_that_was_converted_stays_referenced() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE o (k int PRIMARY KEY); INSERT INTO o VALUES (1), (2), (99);
         CREATE TABLE u (id int PRIMARY KEY, c int REFERENCES o); INSERT INTO u VALUES (1, 1), (2, 2);
         SELECT backstop.protect('u')",
    );
    approved(&mut admin, 10, "ALTER TABLE u ALTER c TYPE bigint");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "UPDATE u SET c = 99 WHERE id = 1; DELETE FROM o WHERE k = 1",
    );
    assert_eq!(restore(&mut admin, &id, SKIP), "2|1|0|1");
    assert_eq!(rows(&mut admin), "(1,99) (2,2)");
}

#[test]
fn what_a_changed_rows_recorded_value_runs_into_does_not_hide_the_conflict() {
    let gone = [
        "c int REFERENCES o",
        "c int REFERENCES o ON UPDATE CASCADE DEFERRABLE",
    ];
    let taken = ["c int UNIQUE", "c int, EXCLUDE USING btree (c WITH =)"];
    let gone = gone.map(|columns| (columns, "DELETE FROM o WHERE k = 1", "(1,99) (2,2)"));
    let taken = taken.map(|columns| (columns, "INSERT INTO u VALUES (3, 1)", "(1,99) (2,2) (3,1)"));
    for (columns, then, present) in gone.into_iter().chain(taken) {
        let (_db, mut admin) = database_with(&format!(
            "CREATE TABLE o (k int PRIMARY KEY); INSERT INTO o VALUES (1), (2), (99);
             CREATE TABLE u (id int PRIMARY KEY, {columns}); INSERT INTO u VALUES (1, 1), (2, 2);
             SELECT backstop.protect('u')"
        ));
        approved(&mut admin, 10, "ALTER TABLE u ALTER c TYPE bigint");
        let id = last_statement(&mut admin);
        passes(
            &mut admin,
            &format!("UPDATE u SET c = 99 WHERE id = 1; {then}"),
        );
        assert_eq!(restore(&mut admin, &id, ""), "2|1|0|1", "{columns}");
        let really = format!("SELECT * FROM backstop.restore({id}, dry_run => false)");
        let refusal = refused(&mut admin, &really);
        assert_eq!(refusal.sqlstate, "55000", "{columns} {refusal:?}");
        let message = format!("cannot restore statement {id}: 1 row has changed since");
        assert_eq!(refusal.message, message, "{columns}");
        assert!(refusal.hint.contains("restore_conflicts"), "{refusal:?}");
        assert_eq!(rows(&mut admin), present, "{columns}");
        // It was not for the row alone: put back all the same, it is still in the way.
        let all = format!("SELECT * FROM backstop.restore({id}, false, 'overwrite')");
        let refusal = refused(&mut admin, &all);
        assert!(refusal.message.contains(" back"), "{refusal:?}");
        assert_eq!(restore(&mut admin, &id, SKIP), "2|1|0|1", "{columns}");
        assert_eq!(rows(&mut admin), present, "{columns}");
    }
}

#[test]
fn what_a_restore_overwrote_comes_back_when_it_is_undone() {
    for (columns, converted) in [
        ("id int PRIMARY KEY, c int", "c"),
        ("id int, c int", "c"),
        ("id int PRIMARY KEY, c int", "id TYPE bigint, ALTER c"),
    ] {
        let (_db, mut admin) = database_with(&format!(
            "CREATE TABLE u ({columns}); INSERT INTO u VALUES (1, 1), (2, 2);
             SELECT backstop.protect('u', key_columns => '{{id}}')"
        ));
        approved(
            &mut admin,
            10,
            &format!("ALTER TABLE u ALTER {converted} TYPE bigint"),
        );
        let id = last_statement(&mut admin);
        passes(&mut admin, "UPDATE u SET c = 99 WHERE id = 1");
        let overwrite = ", dry_run => false, on_conflict => 'overwrite'";
        assert_eq!(restore(&mut admin, &id, overwrite), "2|2|0|1", "{columns}");
        assert_eq!(rows(&mut admin), "(1,1) (2,2)", "{columns}");
        let undoing = last_statement(&mut admin);
        assert_eq!(restore(&mut admin, &undoing, ""), "2|2|0|0", "{columns}");
        assert_eq!(
            restore(&mut admin, &undoing, ", dry_run => false"),
            "2|2|0|0",
            "{columns}"
        );
        assert_eq!(rows(&mut admin), "(1,99) (2,2)", "{columns}");
        // Where nothing was overwritten, later work is still told by its value.
        let back = last_statement(&mut admin);
        assert_eq!(
            restore(&mut admin, &back, ", dry_run => false"),
            "2|2|0|0",
            "{columns}"
        );
        assert_eq!(rows(&mut admin), "(1,1) (2,2)", "{columns}");
    }
}

#[test]
fn one_tables_overwritten_rows_leave_the_others_kept() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE u (id int PRIMARY KEY, c int); INSERT INTO u VALUES (1, 1), (2, 2); SELECT backstop.protect('u');
         CREATE TABLE w (id int PRIMARY KEY, c int); INSERT INTO w VALUES (1, 1), (2, 2); SELECT backstop.protect('w')",
    );
    let both =
        "DO $$ BEGIN ALTER TABLE u ALTER c TYPE bigint; ALTER TABLE w ALTER c TYPE bigint; END $$";
    approved(&mut admin, 10, both);
    let id = last_statement(&mut admin);
    passes(&mut admin, "UPDATE u SET c = 99 WHERE id = 1");
    let overwrite = ", dry_run => false, on_conflict => 'overwrite'";
    assert_eq!(restore(&mut admin, &id, overwrite), "4|4|0|1");
    let undoing = last_statement(&mut admin);
    let kept = format!(
        "SELECT string_agg(relation || '.' || name, ' ') FROM backstop.definition
         WHERE statement_id = {undoing} AND kind = 'same values'"
    );
    assert_eq!(query_text(&mut admin, &kept), "public.w.c");
    assert_eq!(
        restore(&mut admin, &undoing, ", dry_run => false"),
        "4|4|0|0"
    );
    assert_eq!(rows(&mut admin), "(1,99) (2,2)");
}
