//! Restore of ALTER COLUMN TYPE where no unique key tells rows apart: nobody's later work is overwritten there, either.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    approved, database_with, last_statement, now, passes, query_text, refused,
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

#[test]
fn a_key_that_is_not_unique_names_no_row() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE u (id int, k int, v text); INSERT INTO u VALUES (1, 1, '1'), (2, 1, '2'), (3, 1, '3');
         SELECT backstop.protect('u', key_columns => '{k}')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE u ALTER v TYPE int USING v::int",
    );
    let id = last_statement(&mut admin);
    let mut later = Vec::new();
    for update in [
        "UPDATE u SET v = 2 WHERE id = 1",
        "UPDATE u SET v = 1 WHERE id = 2",
    ] {
        passes(&mut admin, update);
        later.push(last_statement(&mut admin));
    }
    assert_eq!(restore(&mut admin, &id, ""), "3|1|0|2");
    refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert_eq!(rows(&mut admin), "(1,1,2) (2,1,1) (3,1,3)");
    // What was undone itself is nobody's work any more.
    for later in later.iter().rev() {
        restore(&mut admin, later, ", dry_run => false");
    }
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "3|3|0|0");
    assert_eq!(rows(&mut admin), "(1,1,1) (2,1,2) (3,1,3)");
}

#[test]
fn rows_alike_but_for_what_was_converted_stay_when_one_of_them_changed() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE u (k int, v text); INSERT INTO u VALUES (1, '1'), (1, '2'), (3, '3');
         SELECT backstop.protect('u', key_columns => '{k}')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE u ALTER v TYPE int USING v::int * 2",
    );
    let id = last_statement(&mut admin);
    passes(&mut admin, "UPDATE u SET v = 9 WHERE v = 2");
    assert_eq!(restore(&mut admin, &id, SKIP), "3|1|0|2");
    assert_eq!(rows(&mut admin), "(1,4) (1,9) (3,3)");
}

#[test]
fn a_computed_column_comes_back_after_what_it_is_computed_from() {
    for ddl in [
        "ALTER TABLE u DROP g, ALTER v TYPE text USING 'x' || v",
        "DO $$ BEGIN ALTER TABLE u DROP g; ALTER TABLE u ALTER v TYPE text USING 'x' || v; END $$",
    ] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE u (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * 2) STORED CHECK (g > 0));
             CREATE INDEX ug ON u (g); INSERT INTO u VALUES (1, 1), (2, 2); SELECT backstop.protect('u')",
        );
        approved(&mut admin, 10, ddl);
        let id = last_statement(&mut admin);
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
        );
        assert_eq!(
            query_text(
                &mut admin,
                "SELECT string_agg(concat_ws(' ', id, v, g), ', ' ORDER BY id) FROM u"
            ),
            "1 1 2, 2 2 4",
            "{ddl}"
        );
        let kept = "SELECT count(*) FROM pg_index WHERE indrelid = 'u'::regclass";
        assert_eq!(query_text(&mut admin, kept), "2", "{ddl}");
    }
}

#[test]
fn a_drop_and_a_conversion_in_one_command_are_counted_once() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE u (id int PRIMARY KEY, v text, w text); INSERT INTO u VALUES (1, '1', 'a'); SELECT backstop.protect('u')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE u DROP w, ALTER v TYPE int USING v::int",
    );
    let id = last_statement(&mut admin);
    let counted = format!("SELECT count(*) FROM backstop.restore({id})");
    assert_eq!(query_text(&mut admin, &counted), "1");
}

#[test]
fn a_row_that_came_and_went_does_not_keep_a_conversion_from_being_undone() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE u (id int PRIMARY KEY, v int); INSERT INTO u VALUES (1, 1), (2, 2); SELECT backstop.protect('u')",
    );
    let at = now(&mut admin);
    approved(&mut admin, 10, "ALTER TABLE u ALTER v TYPE bigint");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "INSERT INTO u VALUES (3, 5000000000); DELETE FROM u WHERE id = 3",
    );
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
    );
    let way_out = format!("backstop.restore({id})");
    assert!(refusal.hint.contains(&way_out), "{refusal:?}");
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "2|2|0|0");
    assert_eq!(rows(&mut admin), "(1,1) (2,2)");
}

#[test]
fn a_drill_says_when_a_column_cannot_come_back_though_nothing_changed() {
    let (_db, mut admin) = database_with(
        "CREATE DOMAIN d AS int; CREATE TABLE u (id int PRIMARY KEY, v d); INSERT INTO u VALUES (1, 1); SELECT backstop.protect('u')",
    );
    approved(&mut admin, 10, "ALTER TABLE u ALTER v TYPE bigint");
    let id = last_statement(&mut admin);
    passes(&mut admin, "DROP DOMAIN d");
    let drill = format!("SELECT ok FROM backstop.restore_drill() WHERE statement_id = {id}");
    assert_eq!(query_text(&mut admin, &drill), "f");
}

/// Values that a conversion kept, in tables where nothing else tells rows apart: how the table is made, and the conversion.
const KEPT: [(&str, &str); 5] = [
    ("CREATE TABLE u (id int, v int)", "bigint"),
    ("CREATE TABLE u (id int, v text)", "varchar"),
    ("CREATE TABLE u (id int, v varchar(9))", "text"),
    (
        "CREATE TABLE u (id int, v int) PARTITION BY LIST (id); CREATE TABLE u1 PARTITION OF u FOR VALUES IN (1);
         CREATE TABLE u2 PARTITION OF u DEFAULT",
        "bigint",
    ),
    (
        "CREATE TABLE u (id int DEFAULT 1, v int); CREATE TABLE u1 () INHERITS (u)",
        "bigint",
    ),
];

#[test]
fn rows_alike_but_for_what_a_conversion_kept_come_back_in_any_order() {
    for (table, conversion) in KEPT {
        for values in [
            "(1, 1), (1, 2)",
            "(1, 2), (1, 1), (1, 2), (1, NULL), (2, 1)",
        ] {
            let (_db, mut admin) = database_with(&format!(
                "{table}; INSERT INTO u VALUES {values}; SELECT backstop.protect('u', key_columns => '{{id}}')"
            ));
            let then = rows(&mut admin);
            approved(
                &mut admin,
                10,
                &format!("ALTER TABLE u ALTER v TYPE {conversion}"),
            );
            let n = values.matches('(').count();
            let all = format!("{n}|{n}|0|0");
            let mut id = last_statement(&mut admin);
            for _ in 0..3 {
                assert_eq!(restore(&mut admin, &id, ""), all, "{table} {values}");
                let listed = format!("SELECT count(*) FROM backstop.restore_conflicts({id})");
                assert_eq!(query_text(&mut admin, &listed), "0", "{table} {values}");
                assert_eq!(
                    restore(&mut admin, &id, ", dry_run => false"),
                    all,
                    "{table} {values}"
                );
                assert_eq!(rows(&mut admin), then, "{table}");
                id = last_statement(&mut admin);
            }
        }
    }
}

#[test]
fn of_rows_alike_the_one_that_changed_is_the_conflict() {
    for (table, conversion) in KEPT {
        // The row that comes first, one in between, and one of two that are the same.
        for (changed, back) in [
            ("v = v WHERE v = '1'", "(1,1) (1,2) (1,2) (1,3)"),
            ("v = '9' WHERE v = '1'", "(1,2) (1,2) (1,3) (1,9)"),
            ("v = '9' WHERE v = '3'", "(1,1) (1,2) (1,2) (1,9)"),
            (
                "v = '9' WHERE ctid = (SELECT min(ctid) FROM u WHERE v = '2')",
                "(1,1) (1,2) (1,3) (1,9)",
            ),
        ] {
            let (_db, mut admin) = database_with(&format!(
                "{table}; INSERT INTO u VALUES (1, 1), (1, 2), (1, 2), (1, 3);
                 SELECT backstop.protect('u', key_columns => '{{id}}')"
            ));
            let then = rows(&mut admin);
            approved(
                &mut admin,
                10,
                &format!("ALTER TABLE u ALTER v TYPE {conversion}"),
            );
            let id = last_statement(&mut admin);
            passes(&mut admin, &format!("UPDATE u SET {changed}"));
            let case = format!("{table} {changed}");
            let conflicts = usize::from(then != back);
            let counts = |restored: usize| format!("4|{restored}|0|{conflicts}");
            assert_eq!(rows(&mut admin), back, "{case}");
            assert_eq!(
                restore(&mut admin, &id, ""),
                counts(4 - conflicts),
                "{case}"
            );
            let listed = format!("SELECT count(*) FROM backstop.restore_conflicts({id})");
            assert_eq!(
                query_text(&mut admin, &listed),
                conflicts.to_string(),
                "{case}"
            );
            assert_eq!(
                restore(&mut admin, &id, SKIP),
                counts(4 - conflicts),
                "{case}"
            );
            assert_eq!(rows(&mut admin), back, "{case}");
            let undoing = last_statement(&mut admin);
            restore(&mut admin, &undoing, ", dry_run => false");
            assert_eq!(rows(&mut admin), back, "{case}");
            let overwrite = ", dry_run => false, on_conflict => 'overwrite'";
            assert_eq!(restore(&mut admin, &id, overwrite), counts(4), "{case}");
            assert_eq!(rows(&mut admin), then, "{case}");
            let undoing = last_statement(&mut admin);
            assert_eq!(
                restore(&mut admin, &undoing, ", dry_run => false"),
                "4|4|0|0",
                "{case}"
            );
            assert_eq!(rows(&mut admin), back, "{case}");
        }
    }
}

#[test]
fn a_column_converted_back_by_hand_keeps_later_work() {
    for key in ["id int PRIMARY KEY", "id int"] {
        let (_db, mut admin) = database_with(&format!(
            "CREATE TABLE u ({key}, v int); INSERT INTO u VALUES (1, 1), (2, 2);
             SELECT backstop.protect('u', key_columns => '{{id}}')"
        ));
        approved(&mut admin, 10, "ALTER TABLE u ALTER v TYPE bigint");
        let id = last_statement(&mut admin);
        approved(&mut admin, 10, "ALTER TABLE u ALTER v TYPE int");
        passes(&mut admin, "UPDATE u SET v = 99 WHERE id = 1");
        restore(&mut admin, &id, SKIP);
        assert_eq!(rows(&mut admin), "(1,99) (2,2)", "{key}");
    }
}
