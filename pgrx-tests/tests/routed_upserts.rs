//! INSERT ... ON CONFLICT DO UPDATE through a partitioned table of which some partitions are protected and some are not.

use pg_backstop_tests::{database, passes, query_text, refused};

/// The plan of an INSERT names the table it is addressed to, and not the partition in which it meets a row.
#[test]
fn an_upsert_through_an_unprotected_parent_meets_the_partitions_rules() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE parted (a int PRIMARY KEY, v text) PARTITION BY RANGE (a);
         CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (100);
         CREATE TABLE high PARTITION OF parted FOR VALUES FROM (100) TO (200);
         INSERT INTO parted SELECT n, 'old' FROM generate_series(1, 150) n;
         SELECT backstop.protect('low', max_rows => 3)",
    );
    let upsert = |values: &str| {
        format!("INSERT INTO parted {values} ON CONFLICT (a) DO UPDATE SET v = 'new'")
    };
    let many = upsert("SELECT n, 'x' FROM generate_series(1, 50) n");
    for statement in [
        many.clone(),
        upsert("VALUES (5, 'x')"),
        format!(
            "WITH x AS ({} RETURNING 1) SELECT * FROM x",
            upsert("VALUES (5, 'x')")
        ),
    ] {
        let sqlstate = refused(&mut admin, &statement).sqlstate;
        assert_eq!(sqlstate, "SF003", "{statement}");
    }
    let approve = "BEGIN; SELECT backstop.approve_batch('r', 5)";
    passes(&mut admin, approve);
    assert_eq!(refused(&mut admin, &many).sqlstate, "SF010");
    passes(&mut admin, "ROLLBACK");
    passes(&mut admin, approve);
    passes(&mut admin, &upsert("VALUES (5, 'x'), (6, 'x'), (120, 'x')"));
    passes(&mut admin, "COMMIT");
    // The record names the family by its root.
    let recorded = "SELECT relation, operation, old_row ->> 'v', new_values ->> 'v', count(*) FROM backstop.preimage GROUP BY 1, 2, 3, 4";
    assert_eq!(
        query_text(&mut admin, recorded),
        "public.parted|UPDATE|old|new|2"
    );
    // Which partitions an INSERT comes to shows when it runs: nothing is said where it meets no row of a protected one.
    for passing in [
        upsert("VALUES (0, 'x')"),
        upsert("VALUES (120, 'x'), (121, 'x')"),
        format!(
            "WITH x AS ({} RETURNING 1) SELECT * FROM x",
            upsert("VALUES (122, 'x')")
        ),
    ] {
        passes(&mut admin, &passing);
    }
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM high WHERE v = 'new'"),
        "3"
    );
    let here_and_there = format!(
        "WITH x AS ({} RETURNING 1) DELETE FROM parted WHERE a > 10",
        upsert("VALUES (122, 'x')")
    );
    assert_eq!(refused(&mut admin, &here_and_there).sqlstate, "SF001");
    let directly = "INSERT INTO low VALUES (1, 'x') ON CONFLICT (a) DO UPDATE SET v = 'new'";
    assert_eq!(refused(&mut admin, directly).sqlstate, "SF003");
    let told = query_text(
        &mut admin,
        &format!(
            "SELECT sqlstate FROM backstop.check($${}$$)",
            upsert("VALUES (120, 'x')")
        ),
    );
    assert_eq!(told, "SF003");
    assert_eq!(
        query_text(
            &mut admin,
            &format!(
                "SELECT rules FROM backstop.preview($${}$$)",
                upsert("VALUES (5, 'x')")
            )
        ),
        "{key_upsert}"
    );
    // What an INSERT only inserts is nobody's concern.
    passes(
        &mut admin,
        "INSERT INTO parted VALUES (50, 'first') ON CONFLICT (a) DO NOTHING",
    );
}
