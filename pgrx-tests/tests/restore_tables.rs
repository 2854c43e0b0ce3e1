//! Restore and what tables can be: partitioned, without a key, with constraints that triggers enforce, changed since.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database, database_with, last_statement, passes, query_text, refused,
};

/// A protected table `name` with a copy `name_before` of its rows.
fn table(name: &str, definition: &str, rows: &str) -> (Database, Client) {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        &format!(
            "SET backstop.max_rows_per_transaction = 100000; {definition}; {rows};
             CREATE TABLE before AS TABLE {name}; SELECT backstop.protect('{name}', max_rows => 10000)"
        ),
    );
    (db, admin)
}

/// Rows that `name` and its copy don't have in common.
fn differences(client: &mut Client, name: &str) -> String {
    let sql = format!(
        "SELECT count(*) FROM ((SELECT t::text FROM {name} t EXCEPT ALL SELECT t::text FROM before t)
         UNION ALL (SELECT t::text FROM before t EXCEPT ALL SELECT t::text FROM {name} t)) d"
    );
    query_text(client, &sql)
}

/// Restores the last statement; captured, restored, unchanged, conflicts.
fn restore_last(client: &mut Client) -> String {
    let id = last_statement(client);
    restore(client, &id, "")
}

fn restore(client: &mut Client, id: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}, dry_run => false{options})"
    );
    query_text(client, &sql)
}

const PARTITIONED: &str = "
    CREATE TABLE p (gone int, id bigint, region text, v text, twice bigint GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (id, region))
        PARTITION BY LIST (region);
    CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu');
    CREATE TABLE p_us (v text, junk int, region text NOT NULL, id bigint NOT NULL, gone int, twice bigint GENERATED ALWAYS AS (id * 2) STORED);
    ALTER TABLE p_us DROP COLUMN junk; ALTER TABLE p ATTACH PARTITION p_us FOR VALUES IN ('us'); ALTER TABLE p DROP COLUMN gone";
const PARTITIONED_ROWS: &str = "INSERT INTO p (id, region, v) SELECT n, CASE n % 2 WHEN 0 THEN 'eu' ELSE 'us' END, 'v' || n FROM generate_series(1, 10) n";

#[test]
fn rows_go_back_to_their_partitions() {
    let (_db, mut admin) = table("p", PARTITIONED, PARTITIONED_ROWS);
    passes(&mut admin, "DELETE FROM p WHERE v <> ''");
    assert_eq!(restore_last(&mut admin), "10|10|0|0");
    assert_eq!(differences(&mut admin, "p"), "0");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT (SELECT count(*) FROM p_eu), (SELECT count(*) FROM p_us)"
        ),
        "5|5"
    );
    assert_eq!(restore_last(&mut admin), "10|10|0|0");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM p"), "0");
}

#[test]
fn a_row_moved_to_another_partition_moves_back_and_forth() {
    let (_db, mut admin) = table("p", PARTITIONED, PARTITIONED_ROWS);
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('a move', 10); UPDATE p SET region = 'us', v = 'moved' WHERE id IN (2, 4); COMMIT",
    );
    assert_eq!(restore_last(&mut admin), "2|2|0|0");
    assert_eq!(differences(&mut admin, "p"), "0");
    assert_eq!(restore_last(&mut admin), "2|2|0|0");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT string_agg(v, ',') FROM p_us WHERE id IN (2, 4)"
        ),
        "moved,moved"
    );
    assert_eq!(restore_last(&mut admin), "2|2|0|0");
    assert_eq!(differences(&mut admin, "p"), "0");
}

#[test]
fn followers_without_a_key_come_back_once() {
    let (_db, mut admin) = table(
        "parent",
        "CREATE TABLE parent (id bigint PRIMARY KEY);
         CREATE TABLE f (parent bigint REFERENCES parent ON DELETE SET NULL, j json, t text);
         CREATE TABLE g (parent bigint REFERENCES parent ON DELETE CASCADE, t text)",
        "INSERT INTO parent SELECT generate_series(1, 5);
         INSERT INTO f SELECT n % 5 + 1, '{\"a\": 1}', 'same' FROM generate_series(1, 20) n;
         INSERT INTO g SELECT n % 5 + 1, 'same' FROM generate_series(1, 20) n",
    );
    passes(
        &mut admin,
        "DROP TABLE before; CREATE TABLE before AS TABLE f; DELETE FROM parent WHERE id IN (1, 2)",
    );
    let id = last_statement(&mut admin);
    assert_eq!(restore_last(&mut admin), "18|18|0|0");
    assert_eq!(differences(&mut admin, "f"), "0");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM g"), "20");
    assert_eq!(
        restore(&mut admin, &id, ", on_conflict => 'skip'"),
        "18|0|10|8",
        "a second restore finds them back"
    );
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert!(
        refusal.detail.contains("put back by an earlier restore")
            && !refusal.detail.contains("gone"),
        "{refusal:?}"
    );
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM g"), "20");
    assert_eq!(restore_last(&mut admin), "18|18|0|0");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT (SELECT count(*) FROM f WHERE parent IS NULL), (SELECT count(*) FROM g)"
        ),
        "8|12"
    );
}

#[test]
fn odd_names_large_values_and_deferrable_keys_come_back() {
    let name = "\"Tä \"\"x\"\" 😀\"";
    let (_db, mut admin) = table(
        name,
        &format!(
            "CREATE TABLE {name} (\"k \"\"y\" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \"näme\" text, pos int UNIQUE DEFERRABLE, big text,
                 r int4range, g text GENERATED ALWAYS AS (upper(\"näme\")) STORED, EXCLUDE USING gist (r WITH &&))"
        ),
        &format!(
            "INSERT INTO {name} (\"näme\", pos, big, r) SELECT 'ä\"😀' || n, n, string_agg(md5((n * 1000 + i)::text), ''), int4range(n * 10, n * 10 + 5)
             FROM generate_series(1, 5) n, generate_series(1, 20000) i GROUP BY n"
        ),
    );
    passes(
        &mut admin,
        &format!("UPDATE {name} SET pos = pos + 1 WHERE \"näme\" <> ''"),
    );
    assert_eq!(restore_last(&mut admin), "5|5|0|0");
    passes(
        &mut admin,
        &format!("DELETE FROM {name} WHERE \"näme\" <> ''"),
    );
    assert_eq!(restore_last(&mut admin), "5|5|0|0");
    assert_eq!(differences(&mut admin, name), "0");
}

#[test]
fn an_exclusion_constraint_in_the_way_is_a_conflict() {
    let (_db, mut admin) = table(
        "booking",
        "CREATE TABLE booking (id bigint PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&))",
        "INSERT INTO booking VALUES (1, '[1,5)'), (2, '[5,9)')",
    );
    passes(&mut admin, "DELETE FROM booking WHERE id = 1");
    let id = last_statement(&mut admin);
    passes(&mut admin, "INSERT INTO booking VALUES (3, '[2,4)')");
    assert_eq!(
        restore(&mut admin, &id, ", on_conflict => 'skip'"),
        "1|0|0|1"
    );
}

#[test]
fn a_deferrable_key_taken_twice_is_refused() {
    let (_db, mut admin) = table(
        "t",
        "CREATE TABLE t (id bigint PRIMARY KEY, pos int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO t VALUES (1, 1)",
    );
    passes(&mut admin, "DELETE FROM t WHERE id = 1");
    let id = last_statement(&mut admin);
    passes(&mut admin, "INSERT INTO t VALUES (2, 1)");
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert_eq!(refusal.sqlstate, "23505");
    assert!(refusal.message.contains("t_pos_key"), "{refusal:?}");
}

#[test]
fn a_renamed_table_is_found_and_dropped_columns_are_ignored() {
    let (_db, mut admin) = table(
        "c",
        "CREATE TABLE c (id int PRIMARY KEY, a text, b text, n numeric(5, 1))",
        "INSERT INTO c VALUES (1, 'a', 'b', 1.5), (2, 'a', 'b', 2.5)",
    );
    passes(&mut admin, "DELETE FROM c WHERE id = 1");
    let deleted = last_statement(&mut admin);
    passes(&mut admin, "UPDATE c SET a = 'x', b = 'y' WHERE id = 2");
    let updated = last_statement(&mut admin);
    passes(
        &mut admin,
        "SELECT backstop.unprotect('c'); ALTER TABLE c DROP COLUMN b; ALTER TABLE c ADD COLUMN d text DEFAULT 'dd';
         ALTER TABLE c RENAME TO cc; ALTER TABLE cc ALTER n TYPE text",
    );
    restore(&mut admin, &deleted, "");
    restore(&mut admin, &updated, "");
    assert_eq!(query_text(&mut admin, "TABLE cc"), "1|a|1.5|dd\n2|a|2.5|dd");
    passes(
        &mut admin,
        "CREATE TABLE c (id int PRIMARY KEY, a text, b text, n text)",
    );
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({deleted}, dry_run => false)"),
    );
    assert!(
        refusal.detail.contains("public.cc"),
        "two tables may be meant: {refusal:?}"
    );
    passes(&mut admin, "DROP TABLE cc");
    assert_eq!(
        restore(&mut admin, &deleted, ""),
        "1|1|0|0",
        "dump and restore gave the table another OID"
    );
    passes(&mut admin, "DROP TABLE c");
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({deleted}, dry_run => false)"),
    );
    assert_eq!(
        (
            refusal.sqlstate.as_str(),
            refusal.message.contains("public.c")
        ),
        ("42P01", true)
    );
}

#[test]
fn foreign_keys_of_several_columns_hold_in_both_directions() {
    let (_db, mut admin) = table(
        "parent",
        "CREATE TABLE parent (a int, b int, PRIMARY KEY (a, b));
         CREATE TABLE child (id int PRIMARY KEY, a int, b int, CONSTRAINT child_parent FOREIGN KEY (a, b) REFERENCES parent MATCH FULL ON DELETE CASCADE)",
        "INSERT INTO parent VALUES (1, 1), (1, 2); INSERT INTO child VALUES (1, 1, 1), (2, 1, 2), (3, NULL, NULL)",
    );
    passes(&mut admin, "DELETE FROM parent WHERE a = 1 AND b = 1");
    let id = last_statement(&mut admin);
    let orphan = refused(
        &mut admin,
        &format!(
            "SELECT * FROM backstop.restore({id}, dry_run => false, relations => '{{public.child}}')"
        ),
    );
    assert_eq!(orphan.sqlstate, "23503");
    assert!(
        orphan.message.contains("child_parent") && orphan.detail.contains("(a, b)=(1, 1)"),
        "{orphan:?}"
    );
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM child"), "2");
    restore(&mut admin, &id, ", relations => '{public.parent}'");
    let back = last_statement(&mut admin);
    passes(&mut admin, "INSERT INTO child VALUES (9, 1, 1)");
    let referenced = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({back}, dry_run => false)"),
    );
    assert_eq!(referenced.sqlstate, "23503");
    assert!(
        referenced.detail.contains("still referenced"),
        "{referenced:?}"
    );
}

#[test]
fn row_level_security_and_privileges_do_not_apply_and_checks_do() {
    let (_db, mut admin) = table(
        "t",
        "CREATE TABLE t (id int PRIMARY KEY, v int CONSTRAINT positive CHECK (v > 0))",
        "INSERT INTO t VALUES (1, 1), (2, 2)",
    );
    passes(
        &mut admin,
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; DELETE FROM t WHERE id = 1",
    );
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "ALTER TABLE t ADD CONSTRAINT large CHECK (v > 1)",
    );
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert_eq!(
        (refusal.sqlstate.as_str(), refusal.message.contains("large")),
        ("23514", true)
    );
    passes(
        &mut admin,
        "ALTER TABLE t DROP CONSTRAINT large; SET backstop.mode = off",
    );
    assert_eq!(
        restore(&mut admin, &id, ""),
        "1|1|0|0",
        "a restore works in every mode"
    );
    assert_eq!(differences(&mut admin, "t"), "0");
}

#[test]
fn a_refused_restore_leaves_the_surrounding_block_in_order() {
    let (_db, mut admin) = table(
        "t",
        "CREATE TABLE t (id int PRIMARY KEY)",
        "INSERT INTO t VALUES (1)",
    );
    passes(&mut admin, "DELETE FROM t WHERE id = 1");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        &format!(
            "CREATE TABLE log (n int);
             DO $$ BEGIN
                 INSERT INTO log VALUES (1);
                 BEGIN INSERT INTO log VALUES (2); PERFORM * FROM backstop.restore({id}, relations => '{{nowhere}}');
                 EXCEPTION WHEN invalid_parameter_value THEN INSERT INTO log VALUES (3); END;
             END $$"
        ),
    );
    assert_eq!(
        query_text(&mut admin, "SELECT string_agg(n::text, ',') FROM log"),
        "1,3"
    );
}

#[test]
fn a_unique_key_or_a_deferrable_primary_key_tells_rows_apart_too() {
    for key in [
        "code text COLLATE \"C\" NOT NULL UNIQUE",
        "code text PRIMARY KEY DEFERRABLE",
    ] {
        let (_db, mut admin) = table(
            "parent",
            &format!(
                "CREATE TABLE parent (id int PRIMARY KEY);
                 CREATE TABLE child (n int, {key}, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, other int)"
            ),
            "INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 'a', 1), (1, 'b', 1), (2, 'c', 2)",
        );
        passes(
            &mut admin,
            "BEGIN; SELECT backstop.approve_batch('a new number', 10); UPDATE parent SET id = 3 WHERE id = 1; COMMIT",
        );
        let id = last_statement(&mut admin);
        passes(
            &mut admin,
            "UPDATE child SET other = 7 WHERE code = 'a'; UPDATE child SET parent = 2 WHERE code = 'b'",
        );
        assert_eq!(
            restore(&mut admin, &id, ", on_conflict => 'overwrite'"),
            "3|3|0|1",
            "{key}"
        );
        assert_eq!(
            query_text(
                &mut admin,
                "SELECT string_agg(concat_ws(',', code, parent, other), ' ' ORDER BY code) FROM child"
            ),
            "a,1,7 b,1 c,2"
        );
        passes(&mut admin, "DELETE FROM parent WHERE id = 1");
        let id = last_statement(&mut admin);
        passes(&mut admin, "INSERT INTO child VALUES (9, 'a', 2)");
        assert_eq!(
            restore(&mut admin, &id, ", on_conflict => 'skip'"),
            "3|2|0|1",
            "{key}"
        );
    }
}

#[test]
fn a_table_that_took_the_name_and_lacks_columns_is_another() {
    let (_db, mut admin) = table(
        "t",
        "CREATE TABLE t (id bigint PRIMARY KEY, v text)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    );
    passes(&mut admin, "DELETE FROM t WHERE v = 'a'");
    let id = last_statement(&mut admin);
    // Another table has the name, and the key's name.
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('a rename', 1); ALTER TABLE t RENAME TO t_old; COMMIT;
         CREATE TABLE t (id bigint PRIMARY KEY, other text)",
    );
    assert_eq!(restore(&mut admin, &id, ""), "1|1|0|0");
    assert_eq!(differences(&mut admin, "t_old"), "0");
    // Nor is it when it has all columns: the other one's new name was noted.
    passes(
        &mut admin,
        "DELETE FROM t_old WHERE id = 1; ALTER TABLE t ADD COLUMN v text",
    );
    assert_eq!(restore(&mut admin, &id, ""), "1|1|0|0");
    assert_eq!(differences(&mut admin, "t_old"), "0");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM t"), "0");
}

/// A sequence does not roll back: one that is there stays where it is in all that is only tried.
#[test]
fn trying_moves_no_sequence() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE counted (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n text);
         INSERT INTO counted (n) SELECT 'x' FROM generate_series(1, 10); SELECT backstop.protect('counted')",
    );
    approved(&mut admin, 20, "TRUNCATE counted RESTART IDENTITY");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "INSERT INTO counted (n) VALUES ('new'); DELETE FROM counted WHERE n = 'new'",
    );
    let stands = "SELECT last_value FROM counted_id_seq";
    for tried in [
        format!("SELECT * FROM backstop.restore({id})"),
        format!("SELECT * FROM backstop.restore_conflicts({id})"),
        "SELECT * FROM backstop.restore_drill()".to_owned(),
        "SELECT * FROM backstop.restore_since(now() - interval '1 day')".to_owned(),
    ] {
        passes(&mut admin, &tried);
        assert_eq!(query_text(&mut admin, stands), "1", "{tried}");
    }
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert_eq!(query_text(&mut admin, stands), "10");
    // One that is gone is made where it stood, and goes again.
    approved(&mut admin, 20, "DROP TABLE counted");
    let id = last_statement(&mut admin);
    let tried = format!("SELECT sum(restored) FROM backstop.restore({id})");
    assert_eq!(query_text(&mut admin, &tried), "10");
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert_eq!(query_text(&mut admin, stands), "10");
}
