//! A token's portal that is fetched, run to its end or closed behind a savepoint: what was fetched before it stays on the
//! books, whatever becomes of the savepoint, and nothing commits but what the preview showed.

use pg_backstop_tests::postgres::{Client, Transaction};
use pg_backstop_tests::{Database, database_with_app, passes, query_text};

const WORLD: &str = "
    CREATE TABLE t (id int PRIMARY KEY, g int); INSERT INTO t SELECT i, i FROM generate_series(1, 50) i;
    CREATE TABLE kid (id int PRIMARY KEY, tid int REFERENCES t ON DELETE CASCADE, x int); ALTER TABLE kid OWNER TO app;
    CREATE FUNCTION f(x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t WHERE id = x;
        IF x > 100 THEN RAISE EXCEPTION 'x'; END IF; RETURN x; END $$;
    CREATE FUNCTION late(x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF x = 2 AND current_setting('my.fails', true) = 'on' THEN RAISE EXCEPTION 'x'; END IF; RETURN f(x); END $$;
    GRANT ALL ON t, kid TO app; SELECT backstop.protect('t')";

const STATEMENT: &str = "SELECT f(i) FROM unnest('{1,2,3}'::int[]) i";

struct World {
    _db: Database,
    admin: Client,
    app: Client,
}

fn world() -> World {
    let (db, admin, app) = database_with_app(WORLD);
    World {
        _db: db,
        admin,
        app,
    }
}

/// A token for the statement.
fn token(world: &mut World, statement: &str) -> String {
    let preview =
        format!("SELECT DISTINCT request_id FROM backstop.preview($q${statement}$q$, 'why')");
    let request = query_text(&mut world.app, &preview);
    query_text(
        &mut world.admin,
        &format!("SELECT backstop.approve({request}, 'ok')"),
    )
}

fn begin<'a>(app: &'a mut Client, token: &str) -> Transaction<'a> {
    let mut transaction = app.transaction().expect("begins");
    transaction
        .batch_execute(&format!("SET LOCAL backstop.approval = '{token}'"))
        .expect("is set");
    transaction
}

/// How the transaction ends: the SQLSTATE, or none.
fn end(transaction: Transaction) -> Option<String> {
    let outcome = transaction.commit();
    let error = outcome.err()?;
    Some(error.code().expect("the server's").code().to_owned())
}

/// Rows that are gone, statements, their rows, and pre-images.
fn recorded(world: &mut World) -> String {
    query_text(
        &mut world.admin,
        "SELECT (SELECT 50 - count(*) FROM t), (SELECT count(*) FROM backstop.statement),
                (SELECT coalesce(sum(rows), 0) FROM backstop.statement), (SELECT count(*) FROM backstop.preimage)",
    )
}

/// Fetches so many rows, and after a savepoint what `then` says of them; the savepoint is rolled back or released.
fn fetched(first: i32, then: Option<i32>, rolled_back: bool) -> (Option<String>, String) {
    let mut world = world();
    let token = token(&mut world, STATEMENT);
    let mut transaction = begin(&mut world.app, &token);
    let portal = transaction.bind(STATEMENT, &[]).expect("is bound");
    transaction
        .query_portal(&portal, first)
        .expect("is fetched");
    transaction.batch_execute("SAVEPOINT s").expect("is set");
    let mut portal = Some(portal);
    match then {
        Some(rows) => {
            transaction
                .query_portal(portal.as_ref().expect("is open"), rows)
                .expect("is fetched");
        }
        None => drop(portal.take()),
    }
    let ending = if rolled_back {
        "ROLLBACK TO s"
    } else {
        "RELEASE s"
    };
    let ended = transaction.batch_execute(ending);
    let committed = end(transaction);
    // Only now: nobody would hear of the error that closing it may raise.
    drop(portal);
    let code = match ended {
        Ok(()) => committed,
        Err(error) => error.code().map(|code| code.code().to_owned()),
    };
    (code, recorded(&mut world))
}

#[test]
fn what_was_fetched_before_the_savepoint_is_recorded_or_does_not_commit() {
    let sf011 = Some("SF011".to_owned());
    let nothing = "0|0|0|0".to_owned();
    let all = "3|1|3|3".to_owned();
    // Its end was fetched, and that is rolled back.
    assert_eq!(fetched(1, Some(0), true), (sf011.clone(), nothing.clone()));
    assert_eq!(fetched(1, Some(1), true), (sf011.clone(), nothing.clone()));
    // All of it was fetched; its closing is rolled back.
    assert_eq!(fetched(3, None, true), (None, all.clone()));
    assert_eq!(fetched(3, Some(0), true), (None, all.clone()));
    // Part of it was fetched, and the closing that says so is rolled back.
    assert_eq!(fetched(1, None, true), (sf011.clone(), nothing.clone()));
    // The savepoint stays.
    assert_eq!(fetched(1, Some(0), false), (None, all.clone()));
    assert_eq!(fetched(3, None, false), (None, all));
    let (code, left) = fetched(1, None, false);
    assert!(
        matches!(code.as_deref(), Some("25P02" | "SF011")),
        "{code:?}"
    );
    assert_eq!(left, nothing);
}

/// The memory of a portal that failed is used again by the next one: that does not take over its books.
#[test]
fn a_portal_that_fails_behind_a_savepoint_leaves_what_it_did_before() {
    let statement = "SELECT late(i) FROM unnest('{1,2,3}'::int[]) i";
    let mut world = world();
    let token = token(&mut world, statement);
    let mut transaction = begin(&mut world.app, &token);
    let portal = transaction.bind(statement, &[]).expect("is bound");
    transaction.query_portal(&portal, 1).expect("is fetched");
    transaction
        .batch_execute("SAVEPOINT s; SET LOCAL my.fails = 'on'")
        .expect("is set");
    assert!(transaction.query_portal(&portal, 0).is_err());
    transaction
        .batch_execute("ROLLBACK TO s")
        .expect("goes back");
    drop(portal);
    for _ in 0..3 {
        transaction
            .query("SELECT late(i + 60) FROM unnest('{1,2,3}'::int[]) i", &[])
            .expect("is another statement");
    }
    assert_eq!(end(transaction).as_deref(), Some("SF011"));
    assert_eq!(recorded(&mut world), "0|0|0|0");
}

/// Levels, DDL and other statements between the fetches.
#[test]
fn every_row_of_a_portal_is_recorded_once() {
    let mut world = world();
    let token = token(&mut world, STATEMENT);
    let mut transaction = begin(&mut world.app, &token);
    let portal = transaction.bind(STATEMENT, &[]).expect("is bound");
    for (before, after) in [
        (
            "SELECT 1",
            "SAVEPOINT a; ALTER TABLE kid RENAME x TO y; ROLLBACK TO a",
        ),
        (
            "SAVEPOINT b; SAVEPOINT c",
            "ALTER TABLE kid RENAME x TO y; RELEASE c",
        ),
        (
            "SAVEPOINT d",
            "RELEASE d; SAVEPOINT e; ALTER TABLE kid RENAME y TO z; ROLLBACK TO e",
        ),
    ] {
        transaction.batch_execute(before).expect(before);
        transaction.query_portal(&portal, 1).expect("is fetched");
        transaction.batch_execute(after).expect(after);
    }
    transaction.batch_execute("SAVEPOINT f").expect("is set");
    drop(portal);
    transaction
        .batch_execute("ROLLBACK TO f")
        .expect("goes back");
    assert_eq!(end(transaction), None);
    assert_eq!(recorded(&mut world), "3|1|3|3");
    let restore = "SELECT sum(restored), sum(conflicts) FROM backstop.restore(
        (SELECT max(statement_id) FROM backstop.statement), dry_run => false)";
    assert_eq!(query_text(&mut world.admin, restore), "3|0");
    let became = "SELECT count(*) FROM backstop.request_log JOIN backstop.statement s ON used_statement_id = s.statement_id";
    assert_eq!(query_text(&mut world.admin, became), "1");
    passes(&mut world.admin, "SELECT 1");
}

/// DDL in a savepoint between two fetches, rolled back: under an intent, whose fetches are statements of their own.
#[test]
fn fetches_from_a_cursor_keep_their_rows() {
    let mut world = world();
    passes(
        &mut world.app,
        "BEGIN; SELECT backstop.approve_batch('a', 10); DECLARE c CURSOR FOR SELECT f(i) FROM unnest('{1,2,3}'::int[]) i;
         FETCH 1 FROM c; SAVEPOINT s; FETCH 1 FROM c; ALTER TABLE kid RENAME x TO y; ROLLBACK TO s;
         SAVEPOINT s; ALTER TABLE kid RENAME x TO z; RELEASE s; FETCH 1 FROM c; CLOSE c; COMMIT",
    );
    assert_eq!(recorded(&mut world), "2|2|2|2");
}
