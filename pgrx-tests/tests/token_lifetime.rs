//! Who gives a token, how long it holds, and what gives it back.

mod preview {
    pub mod world;
}

use pg_backstop_tests::{passes, query_text, refused, until_someone_waits};
use preview::world::{
    FIVE, approve, ask, left, passes_under, refused_under, run, set_local, token, users, world,
};

#[test]
fn kinds_are_kept_apart() {
    let mut world = world();
    // Roles belong to the whole server, so the test has one of its own.
    let name = format!("{}_asker", world.db.name);
    passes(
        &mut world.admin,
        &format!(
            "SELECT backstop.protect('users', max_rows => 10, approval => 'preview');
             CREATE ROLE {name} LOGIN IN ROLE app, reviewer"
        ),
    );
    let mut asker = world.db.connect_as(&name);
    let intent = r#"{"reason": "x", "max_rows": 50}"#;
    assert_eq!(refused_under(&mut asker, intent, FIVE), "SF010");
    let request = ask(&mut asker, FIVE);
    let own = approve(&mut asker, &request);
    passes_under(&mut asker, &own, FIVE);
    passes(
        &mut world.admin,
        "SELECT backstop.protect('users', max_rows => 10, approval => 'second_person')",
    );
    let next = "DELETE FROM users WHERE id BETWEEN 6 AND 8";
    assert_eq!(refused_under(&mut asker, intent, next), "SF010");
    let request = ask(&mut asker, next);
    let sql = format!("SELECT backstop.approve({request}, 'me')");
    for role in ["none", "reviewer", "app"] {
        passes(&mut asker, &format!("SET ROLE {role}"));
        let refusal = refused(&mut asker, &sql);
        assert!(
            ["SF010", "42501"].contains(&refusal.sqlstate.as_str()),
            "{role} {refusal:?}"
        );
    }
    passes(&mut asker, "RESET ROLE");
    let token = approve(&mut world.reviewer, &request);
    passes_under(&mut asker, &token, next);
    assert_eq!(left(&mut world), "192");
}
#[test]
fn a_table_that_became_stricter_takes_no_weaker_token() {
    let mut world = world();
    passes(
        &mut world.admin,
        "GRANT EXECUTE ON FUNCTION backstop.approve(bigint, text) TO app",
    );
    let request = ask(&mut world.app, FIVE);
    let own = approve(&mut world.app, &request);
    passes(
        &mut world.admin,
        "SELECT backstop.protect('users', max_rows => 10, approval => 'second_person')",
    );
    assert_eq!(refused_under(&mut world.app, &own, FIVE), "SF010");
    assert_eq!(refused(&mut world.app, &run(&own)).sqlstate, "SF010");
    assert_eq!(left(&mut world), "200");
}
#[test]
fn only_who_was_granted_approve_approves() {
    let mut world = world();
    let request = ask(&mut world.app, FIVE);
    let sql = format!("SELECT backstop.approve({request}, 'me')");
    assert_eq!(refused(&mut world.app, &sql).sqlstate, "42501");
    let mut outsider = world.db.connect_as("outsider");
    assert_eq!(refused(&mut outsider, &sql).sqlstate, "42501");
    for (call, sqlstate) in [
        (format!("backstop.approve({request}, ' ')"), "22023"),
        (format!("backstop.approve({request}, NULL)"), "22004"),
        ("backstop.approve(999999, 'x')".to_owned(), "42704"),
        ("backstop.approve(NULL, 'x')".to_owned(), "22004"),
    ] {
        let refusal = refused(&mut world.reviewer, &format!("SELECT {call}"));
        assert_eq!(refusal.sqlstate, sqlstate, "{call} {refusal:?}");
    }
}
#[test]
fn tokens_and_requests_expire() {
    let mut world = world();
    let name = world.db.name.clone();
    let set = |what: &str| format!("ALTER DATABASE {name} SET {what}");
    passes(&mut world.admin, &set("backstop.approval_ttl = 1"));
    let mut reviewer = world.db.connect_as("reviewer");
    let request = ask(&mut world.app, FIVE);
    let short = approve(&mut reviewer, &request);
    passes(&mut world.app, "SELECT pg_sleep(1.2)");
    assert_eq!(refused(&mut world.app, &run(&short)).sqlstate, "SF010");
    assert_eq!(refused_under(&mut world.app, &short, FIVE), "SF010");
    // Approved again, it runs: the first token was replaced.
    let long = approve(&mut world.reviewer, &request);
    assert_eq!(refused(&mut world.app, &run(&short)).sqlstate, "SF010");
    passes(&mut world.app, &run(&long));
    passes(&mut world.admin, &set("backstop.request_ttl = 1"));
    let mut app = world.db.connect_as("app");
    let request = ask(&mut app, "DELETE FROM users WHERE id = 77");
    passes(&mut app, "SELECT pg_sleep(1.2)");
    let refusal = refused(
        &mut world.reviewer,
        &format!("SELECT backstop.approve({request}, 'late')"),
    );
    assert_eq!(refusal.sqlstate, "SF010");
    assert!(refusal.detail.contains("expired"), "{refusal:?}");
    assert_eq!(left(&mut world), "195");
}
#[test]
fn approving_twice_replaces_the_token() {
    let mut world = world();
    let request = ask(&mut world.app, FIVE);
    let first = approve(&mut world.reviewer, &request);
    let second = approve(&mut world.reviewer, &request);
    assert_ne!(first, second);
    assert_eq!(refused(&mut world.app, &run(&first)).sqlstate, "SF010");
    passes(&mut world.app, &run(&second));
    let refusal = refused(
        &mut world.reviewer,
        &format!("SELECT backstop.approve({request}, 'again')"),
    );
    assert_eq!(refusal.sqlstate, "SF010");
}
#[test]
fn work_that_is_rolled_back_gives_the_token_back() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &run(&token));
    passes(&mut world.app, "ROLLBACK");
    passes(&mut world.app, "BEGIN; SAVEPOINT s");
    passes(&mut world.app, &run(&token));
    assert_eq!(users(&mut world.app), "195");
    passes(&mut world.app, "ROLLBACK TO s");
    passes(&mut world.app, &set_local(&token));
    passes(&mut world.app, "SAVEPOINT s2");
    passes(&mut world.app, FIVE);
    passes(&mut world.app, "ROLLBACK TO s2");
    passes(&mut world.app, FIVE);
    assert_eq!(
        refused(&mut world.app, "DELETE FROM users WHERE id < 9").sqlstate,
        "SF010"
    );
    passes(&mut world.app, "ROLLBACK");
    assert_eq!(left(&mut world), "200");
    passes(&mut world.app, &run(&token));
    assert_eq!(left(&mut world), "195");
    assert_eq!(refused(&mut world.app, &run(&token)).sqlstate, "SF010");
}
#[test]
fn a_token_given_back_inside_a_function_is_used_by_what_the_function_does_next() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE FUNCTION twice() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            BEGIN DELETE FROM users WHERE id BETWEEN 161 AND 163; RAISE EXCEPTION 'no'; EXCEPTION WHEN raise_exception THEN NULL; END;
            DELETE FROM users WHERE id BETWEEN 150 AND 152 OR id = 5; END $$",
    );
    let token = token(&mut world, "SELECT twice()");
    passes_under(&mut world.app, &token, "SELECT twice()");
    passes(
        &mut world.admin,
        "SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), false)",
    );
    assert_eq!(left(&mut world), "200");
    // The same rows are there again, and the token is used.
    assert_eq!(
        refused_under(&mut world.app, &token, "SELECT twice()"),
        "SF010"
    );
    assert_eq!(refused(&mut world.app, &run(&token)).sqlstate, "SF010");
}
#[test]
fn a_token_runs_once_in_one_statement() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    let twice = format!("SELECT * FROM backstop.run('{token}') AS a, backstop.run('{token}') AS b");
    assert_eq!(refused(&mut world.app, &twice).sqlstate, "SF010");
    assert_eq!(left(&mut world), "200");
    passes(&mut world.app, &run(&token));
}

#[test]
fn ddl_elsewhere_while_it_waits_for_its_lock_is_not_a_difference() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE TABLE logs (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY); INSERT INTO logs SELECT FROM generate_series(1, 20);
         ALTER TABLE logs OWNER TO app; SELECT backstop.protect('logs'), backstop.protect_sequence('logs_id_seq')",
    );
    let truncate = "TRUNCATE logs RESTART IDENTITY";
    let token = token(&mut world, truncate);
    let mut reader = world.db.connect();
    passes(&mut reader, "BEGIN; SELECT count(*) FROM logs");
    let mut app = world.app;
    let waiting = std::thread::spawn(move || {
        passes(&mut app, &run(&token));
    });
    until_someone_waits(&mut world.admin);
    // PostgreSQL looks the name up again.
    passes(&mut world.admin, "CREATE TABLE elsewhere (id int)");
    passes(&mut reader, "COMMIT");
    waiting.join().expect("the token is good");
    assert_eq!(
        query_text(
            &mut world.admin,
            "SELECT count(*), (SELECT count(*) FROM backstop.sequence_change) FROM logs"
        ),
        "0|1"
    );
}
