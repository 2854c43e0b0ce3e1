//! PgBouncer: an approval is the transaction's that set it, not the connection's that others use next.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, Pooler, database, passes, query_text, refused};
use std::thread;
use std::time::Duration;

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 200) n;
    SELECT backstop.protect('users', max_rows => 10);
    GRANT EXECUTE ON FUNCTION backstop.approve(bigint, text) TO reviewer";

const RANGE: &str = "DELETE FROM users WHERE id > 190";

/// What one client can set an approval with, for its transaction alone.
const LOCAL: [&str; 3] = [
    r#"SET LOCAL backstop.approval = '{"reason": "OPS-142", "max_rows": 50}'"#,
    "SELECT backstop.approve_batch('OPS-142', 50)",
    r#"SELECT set_config('backstop.approval', '{"reason": "OPS-142", "max_rows": 50}', true)"#,
];

fn world(mode: &str, size: u32) -> (Database, Pooler) {
    let db = database();
    passes(&mut db.connect(), WORLD);
    let pooler = Pooler::start(&db, mode, size).expect("pgbouncer starts");
    (db, pooler)
}

/// Two clients that the pooler gives the same connection, in turn.
fn two(pooler: &Pooler) -> (Client, Client) {
    let (mut one, mut other) = (pooler.connect_as("app"), pooler.connect_as("app"));
    same_connection(&mut one, &mut other);
    (one, other)
}

#[track_caller]
fn same_connection(one: &mut Client, other: &mut Client) {
    let pid = "SELECT pg_backend_pid()";
    assert_eq!(query_text(one, pid), query_text(other, pid));
}

fn count(client: &mut Client) -> String {
    query_text(client, "SELECT count(*) FROM users")
}

#[test]
fn an_approval_of_a_transaction_never_leaks_to_the_next_client_of_the_connection() {
    let (_db, pooler) = world("transaction", 1);
    let (mut one, mut other) = two(&pooler);
    for (n, approval) in LOCAL.iter().enumerate() {
        let low = 199 - n;
        for end in ["COMMIT", "ROLLBACK"] {
            passes(
                &mut one,
                &format!("BEGIN; {approval}; DELETE FROM users WHERE id > {low}; {end}"),
            );
            assert_eq!(
                refused(&mut other, RANGE).sqlstate,
                "SF001",
                "{approval} {end}"
            );
        }
        // Left by an error, and by a client that went away in the middle.
        passes(&mut one, &format!("BEGIN; {approval}"));
        refused(&mut one, "SELECT 1 / 0");
        passes(&mut one, "ROLLBACK");
        assert_eq!(refused(&mut other, RANGE).sqlstate, "SF001", "{approval}");
        let mut gone = pooler.connect_as("app");
        passes(
            &mut gone,
            &format!("BEGIN; {approval}; UPDATE users SET plan = 'lost' WHERE id > 50 AND id < 60"),
        );
        drop(gone);
        assert_eq!(refused(&mut other, RANGE).sqlstate, "SF001", "{approval}");
        same_connection(&mut one, &mut other);
    }
    assert_eq!(count(&mut other), "197");
    assert_eq!(
        query_text(&mut other, "SELECT count(*) FROM users WHERE plan = 'lost'"),
        "0"
    );
}

#[test]
fn outside_a_transaction_a_local_approval_is_gone_with_its_statement() {
    let (_db, pooler) = world("transaction", 1);
    let (mut one, mut other) = two(&pooler);
    for approval in LOCAL {
        passes(&mut one, approval);
        assert_eq!(refused(&mut one, RANGE).sqlstate, "SF001", "{approval}");
        assert_eq!(refused(&mut other, RANGE).sqlstate, "SF001", "{approval}");
    }
}

#[test]
fn a_token_never_leaks_and_is_run_over_whatever_connection_comes() {
    let (_db, pooler) = world("transaction", 2);
    let mut reviewer = pooler.connect_as("reviewer");
    let (mut one, mut other) = (pooler.connect_as("app"), pooler.connect_as("app"));
    let mut token = |client: &mut Client| {
        let request = query_text(
            client,
            &format!("SELECT DISTINCT request_id FROM backstop.preview('{RANGE}', 'OPS-142')"),
        );
        query_text(
            &mut reviewer,
            &format!("SELECT backstop.approve({request}, 'looked')"),
        )
    };
    let left = token(&mut one);
    passes(
        &mut one,
        &format!("BEGIN; SET LOCAL backstop.approval = '{left}'; COMMIT"),
    );
    // Both connections of the pool: neither kept it.
    passes(&mut one, "BEGIN; SELECT 1");
    assert_eq!(refused(&mut other, RANGE).sqlstate, "SF001");
    assert_eq!(refused(&mut one, RANGE).sqlstate, "SF001");
    passes(&mut one, "ROLLBACK");
    // It was not used up by being set, and is by being run: over the connection that is free.
    passes(&mut other, "BEGIN; SELECT 1");
    assert_eq!(
        query_text(
            &mut one,
            &format!("SELECT rows FROM backstop.run('{left}')")
        ),
        "10"
    );
    passes(&mut other, "ROLLBACK");
    assert_eq!(
        refused(&mut other, &format!("SELECT * FROM backstop.run('{left}')")).sqlstate,
        "SF010"
    );
    assert_eq!(count(&mut other), "190");
}

#[test]
fn an_approval_left_behind_by_a_plain_set_is_covered_by_its_budget() {
    let (db, pooler) = world("transaction", 1);
    let (mut one, mut other) = two(&pooler);
    passes(
        &mut one,
        r#"SET backstop.approval = '{"reason": "OPS-142", "max_rows": 15, "relations": ["public.users"], "operations": ["delete"]}'"#,
    );
    passes(&mut one, RANGE);
    drop(one);
    // This is what a plain SET under a pooler means, and why SET LOCAL is advised: the next client inherits what is left.
    // Five of fifteen rows, of that table, by that operation.
    assert_eq!(
        refused(&mut other, "UPDATE users SET plan = 'x' WHERE id > 189").sqlstate,
        "SF010"
    );
    assert_eq!(
        refused(&mut other, "DELETE FROM users WHERE id > 184").sqlstate,
        "SF010"
    );
    passes(&mut other, "DELETE FROM users WHERE id > 185");
    let spent = refused(&mut other, "DELETE FROM users WHERE id > 184");
    assert!(
        ["SF001", "SF010"].contains(&spent.sqlstate.as_str()),
        "{spent:?}"
    );
    assert!(spent.hint.contains("backstop."), "{spent:?}");
    // And never more; ordinary work goes on.
    passes(&mut other, "DELETE FROM users WHERE id = 1");
    assert_eq!(count(&mut other), "184");
    let recorded = "SELECT count(*) FILTER (WHERE approval ->> 'reason' = 'OPS-142'), sum(rows) FROM backstop.statement";
    assert_eq!(query_text(&mut db.connect(), recorded), "2|16");
}

#[test]
fn an_approval_left_behind_by_a_plain_set_ends_with_its_time_to_live() {
    let (db, pooler) = world("transaction", 1);
    let name = &db.name;
    passes(
        &mut db.connect(),
        &format!("ALTER DATABASE {name} SET backstop.approval_ttl = 1"),
    );
    // The connection the pooler made when it was tried knows the old time.
    let pid = query_text(&mut pooler.connect_as("app"), "SELECT pg_backend_pid()");
    passes(
        &mut db.connect(),
        &format!("SELECT pg_terminate_backend({pid}, 5000)"),
    );
    thread::sleep(Duration::from_millis(100));
    let (mut one, mut other) = two(&pooler);
    assert_eq!(query_text(&mut one, "SHOW backstop.approval_ttl"), "1s");
    passes(
        &mut one,
        r#"SET backstop.approval = '{"reason": "OPS-142", "max_rows": 50}'"#,
    );
    drop(one);
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(refused(&mut other, RANGE).sqlstate, "SF010");
    passes(&mut other, "DELETE FROM users WHERE id = 1");
    assert_eq!(count(&mut other), "199");
}

#[test]
fn a_pooler_that_resets_its_connections_resets_the_approval() {
    let (_db, pooler) = world("session", 1);
    let mut one = pooler.connect_as("app");
    let pid = query_text(&mut one, "SELECT pg_backend_pid()");
    passes(
        &mut one,
        r#"SET backstop.approval = '{"reason": "OPS-142", "max_rows": 50}'"#,
    );
    drop(one);
    let mut other = pooler.connect_as("app");
    assert_eq!(query_text(&mut other, "SELECT pg_backend_pid()"), pid);
    assert_eq!(refused(&mut other, RANGE).sqlstate, "SF001");
}

#[test]
fn limits_of_a_transaction_are_not_the_connections() {
    let (db, pooler) = world("transaction", 1);
    passes(
        &mut db.connect(),
        &format!(
            "ALTER DATABASE {} SET backstop.max_rows_per_transaction = 5",
            db.name
        ),
    );
    let pid = query_text(&mut pooler.connect_as("app"), "SELECT pg_backend_pid()");
    passes(
        &mut db.connect(),
        &format!("SELECT pg_terminate_backend({pid}, 5000)"),
    );
    thread::sleep(Duration::from_millis(100));
    let (mut one, mut other) = two(&pooler);
    let delete = |n: u32| format!("DELETE FROM users WHERE id = {n}");
    for n in 0..4 {
        passes(
            &mut one,
            &format!(
                "BEGIN; {}; {}; {}; COMMIT",
                delete(n * 6 + 1),
                delete(n * 6 + 2),
                delete(n * 6 + 3)
            ),
        );
        passes(
            &mut other,
            &format!(
                "BEGIN; {}; {}; {}; COMMIT",
                delete(n * 6 + 4),
                delete(n * 6 + 5),
                delete(n * 6 + 6)
            ),
        );
    }
    passes(&mut one, "BEGIN");
    for n in 101..=105 {
        passes(&mut one, &delete(n));
    }
    assert_eq!(refused(&mut one, &delete(106)).sqlstate, "SF006");
    passes(&mut one, "ROLLBACK");
    passes(&mut other, &delete(106));
    assert_eq!(count(&mut other), "175");
}
