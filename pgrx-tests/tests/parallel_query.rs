//! A parallel worker starts with no registry of its own, and must not stop the query because of that.

use pg_backstop_tests::{database, passes, query_text, refused};

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

/// No part of a statement is judged less well because a parallel query calls the function it is in.
#[test]
fn a_plan_made_in_a_parallel_query_carries_what_was_found() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, n int NOT NULL);
         INSERT INTO users SELECT g, 'n', g FROM generate_series(1, 20) AS g;
         CREATE TABLE big AS SELECT g AS n FROM generate_series(1, 200000) AS g;
         SELECT backstop.protect('users');
         CREATE FUNCTION wipe() RETURNS int LANGUAGE plpgsql PARALLEL RESTRICTED AS
             $$BEGIN DELETE FROM users WHERE length(name) >= 0; RETURN 1; END$$;
         CREATE FUNCTION touch() RETURNS int LANGUAGE plpgsql PARALLEL RESTRICTED AS
             $$BEGIN UPDATE users SET n = 1 WHERE id = 3 AND length(name) / (n - 3) > 100; RETURN 1; END$$;
         CREATE FUNCTION harmless() RETURNS int LANGUAGE plpgsql PARALLEL RESTRICTED AS
             $$BEGIN UPDATE users SET n = 1 WHERE length(name) >= 0 AND id = 3; RETURN 1; END$$;
         GRANT SELECT, UPDATE, DELETE ON users, big TO app;
         ANALYZE big",
    );
    let (mut app, notices) = db.connect_listening("app");
    passes(
        &mut app,
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
    );
    let parallel = |function: &str| {
        format!("SELECT {function}(), c FROM (SELECT count(*) c FROM big OFFSET 0) s WHERE c > 0")
    };
    for function in ["wipe", "harmless"] {
        let refusal = refused(&mut app, &parallel(function));
        assert!(
            ["SF002", "25000"].contains(&refusal.sqlstate.as_str()),
            "{refusal:?}"
        );
    }
    assert_eq!(refused(&mut app, "SELECT wipe()").sqlstate, "SF002");
    assert_eq!(refused(&mut app, "SELECT wipe()").sqlstate, "SF002");
    passes(&mut app, "SELECT harmless()");
    assert_eq!(query_text(&mut app, "SELECT count(*) FROM users"), "20");
    // What fails while it is judged leaves nothing behind there either.
    refused(&mut app, &parallel("touch"));
    passes(&mut app, "SELECT 1");
    let said = notices.take();
    assert!(said.is_empty(), "{said:?}");
}
