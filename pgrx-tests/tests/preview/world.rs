//! What previews and tokens are tested on.
#![allow(dead_code)]

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, passes, query_text, refused};

/// Ten rows a statement; users from 101 on are test users and expendable. `reviewer` may approve.
const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, auth_source text, plan text, updated_at timestamptz DEFAULT '2020-01-01');
    CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE invoices (id bigint PRIMARY KEY, subscription_id bigint REFERENCES subscriptions ON DELETE SET NULL);
    INSERT INTO users SELECT n, CASE WHEN n > 100 THEN 'test' ELSE 'oauth' END, 'free' FROM generate_series(1, 200) n;
    INSERT INTO subscriptions SELECT n, n FROM generate_series(1, 100) n;
    INSERT INTO invoices SELECT n, n FROM generate_series(1, 100) n;
    SELECT backstop.protect('users', max_rows => 10, expendable => $$auth_source = 'test'$$);
    GRANT EXECUTE ON FUNCTION backstop.approve(bigint, text) TO reviewer";

/// Five rows, a subscription each, and an invoice each.
pub const FIVE: &str = "DELETE FROM users WHERE id < 6";

pub struct World {
    pub db: Database,
    pub admin: Client,
    pub app: Client,
    pub reviewer: Client,
}

pub fn world() -> World {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let (app, reviewer) = (db.connect_as("app"), db.connect_as("reviewer"));
    World {
        db,
        admin,
        app,
        reviewer,
    }
}

/// A call of preview as one FROM item.
pub fn call(statement: &str) -> String {
    format!("backstop.preview($preview${statement}$preview$, 'OPS-142')")
}

/// `relation|operation|cause|rows|expendable_rows`, a line for each step.
#[track_caller]
pub fn steps(client: &mut Client, statement: &str) -> String {
    let sql = format!(
        "SELECT relation, operation, cause, rows, expendable_rows FROM {} ORDER BY step",
        call(statement)
    );
    query_text(client, &sql)
}

/// Previews a statement and returns the request's id.
#[track_caller]
pub fn ask(client: &mut Client, statement: &str) -> String {
    let sql = format!("SELECT DISTINCT request_id FROM {}", call(statement));
    query_text(client, &sql)
}

pub fn approve(client: &mut Client, request: &str) -> String {
    query_text(
        client,
        &format!("SELECT backstop.approve({request}, 'looked at the list')"),
    )
}

/// A token of `app`'s for a statement, approved by `reviewer`.
#[track_caller]
pub fn token(world: &mut World, statement: &str) -> String {
    let request = ask(&mut world.app, statement);
    approve(&mut world.reviewer, &request)
}

pub fn run(token: &str) -> String {
    format!("SELECT relation, operation, rows FROM backstop.run('{token}')")
}

pub fn set_local(token: &str) -> String {
    format!("SET LOCAL backstop.approval = '{token}'")
}

/// Runs a statement under a token, each part a message of its own, as psql sends them.
#[track_caller]
pub fn refused_under(client: &mut Client, token: &str, statement: &str) -> String {
    passes(client, "BEGIN");
    passes(client, &set_local(token));
    let refusal = refused(client, statement);
    passes(client, "ROLLBACK");
    assert!(
        !refusal.detail.is_empty() && !refusal.hint.is_empty(),
        "{refusal:?}"
    );
    refusal.sqlstate
}

#[track_caller]
pub fn passes_under(client: &mut Client, token: &str, statement: &str) {
    passes(client, "BEGIN");
    passes(client, &set_local(token));
    passes(client, statement);
    passes(client, "COMMIT");
}

#[track_caller]
pub fn users(client: &mut Client) -> String {
    query_text(client, "SELECT count(*) FROM users")
}

/// The users that are left, as the administrator sees them.
#[track_caller]
pub fn left(world: &mut World) -> String {
    users(&mut world.admin)
}
