//! Rejections: what was refused is recorded, although it was rolled back.

use pg_backstop_tests::postgres::NoTls;
use pg_backstop_tests::{
    ClusterOptions, PORT, comes_to, passes, passes_with, query_text, refused, start,
};

#[path = "rejections/world.rs"]
mod world;
use world::{WORLD, world};

const RULES: &str =
    "SELECT string_agg(sqlstate || ' ' || rule, ',' ORDER BY rejection_id) FROM backstop.rejection";

#[test]
fn a_refusal_is_recorded_with_every_field_although_it_was_rolled_back() {
    let (db, mut admin) = world();
    let mut app = db.connect_with(|config| {
        config.user("app").application_name("cleaner");
    });
    let pid = query_text(&mut app, "SELECT pg_backend_pid()");
    passes(&mut app, "BEGIN; UPDATE users SET plan = 'a' WHERE id = 1");
    refused(
        &mut app,
        "SELECT 1; DELETE FROM users WHERE id > 40; SELECT 2",
    );
    passes(&mut app, "ROLLBACK");
    comes_to(
        &mut admin,
        "SELECT rejection_id, sqlstate, rule, message, query, session_role, role, application_name, client_addr, pid,
                relation, rows_seen, at BETWEEN now() - interval '5 min' AND clock_timestamp()
         FROM backstop.rejection",
        &format!(
            "1|SF001|key_range|range condition on protected key \"id\" of table \"users\"|DELETE FROM users WHERE id > 40|\
             app|app|cleaner|null|{pid}|public.users|0|t"
        ),
    );
    let record = "SELECT count(*) FROM backstop.statement";
    assert_eq!(query_text(&mut admin, record), "0");
}

#[test]
fn it_tells_the_session_from_the_role_and_where_it_came_from() {
    // A loopback address that nothing else listens on; whoever connects to it comes from 127.0.0.1.
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = format!("127.9.{high}.{low}");
    let server = start(&ClusterOptions::default().address(&address));
    let db = server.database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    passes(
        &mut admin,
        "CREATE FUNCTION sweep() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
             $$ BEGIN DELETE FROM users; END $$;
         CREATE ROLE walker LOGIN IN ROLE app",
    );
    let mut client = pg_backstop_tests::postgres::Config::new()
        .host(&address)
        .port(PORT)
        .user("walker")
        .dbname(&db.name)
        .connect(NoTls)
        .expect("a connection over TCP");
    passes(&mut client, "SET ROLE app");
    refused(&mut client, "SELECT sweep() AS called");
    comes_to(
        &mut admin,
        "SELECT rule, query, session_role, role, client_addr, relation FROM backstop.rejection",
        "unqualified|SELECT sweep() AS called|walker|app|127.0.0.1|public.users",
    );
}

#[test]
fn every_rule_is_recorded_once_for_each_refusal() {
    let (db, mut admin) = world();
    passes(
        &mut admin,
        "ALTER TABLE users ADD mail text DEFAULT 'm';
         SELECT backstop.protect_columns('users', '{phone}', 'crm'), backstop.protect_columns('users', '{mail}', 'shop')",
    );
    let mut app = db.connect();
    for statement in [
        "DELETE FROM users WHERE id > 1",
        "DELETE FROM users",
        "INSERT INTO users VALUES (1) ON CONFLICT (id) DO UPDATE SET plan = 'x'",
        "UPDATE users SET id = 99 WHERE id = 1",
        "DELETE FROM users WHERE plan = 'free'",
        "SET backstop.max_rows_per_transaction = 2; UPDATE users SET plan = 'p' WHERE plan = 'free' AND id IN (1, 2, 3)",
        "SELECT setval('numbers', 100)",
        "TRUNCATE posts, users",
        "UPDATE users SET phone = NULL, mail = '' WHERE id = 1",
        "SET backstop.approval = 'please'",
        "DELETE FROM backstop.statement_log",
    ] {
        refused(&mut app, statement);
    }
    comes_to(
        &mut admin,
        RULES,
        "SF001 key_range,SF002 unqualified,SF003 key_upsert,SF004 key_update,SF005 row_limit,SF006 transaction_limit,\
         SF007 sequence_guard,SF008 destructive_ddl,SF009 mixed_upstreams,SF010 approval_refused,SF013 tamper",
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT string_agg(rows_seen::text, ',' ORDER BY rejection_id) FROM backstop.rejection
             WHERE sqlstate IN ('SF001', 'SF005', 'SF006')"
        ),
        "0,4,3"
    );
}

#[test]
fn a_refusal_that_an_exception_block_swallows_is_recorded_and_so_are_prepared_statements() {
    let (db, mut admin) = world();
    let mut app = db.connect_as("app");
    passes(
        &mut app,
        "DO $$ BEGIN DELETE FROM users; EXCEPTION WHEN OTHERS THEN NULL; END $$",
    );
    assert!(
        app.execute("DELETE FROM users WHERE id < $1", &[&10i64])
            .is_err()
    );
    let deleted = passes_with(&mut app, "DELETE FROM users WHERE id = $1", &[&10i64]);
    assert_eq!(deleted, 1);
    comes_to(
        &mut admin,
        "SELECT string_agg(rule || ': ' || query, E'\\n' ORDER BY rejection_id) FROM backstop.rejection",
        "unqualified: DO $$ BEGIN DELETE FROM users; EXCEPTION WHEN OTHERS THEN NULL; END $$\n\
         key_range: DELETE FROM users WHERE id < $1",
    );
}

#[test]
fn what_a_preview_finds_is_no_rejection() {
    let (db, mut admin) = world();
    let mut app = db.connect_as("app");
    passes(&mut app, "SELECT backstop.preview('DELETE FROM users')");
    passes(
        &mut app,
        "SELECT backstop.\"check\"('DELETE FROM users'); EXPLAIN DELETE FROM users",
    );
    refused(&mut app, "DELETE FROM users WHERE id > 3");
    comes_to(&mut admin, RULES, "SF001 key_range");
}

#[test]
fn a_long_statement_is_cut_between_characters() {
    let (db, mut admin) = world();
    let long = format!(
        "DELETE FROM users WHERE plan <> '-{}' OR true",
        "ü".repeat(4000)
    );
    refused(&mut db.connect_as("app"), &long);
    comes_to(
        &mut admin,
        "SELECT octet_length(query), left(query, 17), right(query, 4) FROM backstop.rejection",
        "3071|DELETE FROM users|ü...",
    );
}

#[test]
fn it_is_closed_append_only_and_pruned() {
    let (db, mut admin) = world();
    let mut app = db.connect_as("app");
    refused(&mut app, "DELETE FROM users");
    comes_to(&mut admin, RULES, "SF002 unqualified");
    for sql in [
        "SELECT * FROM backstop.rejection",
        "INSERT INTO backstop.rejection DEFAULT VALUES",
    ] {
        assert_eq!(refused(&mut app, sql).sqlstate, "42501");
    }
    for sql in [
        "DELETE FROM backstop.rejection",
        "UPDATE backstop.rejection SET query = ''",
        "TRUNCATE backstop.rejection",
    ] {
        assert_eq!(refused(&mut admin, sql).sqlstate, "SF013");
    }
    passes(&mut admin, "GRANT SELECT ON backstop.rejection TO reviewer");
    let mut reviewer = db.connect_as("reviewer");
    comes_to(
        &mut reviewer,
        "SELECT count(*) FROM backstop.rejection",
        "4",
    );
    passes(&mut admin, "SELECT backstop.prune('1 hour')");
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.rejection"),
        "4"
    );
    passes(&mut admin, "SELECT backstop.prune('0 s')");
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.rejection"),
        "0"
    );
}
