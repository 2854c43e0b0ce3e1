//! Who may preview what, and see what of it.

mod preview {
    pub mod world;
}

use pg_backstop_tests::{Refusal, passes, query_text, refused};
use preview::world::{World, ask, call, steps, world};

/// `outsider` may read nothing, and do what each test grants.
fn outsider() -> (World, pg_backstop_tests::postgres::Client) {
    let world = world();
    let outsider = world.db.connect_as("outsider");
    (world, outsider)
}

fn denied(refusal: &Refusal) {
    assert_eq!(refusal.sqlstate, "42501", "{refusal:?}");
}

#[test]
fn a_preview_needs_the_statements_own_privileges() {
    let (mut world, mut outsider) = outsider();
    for statement in [
        "DELETE FROM users WHERE id = 200",
        "UPDATE users SET plan = 'x' WHERE id = 200",
        "TRUNCATE users CASCADE",
        "DROP TABLE users CASCADE",
        "UPDATE backstop.request_log SET decision = 'approved'",
        "SELECT backstop.unprotect('users')",
        "SELECT backstop.approve(1, 'me')",
    ] {
        denied(&refused(
            &mut outsider,
            &format!("SELECT * FROM {}", call(statement)),
        ));
    }
    let record = refused(
        &mut outsider,
        &format!(
            "SELECT * FROM {}",
            call("DELETE FROM backstop.statement_log")
        ),
    );
    assert!(
        ["42501", "SF013"].contains(&record.sqlstate.as_str()),
        "{record:?}"
    );
    passes(
        &mut world.admin,
        "GRANT DELETE ON users TO outsider; GRANT SELECT (id) ON users TO outsider",
    );
    // With what the statement needs and no more: the sample of what he may not read stays hidden.
    let sql = format!(
        "SELECT relation, rows, sample IS NULL FROM {} ORDER BY step",
        call("DELETE FROM users WHERE id < 3")
    );
    assert_eq!(
        query_text(&mut outsider, &sql),
        "public.users|2|t\npublic.subscriptions|2|t\npublic.invoices|2|t"
    );
    passes(&mut world.admin, "GRANT SELECT ON users TO outsider");
    assert_eq!(
        query_text(&mut outsider, &sql),
        "public.users|2|f\npublic.subscriptions|2|t\npublic.invoices|2|t"
    );
}

#[test]
fn row_security_applies_and_hides_the_sample() {
    let (mut world, mut outsider) = outsider();
    passes(
        &mut world.admin,
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY;
         CREATE POLICY his ON users USING (id IN (1, 2, 150));
         GRANT SELECT, DELETE ON users TO outsider",
    );
    let sql = format!(
        "SELECT rows, sample IS NULL FROM {} WHERE step = 1",
        call("DELETE FROM users WHERE id < 180")
    );
    assert_eq!(query_text(&mut outsider, &sql), "3|t");
}

#[test]
fn the_tables_of_requests_are_nobodys_to_read_or_write() {
    let mut world = world();
    ask(&mut world.app, "DELETE FROM users WHERE id < 3");
    for role in ["app", "reviewer", "outsider"] {
        let mut client = world.db.connect_as(role);
        for statement in [
            "SELECT token_hash FROM backstop.request_log",
            "SELECT fingerprint_key FROM backstop.request_log",
            "SELECT images FROM backstop.request_chunk",
            "SELECT sample FROM backstop.request_step",
            "UPDATE backstop.request_log SET decision = 'approved'",
            "DELETE FROM backstop.request_chunk",
            "INSERT INTO backstop.request_log SELECT * FROM backstop.request_log",
            "TRUNCATE backstop.request_log",
            "SELECT setval('backstop.request_id_seq', 1)",
            "CREATE TRIGGER t BEFORE UPDATE ON backstop.request_log EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "CREATE TABLE backstop.mine ()",
        ] {
            let refusal = refused(&mut client, statement);
            assert!(
                ["42501", "SF013"].contains(&refusal.sqlstate.as_str()),
                "{statement} {refusal:?}"
            );
        }
    }
}

#[test]
fn a_listener_hears_of_a_request_once_it_is_there() {
    let mut world = world();
    let mut listener = world.db.connect_as("reviewer");
    passes(&mut listener, "LISTEN backstop_request");
    passes(&mut world.app, "BEGIN");
    steps(&mut world.app, "DELETE FROM users WHERE id = 150");
    passes(&mut world.app, "ROLLBACK");
    let kept = "SELECT count(*) FROM backstop.request_log";
    assert_eq!(query_text(&mut world.admin, kept), "0");
    // What the previewed statement itself announces is rolled back with it.
    let request = ask(
        &mut world.app,
        "DO $$ BEGIN DELETE FROM users WHERE id = 150; NOTIFY backstop_request, 'forged'; END $$",
    );
    let mut heard = Vec::new();
    {
        use pg_backstop_tests::postgres::fallible_iterator::FallibleIterator;
        let mut notifications = listener.notifications();
        let mut waiting = notifications.timeout_iter(std::time::Duration::from_secs(5));
        if let Some(one) = waiting.next().expect("the listener is connected") {
            heard.push((one.channel().to_owned(), one.payload().to_owned()));
        }
    }
    passes(&mut listener, "SELECT 1");
    for one in {
        use pg_backstop_tests::postgres::fallible_iterator::FallibleIterator;
        let mut all = Vec::new();
        let mut notifications = listener.notifications();
        let mut rest = notifications.iter();
        while let Some(one) = rest.next().expect("the listener is connected") {
            all.push((one.channel().to_owned(), one.payload().to_owned()));
        }
        all
    } {
        heard.push(one);
    }
    assert_eq!(heard, [("backstop_request".to_owned(), request)]);
}

#[test]
fn the_request_holds_who_asked_for_what() {
    let mut world = world();
    // Roles belong to the whole server, so the test has one of its own.
    let name = format!("{}_agent", world.db.name);
    passes(
        &mut world.admin,
        &format!("CREATE ROLE {name} LOGIN IN ROLE app"),
    );
    let mut outsider = world.db.connect_with(|config| {
        config.user(&name).application_name("agent 7");
    });
    passes(&mut outsider, "SET ROLE app");
    ask(&mut outsider, "  DELETE FROM users WHERE id < 3 ;  ");
    let ttl = query_text(
        &mut world.admin,
        "SELECT current_setting('backstop.request_ttl')::interval",
    );
    let sql = "SELECT session_role, role, application_name, reason, statement, kind, rows, expendable_rows, decision, expires_at - requested_at
               FROM backstop.request_log";
    assert_eq!(
        query_text(&mut world.admin, sql),
        format!("{name}|app|agent 7|OPS-142|DELETE FROM users WHERE id < 3|session|6|0|null|{ttl}")
    );
}
