//! What a statement with a token does may have changed since it was shown, and may change while it runs.

mod preview {
    pub mod world;
}

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{passes, query_text, refused, refused_with};
use preview::world::{FIVE, left, refused_under, run, set_local, token, world};

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
