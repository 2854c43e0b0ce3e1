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
