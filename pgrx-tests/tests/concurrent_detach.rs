//! DETACH PARTITION that waits for another session's DDL: what is guarded is read anew while PostgreSQL is in the middle of it.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, database_with, passes, query_text, refused, until_someone_waits,
};

const WORLD: &str = "
    CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY RANGE (a);
    CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (50);
    CREATE TABLE orders (id int PRIMARY KEY, a int);
    INSERT INTO parted VALUES (1), (2), (3); INSERT INTO orders VALUES (1, 1);
    SELECT backstop.protect('parted')";

const GUARDED: &str = "SELECT string_agg(DISTINCT tgrelid::regclass::text, ', ') FROM pg_trigger WHERE tgname LIKE 'backstop_%'";

/// A session that detaches the partition while another one's foreign key is not committed yet.
fn detach_behind(
    db: &Database,
    first: &str,
    detach: impl FnOnce(&mut Client) + Send + 'static,
) -> Client {
    let mut one = db.connect();
    let mut two = db.connect();
    passes(
        &mut two,
        "SET backstop.approval = '{\"reason\": \"x\", \"max_rows\": 10}'; SELECT count(*) FROM parted",
    );
    passes(&mut one, &format!("BEGIN; {first}"));
    let waiting = std::thread::spawn(move || {
        detach(&mut two);
        two
    });
    until_someone_waits(&mut db.connect());
    passes(&mut one, "COMMIT");
    waiting.join().expect("the detaching session")
}

#[test]
fn it_is_detached_and_guarded_no_more() {
    for (action, left) in [("ON DELETE CASCADE", "orders, parted"), ("", "parted")] {
        let (db, mut admin) = database_with(WORLD);
        let first = format!(
            "DELETE FROM orders; ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES parted {action}"
        );
        detach_behind(&db, &first, |two| {
            passes(two, "ALTER TABLE parted DETACH PARTITION low");
        });
        assert_eq!(query_text(&mut admin, GUARDED), left, "{action}");
    }
}

#[test]
fn where_it_fails_the_partition_stays_guarded() {
    let (db, mut admin) = database_with(WORLD);
    let first = "ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES parted ON DELETE CASCADE";
    let mut two = detach_behind(&db, first, |two| {
        let refusal = refused(two, "ALTER TABLE parted DETACH PARTITION low");
        assert_eq!(refusal.sqlstate, "23503", "{refusal:?}");
    });
    passes(&mut two, "RESET backstop.approval");
    for statement in ["DELETE FROM low", "DELETE FROM low WHERE a > 1"] {
        assert!(refused(&mut two, statement).sqlstate.starts_with("SF0"));
    }
    assert_eq!(query_text(&mut admin, GUARDED), "low, orders, parted");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM low"), "3");
}
