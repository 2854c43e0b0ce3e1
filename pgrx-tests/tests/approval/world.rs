//! What approvals are tested on.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, passes};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, auth_source text, plan text);
    CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE teams (id bigint PRIMARY KEY, name text);
    INSERT INTO users SELECT n, 'oauth', 'free' FROM generate_series(1, 200) n;
    INSERT INTO subscriptions SELECT n, n FROM generate_series(1, 100) n;
    INSERT INTO teams SELECT n, 'team' FROM generate_series(1, 50) n;
    SELECT backstop.protect('users', max_rows => 10); SELECT backstop.protect('teams', max_rows => 10)";

pub fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

pub fn approval(members: &str) -> String {
    format!("SET LOCAL backstop.approval = '{{\"reason\": \"OPS-142\", {members}}}'")
}

/// Runs statements in a transaction under an approval and commits it.
#[track_caller]
pub fn under(client: &mut Client, members: &str, statements: &str) {
    passes(
        client,
        &format!("BEGIN; {}; {statements}; COMMIT", approval(members)),
    );
}
