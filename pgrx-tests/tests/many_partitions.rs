//! Tables with many partitions or many followers: protecting them asks what is guarded a number of times that does not grow
//! with them, and writers wait no longer than PostgreSQL takes to make the triggers.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{database, passes, query_text, refused};

fn make(admin: &mut Client, name: &str, partitions: u32, followers: u32) {
    passes(
        admin,
        &format!(
            "CREATE TABLE {name} (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
             DO $$ BEGIN
                 FOR n IN 1..{partitions} LOOP
                     EXECUTE format('CREATE TABLE {name}_%s PARTITION OF {name} FOR VALUES IN (%s)', n, n);
                 END LOOP;
                 FOR n IN 1..{followers} LOOP
                     EXECUTE format('CREATE TABLE {name}_f%s (id int, k int, FOREIGN KEY (id, k) REFERENCES {name} ON DELETE CASCADE)', n);
                 END LOOP;
             END $$"
        ),
    );
}

/// How often `statement` has read every trigger, and every link of inheritance and constraint, that there is.
fn whole_scans(admin: &mut Client, statement: &str) -> String {
    passes(
        admin,
        &format!(
            "BEGIN; CREATE TEMP TABLE before ON COMMIT DROP AS
                 SELECT relname, seq_scan FROM pg_stat_xact_sys_tables;
             {statement}"
        ),
    );
    // The statistics of earlier transactions may be in both.
    let scans = query_text(
        admin,
        "SELECT relname, after.seq_scan - before.seq_scan
         FROM pg_stat_xact_sys_tables AS after JOIN before USING (relname)
         WHERE relname IN ('pg_trigger', 'pg_inherits', 'pg_constraint') ORDER BY 1",
    );
    passes(admin, "COMMIT");
    scans
}

/// How the guard's triggers are enabled, and how many are.
const ENABLED: &str = "SELECT tgname, tgenabled, count(*) FROM pg_trigger WHERE tgname LIKE 'backstop%' GROUP BY 1, 2 ORDER BY 1";

#[test]
fn every_one_of_hundreds_gets_its_triggers_enabled_always() {
    let db = database();
    let mut admin = db.connect();
    make(&mut admin, "parted", 300, 20);
    passes(
        &mut admin,
        "SELECT backstop.protect('parted', max_rows => 1)",
    );
    assert_eq!(
        query_text(&mut admin, ENABLED),
        "backstop_capture|A|321\nbackstop_guard_truncate|A|321"
    );
    passes(
        &mut admin,
        "INSERT INTO parted SELECT n, 300 FROM generate_series(1, 3) n; INSERT INTO parted_f20 VALUES (1, 300), (1, 300)",
    );
    for statement in [
        "DELETE FROM parted_300 WHERE k = 300",
        // With what follows it.
        "DELETE FROM parted WHERE id = 1 AND k = 300",
    ] {
        assert_eq!(refused(&mut admin, statement).sqlstate, "SF005");
    }
    passes(&mut admin, "SELECT backstop.unprotect('parted')");
    assert_eq!(query_text(&mut admin, ENABLED), "");
}

#[test]
fn what_is_guarded_is_not_asked_again_for_each_of_them() {
    let db = database();
    let mut admin = db.connect();
    make(&mut admin, "few", 5, 5);
    make(&mut admin, "many", 40, 40);
    // The first of all.
    make(&mut admin, "other", 1, 1);
    passes(&mut admin, "SELECT backstop.protect('other')");
    let few = whole_scans(&mut admin, "SELECT backstop.protect('few')");
    let many = whole_scans(&mut admin, "SELECT backstop.protect('many')");
    assert_eq!(few, many);
    let few = whole_scans(&mut admin, "SELECT backstop.unprotect('few')");
    let many = whole_scans(&mut admin, "SELECT backstop.unprotect('many')");
    assert_eq!(few, many);
    assert_eq!(
        query_text(&mut admin, ENABLED),
        "backstop_capture|A|3\nbackstop_guard_truncate|A|3"
    );
}
