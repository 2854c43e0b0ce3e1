//! Restore of ALTER COLUMN TYPE of a key: rows are never paired with others' values, doubled or lost.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    approved, database_with, last_statement, now, passes, query_text, refused,
};

/// All rows of e, byte by byte, in the order of the column that no conversion touches.
fn rows(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT string_agg(e::text, ' ' ORDER BY w, id::text) FROM e",
    )
}

/// Totals of a restore: captured, restored, unchanged, conflicts.
fn restore(client: &mut Client, id: &str, options: &str) -> String {
    query_text(
        client,
        &format!(
            "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}{options})"
        ),
    )
}

const KEYS: [&str; 3] = [
    "id int PRIMARY KEY, v text, w text",
    "id int NOT NULL UNIQUE, v text, w text",
    "id int PRIMARY KEY, v text UNIQUE NOT NULL, w text",
];

/// What moves keys about: to other types, onto each other's values, and to values that nothing converts back.
const CONVERSIONS: [&str; 4] = [
    "TYPE text USING 'v' || id",
    "TYPE bigint USING id + 1",
    "TYPE numeric USING (4 - id) * 1.0",
    "TYPE bigint",
];

#[test]
fn a_converted_key_goes_back_and_forth() {
    for columns in KEYS {
        for conversion in CONVERSIONS {
            for on_conflict in ["abort", "skip", "overwrite"] {
                let (_db, mut admin) = database_with(&format!(
                    "CREATE TABLE e ({columns}); INSERT INTO e VALUES (1, 'x', 'a'), (2, 'y', 'b'), (3, 'z', 'c');
                     SELECT backstop.protect('e', key_columns => '{{id}}')"
                ));
                let then = rows(&mut admin);
                approved(
                    &mut admin,
                    10,
                    &format!("ALTER TABLE e ALTER id {conversion}"),
                );
                let (id, converted) = (last_statement(&mut admin), rows(&mut admin));
                let how = format!(", dry_run => false, on_conflict => '{on_conflict}'");
                assert_eq!(restore(&mut admin, &id, ""), "3|3|0|0", "{conversion}");
                assert_eq!(restore(&mut admin, &id, &how), "3|3|0|0", "{conversion}");
                assert_eq!(rows(&mut admin), then, "{columns} {conversion}");
                assert_eq!(
                    query_text(&mut admin, "SELECT DISTINCT pg_typeof(id) FROM e"),
                    "integer"
                );
                let undoing = last_statement(&mut admin);
                assert_eq!(
                    restore(&mut admin, &undoing, &how),
                    "3|3|0|0",
                    "{conversion}, undone"
                );
                assert_eq!(
                    rows(&mut admin),
                    converted,
                    "{columns} {conversion}, undone"
                );
                assert_eq!(
                    restore(&mut admin, &id, &how),
                    "3|3|0|0",
                    "{conversion}, again"
                );
                assert_eq!(rows(&mut admin), then, "{columns} {conversion}, again");
            }
        }
    }
}

#[test]
fn a_converted_key_that_others_have_changed_since_is_refused_and_nothing_changes() {
    for since in [
        "UPDATE e SET v = 'later' WHERE id = 'v1'",
        "DELETE FROM e WHERE id = 'v1'",
        "INSERT INTO e VALUES ('7', 'n', 'n')",
        "UPDATE e SET id = 'v9' WHERE id = 'v1'",
        "DELETE FROM e WHERE id = 'v1'; INSERT INTO e VALUES ('v1', 'x', 'a')",
    ] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE e (id int PRIMARY KEY, v text, w text); INSERT INTO e VALUES (1, 'x', 'a'), (2, 'y', 'b');
             SELECT backstop.protect('e')",
        );
        approved(
            &mut admin,
            10,
            "ALTER TABLE e ALTER id TYPE text USING 'v' || id",
        );
        let id = last_statement(&mut admin);
        approved(&mut admin, 10, since);
        let present = rows(&mut admin);
        for on_conflict in ["abort", "skip", "overwrite"] {
            let refusal = refused(
                &mut admin,
                &format!("SELECT * FROM backstop.restore({id}, false, '{on_conflict}')"),
            );
            assert_eq!(refusal.sqlstate, "55000", "{since} {refusal:?}");
            assert!(!refusal.hint.is_empty(), "{since} {refusal:?}");
            assert_eq!(rows(&mut admin), present, "{since}");
        }
    }
}

#[test]
fn going_back_across_a_converted_key_undoes_what_came_after_it() {
    for since in [
        "UPDATE e SET v = 'later' WHERE id = 'v1'",
        "DELETE FROM e WHERE id = 'v1'",
        "UPDATE e SET id = 'v9' WHERE id = 'v1'; DELETE FROM e WHERE id = 'v9'",
        "TRUNCATE e",
    ] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE e (id int PRIMARY KEY, v text, w text); INSERT INTO e VALUES (1, 'x', 'a'), (2, 'y', 'b');
             SELECT backstop.protect('e')",
        );
        let (then, at) = (rows(&mut admin), now(&mut admin));
        approved(
            &mut admin,
            10,
            &format!(
                "UPDATE e SET v = 'earlier' WHERE id = 2; ALTER TABLE e ALTER id TYPE text USING 'v' || id; {since}"
            ),
        );
        let changed = rows(&mut admin);
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
        );
        assert_eq!(rows(&mut admin), then, "{since}");
        let undoing = last_statement(&mut admin);
        restore(&mut admin, &undoing, ", dry_run => false");
        assert_eq!(rows(&mut admin), changed, "{since}, undone");
    }
}

#[test]
fn a_key_whose_values_stay_tells_rows_apart_after_later_work() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v text, w text); INSERT INTO e VALUES (1, 'x', 'a'), (2, 'y', 'b'), (3, 'z', 'c');
         CREATE TABLE f (e int REFERENCES e); INSERT INTO f VALUES (2); SELECT backstop.protect('e')",
    );
    approved(&mut admin, 10, "ALTER TABLE e ALTER id TYPE bigint");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "UPDATE e SET v = 'later' WHERE id = 2; DELETE FROM e WHERE id = 1; INSERT INTO e VALUES (8, 'n', 'n')",
    );
    assert_eq!(
        restore(&mut admin, &id, ", dry_run => false, on_conflict => 'skip'"),
        "3|2|0|1"
    );
    assert_eq!(rows(&mut admin), "(2,later,b) (3,z,c) (8,n,n)");
    assert_eq!(
        query_text(&mut admin, "SELECT DISTINCT pg_typeof(id) FROM e"),
        "integer"
    );
    assert_eq!(
        restore(
            &mut admin,
            &id,
            ", dry_run => false, on_conflict => 'overwrite'"
        ),
        "3|1|2|1"
    );
    assert_eq!(rows(&mut admin), "(1,x,a) (2,later,b) (3,z,c) (8,n,n)");
}

#[test]
fn rows_that_only_their_converted_key_tells_apart_go_back() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, w text DEFAULT 'same'); INSERT INTO e SELECT n FROM generate_series(1, 3000) n;
         SELECT backstop.protect('e')",
    );
    let then = rows(&mut admin);
    approved(
        &mut admin,
        3000,
        "ALTER TABLE e ALTER id TYPE text USING md5(id::text)",
    );
    let (id, converted) = (last_statement(&mut admin), rows(&mut admin));
    restore(&mut admin, &id, ", dry_run => false");
    assert_eq!(rows(&mut admin), then);
    let undoing = last_statement(&mut admin);
    restore(&mut admin, &undoing, ", dry_run => false");
    assert_eq!(rows(&mut admin), converted);
}
