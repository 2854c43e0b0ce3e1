//! Checks, indexes and statistics with expressions on converted columns: PostgreSQL makes them anew from what the conversion
//! leaves of them. A restore brings back what they were, and leaves alone what was made of them since.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database_with, last_statement, now, passes, query_text, refused,
    schema_dump,
};

/// Tables and a conversion of theirs.
const WORLDS: [(&str, &str); 9] = [
    (
        "CREATE TABLE t (id int PRIMARY KEY, v int CHECK (length(v::text) < 5), w int);
         COMMENT ON CONSTRAINT t_v_check ON t IS 'short'; INSERT INTO t VALUES (1, 10, 4), (2, 20, 3)",
        "ALTER TABLE t ALTER v TYPE text",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY, v int, w int, CHECK (v::bigint * w::bigint < 1000000000000));
         INSERT INTO t VALUES (1, 10, 4), (2, 20, 3)",
        "ALTER TABLE t ALTER v TYPE bigint, ALTER w TYPE bigint",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY, v int, w int); INSERT INTO t VALUES (1, 7, 4), (2, 7, 5);
         CREATE UNIQUE INDEX parts ON t ((v::numeric / w::numeric)) WITH (fillfactor = 70);
         CREATE INDEX \"Some\" ON t (id, (v + w)) WHERE v::numeric / w::numeric > 0.5; CREATE INDEX plain ON t (v);
         COMMENT ON INDEX parts IS 'one each'; ALTER TABLE t CLUSTER ON parts; ALTER INDEX parts ALTER 1 SET STATISTICS 70;
         COMMENT ON INDEX \"Some\" IS 'some'; ALTER INDEX \"Some\" ALTER 2 SET STATISTICS 80",
        "ALTER TABLE t ALTER v TYPE numeric, ALTER w TYPE numeric",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY, v int, w int CHECK (w > 0)); INSERT INTO t VALUES (1, 7, 4), (2, 7, 5);
         ALTER TABLE t ADD CONSTRAINT later CHECK (w > 4) NOT VALID, ADD CHECK (v IS NOT NULL)",
        "ALTER TABLE t ALTER w TYPE numeric",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY, v int, w int, CONSTRAINT c CHECK (v::bigint * w::bigint < 1000000000000),
             CONSTRAINT own CHECK (v > 0) NO INHERIT);
         CREATE TABLE k (CONSTRAINT c CHECK (v::bigint * w::bigint < 1000000000000), CONSTRAINT k_only CHECK (v > -5)) INHERITS (t);
         CREATE INDEX k_i ON k ((v::bigint)) WHERE v > 0; COMMENT ON CONSTRAINT c ON k IS 'k';
         INSERT INTO t VALUES (1, 7, 4); INSERT INTO k VALUES (2, -1, 5)",
        "ALTER TABLE t ALTER v TYPE bigint, ALTER w TYPE bigint",
    ),
    (
        "CREATE TABLE t (id int, v int, w int, CHECK (v > 0)) PARTITION BY LIST (id); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
         CREATE TABLE t2 (id int, v int, w int, CONSTRAINT t2_own CHECK (v > 1)) PARTITION BY LIST (id);
         ALTER TABLE t2 ADD CONSTRAINT t_v_check CHECK (v > 0); ALTER TABLE t ATTACH PARTITION t2 FOR VALUES IN (2, 3);
         CREATE TABLE t2a PARTITION OF t2 FOR VALUES IN (2);
         CREATE INDEX t1_named ON t1 ((v + 1)) WITH (fillfactor = 60); CREATE INDEX t2a_named ON t2a ((v + 1));
         CREATE INDEX all_of_them ON t ((v + 1)); COMMENT ON INDEX t1_named IS 'the first';
         CREATE INDEX t1_plain ON t1 (v); CREATE INDEX plain ON t (v); CREATE INDEX t2a_alone ON t2a ((v::numeric / 2));
         CREATE INDEX t1_part ON t1 ((v + 2)); CREATE INDEX in_part ON ONLY t ((v + 2)); ALTER INDEX in_part ATTACH PARTITION t1_part;
         INSERT INTO t VALUES (1, 7, 4), (2, 8, 4)",
        "ALTER TABLE t ALTER v TYPE numeric",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY, v int, w int, CONSTRAINT x EXCLUDE ((v::numeric / w::numeric) WITH =) WITH (fillfactor = 50),
             CONSTRAINT y EXCLUDE (w WITH =) WHERE (v::numeric / 2 > 3.4) DEFERRABLE);
         COMMENT ON CONSTRAINT x ON t IS 'apart'; COMMENT ON INDEX x IS 'its index'; INSERT INTO t VALUES (1, 7, 4), (2, 7, 5)",
        "ALTER TABLE t ALTER v TYPE numeric, ALTER w TYPE numeric",
    ),
    (
        "CREATE ROLE expressions_other; CREATE TABLE t (id int PRIMARY KEY, v int, w int);
         CREATE STATISTICS s ON (v::numeric / w::numeric), id FROM t; ALTER STATISTICS s SET STATISTICS 77; COMMENT ON STATISTICS s IS 'shares';
         CREATE STATISTICS plain (ndistinct) ON v, w FROM t; ALTER STATISTICS plain SET STATISTICS 78;
         ALTER STATISTICS s OWNER TO expressions_other; INSERT INTO t VALUES (1, 7, 4), (2, 7, 5)",
        "ALTER TABLE t ALTER v TYPE numeric, ALTER w TYPE numeric",
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY, v text CHECK (v ~ '^[0-9]+$'), w int, CHECK (v::int > w));
         ALTER TABLE t SET (toast.autovacuum_enabled = off); INSERT INTO t VALUES (1, '7', 4), (2, '8', 5)",
        "ALTER TABLE t DROP CONSTRAINT t_v_check, ALTER v TYPE int USING v::int, ADD CONSTRAINT fresh CHECK (v > 1)",
    ),
];

/// Totals of a restore: captured, restored, unchanged, conflicts.
fn restore(client: &mut Client, id: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}{options})"
    );
    query_text(client, &sql)
}

fn check(client: &mut Client, name: &str) -> String {
    let sql = "SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint WHERE conname";
    query_text(client, &format!("{sql} = '{name}'"))
}

/// What one dump has and the other lacks.
fn differences(one: &[String], other: &[String]) -> Vec<String> {
    let of = |one: &[String], other: &[String], sign: &str| -> Vec<String> {
        let lines = one.iter().filter(|line| !other.contains(line));
        lines.map(|line| format!("{sign} {line}")).collect()
    };
    [of(one, other, "-"), of(other, one, "+")].concat()
}

#[test]
fn the_schema_is_what_it_was_and_is_converted_again_when_that_is_undone() {
    let mut wrong = Vec::new();
    for (world, conversion) in WORLDS {
        let (db, mut admin) = database_with(&format!(
            "{world}; SELECT backstop.protect('t', key_columns => '{{id}}')"
        ));
        let then = schema_dump(&db, "public");
        approved(&mut admin, 10, conversion);
        let converted = schema_dump(&db, "public");
        assert_ne!(then, converted, "{conversion}");
        let mut id = last_statement(&mut admin);
        for (n, state) in [&then, &converted, &then, &converted]
            .into_iter()
            .enumerate()
        {
            assert_eq!(restore(&mut admin, &id, ""), "2|2|0|0", "{world}");
            assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "2|2|0|0");
            let mut differences = differences(state, &schema_dump(&db, "public"));
            // What is set stays set, though PostgreSQL itself forgets it in a conversion.
            if n % 2 == 1 {
                let of_statistics = |line: &String| {
                    line.contains("SET STATISTICS") || line.contains("ALTER STATISTICS")
                };
                differences.retain(|line| !of_statistics(line));
            }
            if !differences.is_empty() {
                wrong.push(format!("{n}: {world}\n{differences:#?}"));
            }
            id = last_statement(&mut admin);
            let drill =
                "SELECT string_agg(detail, '; ') FROM backstop.restore_drill() WHERE NOT ok";
            assert_eq!(query_text(&mut admin, drill), "null", "{world}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_check_means_what_it_meant() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, qty int, price int, CHECK (qty::bigint * price::bigint < 1000000000000));
         INSERT INTO t VALUES (1, 1, 1); SELECT backstop.protect('t')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE t ALTER qty TYPE bigint, ALTER price TYPE bigint",
    );
    let id = last_statement(&mut admin);
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "1|1|0|0");
    passes(&mut admin, "INSERT INTO t VALUES (2, 100000, 100000)");
    let refusal = refused(&mut admin, "INSERT INTO t VALUES (3, 1000000, 1000000)");
    assert_eq!(refusal.sqlstate, "23514");
}

const CHECKED: &str = "CREATE TABLE t (id int PRIMARY KEY, v int CONSTRAINT c CHECK (length(v::text) < 5), w int);
     CREATE INDEX i ON t ((v::numeric / w::numeric)); INSERT INTO t VALUES (1, 10, 3), (2, 20, 4); SELECT backstop.protect('t')";

/// A table whose column is text by now; the statement that did it.
fn converted(to: &str) -> (Database, Client, String) {
    let (db, mut admin) = database_with(CHECKED);
    approved(&mut admin, 10, &format!("ALTER TABLE t ALTER v TYPE {to}"));
    let id = last_statement(&mut admin);
    (db, admin, id)
}

fn indexes(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT string_agg(pg_get_indexdef(indexrelid), '; ') FROM pg_index WHERE indrelid = 't'::regclass AND NOT indisprimary",
    )
}

#[test]
fn what_was_dropped_since_stays_dropped() {
    let (_db, mut admin, id) = converted("numeric");
    passes(&mut admin, "DROP INDEX i");
    approved(&mut admin, 10, "ALTER TABLE t DROP CONSTRAINT c");
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "2|2|0|0");
    assert_eq!(
        (check(&mut admin, "c"), indexes(&mut admin)),
        ("null".into(), "null".into())
    );
}

#[test]
fn what_was_made_otherwise_since_stays_so() {
    let (_db, mut admin, id) = converted("numeric");
    passes(&mut admin, "DROP INDEX i; CREATE INDEX i ON t ((w + 1), v)");
    approved(&mut admin, 10, "ALTER TABLE t DROP CONSTRAINT c");
    passes(
        &mut admin,
        "ALTER TABLE t ADD CONSTRAINT c CHECK (v < 1000)",
    );
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "2|2|0|0");
    let check = check(&mut admin, "c");
    assert!(check.contains("1000"), "{check}");
    let indexes = indexes(&mut admin);
    assert!(indexes.contains("((w + 1)), v)"), "{indexes}");
}

#[test]
fn another_name_and_another_filling_since_stay() {
    let (_db, mut admin, id) = converted("numeric");
    passes(
        &mut admin,
        "ALTER INDEX i RENAME TO \"I 2\"; ALTER INDEX \"I 2\" SET (fillfactor = 40); COMMENT ON INDEX \"I 2\" IS 'since';
         CREATE INDEX i ON t ((v + 5)); CREATE SCHEMA s",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE t RENAME w TO \"W\"; ALTER TABLE t RENAME CONSTRAINT c TO \"C\"; ALTER TABLE t SET SCHEMA s",
    );
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "2|2|0|0");
    let check = check(&mut admin, "C");
    assert_eq!(check, "CHECK ((length((v)::text) < 5))");
    let all = query_text(
        &mut admin,
        "SELECT pg_get_indexdef('s.\"I 2\"'::regclass), obj_description('s.\"I 2\"'::regclass, 'pg_class')",
    );
    assert_eq!(
        all,
        "CREATE INDEX \"I 2\" ON s.t USING btree ((((v)::numeric / (\"W\")::numeric))) WITH (fillfactor='40')|since"
    );
    let other = query_text(&mut admin, "SELECT pg_get_indexdef('s.i'::regclass)");
    assert!(other.contains("+ (5)::numeric"), "{other}");
}

#[test]
fn partitions_that_came_and_went_since_do_not_stand_in_the_way() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int, v int) PARTITION BY LIST (id); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
         CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2); CREATE INDEX t1_named ON t1 ((v::numeric / 2));
         CREATE INDEX i ON t ((v::numeric / 2)); INSERT INTO t VALUES (1, 7);
         SELECT backstop.protect('t', key_columns => '{id}')",
    );
    approved(&mut admin, 10, "ALTER TABLE t ALTER v TYPE numeric");
    let id = last_statement(&mut admin);
    approved(&mut admin, 10, "ALTER TABLE t DETACH PARTITION t2");
    passes(
        &mut admin,
        "CREATE TABLE t3 PARTITION OF t FOR VALUES IN (3)",
    );
    restore(&mut admin, &id, ", dry_run => false");
    let all = query_text(
        &mut admin,
        "SELECT string_agg(indexrelid::regclass || substring(pg_get_indexdef(indexrelid) from ' USING.*'), '; ' ORDER BY indrelid)
         FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('t')) AND indisvalid",
    );
    let def = " USING btree ((((v)::numeric / (2)::numeric)))";
    assert_eq!(all, format!("i{def}; t1_named{def}; t3_expr_idx{def}"));
}

#[test]
fn a_check_that_was_validated_since_stays_valid_where_it_can() {
    for (row, valid) in [("", "t"), ("; INSERT INTO t VALUES (3, 12345, 1)", "f")] {
        let (_db, mut admin) = database_with(&format!(
            "CREATE TABLE t (id int PRIMARY KEY, v int, w int); INSERT INTO t VALUES (1, 1, 1){row};
             ALTER TABLE t ADD CONSTRAINT c CHECK (length(v::text) < 5) NOT VALID; SELECT backstop.protect('t')"
        ));
        approved(
            &mut admin,
            10,
            "ALTER TABLE t ALTER v TYPE text USING left(v::text, 1)",
        );
        let id = last_statement(&mut admin);
        passes(&mut admin, "ALTER TABLE t VALIDATE CONSTRAINT c");
        restore(&mut admin, &id, ", dry_run => false");
        let validated = "SELECT convalidated FROM pg_constraint WHERE conname = 'c'";
        assert_eq!(query_text(&mut admin, validated), valid);
    }
}

#[test]
fn a_row_changed_since_that_the_check_does_not_let_in_is_refused() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, v int CONSTRAINT c CHECK (v / 2 > 2), w int);
         INSERT INTO t VALUES (1, 10, 3), (2, 20, 4); SELECT backstop.protect('t')",
    );
    approved(&mut admin, 10, "ALTER TABLE t ALTER v TYPE numeric");
    let id = last_statement(&mut admin);
    // Two and a half, then; two of integers.
    passes(&mut admin, "UPDATE t SET v = 5 WHERE id = 1");
    assert_eq!(restore(&mut admin, &id, ""), "2|1|0|1");
    for (on_conflict, dry_run) in [("abort", false), ("skip", true), ("skip", false)] {
        let sql = format!("SELECT * FROM backstop.restore({id}, {dry_run}, '{on_conflict}')");
        let refusal = refused(&mut admin, &sql);
        assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    }
    let over = ", dry_run => false, on_conflict => 'overwrite'";
    assert_eq!(restore(&mut admin, &id, over), "2|2|0|1");
    assert_eq!(check(&mut admin, "c"), "CHECK (((v / 2) > 2))");
}

#[test]
fn going_back_over_two_conversions_brings_back_the_first_ones() {
    let (db, mut admin) = database_with(CHECKED);
    let (then, at) = (schema_dump(&db, "public"), now(&mut admin));
    approved(&mut admin, 10, "ALTER TABLE t ALTER v TYPE numeric");
    approved(
        &mut admin,
        10,
        "ALTER TABLE t ALTER v TYPE bigint, ALTER w TYPE bigint",
    );
    let changed = schema_dump(&db, "public");
    for _ in 0..2 {
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
        );
        assert_eq!(
            differences(&then, &schema_dump(&db, "public")),
            Vec::<String>::new()
        );
        let id = last_statement(&mut admin);
        restore(&mut admin, &id, ", dry_run => false");
        assert_eq!(
            differences(&changed, &schema_dump(&db, "public")),
            Vec::<String>::new()
        );
    }
}

#[test]
fn what_the_owner_wrote_runs_with_his_rights() {
    let (db, mut admin) = database_with(
        "CREATE ROLE expressions_owner; GRANT CREATE, USAGE ON SCHEMA public TO expressions_owner; SET ROLE expressions_owner;
         CREATE FUNCTION asks(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
             IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN RAISE 'by a superuser'; END IF;
             RETURN true; END $$;
         CREATE TABLE t (id int PRIMARY KEY, v int CHECK (asks(v::text)), w text); CREATE INDEX i ON t (asks(v::text)) WHERE asks(v::text);
         CREATE STATISTICS s ON (asks(v::text)), id FROM t; INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b');
         RESET ROLE; SELECT backstop.protect('t')",
    );
    let then = schema_dump(&db, "public");
    approved(
        &mut admin,
        10,
        "SET ROLE expressions_owner; ALTER TABLE t ALTER v TYPE text; RESET ROLE",
    );
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "REVOKE ALL ON SCHEMA public FROM expressions_owner, PUBLIC",
    );
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "2|2|0|0");
    passes(
        &mut admin,
        "GRANT CREATE, USAGE ON SCHEMA public TO expressions_owner; GRANT USAGE ON SCHEMA public TO PUBLIC",
    );
    assert_eq!(
        differences(&then, &schema_dump(&db, "public")),
        Vec::<String>::new()
    );
}
