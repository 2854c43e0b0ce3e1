//! Transaction limit (SF006): many small statements of one transaction are one large one.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, passes, query_text, refused};

/// A limit of twenty rows a transaction, ten a statement.
fn world() -> (Database, Client) {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE users (id bigint PRIMARY KEY, plan text, auth_source text);
         CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
         INSERT INTO users SELECT n, 'free', CASE WHEN n > 60 THEN 'test' ELSE 'oauth' END FROM generate_series(1, 100) n;
         INSERT INTO subscriptions SELECT n, n FROM generate_series(1, 100) n;
         SELECT backstop.protect('users', max_rows => 10, expendable => $$auth_source = 'test'$$)",
    );
    passes(
        &mut admin,
        &format!(
            "ALTER DATABASE {} SET backstop.max_rows_per_transaction = 20",
            db.name
        ),
    );
    let app = db.connect_as("app");
    (db, app)
}

fn update(ids: std::ops::RangeInclusive<u32>) -> String {
    let ids: Vec<String> = ids.map(|n| n.to_string()).collect();
    format!(
        "UPDATE users SET plan = plan || 'x' WHERE id IN ({})",
        ids.join(", ")
    )
}

#[test]
fn a_loop_of_single_row_statements_stops_at_the_limit() {
    let (_db, mut app) = world();
    passes(&mut app, "BEGIN");
    for id in 1..=20 {
        passes(&mut app, &update(id..=id));
    }
    let refusal = refused(&mut app, &update(21..=21));
    assert_eq!(refusal.sqlstate, "SF006");
    assert!(refusal.detail.contains("20"), "{refusal:?}");
    assert!(
        !refusal.hint.is_empty() && refusal.table == "users",
        "{refusal:?}"
    );
    passes(&mut app, "ROLLBACK");
    assert_eq!(
        query_text(&mut app, "SELECT count(*) FROM users WHERE plan <> 'free'"),
        "0"
    );
}

#[test]
fn statements_of_several_transactions_do_not_add_up() {
    let (_db, mut app) = world();
    for round in 0..6 {
        passes(&mut app, &update(round * 10 + 1..=round * 10 + 10));
    }
}

#[test]
fn several_statements_sent_as_one_query_add_up() {
    let (_db, mut app) = world();
    let query = [update(1..=10), update(11..=20), update(21..=21)].join("; ");
    assert_eq!(refused(&mut app, &query).sqlstate, "SF006");
}

#[test]
fn a_rolled_back_savepoint_gives_back_its_rows() {
    let (_db, mut app) = world();
    passes(
        &mut app,
        &format!(
            "BEGIN; {}; SAVEPOINT a; {}; ROLLBACK TO a",
            update(1..=10),
            update(11..=20)
        ),
    );
    passes(&mut app, &update(21..=30));
    assert_eq!(refused(&mut app, &update(31..=31)).sqlstate, "SF006");
    passes(&mut app, "ROLLBACK");
}

#[test]
fn a_released_savepoint_keeps_its_rows() {
    let (_db, mut app) = world();
    passes(
        &mut app,
        &format!(
            "BEGIN; SAVEPOINT a; {}; RELEASE a; SAVEPOINT b; {}",
            update(1..=10),
            update(11..=20)
        ),
    );
    assert_eq!(refused(&mut app, &update(21..=21)).sqlstate, "SF006");
    passes(&mut app, "ROLLBACK TO b");
    passes(&mut app, &update(21..=30));
    passes(&mut app, "COMMIT");
}

#[test]
fn a_refused_statement_gives_back_its_rows() {
    let (_db, mut app) = world();
    passes(&mut app, &format!("BEGIN; {}; SAVEPOINT a", update(1..=10)));
    assert_eq!(refused(&mut app, &update(11..=21)).sqlstate, "SF005");
    passes(&mut app, "ROLLBACK TO a");
    passes(&mut app, &update(11..=20));
    passes(&mut app, "COMMIT");
}

#[test]
fn cascades_add_up_too() {
    let (_db, mut app) = world();
    passes(&mut app, "BEGIN");
    for id in 1..=10 {
        passes(&mut app, &format!("DELETE FROM users WHERE id = {id}"));
    }
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id = 11").sqlstate,
        "SF006"
    );
    passes(&mut app, "ROLLBACK");
}

#[test]
fn expendable_rows_add_nothing() {
    let (_db, mut app) = world();
    passes(&mut app, &format!("BEGIN; {}", update(1..=10)));
    passes(
        &mut app,
        "UPDATE users SET plan = 'x' WHERE auth_source = 'test'",
    );
    passes(&mut app, &update(11..=20));
    passes(&mut app, "COMMIT");
}

#[test]
fn approved_statements_add_nothing() {
    let (_db, mut app) = world();
    passes(
        &mut app,
        &format!(
            r#"BEGIN; SET LOCAL backstop.approval = '{{"reason": "OPS-7", "max_rows": 30}}'; {};
               SET LOCAL backstop.approval = ''; {}; {}"#,
            update(1..=30),
            update(31..=40),
            update(41..=50)
        ),
    );
    assert_eq!(refused(&mut app, &update(51..=51)).sqlstate, "SF006");
    passes(&mut app, "ROLLBACK");
}

#[test]
fn the_guarded_role_cannot_lift_the_limit() {
    let (_db, mut app) = world();
    let lift = "SET backstop.max_rows_per_transaction = 100000";
    assert_eq!(refused(&mut app, lift).sqlstate, "42501");
    let by_function = "SELECT set_config('backstop.max_rows_per_transaction', '100000', false)";
    assert_eq!(refused(&mut app, by_function).sqlstate, "42501");
}
