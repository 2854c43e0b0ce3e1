//! A sequence does not roll back: what a block moved and took back is moved all the same, so it stays spent, and the
//! record of what commits has it.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, comes_to, database_with, passes, query_text, refused};

const WORLD: &str =
    "CREATE SEQUENCE s; SELECT setval('s', 10); CREATE SEQUENCE r; SELECT setval('r', 10); CREATE TABLE t (id int);
    SELECT backstop.protect_sequence('s'), backstop.protect_sequence('r', max_step => 100)";

const MOVED: &str = "SELECT string_agg(concat_ws(' ', sequence, operation, old_value, new_value), ', ' ORDER BY sequence, old_value)
    FROM backstop.sequence_change JOIN backstop.statement USING (statement_id)";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

fn under(max_rows: i32, steps: &str) -> String {
    format!(
        "BEGIN; SELECT backstop.approve_batch('a', {max_rows}); DO $$ BEGIN {steps} END $$; COMMIT"
    )
}

/// Steps that a block of their own takes back.
fn undone(steps: &str) -> String {
    format!(
        "BEGIN {steps} RAISE EXCEPTION 'x'; EXCEPTION WHEN raise_exception OR numeric_value_out_of_range THEN NULL; END;"
    )
}

#[test]
fn a_budget_is_not_given_back_for_a_sequence_that_has_moved() {
    let (_db, mut admin) = world();
    let loop_of = |times: i32| {
        let block = undone("PERFORM setval('s', i * 1000);");
        format!("FOR i IN 1..{times} LOOP {block} END LOOP;")
    };
    assert_eq!(
        refused(&mut admin, &under(1, &loop_of(20))).sqlstate,
        "SF010"
    );
    passes(&mut admin, "ROLLBACK");
    // The first one did move it.
    assert_eq!(query_text(&mut admin, "SELECT last_value FROM s"), "1000");
    passes(&mut admin, &under(20, &loop_of(20)));
    // ROLLBACK TO gives nothing back either.
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('a', 1); SAVEPOINT a; SELECT setval('s', 50000); ROLLBACK TO a",
    );
    assert!(
        refused(&mut admin, "SELECT setval('s', 60000)")
            .sqlstate
            .starts_with("SF0")
    );
    passes(&mut admin, "ROLLBACK");
}

#[test]
fn what_a_block_moved_and_took_back_is_recorded() {
    for (steps, recorded) in [
        (
            undone("PERFORM setval('s', 1000);"),
            "public.s SETVAL 10 1000",
        ),
        (
            format!(
                "{} PERFORM setval('s', 3000);",
                undone("PERFORM setval('s', 1000); PERFORM setval('s', 2000);")
            ),
            "public.s SETVAL 10 2000, public.s SETVAL 2000 3000",
        ),
        // Within its policy it needs no approval, and is recorded.
        (undone("PERFORM setval('r', 20);"), "public.r SETVAL 10 20"),
        // A block that stays within one that does not, and the other way round.
        (
            undone(
                "BEGIN PERFORM setval('s', 1000); EXCEPTION WHEN raise_exception THEN NULL; END;",
            ),
            "public.s SETVAL 10 1000",
        ),
        (
            format!(
                "BEGIN {} EXCEPTION WHEN raise_exception THEN NULL; END;",
                undone("PERFORM setval('s', 1000);")
            ),
            "public.s SETVAL 10 1000",
        ),
        // What stays is recorded once.
        (
            "BEGIN PERFORM setval('s', 1000); EXCEPTION WHEN raise_exception THEN NULL; END;"
                .to_owned(),
            "public.s SETVAL 10 1000",
        ),
        // ALTER SEQUENCE rolls back, unlike setval.
        (undone("ALTER SEQUENCE s RESTART WITH 5;"), "null"),
        // And a setval in the storage it made, whatever was to change; not one before it, or one in a block behind it.
        (
            undone("ALTER SEQUENCE r CACHE 1; PERFORM setval('r', 20);"),
            "null",
        ),
        (
            undone("PERFORM setval('r', 20); ALTER SEQUENCE r CACHE 1; PERFORM setval('r', 30);"),
            "public.r SETVAL 10 20",
        ),
        (
            format!(
                "ALTER SEQUENCE r CACHE 1; {}",
                undone("PERFORM setval('r', 20);")
            ),
            "public.r SETVAL 10 20",
        ),
        // Whose the sequence is has nothing to do with it.
        (
            undone("ALTER SEQUENCE s OWNED BY t.id; PERFORM setval('s', 1000);"),
            "public.s SETVAL 10 1000",
        ),
        // A setval that never was leaves nothing either.
        (undone("PERFORM setval('s', -5);"), "null"),
    ] {
        let (_db, mut admin) = world();
        passes(&mut admin, &under(10, &steps));
        assert_eq!(query_text(&mut admin, MOVED), recorded, "{steps}");
        if recorded != "null" {
            passes(
                &mut admin,
                "SELECT * FROM backstop.restore_sequence((SELECT statement_id FROM backstop.statement), false, 'overwrite')",
            );
            assert_eq!(
                query_text(&mut admin, "SELECT s.last_value, r.last_value FROM s, r"),
                "10|10",
                "{steps}"
            );
        }
    }
}

/// A statement that a savepoint took back has moved its sequences; its transaction commits with them.
#[test]
fn what_a_savepoint_took_back_is_recorded() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('a', 10); SAVEPOINT a; SELECT setval('s', 1000); ROLLBACK TO a;
         SELECT setval('s', 2000); COMMIT",
    );
    assert_eq!(
        query_text(&mut admin, MOVED),
        "public.s SETVAL 10 1000, public.s SETVAL 1000 2000"
    );
    // What a block took back before it, too.
    let (_db, mut admin) = world();
    let block = undone("PERFORM setval('s', 1000);");
    passes(
        &mut admin,
        &format!(
            "BEGIN; SELECT backstop.approve_batch('a', 10); SAVEPOINT a;
             DO $$ BEGIN {block} PERFORM setval('s', 2000); {block} END $$; ROLLBACK TO a; COMMIT"
        ),
    );
    assert_eq!(query_text(&mut admin, MOVED), "public.s SETVAL 10 1000");
    // Also when it failed itself.
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('a', 10); SAVEPOINT a",
    );
    refused(
        &mut admin,
        "DO $$ BEGIN PERFORM setval('s', 1000); RAISE EXCEPTION 'x'; END $$",
    );
    passes(&mut admin, "ROLLBACK TO a; SELECT 1; COMMIT");
    assert_eq!(query_text(&mut admin, MOVED), "public.s SETVAL 10 1000");
}

/// Before the sequence has moved, an error gives back what it was to cost.
#[test]
fn a_setval_that_fails_costs_nothing() {
    let (_db, mut admin) = world();
    let failing = undone("PERFORM setval('s', -5);");
    passes(
        &mut admin,
        &under(
            1,
            &format!("{failing} {failing} PERFORM setval('s', 1000);"),
        ),
    );
    assert_eq!(query_text(&mut admin, MOVED), "public.s SETVAL 10 1000");
    // Savepoints that are released, within one that is not.
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('a', 10); SAVEPOINT a; SAVEPOINT b; SELECT setval('s', 2000); RELEASE b;
         SAVEPOINT c; SELECT setval('s', 3000); RELEASE c; ROLLBACK TO a; SAVEPOINT d; SELECT setval('s', 4000); RELEASE d; COMMIT",
    );
    let ids = "SELECT count(*), count(DISTINCT statement_id), count(DISTINCT new_value) FROM backstop.sequence_change
        JOIN backstop.statement USING (statement_id)";
    assert_eq!(query_text(&mut admin, ids), "4|4|4");
}

/// Nothing of the transaction is left to tell of what it has moved, but a warning and a line among the rejections.
#[test]
fn what_a_transaction_moved_and_took_back_is_told() {
    let (db, mut admin) = world();
    let (mut client, notices) = db.connect_listening("postgres");
    let told = |client: &mut Client| {
        passes(client, "SELECT 1");
        let said = notices.take();
        let said = said.iter().map(|notice| notice.message().to_owned());
        said.collect::<Vec<_>>().join(", ")
    };
    let stays = |name: &str, from: &str, to: &str| {
        format!(
            "sequence \"public.{name}\" was moved from {from} to {to} by a transaction that rolled back"
        )
    };
    for (steps, left) in [
        (
            "SELECT backstop.approve_batch('a', 2); SELECT setval('s', 500); SELECT setval('s', 700); ROLLBACK",
            stays("s", "10", "700"),
        ),
        // Within max_step, by an error, and in a block that had been taken back before.
        (
            "SELECT setval('r', 20), set_config('x.y', 'z', true); SAVEPOINT a; SELECT setval('r', 30, false); ROLLBACK TO a; ROLLBACK",
            stays("r", "10", "30 (the next value)"),
        ),
        // Nothing has changed, has rolled back, or is left.
        ("SELECT setval('r', 30, false); ROLLBACK", String::new()),
        (
            "SELECT backstop.approve_batch('a', 1); SELECT setval('r', 100); COMMIT",
            String::new(),
        ),
        ("ROLLBACK", String::new()),
        (
            "SELECT backstop.approve_batch('a', 9); ALTER SEQUENCE s RESTART 5; SELECT setval('s', 6); ROLLBACK",
            String::new(),
        ),
    ] {
        passes(&mut client, "BEGIN");
        passes(&mut client, steps);
        assert_eq!(told(&mut client), left, "{steps}");
    }
    passes(&mut client, "BEGIN; SELECT backstop.approve_batch('a', 1)");
    refused(&mut client, "SELECT setval('s', 900) / 0");
    passes(&mut client, "ROLLBACK");
    assert_eq!(told(&mut client), stays("s", "700", "900"));
    // Whose session ends, or who had it put back, is told of as well.
    passes(&mut client, "BEGIN; SELECT setval('r', 110)");
    drop(client);
    let change = "SELECT max(statement_id) FROM backstop.sequence_change JOIN backstop.statement USING (statement_id) WHERE sequence = 'public.r'";
    let id = query_text(&mut admin, change);
    comes_to(&mut admin, "SELECT count(*) FROM backstop.rejection", "4");
    passes(
        &mut admin,
        &format!("BEGIN; SELECT backstop.restore_sequence({id}, false, 'overwrite'); ROLLBACK"),
    );
    let lines = format!(
        "00000|sequence_guard|public.s|{}\n00000|sequence_guard|public.r|{}\n00000|sequence_guard|public.s|{}\n\
         00000|sequence_guard|public.r|{}\n00000|sequence_guard|public.r|{}",
        stays("s", "10", "700"),
        stays("r", "10", "30 (the next value)"),
        stays("s", "700", "900"),
        stays("r", "100", "110"),
        stays("r", "110", "30 (the next value)"),
    );
    let rejections = "SELECT string_agg(concat_ws('|', sqlstate, rule, relation, message), E'\\n' ORDER BY rejection_id)
        FROM backstop.rejection";
    comes_to(&mut admin, rejections, &lines);
    let query = "SELECT query FROM backstop.rejection ORDER BY rejection_id LIMIT 1";
    assert_eq!(query_text(&mut admin, query), "SELECT setval('s', 500)");
}
