//! What settings make of rejections: observe mode, limits of a role's own, changes of the mode, no shared memory.

use pg_backstop_tests::{ClusterOptions, Preload, comes_to, passes, query_text, refused, start};

#[path = "rejections/world.rs"]
mod world;
use world::{WORLD, world};

#[test]
fn observe_mode_records_what_it_warns_of_and_lets_it_pass() {
    let (db, mut admin) = world();
    passes(
        &mut admin,
        &format!("ALTER DATABASE {} SET backstop.mode = 'observe'", db.name),
    );
    let (mut app, notices) = db.connect_listening("app");
    passes(&mut app, "DELETE FROM users WHERE id > 20");
    passes(
        &mut app,
        "UPDATE users SET plan = 'pro' WHERE plan = 'free'",
    );
    let said: Vec<String> = notices
        .take()
        .iter()
        .map(|notice| format!("{} {}", notice.severity(), notice.code().code()))
        .collect();
    // Beyond the limit on rows, the DELETE breaks a rule that planning finds.
    assert_eq!(said, ["WARNING SF001", "WARNING SF005", "WARNING SF005"]);
    comes_to(
        &mut admin,
        "SELECT string_agg(format('%s %s %s', sqlstate, rows_seen, query), E'\\n' ORDER BY rejection_id)
         FROM backstop.rejection WHERE rule <> 'mode'",
        "SF001 0 DELETE FROM users WHERE id > 20\n\
         SF005 4 DELETE FROM users WHERE id > 20\n\
         SF005 4 UPDATE users SET plan = 'pro' WHERE plan = 'free'",
    );
    let rows = "SELECT string_agg(rows::text, ',' ORDER BY statement_id) FROM backstop.statement";
    assert_eq!(query_text(&mut admin, rows), "60,20", "capture stays on");
}

#[test]
fn a_warning_does_not_say_that_nothing_was_done() {
    let (db, mut admin) = world();
    let (mut listening, notices) = db.connect_listening("postgres");
    passes(
        &mut listening,
        "SET backstop.mode = observe; SELECT setval('numbers', 5000); DELETE FROM users WHERE id > 20",
    );
    let said: Vec<String> = notices
        .take()
        .iter()
        .map(|notice| {
            let detail = notice.detail().unwrap_or_default();
            assert!(
                !detail.is_empty() && !detail.contains("othing was"),
                "{detail}"
            );
            notice.code().code().to_owned()
        })
        .collect();
    assert_eq!(said, ["SF007", "SF001", "SF005"]);
    assert_eq!(
        query_text(&mut admin, "SELECT last_value FROM numbers"),
        "5000"
    );
}

#[test]
fn a_role_can_have_a_limit_of_its_own() {
    let (db, mut admin) = world();
    let role = format!("agent_{}", db.name);
    passes(
        &mut admin,
        &format!(
            "SELECT backstop.protect('users'); CREATE ROLE {role} LOGIN; GRANT ALL ON users, posts TO {role};
             ALTER ROLE {role} SET backstop.max_rows = 1"
        ),
    );
    let statement = "UPDATE users SET plan = 'pro' WHERE id IN (1, 2)";
    let refusal = refused(&mut db.connect_as(&role), statement);
    assert_eq!(refusal.sqlstate, "SF005");
    passes(&mut db.connect_as("app"), statement);
    comes_to(
        &mut admin,
        "SELECT sqlstate, session_role, rows_seen FROM backstop.rejection",
        &format!("SF005|{role}|2"),
    );
    passes(
        &mut admin,
        &format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    );
}

#[test]
fn switching_it_off_and_on_is_recorded() {
    let (db, mut admin) = world();
    let mut other = db.connect();
    passes(&mut other, "SET backstop.mode = off");
    passes(&mut other, "SET backstop.mode = off");
    passes(&mut other, "RESET backstop.mode");
    passes(&mut other, "BEGIN; SET LOCAL backstop.mode = off");
    passes(&mut other, "ROLLBACK");
    // What observe mode lets pass is recorded itself.
    passes(
        &mut other,
        "SET backstop.mode = observe; RESET backstop.mode",
    );
    passes(
        &mut other,
        &format!("ALTER DATABASE {} SET backstop.mode = 'off'", db.name),
    );
    comes_to(
        &mut admin,
        "SELECT string_agg(format('%s %s %s: %s', sqlstate, rule, message, query), E'\\n' ORDER BY rejection_id)
         FROM backstop.rejection",
        &format!(
            "00000 mode backstop.mode set to off: SET backstop.mode = off\n\
             00000 mode backstop.mode set to enforce: RESET backstop.mode\n\
             00000 mode backstop.mode set to off: BEGIN; SET LOCAL backstop.mode = off\n\
             00000 mode backstop.mode set to enforce: ROLLBACK\n\
             00000 mode backstop.mode stored as off: ALTER DATABASE {} SET backstop.mode = 'off'",
            db.name
        ),
    );
    // A session that begins with what was stored says nothing more.
    assert_eq!(query_text(&mut db.connect(), "SHOW backstop.mode"), "off");
    let mut app = db.connect_as("app");
    assert_eq!(
        refused(&mut app, "SET backstop.mode = off").sqlstate,
        "42501"
    );
    passes(&mut db.connect(), "SET backstop.mode = enforce");
    comes_to(
        &mut admin,
        "SELECT count(*), (array_agg(message ORDER BY rejection_id DESC))[1] FROM backstop.rejection",
        "6|backstop.mode set to enforce",
    );
}

#[test]
fn status_says_so_when_no_worker_can_write_rejections() {
    let server = start(&ClusterOptions::default().set("max_worker_processes", "0"));
    let db = server.database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    assert_eq!(
        refused(&mut db.connect_as("app"), "DELETE FROM users").sqlstate,
        "SF002"
    );
    let status =
        "SELECT string_agg(value, '|') FROM backstop.status() WHERE property LIKE 'rejections%'";
    assert_eq!(
        query_text(&mut admin, status),
        "kept in memory: the background worker that writes them has not started (max_worker_processes)|1|0"
    );
}

#[test]
fn without_shared_memory_statements_are_refused_and_status_says_where_to_look() {
    let server = start(&ClusterOptions::default().preload(Preload::Session));
    let db = server.database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let (mut app, notices) = db.connect_listening("app");
    assert_eq!(refused(&mut app, "DELETE FROM users").sqlstate, "SF002");
    passes(
        &mut admin,
        &format!("ALTER DATABASE {} SET backstop.mode = 'observe'", db.name),
    );
    drop((app, notices));
    let (mut app, notices) = db.connect_listening("app");
    passes(
        &mut app,
        "DELETE FROM posts; DELETE FROM users WHERE id > 49",
    );
    assert_eq!(notices.take()[0].code().code(), "SF001");
    let status = "SELECT value FROM backstop.status() WHERE property LIKE 'rejections%'";
    assert_eq!(
        query_text(&mut app, status),
        "in the server log only: pg_backstop is not in shared_preload_libraries"
    );
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.rejection"),
        "0"
    );
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.progress"),
        "0"
    );
    let log = server.log();
    assert!(
        log.contains("condition") && log.contains("DELETE FROM users"),
        "{log}"
    );
}
