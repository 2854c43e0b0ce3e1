//! `cause`: what led to a row that was not the statement's own target, wherever PostgreSQL looks the trigger up.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id int PRIMARY KEY, plan text);
    CREATE TABLE kids (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE);
    CREATE TABLE toys (id int PRIMARY KEY, kid_id int REFERENCES kids ON DELETE CASCADE);
    CREATE TABLE log (id int PRIMARY KEY, note text);
    CREATE TABLE parts (id int, user_id int REFERENCES users ON DELETE CASCADE, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
    INSERT INTO users SELECT n FROM generate_series(1, 100) n;
    INSERT INTO kids SELECT n, n FROM generate_series(1, 100) n;
    INSERT INTO toys SELECT n, n FROM generate_series(1, 100) n;
    INSERT INTO log SELECT n FROM generate_series(1, 100) n;
    CREATE FUNCTION purge() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN DELETE FROM log WHERE id = coalesce(OLD.id, 99); RETURN NULL; END $$;
    CREATE FUNCTION purge_one() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN DELETE FROM log WHERE id = 99; RETURN NULL; END $$;
    SELECT backstop.protect('users'), backstop.protect('log', max_rows => 20)";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

/// The relations and causes of the newest statement.
fn causes(admin: &mut Client) -> String {
    query_text(
        admin,
        "SELECT string_agg(relation || ': ' || coalesce(cause, '-'), ', ' ORDER BY ordinal)
         FROM backstop.preimage WHERE statement_id = (SELECT max(statement_id) FROM backstop.statement)",
    )
}

#[test]
fn triggers_of_what_a_cascade_reaches_are_named() {
    let (_db, mut admin, mut app) = world();
    for (trigger, function, expected) in [
        (
            "CREATE TRIGGER purge AFTER DELETE ON kids FOR EACH ROW",
            "purge",
            "trigger purge on public.kids",
        ),
        (
            "CREATE TRIGGER \"Purge It\" AFTER DELETE ON toys FOR EACH ROW",
            "purge",
            "trigger \"Purge It\" on public.toys",
        ),
        (
            "CREATE TRIGGER purge AFTER DELETE ON kids FOR EACH STATEMENT",
            "purge_one",
            "trigger purge on public.kids",
        ),
        (
            "CREATE CONSTRAINT TRIGGER purge AFTER DELETE ON kids DEFERRABLE FOR EACH ROW",
            "purge",
            "trigger purge on public.kids",
        ),
        (
            "CREATE TRIGGER purge AFTER DELETE ON parts FOR EACH ROW",
            "purge",
            "trigger purge on public.parts_1",
        ),
        (
            "CREATE TRIGGER purge AFTER DELETE ON parts FOR EACH STATEMENT",
            "purge_one",
            "trigger purge on public.parts",
        ),
        (
            "CREATE TRIGGER purge AFTER DELETE ON users FOR EACH ROW",
            "purge",
            "trigger purge on public.users",
        ),
    ] {
        passes(
            &mut admin,
            &format!(
                "SET backstop.mode = off;
                 INSERT INTO users VALUES (1), (2) ON CONFLICT DO NOTHING;
                 INSERT INTO kids VALUES (1, 1), (2, 2) ON CONFLICT DO NOTHING;
                 INSERT INTO toys VALUES (1, 1), (2, 2) ON CONFLICT DO NOTHING;
                 INSERT INTO parts VALUES (1, 1), (2, 2) ON CONFLICT DO NOTHING;
                 INSERT INTO log VALUES (1), (2), (99) ON CONFLICT DO NOTHING;
                 RESET backstop.mode; {trigger} EXECUTE FUNCTION {function}()"
            ),
        );
        passes(&mut app, "DELETE FROM users WHERE id IN (1, 2)");
        let found = causes(&mut admin);
        assert!(
            found.contains(&format!("public.log: {expected}")) && !found.contains("public.log: -"),
            "{trigger}: {found}"
        );
        assert!(
            found.contains("public.toys: cascade from public.kids"),
            "{found}"
        );
        let name = if trigger.contains('"') {
            "\"Purge It\""
        } else {
            "purge"
        };
        let table = trigger
            .split(" ON ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        passes(
            &mut admin,
            &format!(
                "SET backstop.mode = off; DROP TRIGGER {name} ON {}; RESET backstop.mode",
                table.expect("a table")
            ),
        );
    }
}

/// What is looked up ahead for the triggers of a cascade belongs to the statement that fires them, however deep that lies.
#[test]
fn they_are_named_in_blocks_that_catch_errors_and_in_cursors() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TRIGGER purge AFTER DELETE ON kids FOR EACH ROW EXECUTE FUNCTION purge();
         CREATE FUNCTION without(who int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
             BEGIN DELETE FROM users WHERE id = who; EXCEPTION WHEN division_by_zero THEN NULL; END; RETURN who; END $$;
         CREATE TABLE orders (id int PRIMARY KEY, who int);
         CREATE FUNCTION ordered() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
             $$ BEGIN PERFORM without(NEW.who); RETURN NULL; END $$;
         CREATE TRIGGER ordered AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION ordered();
         GRANT ALL ON orders TO app",
    );
    for statement in [
        "SELECT without(11)",
        "DO $$ BEGIN BEGIN DELETE FROM users WHERE id = 12; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END;
             DELETE FROM users WHERE id = 12; END $$",
        "BEGIN; DECLARE c CURSOR FOR SELECT without(13); FETCH c; CLOSE c; COMMIT",
        "INSERT INTO orders VALUES (1, 14)",
        "BEGIN; INSERT INTO orders VALUES (2, 15); SAVEPOINT s; INSERT INTO orders VALUES (3, 16); RELEASE s; COMMIT",
    ] {
        passes(&mut app, statement);
        let found = causes(&mut admin);
        assert!(
            found.contains("public.log: trigger purge on public.kids"),
            "{statement}: {found}"
        );
    }
}

#[test]
fn a_preview_shows_a_cascaded_triggers_rows_below_it() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TRIGGER purge AFTER DELETE ON kids FOR EACH ROW EXECUTE FUNCTION purge()",
    );
    let steps = query_text(
        &mut app,
        "SELECT string_agg(relation || ': ' || coalesce(cause, '-'), ', ' ORDER BY step)
         FROM backstop.preview('DELETE FROM users WHERE id = 3')",
    );
    assert_eq!(
        steps,
        "public.users: -, public.kids: cascade from public.users, public.toys: cascade from public.kids, \
         public.log: trigger purge on public.kids"
    );
}

const LATE: &str =
    "CREATE CONSTRAINT TRIGGER late AFTER DELETE ON kids DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION purge()";

#[test]
fn a_deferred_trigger_is_a_cause() {
    let (_db, mut admin, mut app) = world();
    passes(&mut admin, LATE);
    passes(&mut app, "BEGIN; DELETE FROM kids WHERE id = 4; COMMIT");
    assert_eq!(causes(&mut admin), "public.log: deferred trigger");
    passes(&mut app, "DELETE FROM kids WHERE id = 5");
    assert_eq!(causes(&mut admin), "public.log: deferred trigger");
}

/// What SET CONSTRAINTS fires is its own: one root with one limit and one record.
#[test]
fn what_set_constraints_sets_off_is_one_statement() {
    let (_db, mut admin, mut app) = world();
    passes(&mut admin, LATE);
    let many = "BEGIN; DELETE FROM kids WHERE id BETWEEN 1 AND 50";
    passes(&mut app, many);
    assert_eq!(
        refused(&mut app, "SET CONSTRAINTS ALL IMMEDIATE").sqlstate,
        "SF005"
    );
    passes(&mut app, "ROLLBACK");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM log"), "100");
    passes(&mut app, "BEGIN; DELETE FROM kids WHERE id IN (1, 2, 3)");
    passes(&mut app, "SET CONSTRAINTS ALL IMMEDIATE");
    passes(&mut app, "COMMIT");
    let recorded = "SELECT string_agg(query || ': ' || rows, ', ' ORDER BY statement_id) FROM backstop.statement";
    assert_eq!(
        query_text(&mut admin, recorded),
        "DELETE FROM kids WHERE id IN (1, 2, 3): 6, SET CONSTRAINTS ALL IMMEDIATE: 3"
    );
    // It takes no snapshot where there is none: the isolation level can still be chosen.
    passes(
        &mut app,
        "BEGIN; SET CONSTRAINTS ALL IMMEDIATE; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; COMMIT",
    );
}
