//! Attacks on tokens: each tries to destroy rows that nobody was shown, or to use a token twice.

mod preview {
    pub mod world;
}

use pg_backstop_tests::{passes, passes_with, query_text, refused};
use preview::world::{
    FIVE, approve, ask, left, passes_under, refused_under, run, set_local, token, world,
};

#[test]
fn another_text_is_another_statement() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    for other in [
        "DELETE FROM users WHERE id < 7",
        "DELETE FROM users WHERE id < 5",
        "DELETE  FROM users WHERE id < 6",
        "delete FROM users WHERE id < 6",
        "DELETE FROM users WHERE id < 6 -- really",
        "/* x */ DELETE FROM users WHERE id < 6",
        "-- x\nDELETE FROM users WHERE id < 6",
        "DELETE FROM public.users WHERE id < 6",
        "DELETE FROM users WHERE id < 6 RETURNING id",
        "UPDATE users SET plan = 'x' WHERE id < 6",
        "EXPLAIN ANALYZE DELETE FROM users WHERE id < 6",
        "DO $$ BEGIN DELETE FROM users WHERE id < 6; END $$",
        "WITH d AS (DELETE FROM users WHERE id < 6 RETURNING id) SELECT * FROM d",
        "COPY (DELETE FROM users WHERE id < 6 RETURNING id) TO STDOUT",
    ] {
        assert_eq!(
            refused_under(&mut world.app, &token, other),
            "SF011",
            "{other}"
        );
    }
    // One simple message with more in it than the statement.
    for batch in [
        format!(
            "BEGIN; {}; {FIVE}; DELETE FROM users WHERE id < 20; COMMIT",
            set_local(&token)
        ),
        format!(
            "BEGIN; {}; {FIVE}; DELETE FROM users WHERE auth_source = 'oauth'; COMMIT",
            set_local(&token)
        ),
        format!(
            "BEGIN; {}; {FIVE}; {FIVE}, users u; COMMIT",
            set_local(&token)
        ),
    ] {
        refused(&mut world.app, &batch);
        passes(&mut world.app, "ROLLBACK");
    }
    assert_eq!(left(&mut world), "200");
    // What stands around it in a message is not part of it.
    passes(
        &mut world.app,
        &format!("BEGIN; {};  {FIVE} ; COMMIT", set_local(&token)),
    );
    assert_eq!(left(&mut world), "195");
}
#[test]
fn another_role_or_session_role_is_another_requester() {
    let mut world = world();
    // Roles belong to the whole server, so the test has one of its own.
    let member = format!("{}_member", world.db.name);
    passes(
        &mut world.admin,
        &format!(
            "CREATE ROLE {member} LOGIN IN ROLE app; GRANT ALL ON users, subscriptions, invoices TO reviewer"
        ),
    );
    let token = token(&mut world, FIVE);
    let mut outsider = world.db.connect_as(&member);
    for set in ["RESET ROLE", "SET ROLE app"] {
        passes(&mut outsider, set);
        assert_eq!(refused_under(&mut outsider, &token, FIVE), "SF010", "{set}");
        assert_eq!(
            refused(&mut outsider, &run(&token)).sqlstate,
            "SF010",
            "{set}"
        );
    }
    assert_eq!(refused(&mut world.reviewer, &run(&token)).sqlstate, "SF010");
    assert_eq!(refused(&mut world.admin, &run(&token)).sqlstate, "SF010");
    passes(&mut world.admin, "SET ROLE app");
    assert_eq!(refused(&mut world.admin, &run(&token)).sqlstate, "SF010");
    passes(&mut world.admin, "RESET ROLE");
    // The same role in another session is who asked.
    let mut again = world.db.connect_as("app");
    passes(&mut again, &run(&token));
    assert_eq!(left(&mut world), "195");
    assert_eq!(refused(&mut world.app, &run(&token)).sqlstate, "SF010");
}
#[test]
fn mangled_and_guessed_tokens_are_refused() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    let request = token
        .split('-')
        .nth(1)
        .expect("a token names its request")
        .to_owned();
    let last = if token.ends_with('0') { "1" } else { "0" };
    let other = format!("{}{last}", &token[..token.len() - 1]);
    let zeroes = format!("backstop-{request}-{}", "0".repeat(64));
    let elsewhere = token.replacen(&format!("-{request}-"), "-999-", 1);
    for wrong in [other.as_str(), &zeroes, &elsewhere] {
        assert_eq!(
            refused(&mut world.app, &run(wrong)).sqlstate,
            "SF010",
            "{wrong}"
        );
        assert_eq!(
            refused_under(&mut world.app, wrong, FIVE),
            "SF010",
            "{wrong}"
        );
    }
    for malformed in [
        "backstop-",
        "backstop-1-xyz",
        "backstop--",
        &token[..token.len() - 1],
        "backstop-99999999999999999999-00",
    ] {
        assert_eq!(
            refused(&mut world.app, &run(malformed)).sqlstate,
            "SF010",
            "{malformed}"
        );
        let set = format!("SET backstop.approval = '{malformed}'");
        assert_eq!(
            refused(&mut world.app, &set).sqlstate,
            "SF010",
            "{malformed}"
        );
    }
    assert_eq!(
        refused(&mut world.app, "SELECT * FROM backstop.run(NULL)").sqlstate,
        "22004"
    );
    // The request itself is not good without a decision.
    let open = ask(&mut world.app, "DELETE FROM users WHERE id < 4");
    let hash = "UPDATE backstop.request_log SET token_hash = sha256(decode(repeat('00', 32), 'hex')) WHERE decision IS NULL";
    passes(&mut world.admin, hash);
    let forged = format!("backstop-{open}-{}", "0".repeat(64));
    assert_eq!(refused(&mut world.app, &run(&forged)).sqlstate, "SF010");
    assert_eq!(left(&mut world), "200");
}
#[test]
fn a_plan_made_under_a_token_does_not_stay_approved() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE FUNCTION wipe(low bigint) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id > low; RETURN 1; END $$",
    );
    for mode in ["auto", "force_generic_plan"] {
        passes(
            &mut world.app,
            &format!(
                "SET plan_cache_mode = {mode}; PREPARE p(bigint) AS DELETE FROM users WHERE id > $1"
            ),
        );
        for statement in ["EXECUTE p(199)", "SELECT wipe(199)"] {
            let token = token(&mut world, statement);
            passes_under(&mut world.app, &token, statement);
            assert_eq!(
                refused(&mut world.app, statement).sqlstate,
                "SF001",
                "{statement}"
            );
            assert_eq!(
                refused(&mut world.app, &statement.replace("199", "150")).sqlstate,
                "SF001"
            );
            assert_eq!(refused_under(&mut world.app, &token, statement), "SF010");
            passes(
                &mut world.admin,
                "INSERT INTO users VALUES (200, 'test', 'free') ON CONFLICT DO NOTHING",
            );
        }
        passes(&mut world.app, "DEALLOCATE p");
    }
    // A driver's prepared statement, made under the token and executed after it.
    let token = token(&mut world, FIVE);
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &set_local(&token));
    let prepared = world.app.prepare(FIVE).expect("it can be prepared");
    assert_eq!(world.app.execute(&prepared, &[]).expect("it is covered"), 5);
    passes(&mut world.app, "COMMIT");
    let again = world
        .app
        .execute(&prepared, &[])
        .expect_err("it is not covered");
    assert_eq!(
        again.code().map(|code| code.code().to_owned()),
        Some("SF001".to_owned())
    );
}
#[test]
fn a_prepared_name_that_means_something_else_later_is_another_list() {
    let mut world = world();
    passes(
        &mut world.app,
        "PREPARE p AS DELETE FROM users WHERE id < 6",
    );
    let token = token(&mut world, "EXECUTE p");
    passes(
        &mut world.app,
        "DEALLOCATE p; PREPARE p AS DELETE FROM users WHERE id BETWEEN 11 AND 15",
    );
    assert_eq!(refused_under(&mut world.app, &token, "EXECUTE p"), "SF011");
    assert_eq!(left(&mut world), "200");
}
#[test]
fn a_cursor_over_a_destroying_select_is_not_covered_in_part() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE FUNCTION kill(victim bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id > victim - 1 AND id < victim + 1; RETURN victim; END $$",
    );
    let select = "SELECT kill(n) FROM generate_series(1, 5) n";
    let token = token(&mut world, select);
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &set_local(&token));
    passes(&mut world.app, &format!("DECLARE c CURSOR FOR {select}"));
    let first = world.app.batch_execute("FETCH 2 FROM c");
    let second = world.app.batch_execute("COMMIT");
    assert!(first.is_err() || second.is_err(), "two of five rows passed");
    passes(&mut world.app, "ROLLBACK");
    assert_eq!(left(&mut world), "200");
    // The same by the extended protocol's row limit.
    let mut transaction = world.app.transaction().expect("a transaction begins");
    transaction
        .batch_execute(&set_local(&token))
        .expect("the setting is taken");
    let portal = transaction.bind(select, &[]).expect("it binds");
    let part = transaction.query_portal(&portal, 2);
    let end = transaction.commit();
    assert!(part.is_err() || end.is_err(), "two of five rows passed");
    assert_eq!(left(&mut world), "200");
    // In two parts that make up the whole it may run.
    let mut transaction = world.app.transaction().expect("a transaction begins");
    transaction
        .batch_execute(&set_local(&token))
        .expect("the setting is taken");
    let portal = transaction.bind(select, &[]).expect("it binds");
    assert_eq!(
        transaction
            .query_portal(&portal, 2)
            .expect("two rows")
            .len(),
        2
    );
    assert_eq!(
        transaction
            .query_portal(&portal, 0)
            .expect("three rows")
            .len(),
        3
    );
    transaction.commit().expect("all was shown");
    assert_eq!(left(&mut world), "195");
    assert_eq!(refused_under(&mut world.app, &token, select), "SF010");
}
#[test]
fn changed_parameters_are_another_list() {
    let mut world = world();
    let bound = "DELETE FROM users WHERE id = ANY ($1) AND id > 0 OR id = ANY ($1)";
    let request = query_text(
        &mut world.app,
        &format!(
            "SELECT DISTINCT request_id FROM backstop.preview('{bound}', 'x', '[\"{{1,2}}\"]')"
        ),
    );
    let token = approve(&mut world.reviewer, &request);
    for ids in [vec![1i64, 3], vec![1], vec![1, 2, 3], vec![]] {
        passes(&mut world.app, "BEGIN");
        passes(&mut world.app, &set_local(&token));
        let outcome = world.app.execute(bound, &[&ids]);
        assert_eq!(
            outcome
                .expect_err("another list")
                .code()
                .map(|code| code.code().to_owned()),
            Some("SF011".to_owned()),
            "{ids:?}"
        );
        passes(&mut world.app, "ROLLBACK");
    }
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &set_local(&token));
    passes_with(&mut world.app, bound, &[&vec![2i64, 1]]);
    passes(&mut world.app, "COMMIT");
}
#[test]
fn a_token_kept_in_a_roles_settings_is_a_token_like_any_other() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    let name = world.db.name.clone();
    passes(
        &mut world.admin,
        &format!("ALTER ROLE app IN DATABASE {name} SET backstop.approval = '{token}'"),
    );
    let mut app = world.db.connect_as("app");
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id < 7").sqlstate,
        "SF011"
    );
    passes(&mut app, "DELETE FROM users WHERE id = 150");
    passes(&mut app, FIVE);
    assert_eq!(refused(&mut app, FIVE).sqlstate, "SF010");
    assert_eq!(left(&mut world), "194");
}
#[test]
fn two_sessions_cannot_use_one_token() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    let mut rival = world.db.connect_as("app");
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &run(&token));
    let pid = query_text(&mut rival, "SELECT pg_backend_pid()");
    let second = run(&token);
    let waiting = std::thread::spawn(move || refused(&mut rival, &second).sqlstate);
    let blocked = format!("SELECT cardinality(pg_blocking_pids({pid})) > 0");
    for _ in 0..500 {
        if query_text(&mut world.admin, &blocked) == "t" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(query_text(&mut world.admin, &blocked), "t");
    passes(&mut world.app, "COMMIT");
    assert_eq!(waiting.join().expect("the rival ends"), "SF010");
    assert_eq!(left(&mut world), "195");
}
