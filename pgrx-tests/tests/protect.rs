//! Protecting: what a registration covers, from when, and until when.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, auth_source text, plan text);
    CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE invoices (id bigint PRIMARY KEY, subscription_id bigint REFERENCES subscriptions ON DELETE CASCADE);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE SET NULL);
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint DEFAULT 1 REFERENCES users ON DELETE SET DEFAULT);
    CREATE TABLE strict_orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users);
    INSERT INTO users SELECT n, 'oauth', 'free' FROM generate_series(1, 20) n;
    INSERT INTO subscriptions SELECT n, n FROM generate_series(1, 20) n;
    INSERT INTO invoices SELECT n, n FROM generate_series(1, 20) n;
    INSERT INTO notes SELECT n, n FROM generate_series(1, 20) n;
    INSERT INTO orders SELECT n, n FROM generate_series(2, 20) n;
    CREATE SEQUENCE web_user_id_seq;
    CREATE VIEW everyone AS SELECT * FROM users";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

fn is_follower(client: &mut Client, table: &str) -> bool {
    let sql =
        format!("SELECT count(*) > 0 FROM backstop.follower f WHERE f::text ~ '\\y{table}\\y'");
    query_text(client, &sql) == "t"
}

fn registered(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT t::text FROM backstop.protected_table t
         UNION ALL SELECT c::text FROM backstop.protected_column c
         UNION ALL SELECT s::text FROM backstop.protected_sequence s ORDER BY 1",
    )
}

#[test]
fn a_table_is_protected_from_the_moment_it_is_registered() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "BEGIN; DELETE FROM invoices; ROLLBACK");
    passes(&mut admin, "SELECT backstop.protect('users')");
    assert_eq!(refused(&mut app, "DELETE FROM users").sqlstate, "SF002");
    let keys = "SELECT key_columns::text FROM backstop.protected_table";
    assert_eq!(query_text(&mut admin, keys), "{id}");
}

#[test]
fn registering_again_changes_the_registration() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('users', max_rows => 3)",
    );
    let five = "DELETE FROM users WHERE id IN (6, 7, 8, 9, 10)";
    assert_eq!(refused(&mut app, five).sqlstate, "SF005");
    passes(
        &mut admin,
        "SELECT backstop.protect('users', max_rows => 1000)",
    );
    let count = "SELECT count(*) FROM backstop.protected_table";
    assert_eq!(query_text(&mut admin, count), "1");
    passes(&mut app, five);
}

#[test]
fn an_unprotected_table_is_free_again() {
    let (_db, mut admin, mut app) = world();
    passes(&mut admin, "SELECT backstop.protect('users')");
    passes(&mut admin, "SELECT backstop.unprotect('users')");
    passes(&mut app, "DELETE FROM users WHERE id > 10");
    assert_eq!(registered(&mut admin), "");
    assert!(!is_follower(&mut admin, "subscriptions"));
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.statement"),
        "0"
    );
}

#[test]
fn a_registration_that_is_rolled_back_protects_nothing() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.protect('users'); ROLLBACK",
    );
    passes(&mut app, "DELETE FROM users WHERE id > 10");
}

#[test]
fn other_columns_than_the_primary_key_can_be_the_key() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('users', key_columns => '{auth_source}')",
    );
    let by_range = refused(&mut app, "DELETE FROM users WHERE auth_source > 'o'");
    assert_eq!(by_range.sqlstate, "SF001");
    assert_eq!(by_range.column, "auth_source");
    passes(&mut app, "DELETE FROM users WHERE id > 15");
}

#[test]
fn rows_a_protected_row_takes_down_are_followers() {
    let (_db, mut admin, mut app) = world();
    passes(&mut admin, "SELECT backstop.protect('users')");
    for table in ["subscriptions", "invoices", "notes", "orders"] {
        assert!(is_follower(&mut admin, table), "{table}");
    }
    assert!(!is_follower(&mut admin, "strict_orders"));
    passes(&mut app, "DELETE FROM users WHERE id = 5");
    let captured = "SELECT relation, operation FROM backstop.preimage ORDER BY relation";
    assert_eq!(
        query_text(&mut admin, captured),
        "public.invoices|DELETE\npublic.notes|UPDATE\npublic.orders|UPDATE\n\
         public.subscriptions|DELETE\npublic.users|DELETE"
    );
}

#[test]
fn a_foreign_key_added_later_makes_a_follower() {
    let (_db, mut admin, mut app) = world();
    passes(&mut admin, "SELECT backstop.protect('users')");
    passes(
        &mut admin,
        "CREATE TABLE sessions (id bigint PRIMARY KEY, user_id bigint);
         INSERT INTO sessions VALUES (1, 5);
         ALTER TABLE sessions ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
         CREATE TABLE messages (id bigint PRIMARY KEY, session_id bigint REFERENCES sessions ON DELETE CASCADE);
         INSERT INTO messages VALUES (1, 1)",
    );
    passes(&mut app, "DELETE FROM users WHERE id = 5");
    let captured = "SELECT count(*) FROM backstop.preimage WHERE relation IN ('public.sessions', 'public.messages')";
    assert_eq!(query_text(&mut admin, captured), "2");
    assert!(is_follower(&mut admin, "sessions") && is_follower(&mut admin, "messages"));
}

#[test]
fn a_follower_by_itself_is_recorded_and_has_no_key_rules() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('users', max_rows => 2)",
    );
    passes(&mut app, "DELETE FROM invoices WHERE id > 10");
    let rows = "SELECT relations::text, rows FROM backstop.statement";
    assert_eq!(query_text(&mut admin, rows), "{public.invoices}|10");
}

#[test]
fn partitions_present_and_future_are_covered() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE events (id bigint, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
         SELECT backstop.protect('events');
         CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
         INSERT INTO events VALUES (1, '2025-06-01'), (2, '2026-06-01'), (3, '2026-06-01')",
    );
    for table in ["events", "events_2025", "events_2026"] {
        assert_eq!(
            refused(&mut app, &format!("DELETE FROM {table}")).sqlstate,
            "SF002"
        );
        let by_range = format!("DELETE FROM {table} WHERE id > 0");
        assert_eq!(refused(&mut app, &by_range).sqlstate, "SF001");
    }
    passes(
        &mut app,
        "DELETE FROM events_2026 WHERE id = 2 AND day = '2026-06-01'",
    );
    passes(
        &mut app,
        "DELETE FROM events WHERE id = 1 AND day = '2025-06-01'",
    );
    let roots = "SELECT DISTINCT relation FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, roots), "public.events");
}

#[test]
fn inheritance_children_present_and_future_are_covered() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE stock (id bigint PRIMARY KEY, n int);
         CREATE TABLE stock_eu () INHERITS (stock);
         SELECT backstop.protect('stock');
         CREATE TABLE stock_us () INHERITS (stock);
         CREATE TABLE stock_ny () INHERITS (stock_us);
         INSERT INTO stock_eu VALUES (1, 1); INSERT INTO stock_us VALUES (2, 2); INSERT INTO stock_ny VALUES (3, 3)",
    );
    for table in ["stock", "stock_eu", "stock_us", "stock_ny"] {
        let by_range = format!("DELETE FROM {table} WHERE id < 10");
        assert_eq!(refused(&mut app, &by_range).sqlstate, "SF001", "{table}");
    }
    passes(
        &mut app,
        "DELETE FROM stock_ny WHERE id = 3; DELETE FROM stock WHERE id = 1",
    );
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.preimage"),
        "2"
    );
}
