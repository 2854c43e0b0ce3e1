//! A parallel worker starts with no registry of its own, and must not stop the query because of that.

use pg_backstop_tests::{database, passes, query_text};

#[test]
fn queries_run_in_parallel_beside_protected_tables() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE users (id bigint PRIMARY KEY, n int);
         INSERT INTO users SELECT g, g FROM generate_series(1, 20000) AS g;
         CREATE SEQUENCE numbers;
         SELECT backstop.protect('users'), backstop.protect_sequence('numbers');
         ANALYZE users",
    );
    let mut app = db.connect_as("app");
    passes(
        &mut app,
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
         SET parallel_leader_participation = off; SET max_parallel_workers_per_gather = 2",
    );
    let plan = query_text(
        &mut app,
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT sum(n) FROM users",
    );
    assert!(plan.contains("Workers Launched: 2"), "{plan}");
    let sum = query_text(&mut app, "SELECT sum(n) FROM users");
    assert_eq!(sum, "200010000");
}
