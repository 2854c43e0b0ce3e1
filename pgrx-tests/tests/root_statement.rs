//! What a client sent is one root statement, whatever it sets off: its limits, its approval and its record are one. Each
//! test here was a hole once.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, passes, query_text, refused};

/// `users` with subscriptions, of which one statement may destroy ten rows; `secure` asks for a second person.
fn world() -> (Database, Client, Client) {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE users (id bigint PRIMARY KEY, plan text, email text);
         INSERT INTO users SELECT n, 'free', 'e' || n FROM generate_series(1, 100) n;
         CREATE TABLE secure (k int PRIMARY KEY, v text);
         INSERT INTO secure SELECT n, 'v' FROM generate_series(1, 100) n;
         CREATE TABLE plain (id int PRIMARY KEY);
         CREATE FUNCTION gone(pattern text) RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM users WHERE email LIKE pattern; RETURN 1; END $$;
         CREATE FUNCTION said_to_be_immutable(pattern text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
            $$ BEGIN RETURN gone(pattern); END $$;
         SELECT backstop.protect('users', max_rows => 10);
         SELECT backstop.protect('secure', require => 'always', approval => 'second_person')",
    );
    let app = db.connect_as("app");
    (db, admin, app)
}

#[test]
fn a_failed_inner_query_leaves_no_trace_in_the_record() {
    let (_db, mut admin, mut app) = world();
    // The text is large enough for its memory to go back to the operating system when it is freed.
    passes(
        &mut admin,
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE q text := 'SELECT 1/(x-1) FROM generate_series(1,3) x /*' || repeat('A', 30000000) || '*/'; r int;
            BEGIN
                BEGIN EXECUTE q INTO r; EXCEPTION WHEN division_by_zero THEN NULL; END; q := NULL;
                UPDATE users SET plan = 'v' WHERE id = 77; RETURN NEW;
            END $$;
         CREATE TRIGGER touch BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION touch();
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON plain DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION touch()",
    );
    passes(&mut app, "INSERT INTO plain VALUES (1)");
    let recorded = "SELECT string_agg(rows || ' ' || query, '; ' ORDER BY statement_id) FROM backstop.statement";
    assert_eq!(
        query_text(&mut admin, recorded),
        "1 INSERT INTO plain VALUES (1); 1 INSERT INTO plain VALUES (1)"
    );
}

#[test]
fn a_fetch_that_failed_under_a_savepoint_owns_nothing_that_follows() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "BEGIN; DECLARE c CURSOR FOR SELECT 1/(x-2) AS innocent FROM generate_series(1, 3) x; SAVEPOINT s",
    );
    assert_eq!(refused(&mut app, "FETCH 3 FROM c").sqlstate, "22012");
    passes(&mut app, "ROLLBACK TO s");
    passes(&mut app, "UPDATE users SET plan = 'a' WHERE id = 11");
    passes(&mut app, "UPDATE users SET plan = 'b' WHERE id = 12");
    passes(&mut app, "COMMIT");
    let recorded = "SELECT count(*), bool_and(query LIKE 'UPDATE%') FROM backstop.statement";
    assert_eq!(query_text(&mut admin, recorded), "2|t");
}

#[test]
fn functions_that_planning_runs_count_together() {
    let (_db, _admin, mut app) = world();
    let split = "SELECT said_to_be_immutable('e1_') + said_to_be_immutable('e2_')";
    assert_eq!(refused(&mut app, split).sqlstate, "SF005");
    assert_eq!(
        refused(&mut app, &format!("EXPLAIN {split}")).sqlstate,
        "SF005"
    );
}

#[test]
fn what_deferred_triggers_do_at_commit_counts_together() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION purge() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM users WHERE email LIKE 'e' || NEW.id || '_'; RETURN NEW; END $$;
         CREATE CONSTRAINT TRIGGER purge AFTER INSERT ON plain DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION purge()",
    );
    passes(&mut app, "INSERT INTO plain VALUES (1)");
    assert_eq!(
        refused(&mut app, "INSERT INTO plain VALUES (2), (3)").sqlstate,
        "SF005"
    );
    assert_eq!(query_text(&mut app, "SELECT count(*) FROM users"), "90");
}

#[test]
fn an_approval_that_proved_too_small_covers_no_broken_rule() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION more() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            UPDATE users SET plan = 'x' WHERE email IN ('e1', 'e2', 'e3');
            DELETE FROM users WHERE id BETWEEN 50 AND 52; END $$",
    );
    passes(
        &mut app,
        "BEGIN; SELECT backstop.approve_batch('one row', 1)",
    );
    assert_eq!(refused(&mut app, "SELECT more()").sqlstate, "SF010");
}

#[test]
fn a_function_in_a_covered_statement_is_not_covered_with_it() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION evil() RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM secure WHERE v = 'v'; RETURN 1; END $$",
    );
    passes(
        &mut app,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', 1000, '{public.users}', '{update}')",
    );
    let nested = "UPDATE users SET plan = 'q' WHERE id = 20 RETURNING evil()";
    assert_eq!(refused(&mut app, nested).sqlstate, "SF010");
}

#[test]
fn nobody_else_makes_the_trigger_condition_write() {
    let (_db, mut admin, mut app) = world();
    for sql in [
        "DELETE FROM users WHERE id = 8 AND NOT backstop.capture_row()",
        "UPDATE users SET plan = plan WHERE id = 8 RETURNING backstop.capture_row()",
    ] {
        refused(&mut app, sql);
    }
    // Where no guarded table is being changed there is nothing that it could write.
    assert_eq!(query_text(&mut app, "SELECT backstop.capture_row()"), "f");
    passes(
        &mut admin,
        "CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER stay BEFORE DELETE ON users FOR EACH ROW
            WHEN (backstop.capture_row() IS NOT NULL) EXECUTE FUNCTION stay()",
    );
    refused(&mut app, "DELETE FROM users WHERE id = 8");
    let recorded = "SELECT count(*) FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, recorded), "0");
}

#[test]
fn a_trigger_that_took_our_name_is_no_protection() {
    let (_db, mut admin, _app) = world();
    passes(
        &mut admin,
        "CREATE TABLE squat (id int PRIMARY KEY);
         CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
         CREATE TRIGGER backstop_capture BEFORE INSERT ON squat FOR EACH ROW EXECUTE FUNCTION noop()",
    );
    assert_eq!(
        refused(&mut admin, "SELECT backstop.protect('squat')").sqlstate,
        "42710"
    );
}

#[test]
fn a_plan_judged_under_an_earlier_key_is_judged_again() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE rk (a int PRIMARY KEY, b int); INSERT INTO rk SELECT n, n FROM generate_series(1, 9) n;
         SELECT backstop.protect('rk')",
    );
    passes(
        &mut app,
        "PREPARE p AS DELETE FROM rk WHERE b BETWEEN 1 AND 2",
    );
    passes(&mut admin, "SELECT backstop.protect('rk', '{b}')");
    assert_eq!(refused(&mut app, "EXECUTE p").sqlstate, "SF001");
}
