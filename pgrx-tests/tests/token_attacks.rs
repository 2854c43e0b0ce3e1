//! Attacks on tokens: each tries to destroy rows that nobody was shown, or to use a token twice.

mod preview {
    pub mod world;
}

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{passes, passes_with, query_text, refused, refused_with};
use preview::world::{
    World, approve, ask, passes_under, refused_under, run, set_local, token, users, world,
};

const FIVE: &str = "DELETE FROM users WHERE id < 6";

fn left(world: &mut World) -> String {
    users(&mut world.admin)
}

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
fn the_same_text_may_come_to_mean_something_else() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE SCHEMA other; CREATE TABLE other.users (LIKE public.users INCLUDING ALL); GRANT ALL ON SCHEMA other TO app; GRANT ALL ON other.users TO app;
         INSERT INTO other.users SELECT * FROM public.users; SELECT backstop.protect('other.users', max_rows => 10);
         CREATE VIEW v AS SELECT * FROM users WHERE id < 6; GRANT ALL ON v TO app;
         CREATE FUNCTION pick() RETURNS SETOF bigint LANGUAGE sql AS 'SELECT generate_series(1, 5)::bigint';
         CREATE FUNCTION gone() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id < 6; RETURN 1; END $$",
    );
    let by_path = token(&mut world, FIVE);
    passes(&mut world.app, "SET search_path = other, public");
    assert_eq!(refused_under(&mut world.app, &by_path, FIVE), "SF011");
    assert_eq!(refused(&mut world.app, &run(&by_path)).sqlstate, "SF011");
    // Nor a table of the session's own in front of it, which nobody protects.
    passes(
        &mut world.app,
        "RESET search_path; CREATE TEMP TABLE users AS SELECT * FROM public.users",
    );
    assert_eq!(refused(&mut world.app, &run(&by_path)).sqlstate, "SF011");
    passes(&mut world.app, "DROP TABLE pg_temp.users");

    let by_view = token(&mut world, "DELETE FROM v");
    passes(
        &mut world.admin,
        "CREATE OR REPLACE VIEW v AS SELECT * FROM users WHERE id BETWEEN 11 AND 15",
    );
    assert_eq!(refused(&mut world.app, &run(&by_view)).sqlstate, "SF011");
    passes(
        &mut world.admin,
        "CREATE OR REPLACE VIEW v AS SELECT * FROM users WHERE id < 8",
    );
    assert_eq!(refused(&mut world.app, &run(&by_view)).sqlstate, "SF011");

    let by_set = token(&mut world, "DELETE FROM users WHERE id IN (SELECT pick())");
    passes(
        &mut world.admin,
        "CREATE OR REPLACE FUNCTION pick() RETURNS SETOF bigint LANGUAGE sql AS 'SELECT generate_series(2, 6)::bigint'",
    );
    assert_eq!(refused(&mut world.app, &run(&by_set)).sqlstate, "SF011");

    let by_function = token(&mut world, "SELECT gone()");
    for body in [
        "DELETE FROM users WHERE id BETWEEN 2 AND 6",
        "DELETE FROM users WHERE id < 7",
        "DELETE FROM users WHERE id < 5",
        "DELETE FROM users WHERE id < 6; UPDATE users SET plan = 'x' WHERE id = 10",
        "UPDATE users SET plan = 'x' WHERE id < 6; DELETE FROM users WHERE id < 6",
        "DELETE FROM users WHERE id < 6; SET LOCAL backstop.approval = ''; DELETE FROM users WHERE id = 10",
    ] {
        passes(
            &mut world.admin,
            &format!(
                "CREATE OR REPLACE FUNCTION gone() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN 1; END $$"
            ),
        );
        assert_eq!(
            refused(&mut world.app, &run(&by_function)).sqlstate,
            "SF011",
            "{body}"
        );
        let under = refused_portal(&mut world.app, &by_function, "SELECT gone()");
        assert_eq!(under, "SF011", "{body}");
    }
    assert_eq!(left(&mut world), "200");
}

#[track_caller]
fn refused_portal(client: &mut Client, token: &str, statement: &str) -> String {
    passes(client, "BEGIN");
    passes(client, &set_local(token));
    let refusal = refused_with(client, statement, &[]);
    passes(client, "ROLLBACK");
    refusal.sqlstate
}

#[test]
fn a_trigger_or_key_added_in_between_changes_the_list() {
    let mut world = world();
    passes(&mut world.admin, "CREATE TABLE notes (id int PRIMARY KEY, user_id bigint); INSERT INTO notes VALUES (1, 1);
        CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id = OLD.id + 100; RETURN OLD; END $$;
        CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.plan := 'other'; RETURN NEW; END $$");
    let delete = token(&mut world, FIVE);
    let update = token(&mut world, "UPDATE users SET plan = 'x' WHERE id < 6");
    for when in ["BEFORE", "AFTER"] {
        passes(
            &mut world.admin,
            &format!(
                "CREATE TRIGGER more {when} DELETE ON users FOR EACH ROW WHEN (OLD.id < 100) EXECUTE FUNCTION more()"
            ),
        );
        assert_eq!(refused(&mut world.app, &run(&delete)).sqlstate, "SF011");
        passes(
            &mut world.admin,
            "SET backstop.mode = off; DROP TRIGGER more ON users; RESET backstop.mode",
        );
    }
    passes(
        &mut world.admin,
        "CREATE TRIGGER other BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION other()",
    );
    assert_eq!(refused(&mut world.app, &run(&update)).sqlstate, "SF011");
    passes(
        &mut world.admin,
        "SET backstop.mode = off; DROP TRIGGER other ON users; RESET backstop.mode",
    );
    passes(
        &mut world.admin,
        "ALTER TABLE notes ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE",
    );
    assert_eq!(refused(&mut world.app, &run(&delete)).sqlstate, "SF011");
    assert_eq!(left(&mut world), "200");
    assert_eq!(
        query_text(&mut world.admin, "SELECT count(*) FROM notes"),
        "1"
    );
    passes(&mut world.app, &run(&update));
}

#[test]
fn a_column_changed_in_between_changes_the_list() {
    let mut world = world();
    for between in [
        "UPDATE users SET plan = 'paid' WHERE id = 5",
        "DELETE FROM users WHERE id = 5",
        "INSERT INTO users VALUES (0, 'oauth', 'free')",
        "UPDATE subscriptions SET user_id = 50 WHERE id = 4",
        "UPDATE invoices SET subscription_id = NULL WHERE id = 3",
        "INSERT INTO invoices VALUES (1001, 2)",
    ] {
        let token = token(&mut world, FIVE);
        passes(
            &mut world.admin,
            "CREATE TABLE IF NOT EXISTS spare (LIKE users)",
        );
        passes(&mut world.admin, "BEGIN");
        passes(&mut world.admin, between);
        passes(&mut world.admin, "COMMIT");
        let refusal = refused(&mut world.app, &run(&token));
        assert_eq!(refusal.sqlstate, "SF011", "{between}");
        assert!(!refusal.detail.contains("(,"), "{between} {refusal:?}");
    }
}

#[test]
fn an_approval_inside_a_function_covers_only_the_clients_statement() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    passes(
        &mut world.app,
        &format!(
            "CREATE FUNCTION sneak(low bigint) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                PERFORM set_config('backstop.approval', '{token}', true); DELETE FROM users WHERE id < low; END $$;
             CREATE FUNCTION sneak_exactly() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                PERFORM set_config('backstop.approval', '{token}', true); EXECUTE '{FIVE}'; END $$;
             CREATE FUNCTION pinned() RETURNS void LANGUAGE sql SET backstop.approval = '{token}' AS '{FIVE}'"
        ),
    );
    for statement in [
        "SELECT sneak(6)",
        "SELECT sneak(60)",
        "SELECT sneak_exactly()",
        "SELECT pinned()",
    ] {
        assert_eq!(
            refused(&mut world.app, statement).sqlstate,
            "SF011",
            "{statement}"
        );
    }
    passes(
        &mut world.app,
        "CREATE FUNCTION runs(t text) RETURNS bigint LANGUAGE sql AS 'SELECT sum(rows) FROM backstop.run(t)'",
    );
    // run() knows the statement, wherever it is called.
    assert_eq!(
        query_text(&mut world.app, &format!("SELECT runs('{token}')")),
        "15"
    );
    assert_eq!(left(&mut world), "195");
}

#[test]
fn a_run_inside_a_run_is_refused() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE FUNCTION gone() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id < 6; RETURN 1; END $$",
    );
    let outer = token(&mut world, "SELECT gone()");
    let inner = token(&mut world, "DELETE FROM users WHERE id BETWEEN 11 AND 15");
    passes(
        &mut world.admin,
        &format!(
            "CREATE OR REPLACE FUNCTION gone() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                PERFORM * FROM backstop.run('{inner}'); DELETE FROM users WHERE id < 6; RETURN 1; END $$"
        ),
    );
    assert_eq!(refused(&mut world.app, &run(&outer)).sqlstate, "55000");
    assert_eq!(left(&mut world), "200");
}

#[test]
fn a_commit_in_the_middle_cannot_outrun_the_check() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE TABLE orders (low bigint, high bigint, what text); GRANT ALL ON orders TO app; INSERT INTO orders VALUES (1, 5, '');
         CREATE PROCEDURE goner() LANGUAGE plpgsql AS $$ DECLARE o orders; BEGIN
            SELECT * INTO o FROM orders;
            DELETE FROM users WHERE id BETWEEN o.low AND o.high;
            IF o.what = 'commit' THEN COMMIT; ELSIF o.what = 'rollback' THEN ROLLBACK; DELETE FROM users WHERE id BETWEEN 11 AND 15;
            ELSIF o.what = 'commit and more' THEN COMMIT; DELETE FROM users WHERE id BETWEEN 21 AND 23; END IF; END $$",
    );
    let token = token(&mut world, "CALL goner()");
    let session = |what: &str| format!("SET backstop.approval = '{what}'");
    passes(&mut world.app, &session(&token));
    for (orders, sqlstate) in [
        ("low = 31, high = 35, what = 'commit'", "SF011"),
        ("low = 1, high = 4, what = 'commit'", "SF011"),
        ("low = 1, high = 6, what = 'commit'", "SF011"),
        ("low = 1, high = 5, what = 'rollback'", "SF011"),
    ] {
        passes(&mut world.admin, &format!("UPDATE orders SET {orders}"));
        assert_eq!(
            refused(&mut world.app, "CALL goner()").sqlstate,
            sqlstate,
            "{orders}"
        );
        assert_eq!(left(&mut world), "200", "{orders}");
    }
    // The same rows, and a commit after them: the token is spent with them.
    passes(
        &mut world.admin,
        "UPDATE orders SET low = 1, high = 5, what = 'commit and more'",
    );
    assert_eq!(refused(&mut world.app, "CALL goner()").sqlstate, "SF010");
    assert_eq!(left(&mut world), "195");
    assert_eq!(refused(&mut world.app, "CALL goner()").sqlstate, "SF010");
    let recorded = "SELECT rows, (approval ->> 'request_id')::bigint = (SELECT max(request_id) FROM backstop.request_log) FROM backstop.statement";
    assert_eq!(query_text(&mut world.admin, recorded), "15|t");
}

#[test]
fn a_do_block_that_commits_is_checked_when_it_does() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE TABLE orders (commits bool); GRANT ALL ON orders TO app; INSERT INTO orders VALUES (false)",
    );
    let block = "DO $$ BEGIN DELETE FROM users WHERE id < 4; IF (SELECT commits FROM orders) THEN COMMIT; END IF; DELETE FROM users WHERE id IN (4, 5); END $$";
    let token = token(&mut world, block);
    passes(&mut world.admin, "UPDATE orders SET commits = true");
    passes(
        &mut world.app,
        &format!("SET backstop.approval = '{token}'"),
    );
    assert_eq!(refused(&mut world.app, block).sqlstate, "SF011");
    assert_eq!(left(&mut world), "200");
    passes(&mut world.admin, "UPDATE orders SET commits = false");
    passes(&mut world.app, block);
    assert_eq!(left(&mut world), "195");
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

#[test]
fn two_phase_commit_under_a_token_is_checked_before_it_is_prepared() {
    let mut world = world();
    let token = token(&mut world, FIVE);
    let name = format!("{}_token", world.db.name);
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &set_local(&token));
    passes(&mut world.app, FIVE);
    passes(&mut world.app, &format!("PREPARE TRANSACTION '{name}'"));
    assert_eq!(left(&mut world), "200");
    passes(&mut world.app, &format!("COMMIT PREPARED '{name}'"));
    assert_eq!(left(&mut world), "195");
    assert_eq!(refused(&mut world.app, &run(&token)).sqlstate, "SF010");
}

#[test]
fn deferred_triggers_are_not_covered_by_the_statements_token() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id BETWEEN 11 AND 60; RETURN NULL; END $$",
    );
    let token = token(&mut world, FIVE);
    passes(
        &mut world.admin,
        "CREATE CONSTRAINT TRIGGER late AFTER DELETE ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.id < 6) EXECUTE FUNCTION late()",
    );
    for transaction in [
        run(&token),
        format!("BEGIN; {}; {FIVE}; COMMIT", set_local(&token)),
    ] {
        let refusal = refused(&mut world.app, &transaction);
        assert!(refusal.sqlstate.starts_with("SF0"), "{refusal:?}");
        passes(&mut world.app, "ROLLBACK");
        assert_eq!(left(&mut world), "200");
    }
}
