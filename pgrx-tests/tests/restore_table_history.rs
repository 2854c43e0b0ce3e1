//! Rows go back into the very table they were recorded from, and its columns, whatever names it has had since.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    approved, database_with, dumped, last_statement, now, passes, query_text, refused,
};

const SWAP: &str = "RENAME a TO zz; RENAME b TO a; RENAME zz TO b";

fn rows(client: &mut Client, table: &str) -> String {
    query_text(
        client,
        &format!(
            "SELECT string_agg(to_jsonb(t)::text, ' ' ORDER BY to_jsonb(t)::text) FROM {table} t"
        ),
    )
}

/// Totals of a restore: restored, conflicts.
fn restore(client: &mut Client, statement: &str) -> String {
    query_text(
        client,
        &format!(
            "SELECT sum(restored), sum(conflicts) FROM backstop.restore({statement}, dry_run => false)"
        ),
    )
}

/// Runs each of these commands of ALTER TABLE.
fn alter(client: &mut Client, table: &str, commands: &str) {
    for command in commands.split("; ") {
        approved(client, 1000, &format!("ALTER TABLE {table} {command}"));
    }
}

const PARTITIONED: &str = "CREATE TABLE e (id bigint PRIMARY KEY, a text, b text) PARTITION BY RANGE (id);
    CREATE TABLE e1 PARTITION OF e FOR VALUES FROM (0) TO (10);
    INSERT INTO e SELECT n, 'A' || n, 'B' || n FROM generate_series(1, 3) n; SELECT backstop.protect('e1')";

#[test]
fn columns_of_a_table_of_which_only_a_partition_is_protected() {
    let (_db, mut admin) = database_with(PARTITIONED);
    passes(&mut admin, "DELETE FROM e1 WHERE id = 1");
    let id = last_statement(&mut admin);
    alter(&mut admin, "e", SWAP);
    assert_eq!(restore(&mut admin, &id), "1|0");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT string_agg(a || b, ' ' ORDER BY id) FROM e"
        ),
        "B1A1 B2A2 B3A3"
    );

    let (_db, mut admin) = database_with(PARTITIONED);
    passes(&mut admin, "DELETE FROM e1 WHERE id = 1");
    let id = last_statement(&mut admin);
    alter(&mut admin, "e", "DROP COLUMN a; RENAME b TO a");
    assert_eq!(restore(&mut admin, &id), "1|0");
    assert_eq!(
        query_text(&mut admin, "SELECT string_agg(a, ' ' ORDER BY id) FROM e"),
        "B1 B2 B3"
    );
}

#[test]
fn columns_of_a_table_of_which_only_a_partition_follows() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE ffpar (id bigint PRIMARY KEY); INSERT INTO ffpar VALUES (1), (2);
         CREATE TABLE ff (pid bigint PRIMARY KEY, a text, b text) PARTITION BY RANGE (pid);
         CREATE TABLE ff1 PARTITION OF ff FOR VALUES FROM (0) TO (10); INSERT INTO ff VALUES (1, 'A1', 'B1'), (2, 'A2', 'B2');
         ALTER TABLE ff1 ADD FOREIGN KEY (pid) REFERENCES ffpar ON DELETE CASCADE;
         SELECT backstop.protect('ffpar')",
    );
    passes(&mut admin, "DELETE FROM ffpar WHERE id = 1");
    let id = last_statement(&mut admin);
    alter(&mut admin, "ff", SWAP);
    assert_eq!(restore(&mut admin, &id), "2|0");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT string_agg(a || b, ' ' ORDER BY pid) FROM ff"
        ),
        "B1A1 B2A2"
    );
}

#[test]
fn columns_of_a_table_of_which_a_middle_level_is_protected() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE e (id bigint PRIMARY KEY, a text, b text) PARTITION BY RANGE (id);
         CREATE TABLE m PARTITION OF e FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
         CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (5); INSERT INTO e VALUES (1, 'A1', 'B1');
         SELECT backstop.protect('m'); UPDATE m SET a = 'new' WHERE id = 1",
    );
    let id = last_statement(&mut admin);
    alter(&mut admin, "e", SWAP);
    assert_eq!(restore(&mut admin, &id), "1|0");
    assert_eq!(query_text(&mut admin, "SELECT a, b FROM e"), "B1|A1");
}

const TABLE: &str = "CREATE SCHEMA other; CREATE TABLE t (id int PRIMARY KEY, a text, b text);
    INSERT INTO t SELECT n, 'A' || n, 'B' || n FROM generate_series(1, 3) n; SELECT backstop.protect('t');
    DELETE FROM t WHERE id = 1";

#[test]
fn columns_renamed_while_their_table_had_another_name() {
    for (away, table, back) in [
        ("RENAME TO t_tmp", "t_tmp", "RENAME TO t"),
        ("SET SCHEMA other", "other.t", "SET SCHEMA public"),
    ] {
        let (db, mut admin) = database_with(TABLE);
        let id = last_statement(&mut admin);
        alter(&mut admin, "t", away);
        alter(&mut admin, table, SWAP);
        alter(&mut admin, table, back);
        let swapped = "1|B1|A1 2|B2|A2 3|B3|A3";
        let all = "SELECT string_agg(concat_ws('|', id, a, b), ' ' ORDER BY id) FROM t";
        let copy = dumped(&db);
        for client in [&mut copy.connect(), &mut admin] {
            assert_eq!(restore(client, &id), "1|0");
            assert_eq!(query_text(client, all), swapped, "{away}");
        }
    }
}

#[test]
fn columns_renamed_while_their_schema_had_another_name() {
    let (db, mut admin) = database_with(
        "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, a text, b text); INSERT INTO s.t VALUES (1, 'A1', 'B1');
         SELECT backstop.protect('s.t'); DELETE FROM s.t WHERE id = 1",
    );
    let id = last_statement(&mut admin);
    approved(&mut admin, 10, "ALTER SCHEMA s RENAME TO s2");
    alter(&mut admin, "s2.t", SWAP);
    approved(&mut admin, 10, "ALTER SCHEMA s2 RENAME TO s");
    let copy = dumped(&db);
    for client in [&mut copy.connect(), &mut admin] {
        assert_eq!(restore(client, &id), "1|0");
        assert_eq!(query_text(client, "SELECT a, b FROM s.t"), "B1|A1");
    }
}

#[test]
fn columns_renamed_between_two_drops_of_their_table() {
    let (_db, mut admin) = database_with(TABLE);
    let id = last_statement(&mut admin);
    for renamed in [true, false] {
        approved(&mut admin, 1000, "DROP TABLE t");
        let drop = last_statement(&mut admin);
        restore(&mut admin, &drop);
        if renamed {
            alter(&mut admin, "t", "RENAME TO t_tmp");
            alter(&mut admin, "t_tmp", SWAP);
            alter(&mut admin, "t_tmp", "RENAME TO t");
        }
    }
    assert_eq!(restore(&mut admin, &id), "1|0");
    assert_eq!(
        query_text(&mut admin, "SELECT a, b FROM t WHERE id = 1"),
        "B1|A1"
    );
}

#[test]
fn a_table_that_gave_its_name_away_gets_its_rows_in_a_dump_too() {
    let (db, mut admin) = database_with(TABLE);
    let id = last_statement(&mut admin);
    alter(&mut admin, "t", "RENAME TO t_2025");
    passes(
        &mut admin,
        "CREATE TABLE t (id int PRIMARY KEY, a text, b text); SELECT backstop.protect('t')",
    );
    let copy = dumped(&db);
    for client in [&mut copy.connect(), &mut admin] {
        assert_eq!(restore(client, &id), "1|0");
        assert_eq!(query_text(client, "SELECT count(*) FROM t"), "0");
        assert_eq!(query_text(client, "SELECT count(*) FROM t_2025"), "3");
    }
}

#[test]
fn rows_without_a_key_do_not_go_into_the_table_that_took_the_name() {
    const FOLLOWER: &str = "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1), (2);
        CREATE TABLE f (pid int REFERENCES p ON DELETE CASCADE, a text, b text);
        INSERT INTO f VALUES (1, 'A1', 'B1'); SELECT backstop.protect('p'); DELETE FROM p WHERE id = 1";
    const NEW: &str = "CREATE TABLE f (pid int REFERENCES p ON DELETE CASCADE, a text, b text)";
    let (_db, mut admin) = database_with(FOLLOWER);
    let id = last_statement(&mut admin);
    alter(&mut admin, "f", "RENAME TO f_old");
    alter(&mut admin, "f_old", "DROP COLUMN b");
    passes(&mut admin, NEW);
    assert_eq!(restore(&mut admin, &id), "2|0");
    assert_eq!(rows(&mut admin, "f_old"), r#"{"a": "A1", "pid": 1}"#);
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM f"), "0");

    // Nobody noted what became of it.
    let (_db, mut admin) = database_with(FOLLOWER);
    let id = last_statement(&mut admin);
    passes(&mut admin, "SELECT backstop.unprotect('p')");
    passes(
        &mut admin,
        &format!("ALTER TABLE f RENAME TO f_old; ALTER TABLE f_old DROP COLUMN b; {NEW}"),
    );
    let sql = format!("SELECT * FROM backstop.restore({id}, dry_run => false)");
    let refusal = refused(&mut admin, &sql);
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert!(
        refusal.message.contains("not certain which table"),
        "{refusal:?}"
    );
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM f"), "0");
}

#[test]
fn a_table_that_was_dropped_restored_and_renamed_gets_its_rows() {
    for stranger in [true, false] {
        let (_db, mut admin) = database_with(TABLE);
        let id = last_statement(&mut admin);
        approved(&mut admin, 1000, "DROP TABLE t");
        let drop = last_statement(&mut admin);
        restore(&mut admin, &drop);
        alter(&mut admin, "t", "RENAME TO t2");
        if stranger {
            passes(
                &mut admin,
                "CREATE TABLE t (id int PRIMARY KEY, a text, b text); SELECT backstop.protect('t')",
            );
        }
        assert_eq!(restore(&mut admin, &id), "1|0");
        assert_eq!(query_text(&mut admin, "SELECT count(*) FROM t2"), "3");
        if stranger {
            assert_eq!(query_text(&mut admin, "SELECT count(*) FROM t"), "0");
        }
    }
}

#[test]
fn a_table_that_was_restored_and_has_moved_is_not_made_again() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA b; CREATE TABLE t (id serial PRIMARY KEY, c text); INSERT INTO t VALUES (5, 'five'), (6, 'six');
         SELECT backstop.protect('t')",
    );
    let at = now(&mut admin);
    approved(&mut admin, 1000, "DROP TABLE t");
    let drop = last_statement(&mut admin);
    restore(&mut admin, &drop);
    alter(&mut admin, "t", "SET SCHEMA b");
    alter(&mut admin, "b.t", "RENAME c TO f");
    passes(&mut admin, "DELETE FROM b.t WHERE id = 6");
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}', NULL, false, 'overwrite')"),
    );
    assert_eq!(
        rows(&mut admin, "b.t"),
        r#"{"f": "five", "id": 5} {"f": "six", "id": 6}"#
    );
    let others = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE 't%'";
    assert_eq!(query_text(&mut admin, others), "0");
}

#[test]
fn going_back_with_a_table_by_its_present_name_takes_what_it_was_with_it() {
    let (_db, mut admin) = database_with(TABLE);
    let (before, at) = (rows(&mut admin, "t"), now(&mut admin));
    passes(&mut admin, "DELETE FROM t WHERE id = 2");
    approved(
        &mut admin,
        100,
        "ALTER TABLE t ALTER a TYPE text USING lower(a)",
    );
    approved(&mut admin, 1000, "DROP TABLE t");
    let drop = last_statement(&mut admin);
    restore(&mut admin, &drop);
    alter(&mut admin, "t", "RENAME TO t2");
    passes(
        &mut admin,
        "CREATE TABLE t (id int PRIMARY KEY, a text, b text); INSERT INTO t VALUES (9, 'x', 'y');
         SELECT backstop.protect('t'); DELETE FROM t WHERE id = 9",
    );
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}', '{{public.t2}}', false)"),
    );
    assert_eq!(rows(&mut admin, "t2"), before);
}
