//! A database that grants PUBLIC nothing by default is protected like any other: what the guard calls on behalf of
//! ordinary users is granted to them outright.

use pg_backstop_tests::{ClusterOptions, passes, query_text, refused, start};

#[test]
fn ordinary_users_change_protected_tables() {
    // The extension is made after the default privileges are gone.
    let cluster = start(
        &ClusterOptions::default()
            .without_extension()
            .set("shared_preload_libraries", "pg_backstop"),
    );
    let db = cluster.database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
         ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
         CREATE EXTENSION pg_backstop;
         CREATE TABLE users (id bigint PRIMARY KEY, plan text); CREATE SEQUENCE counted;
         CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
         CREATE TABLE events (id bigint, day int, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
         INSERT INTO users SELECT n, 'free' FROM generate_series(1, 10) n;
         INSERT INTO subscriptions SELECT n, n FROM generate_series(1, 10) n;
         GRANT SELECT, INSERT, UPDATE, DELETE ON users, subscriptions TO app; GRANT ALL ON SEQUENCE counted TO app;
         GRANT CREATE ON SCHEMA public TO app; ALTER TABLE events OWNER TO app;
         SELECT backstop.protect('users'); SELECT backstop.protect('events');
         SELECT backstop.protect_sequence('counted', max_step => 5)",
    );
    let mut app = db.connect_as("app");
    passes(&mut app, "UPDATE users SET plan = 'pro' WHERE id = 1");
    passes(&mut app, "DELETE FROM users WHERE id = 2");
    passes(
        &mut app,
        "DELETE FROM users USING (SELECT 3 AS id) s WHERE users.id = s.id",
    );
    passes(&mut app, "SELECT setval('counted', 3)");
    passes(
        &mut app,
        "CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1)",
    );
    passes(
        &mut app,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', 5); UPDATE users SET plan = 'x' WHERE id > 8; COMMIT",
    );
    passes(
        &mut app,
        "SELECT * FROM backstop.check('DELETE FROM users'); SELECT * FROM backstop.status()",
    );
    assert_eq!(refused(&mut app, "DELETE FROM users").sqlstate, "SF002");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT operation, count(*) FROM backstop.preimage GROUP BY 1 ORDER BY 1"
        ),
        "DELETE|4\nUPDATE|3"
    );
    // What is for administrators stays theirs.
    for statement in [
        "SELECT backstop.unprotect('users')",
        "SELECT * FROM backstop.restore(1)",
    ] {
        assert_eq!(refused(&mut app, statement).sqlstate, "42501");
    }
}
