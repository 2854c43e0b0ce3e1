//! The harness keeps its own promises; every other test stands on them.

use pg_backstop_tests::{
    ClusterOptions, Preload, database, passes, query_text, refused, refused_with, start,
};

#[test]
fn every_test_has_a_database_of_its_own_with_the_extension() {
    let (one, other) = (database(), database());
    passes(&mut one.connect(), "CREATE TABLE mine (id int)");
    let installed = "SELECT extname FROM pg_extension WHERE extname = 'pg_backstop'";
    assert_eq!(query_text(&mut other.connect(), installed), "pg_backstop");
    assert_eq!(
        query_text(&mut other.connect(), "SELECT to_regclass('mine')"),
        "null"
    );
}

#[test]
fn an_ordinary_role_may_use_the_tables_a_test_makes() {
    let db = database();
    passes(
        &mut db.connect(),
        "CREATE TABLE things (id int); INSERT INTO things VALUES (1), (2)",
    );
    let mut app = db.connect_as("app");
    assert_eq!(
        query_text(&mut app, "SELECT id, NULL FROM things ORDER BY id"),
        "1|null\n2|null"
    );
    assert_eq!(
        query_text(
            &mut app,
            "SELECT usesuper FROM pg_user WHERE usename = user"
        ),
        "f"
    );
}

#[test]
fn a_refusal_carries_every_field_the_server_sent() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE things (id int CONSTRAINT things_key PRIMARY KEY)",
    );
    passes(&mut admin, "INSERT INTO things VALUES (1)");
    let refusal = refused_with(&mut admin, "INSERT INTO things VALUES ($1)", &[&1]);
    assert_eq!(refusal.sqlstate, "23505");
    assert_eq!(refusal.constraint, "things_key");
    assert_eq!(
        (refusal.schema.as_str(), refusal.table.as_str()),
        ("public", "things")
    );
    assert_eq!(
        refused(&mut admin, "SELECT 1 FROM nowhere").position,
        Some(15)
    );
}

#[test]
fn a_database_is_gone_after_its_test_whoever_is_still_connected() {
    let db = database();
    let name = db.name.clone();
    let _lingering = db.connect();
    drop(db);
    let mut admin = pg_backstop_tests::cluster().admin();
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(query_text(&mut admin, &left), "0");
}

#[test]
fn a_server_comes_back_after_a_backend_is_killed() {
    let server = start(
        &ClusterOptions::default()
            .durable()
            .preload(Preload::Session),
    );
    let db = server.database();
    let mut client = db.connect();
    let pid = query_text(&mut client, "SELECT pg_backend_pid()")
        .parse()
        .expect("a process id");
    server.kill_backend(pid).expect("the server recovers");
    assert!(client.simple_query("SELECT 1").is_err());
    assert_eq!(query_text(&mut db.connect(), "SELECT 1"), "1");
    assert!(server.log().contains("was terminated by signal 9"));
    server.restart().expect("the server starts again");
    assert_eq!(query_text(&mut db.connect(), "SHOW fsync"), "on");
}
