//! A restore of ALTER COLUMN TYPE is itself recorded, and undoing it brings back the type and every value; no constraint
//! stands in the way of a restore that ends with rows as they were.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    approved, database_with, last_statement, major, now, passes, query_text, refused,
};

fn rows(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT string_agg(e::text, ' ' ORDER BY id), min(pg_typeof(v)::text) FROM e",
    )
}

/// What else the column has: default, NOT NULL, and whether the table's constraints hold.
fn settings(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT concat_ws(' ', column_default, is_nullable), (SELECT string_agg(pg_get_constraintdef(oid), ' ' ORDER BY 1)
                FROM pg_constraint WHERE conrelid = 'e'::regclass AND convalidated AND contype <> 'c')
         FROM information_schema.columns WHERE table_name = 'e' AND column_name = 'v'",
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

/// Columns, and a conversion whose values do not convert back, or convert to others.
const LOSSY: [(&str, &str, &str); 14] = [
    ("v int", "1, 2, 3", "TYPE text USING 'v' || v"),
    ("v int", "1, NULL, 3", "TYPE text USING 'v' || v"),
    ("v int NOT NULL", "1, 2, 3", "TYPE text USING 'v' || v"),
    (
        "v int CHECK (v IS NOT NULL)",
        "1, 2, 3",
        "TYPE numeric USING v * 2.5",
    ),
    ("v int UNIQUE", "1, 2, 3", "TYPE numeric USING v * 2.5"),
    (
        "v int, EXCLUDE (v WITH =)",
        "1, 2, 3",
        "TYPE numeric USING v * 2.5",
    ),
    (
        "v int, UNIQUE NULLS NOT DISTINCT (v)",
        "1, NULL, 3",
        "TYPE text USING 'v' || v",
    ),
    ("v positive", "1, 2, 3", "TYPE numeric USING v * 2.5"),
    (
        "v int[]",
        "'{1,2}', '[0:1]={3,4}', NULL",
        "TYPE text USING 'v' || v::text",
    ),
    ("v char(5)", "'a', 'b  ', NULL", "TYPE int USING ascii(v)"),
    ("v numeric(9,3)", "1.5, 'NaN', -2", "TYPE text USING 'v'"),
    (
        "v timestamptz(3)",
        "'2026-01-01 12:00:00.123+05', 'infinity', NULL",
        "TYPE bytea USING 'x'::bytea",
    ),
    (
        "v mood NOT NULL DEFAULT 'happy'",
        "'sad', 'happy', 'sad'",
        "DROP DEFAULT, ALTER v TYPE int USING length(v::text)",
    ),
    ("v pair", "'(1,x)', '(2,)', NULL", "TYPE text USING 'v'"),
];

#[test]
fn a_restored_conversion_is_undone_with_its_type_and_its_values() {
    let nulls_are_told_apart = major().expect("a version") < 15;
    for (column, values, conversion) in LOSSY {
        if nulls_are_told_apart && column.contains("NULLS NOT DISTINCT") {
            continue;
        }
        let values: Vec<String> = values
            .split(", ")
            .zip(1..)
            .map(|(value, n)| format!("({n}, {value}, 'w')"))
            .collect();
        let (_db, mut admin) = database_with(&format!(
            "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text);
             CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0);
             CREATE TABLE e (id int PRIMARY KEY, {column}, w text); INSERT INTO e (id, v, w) VALUES {};
             SELECT backstop.protect('e')",
            values.join(", ")
        ));
        let then = (rows(&mut admin), settings(&mut admin));
        approved(
            &mut admin,
            10,
            &format!("ALTER TABLE e ALTER v {conversion}"),
        );
        let mut id = last_statement(&mut admin);
        let converted = (rows(&mut admin), settings(&mut admin));
        for _ in 0..2 {
            for state in [&then, &converted] {
                assert_eq!(
                    restore(&mut admin, &id, ""),
                    "3|3|0|0",
                    "{column} {conversion}"
                );
                assert_eq!(
                    restore(&mut admin, &id, ", dry_run => false"),
                    "3|3|0|0",
                    "{column}"
                );
                let now = (rows(&mut admin), settings(&mut admin));
                assert_eq!(now, *state, "{column} {conversion}");
                id = last_statement(&mut admin);
            }
        }
    }
}

#[test]
fn going_back_across_a_conversion_is_undone() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v int NOT NULL CHECK (v < 100), w text);
         INSERT INTO e VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'); SELECT backstop.protect('e')",
    );
    let (then, at) = (rows(&mut admin), now(&mut admin));
    approved(
        &mut admin,
        20,
        "UPDATE e SET v = 50 WHERE id = 1; ALTER TABLE e ALTER v TYPE numeric USING v * 1.5;
         UPDATE e SET v = 9.5, w = 'z' WHERE id = 2; ALTER TABLE e DROP CONSTRAINT e_v_check;
         ALTER TABLE e ALTER v TYPE text USING 'v' || v; DELETE FROM e WHERE id = 3",
    );
    let changed = rows(&mut admin);
    for _ in 0..2 {
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
        );
        assert_eq!(rows(&mut admin), then);
        let undoing = last_statement(&mut admin);
        restore(&mut admin, &undoing, ", dry_run => false");
        assert_eq!(rows(&mut admin), changed);
    }
}

/// v was int, and is text that no integer is; row 1 was changed since, row 2 removed.
fn changed_since() -> (pg_backstop_tests::Database, Client, String) {
    let (db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v int NOT NULL, w text);
         INSERT INTO e VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 4, 'd'); SELECT backstop.protect('e')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE e ALTER v TYPE text USING 'v' || v",
    );
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "UPDATE e SET v = 'later' WHERE id = 1; DELETE FROM e WHERE id = 2; UPDATE e SET w = 'x' WHERE id = 4",
    );
    (db, admin, id)
}

#[test]
fn what_was_changed_since_and_does_not_convert_back_is_overwritten_or_refused() {
    let (_db, mut admin, id) = changed_since();
    let present = rows(&mut admin);
    assert_eq!(restore(&mut admin, &id, ""), "4|2|0|2");
    for on_conflict in ["abort", "skip"] {
        let refusal = refused(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, false, '{on_conflict}')"),
        );
        assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
        assert!(!refusal.hint.is_empty());
        assert_eq!(rows(&mut admin), present);
    }
    let listed = format!(
        "SELECT string_agg(key ->> 'id', ' ' ORDER BY key ->> 'id') FROM backstop.restore_conflicts({id})"
    );
    assert_eq!(query_text(&mut admin, &listed), "1 2");
    let overwrite = ", dry_run => false, on_conflict => 'overwrite'";
    assert_eq!(restore(&mut admin, &id, overwrite), "4|4|0|2");
    assert_eq!(rows(&mut admin), "(1,1,a) (2,2,b) (3,3,c) (4,4,x)|integer");
    let undoing = last_statement(&mut admin);
    restore(&mut admin, &undoing, ", dry_run => false");
    assert_eq!(rows(&mut admin), present, "undone");
}

#[test]
fn what_was_inserted_since_and_does_not_convert_back_is_never_lost() {
    let (_db, mut admin, id) = changed_since();
    passes(&mut admin, "INSERT INTO e VALUES (9, 'new', 'n')");
    let present = rows(&mut admin);
    for on_conflict in ["abort", "skip", "overwrite"] {
        let refusal = refused(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, false, '{on_conflict}')"),
        );
        assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
        assert_eq!(rows(&mut admin), present);
    }
    passes(&mut admin, "UPDATE e SET v = '90' WHERE id = 9");
    let overwrite = ", dry_run => false, on_conflict => 'overwrite'";
    assert_eq!(restore(&mut admin, &id, overwrite), "4|4|0|2");
    assert_eq!(
        rows(&mut admin),
        "(1,1,a) (2,2,b) (3,3,c) (4,4,x) (9,90,n)|integer"
    );
}

#[test]
fn partitions_and_children_are_converted_back_and_forth() {
    for tables in [
        "CREATE TABLE e (id int, v int NOT NULL, w text, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
         CREATE TABLE e1 (k int NOT NULL, w text, id int NOT NULL, v int NOT NULL); ALTER TABLE e ATTACH PARTITION e1 FOR VALUES IN (1);
         CREATE TABLE e2 PARTITION OF e FOR VALUES IN (2)",
        "CREATE TABLE e (id int PRIMARY KEY, v int NOT NULL, w text, k int);
         CREATE TABLE e1 (z int, PRIMARY KEY (id)) INHERITS (e)",
    ] {
        let (_db, mut admin) = database_with(&format!(
            "{tables}; INSERT INTO e VALUES (1, 1, 'a', 1), (2, 2, 'b', 2); SELECT backstop.protect('e')"
        ));
        passes(&mut admin, "INSERT INTO e1 (id, v, w, k) VALUES (3, 3, 'c', 1)");
        let then = rows(&mut admin);
        approved(&mut admin, 10, "ALTER TABLE e ALTER v TYPE text USING 'v' || v");
        let (mut id, converted) = (last_statement(&mut admin), rows(&mut admin));
        for state in [&then, &converted, &then] {
            assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "3|3|0|0", "{tables}");
            assert_eq!(rows(&mut admin), *state, "{tables}");
            id = last_statement(&mut admin);
        }
    }
}

#[test]
fn a_table_without_a_key_goes_back_and_forth() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int, v int NOT NULL, w text); INSERT INTO e VALUES (1, 1, 'a'), (1, 2, 'a'), (2, 3, 'b');
         SELECT backstop.protect('e', key_columns => '{id}')",
    );
    let all = "SELECT string_agg(e::text, ' ' ORDER BY e::text) FROM e";
    let then = query_text(&mut admin, all);
    approved(
        &mut admin,
        10,
        "ALTER TABLE e ALTER v TYPE text USING 'v' || v",
    );
    let (mut id, converted) = (last_statement(&mut admin), query_text(&mut admin, all));
    for state in [&then, &converted, &then] {
        assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "3|3|0|0");
        assert_eq!(query_text(&mut admin, all), *state);
        id = last_statement(&mut admin);
    }
}

#[test]
fn nobody_reads_the_record_through_a_conversion() {
    let (_db, mut admin) = database_with("CREATE TABLE t (id int PRIMARY KEY)");
    for call in [
        "SELECT backstop.is_recorded('t'::regclass, '(0,1)')",
        "SELECT backstop.recorded_value('{}'::int[], 0)",
        "SELECT backstop.recorded_array(NULL::int[], NULL)",
    ] {
        assert_eq!(refused(&mut admin, call).sqlstate, "55000", "{call}");
    }
}

#[test]
fn what_is_called_otherwise_and_belongs_to_another_is_converted_back_and_forth() {
    let (_db, mut admin) = database_with(
        "CREATE ROLE converted_owner; GRANT CREATE, USAGE ON SCHEMA public TO converted_owner; SET ROLE converted_owner;
         CREATE TABLE e0 (id int PRIMARY KEY, x int NOT NULL CHECK (x > 0), w text);
         INSERT INTO e0 VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'); RESET ROLE; SELECT backstop.protect('e0')",
    );
    approved(&mut admin, 10, "ALTER TABLE e0 DROP CONSTRAINT e0_x_check");
    approved(
        &mut admin,
        10,
        "ALTER TABLE e0 ALTER x TYPE text USING 'v' || x",
    );
    let mut id = last_statement(&mut admin);
    approved(
        &mut admin,
        10,
        "ALTER TABLE e0 RENAME x TO v; ALTER TABLE e0 RENAME TO e",
    );
    let converted = rows(&mut admin);
    for state in ["(1,1,a) (2,2,b) (3,3,c)|integer", &*converted] {
        assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "3|3|0|0");
        assert_eq!(rows(&mut admin), state);
        id = last_statement(&mut admin);
    }
}

#[test]
fn a_block_that_converts_a_column_twice_goes_back_in_its_order() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v int, w text); INSERT INTO e VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c');
         SELECT backstop.protect('e')",
    );
    let then = rows(&mut admin);
    approved(
        &mut admin,
        30,
        "DO $$ BEGIN
             UPDATE e SET v = 9 WHERE id = 1; ALTER TABLE e ALTER v TYPE numeric USING v * 2.5;
             UPDATE e SET v = 0.5 WHERE id = 2; DELETE FROM e WHERE id = 3;
             ALTER TABLE e ALTER v TYPE text USING 'v' || v; UPDATE e SET v = 'later' WHERE id = 1;
         END $$",
    );
    let (mut id, converted) = (last_statement(&mut admin), rows(&mut admin));
    for state in [&then, &converted, &then] {
        restore(&mut admin, &id, ", dry_run => false");
        assert_eq!(rows(&mut admin), *state);
        id = last_statement(&mut admin);
    }
}

#[test]
fn conversions_and_their_undoing_stand_a_drill() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id int PRIMARY KEY, v int NOT NULL, w text); INSERT INTO e VALUES (1, 1, 'a'), (2, 2, 'b');
         SELECT backstop.protect('e')",
    );
    for conversion in ["v TYPE text USING 'v' || v", "id TYPE text USING 'v' || id"] {
        approved(&mut admin, 10, &format!("ALTER TABLE e ALTER {conversion}"));
        let id = last_statement(&mut admin);
        for _ in 0..2 {
            let drill =
                "SELECT string_agg(detail, '; ') FROM backstop.restore_drill() WHERE NOT ok";
            assert_eq!(query_text(&mut admin, drill), "null", "{conversion}");
            restore(&mut admin, &id, ", dry_run => false");
        }
    }
    passes(
        &mut admin,
        "UPDATE e SET v = 5 WHERE id = 1; DELETE FROM e WHERE id = 2; INSERT INTO e VALUES (7, 7)",
    );
    let drill = "SELECT bool_and(ok) FROM backstop.restore_drill()";
    assert_eq!(query_text(&mut admin, drill), "t");
}

#[test]
fn what_an_owner_asks_while_his_table_is_converted_disturbs_nothing() {
    let (_db, mut admin) = database_with(
        "CREATE FUNCTION nosy() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
             PERFORM backstop.recorded_value('{}'::bigint[], 0); RETURN true;
         EXCEPTION WHEN object_not_in_prerequisite_state THEN RETURN true; END $$;
         CREATE TABLE e (id int PRIMARY KEY, v text, w text, CHECK (nosy()));
         INSERT INTO e VALUES (1, '7', 'a'), (2, '8', 'b'), (3, '9', 'c'); SELECT backstop.protect('e')",
    );
    let then = rows(&mut admin);
    approved(
        &mut admin,
        10,
        "ALTER TABLE e ALTER v TYPE int USING v::int * 2",
    );
    let id = last_statement(&mut admin);
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "3|3|0|0");
    assert_eq!(rows(&mut admin), then);
}
