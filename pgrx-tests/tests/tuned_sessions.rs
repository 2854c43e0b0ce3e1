//! What a session has tuned for its own queries doesn't reach ours: found by PostgreSQL's own suite, where a DROP TABLE
//! in a session with `enable_seqscan = off` spent ten seconds compiling the query that reads the table's definition.

use pg_backstop_tests::{database, passes};

#[test]
fn our_own_queries_are_neither_compiled_nor_run_in_parallel() {
    let modules = &pg_backstop_tests::installation().library;
    if !modules.join("auto_explain.so").is_file() {
        println!("SKIPPED: this PostgreSQL came without auto_explain");
        return;
    }
    let db = database();
    let (mut client, notices) = db.connect_listening("postgres");
    passes(
        &mut client,
        "LOAD 'auto_explain';
         SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
         SET jit = on; SET enable_seqscan = off;
         SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
         CREATE TABLE users (id bigint PRIMARY KEY);
         INSERT INTO users VALUES (1);
         SET client_min_messages = log;
         SELECT backstop.protect('users');
         BEGIN;
         SELECT backstop.approve_batch('cleaning up', 1);
         DROP TABLE users;
         COMMIT",
    );
    let plans: Vec<String> = notices
        .take()
        .iter()
        .map(|notice| notice.message().to_owned())
        .filter(|message| message.contains("plan:"))
        .collect();
    let reads_definition = |plan: &&String| plan.contains("pg_get_constraintdef");
    assert!(
        plans.iter().any(|plan| reads_definition(&plan)),
        "{plans:#?}"
    );
    for plan in plans {
        assert!(!plan.contains("JIT:"), "{plan}");
        assert!(!plan.contains("Gather"), "{plan}");
    }
}
