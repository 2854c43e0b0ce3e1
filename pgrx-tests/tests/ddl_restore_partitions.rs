//! What partitions have of their own, and keys that reference a partitioned table, come back after a drop.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{approved, database_with, passes, query_text};

fn restore(admin: &mut Client) {
    passes(
        admin,
        "SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)",
    );
}

#[test]
fn a_key_of_another_table_that_a_partition_took() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE parted (id int, k text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
         CREATE TABLE pa PARTITION OF parted FOR VALUES IN ('a'); CREATE TABLE pb PARTITION OF parted FOR VALUES IN ('b');
         CREATE TABLE pchild (id int PRIMARY KEY, pid int, pk text, FOREIGN KEY (pid, pk) REFERENCES parted ON DELETE CASCADE);
         INSERT INTO parted VALUES (1, 'a'), (2, 'b'); INSERT INTO pchild VALUES (1, 1, 'a'), (2, 2, 'b');
         SELECT backstop.protect('parted'), backstop.protect('pchild')",
    );
    let keys = "SELECT string_agg(conname || pg_get_constraintdef(oid), ' ') FROM pg_constraint
                WHERE contype = 'f' AND conparentid = 0";
    let before = query_text(&mut admin, keys);
    approved(&mut admin, 100, "DROP TABLE pb CASCADE");
    assert_eq!(query_text(&mut admin, keys), "null");
    let recorded =
        "SELECT relation, object, name FROM backstop.definition WHERE kind = 'foreign key'";
    assert_eq!(
        query_text(&mut admin, recorded),
        "public.parted|public.pchild|pchild_pid_pk_fkey"
    );
    restore(&mut admin);
    assert_eq!(query_text(&mut admin, keys), before);
    let rows = "SELECT count(*) FROM pchild JOIN parted ON parted.id = pid AND k = pk";
    assert_eq!(query_text(&mut admin, rows), "2");
}

#[test]
fn a_column_that_partitions_have_otherwise() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE p (id int PRIMARY KEY, c int DEFAULT 3, d int DEFAULT 5) PARTITION BY RANGE (id);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
         CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
         CREATE TABLE p2a PARTITION OF p2 FOR VALUES FROM (10) TO (15);
         ALTER TABLE p1 ALTER c SET DEFAULT 9, ALTER c SET NOT NULL, ADD CONSTRAINT own CHECK (c > 0),
             ALTER c SET STATISTICS 55;
         ALTER TABLE p2a ALTER c DROP DEFAULT, ALTER d SET DEFAULT 6; COMMENT ON COLUMN p2a.c IS 'own';
         CREATE INDEX own_index ON p1 (c, id); CREATE INDEX of_all ON p (c); GRANT SELECT (c) ON p1 TO app;
         INSERT INTO p SELECT n, n, n FROM generate_series(1, 12) n; SELECT backstop.protect('p')",
    );
    let told = "SELECT (SELECT string_agg(format('%s.%s %s %s %s %s', attrelid::regclass, attname, attnotnull, attstattarget, attacl,
                                  (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)),
                              ', ' ORDER BY attrelid, attname)
                        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                        WHERE relname ~ '^p[12]?a?$' AND attnum > 0 AND NOT attisdropped),
                       (SELECT string_agg(indexrelid::regclass::text, ', ' ORDER BY indexrelid::regclass::text) FROM pg_index
                        WHERE indrelid::regclass::text ~ '^p[12]?a?$'),
                       (SELECT string_agg(pg_get_constraintdef(oid), ', ') FROM pg_constraint WHERE conname = 'own'),
                       (SELECT string_agg(description, ', ') FROM pg_description WHERE objoid = 'p2a'::regclass)";
    let before = query_text(&mut admin, told);
    for statement in ["ALTER TABLE p DROP COLUMN c", "ALTER TABLE p DROP COLUMN d"] {
        approved(&mut admin, 100, statement);
        assert_ne!(query_text(&mut admin, told), before);
        restore(&mut admin);
        assert_eq!(query_text(&mut admin, told), before, "{statement}");
    }
    assert_eq!(
        query_text(&mut admin, "SELECT sum(c), sum(d) FROM p"),
        "78|78"
    );
}

#[test]
fn a_partitioned_table_of_which_only_a_partition_is_protected() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE dc (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
         CREATE TABLE dm PARTITION OF dc FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
         CREATE TABLE dc1 PARTITION OF dm FOR VALUES FROM (0) TO (10); INSERT INTO dc VALUES (1, 'one');
         SELECT backstop.protect('dc1')",
    );
    approved(&mut admin, 100, "DROP TABLE dc");
    restore(&mut admin);
    assert_eq!(
        query_text(&mut admin, "SELECT id, v, tableoid::regclass FROM dc"),
        "1|one|dc1"
    );
}

/// A child's column has its own default, none, or its parent's.
#[test]
fn defaults_that_children_have_otherwise() {
    for dropped in ["top", "middle", "low", "other"] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE top (id int PRIMARY KEY, a int DEFAULT 1, b int DEFAULT 2, c int, d int DEFAULT 4);
             CREATE TABLE middle (PRIMARY KEY (id)) INHERITS (top); ALTER TABLE ONLY middle ALTER a DROP DEFAULT;
             CREATE TABLE low (b int, PRIMARY KEY (id)) INHERITS (middle); ALTER TABLE ONLY low ALTER a SET DEFAULT 11;
             ALTER TABLE ONLY low ALTER b DROP DEFAULT; ALTER TABLE ONLY middle ALTER c SET DEFAULT 13;
             CREATE TABLE other (a int DEFAULT 21, PRIMARY KEY (id)) INHERITS (top); ALTER TABLE ONLY other ALTER d DROP DEFAULT;
             INSERT INTO low VALUES (1); INSERT INTO other VALUES (2);
             SELECT backstop.protect('top')",
        );
        let defaults = "SELECT string_agg(format('%s.%s %s %s', attrelid::regclass, attname, attislocal, pg_get_expr(adbin, adrelid)), ', '
                            ORDER BY attrelid::regclass::text, attnum)
            FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid::regclass::text IN ('top', 'middle', 'low', 'other') AND attnum > 0";
        let rows =
            "SELECT string_agg(tableoid::regclass || t::text, ' ' ORDER BY id) FROM top AS t";
        let before = (
            query_text(&mut admin, defaults),
            query_text(&mut admin, rows),
        );
        approved(&mut admin, 100, &format!("DROP TABLE {dropped} CASCADE"));
        restore(&mut admin);
        let after = (
            query_text(&mut admin, defaults),
            query_text(&mut admin, rows),
        );
        assert_eq!(after, before, "{dropped}");
    }
}
