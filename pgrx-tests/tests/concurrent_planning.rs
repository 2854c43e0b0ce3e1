//! Planning waits for the children of what a statement names, and what it waits for may be their protection.

use pg_backstop_tests::{behind, database_with, passes, query_text};

const WORLD: &str = "
    CREATE TABLE parted (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (1000);
    INSERT INTO parted SELECT n, n FROM generate_series(1, 50) AS n;
    CREATE TABLE parent (id int PRIMARY KEY, v int); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (parent);
    INSERT INTO heir SELECT n, n FROM generate_series(1, 50) AS n;
    CREATE TABLE source (id int PRIMARY KEY); INSERT INTO source SELECT n FROM generate_series(1, 50) AS n;
    CREATE TABLE other (id int PRIMARY KEY)";

#[test]
fn a_child_that_is_protected_meanwhile_is_not_reached_by_its_parent() {
    for (child, second) in [
        ("part", "DELETE FROM parted WHERE id > 10"),
        ("part", "DELETE FROM parted"),
        ("part", "UPDATE parted SET id = id + 500 WHERE v = 3"),
        (
            "part",
            "MERGE INTO parted AS p USING source AS s ON p.id = s.id WHEN MATCHED THEN DELETE",
        ),
        (
            "part",
            "WITH gone AS (DELETE FROM parted WHERE id < 20 RETURNING *) SELECT count(*) FROM gone",
        ),
        ("heir", "UPDATE parent SET v = 0"),
        (
            "heir",
            "DO $$ BEGIN DELETE FROM parent WHERE id > 3; END $$",
        ),
        (
            "heir",
            "PREPARE gone AS DELETE FROM parent WHERE id > $1; EXECUTE gone (3)",
        ),
    ] {
        for other in [false, true] {
            let (db, mut admin) = database_with(WORLD);
            if other {
                passes(&mut admin, "SELECT backstop.protect('other')");
            }
            let values = format!("SELECT count(*), sum(id), sum(v) FROM {child}");
            let before = query_text(&mut admin, &values);
            let first = format!("SELECT backstop.protect('{child}')");
            assert_eq!(behind(&db, &first, second), "SF012", "{second} {other}");
            assert_eq!(query_text(&mut admin, &values), before, "{second}");
        }
    }
}

/// It is news for one statement only, and none where something else has changed.
#[test]
fn nothing_else_is_refused() {
    let (db, mut admin) = database_with(WORLD);
    passes(
        &mut admin,
        "SELECT backstop.protect('other'), backstop.protect('heir')",
    );
    let mut two = db.connect();
    let delete = "DELETE FROM parent WHERE id = 3";
    passes(
        &mut two,
        "PREPARE gone AS DELETE FROM parent WHERE id = $1; EXECUTE gone (1)",
    );
    passes(&mut admin, "SELECT backstop.protect('part')");
    passes(&mut two, "EXECUTE gone (2)");
    passes(&mut two, delete);
    passes(&mut two, "DELETE FROM parted WHERE id = 4");
    let follower = "CREATE TABLE follower (id int REFERENCES other ON DELETE CASCADE); LOCK heir";
    assert_eq!(behind(&db, follower, "DELETE FROM parent WHERE id = 4"), "");
    let again = "SELECT backstop.protect('heir', max_rows => 7)";
    assert_eq!(behind(&db, again, "DELETE FROM parent WHERE id = 5"), "");
}
