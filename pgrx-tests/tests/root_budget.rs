//! One root has its approvals' budgets or the limit, whatever it commits, is fetched by, or sets in between; and the record
//! says of each row of it what approved it.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, passes, query_text, refused};

/// A hundred rows of a thousand may go in one statement; `del` deletes the one that is asked for.
const WORLD: &str = "
    CREATE TABLE items (id int PRIMARY KEY, g int, s text);
    INSERT INTO items SELECT n, n % 10, 's' FROM generate_series(1, 1000) n;
    CREATE TABLE notes (id int PRIMARY KEY); INSERT INTO notes SELECT n FROM generate_series(1, 200) n;
    CREATE FUNCTION del(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM items WHERE id = i; RETURN 1; END $$;
    CREATE FUNCTION taken(of int, rows int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        DELETE FROM items WHERE id = ANY (ARRAY(SELECT id FROM items WHERE g = of LIMIT rows)); END $$;
    CREATE FUNCTION approve(why text, rows int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('backstop.approval', format('{\"reason\": \"%s\", \"max_rows\": %s}', why, rows), false); END $$;
    GRANT ALL ON items, notes TO app;
    SELECT backstop.protect('items'), backstop.protect('notes')";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

/// Runs `steps` as one DO block.
fn block(steps: &str) -> String {
    format!("DO $$ BEGIN {steps} END $$")
}

const LEFT: &str = "SELECT count(*) FROM items";
const RECORDED: &str = "SELECT string_agg(rows || ' ' || coalesce(approval ->> 'reason', '-'), ', ' ORDER BY statement_id)
                        FROM backstop.statement";
const REFILLED: &str = "INSERT INTO items SELECT n, n % 10, 's' FROM generate_series(1, 1000) n ON CONFLICT DO NOTHING";
const CURSOR: &str = "BEGIN; SELECT backstop.approve_batch('a', 50, '{public.items}', '{delete}');
                      DECLARE c CURSOR FOR SELECT del(n) FROM generate_series(1, 1000) n; MOVE FORWARD 50 IN c";

#[test]
fn fetches_have_the_budget_or_the_limit() {
    let (_db, _admin, mut app) = world();
    passes(&mut app, CURSOR);
    let refusal = refused(&mut app, "MOVE FORWARD 90 IN c");
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    passes(&mut app, "ROLLBACK");
    // One row after the other, as well.
    passes(&mut app, CURSOR);
    for _ in 0..50 {
        passes(&mut app, "MOVE FORWARD 1 IN c");
    }
    assert_eq!(refused(&mut app, "MOVE FORWARD 1 IN c").sqlstate, "SF010");
    passes(&mut app, "ROLLBACK");
}

#[test]
fn a_fetch_that_nothing_approved_carries_no_approval() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, &format!("{CURSOR}; MOVE FORWARD 40 IN c; COMMIT"));
    assert_eq!(query_text(&mut admin, RECORDED), "50 a, 40 -");
}

#[test]
fn transactions_of_a_block_have_the_budget_or_the_limit() {
    let (_db, mut admin, mut app) = world();
    for (steps, sqlstate) in [
        ("PERFORM taken(4, 90)", "SF010"),
        ("COMMIT; PERFORM taken(4, 90)", "SF010"),
        (
            "PERFORM set_config('backstop.approval', '', false); PERFORM taken(4, 90)",
            "SF005",
        ),
        (
            "COMMIT; PERFORM set_config('backstop.approval', '', false); PERFORM taken(4, 90)",
            "SF005",
        ),
        // Two of one row each leave ninety-eight.
        (
            "PERFORM approve('b', 1), taken(1, 1), approve('c', 1), taken(1, 1); PERFORM taken(4, 49)",
            "SF010",
        ),
        // What is approved for something else gives no room here.
        (
            "PERFORM set_config('backstop.approval', '{\"reason\": \"d\", \"max_rows\": 500, \"relations\": [\"public.notes\"]}', false);
             PERFORM taken(4, 90)",
            "SF010",
        ),
    ] {
        let before: i32 = query_text(&mut admin, LEFT).parse().expect("a number");
        let statement = block(&format!(
            "PERFORM approve('a', 50), taken(3, 50); {steps};"
        ));
        let refusal = refused(&mut app, &statement);
        assert_eq!(refusal.sqlstate, sqlstate, "{steps}: {refusal:?}");
        let left: i32 = query_text(&mut admin, LEFT).parse().expect("a number");
        let kept = if steps.contains("COMMIT") { 50 } else { 0 };
        assert_eq!(before - left, kept, "{steps}");
        passes(&mut admin, REFILLED);
    }
    // Up to the limit, approved or not.
    for between in [
        "COMMIT",
        "PERFORM set_config('backstop.approval', '', false)",
    ] {
        let statement = block(&format!(
            "PERFORM approve('a', 50), taken(5, 50); {between}; PERFORM taken(6, 50);"
        ));
        passes(&mut app, &statement);
        passes(&mut admin, REFILLED);
    }
}

#[test]
fn a_budget_with_room_leaves_it_to_what_needs_no_approval() {
    let (_db, _admin, mut app) = world();
    let statement = |budget: i32| {
        block(&format!(
            "PERFORM set_config('backstop.approval', '{{\"reason\": \"a\", \"max_rows\": {budget}, \"relations\": [\"public.items\"]}}', false);
             DELETE FROM items WHERE g IN (1, 2);
             DELETE FROM notes WHERE id = 1;"
        ))
    };
    let refusal = refused(&mut app, &statement(200));
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    passes(&mut app, &statement(201));
}

#[test]
fn approved_batches_pass_whatever_comes_between_them() {
    let (_db, mut admin, mut app) = world();
    // A budget of its own for each batch.
    passes(
        &mut app,
        &block(
            "PERFORM approve('a', 100); DELETE FROM items WHERE g = 1; COMMIT;
             PERFORM approve('b', 100); DELETE FROM items WHERE g = 2; COMMIT;
             PERFORM approve('c', 100); DELETE FROM items WHERE id IN (SELECT id FROM items WHERE id BETWEEN 1 AND 5);",
        ),
    );
    // One for all of them, of ranges and of others, after rows that need none.
    passes(
        &mut app,
        &block(
            "PERFORM set_config('backstop.approval', '', false); DELETE FROM notes WHERE id = 1;
             PERFORM approve('d', 300);
             FOR n IN 3 .. 4 LOOP DELETE FROM items WHERE g = n; COMMIT; END LOOP;
             DELETE FROM items WHERE id > 900;",
        ),
    );
    assert_eq!(
        query_text(&mut admin, RECORDED),
        "100 a, 100 b, 3 c, 100 d, 99 d, 60 d"
    );
    // A new one helps where an earlier one did not suffice.
    passes(
        &mut app,
        &block(
            "PERFORM approve('e', 5), taken(7, 8), approve('f', 300); DELETE FROM items WHERE id BETWEEN 100 AND 300;",
        ),
    );
}

#[test]
fn the_record_names_every_approval_and_what_it_covered() {
    let (_db, mut admin, mut app) = world();
    let last = "SELECT rows, approval FROM backstop.statement ORDER BY statement_id DESC LIMIT 1";
    passes(
        &mut app,
        &block("PERFORM approve('a', 50), taken(1, 20), taken(1, 30);"),
    );
    assert_eq!(
        query_text(&mut admin, last),
        r#"50|{"reason": "a", "max_rows": 50}"#
    );
    passes(
        &mut app,
        &block(
            "PERFORM approve('a', 50), taken(1, 20), approve('b', 9), taken(1, 9), approve('c', 7), taken(1, 3);",
        ),
    );
    assert_eq!(
        query_text(&mut admin, last),
        r#"32|{"others": [{"reason": "b", "max_rows": 9, "covered_rows": 9}, {"reason": "c", "max_rows": 7, "covered_rows": 3}], "reason": "a", "max_rows": 50, "covered_rows": 20}"#
    );
    passes(
        &mut app,
        &block(
            "PERFORM approve('a', 50), taken(2, 20), set_config('backstop.approval', '', false), taken(2, 5);",
        ),
    );
    assert_eq!(
        query_text(&mut admin, last),
        r#"25|{"reason": "a", "max_rows": 50, "covered_rows": 20}"#
    );
    // What was approved and rolled back is not in it.
    passes(
        &mut app,
        &block(
            "BEGIN PERFORM approve('a', 50), taken(2, 20); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END;
             PERFORM set_config('backstop.approval', '', false), taken(2, 5);",
        ),
    );
    assert_eq!(query_text(&mut admin, last), "5|null");
}

/// What goes on without an approval has it for nothing, whatever the command.
#[test]
fn an_approval_that_was_too_small_is_none() {
    let (_db, mut admin, _app) = world();
    passes(
        &mut admin,
        "CREATE SEQUENCE numbers; SELECT backstop.protect_sequence('numbers')",
    );
    for command in [
        "TRUNCATE notes",
        "DROP TABLE notes",
        "ALTER TABLE items DROP COLUMN s",
        "ALTER TABLE items RENAME s TO t",
        "PERFORM setval('numbers', 1000)",
        "DELETE FROM items WHERE id > 999",
    ] {
        let approved = "BEGIN; SELECT backstop.approve_batch('a', 1)";
        passes(&mut admin, approved);
        let both = block(&format!(
            "DELETE FROM items WHERE id IN (21, 22); {command};"
        ));
        assert_eq!(refused(&mut admin, &both).sqlstate, "SF010", "{command}");
        passes(&mut admin, "ROLLBACK");
    }
    assert_eq!(query_text(&mut admin, LEFT), "1000");
}

/// Rows of a table that asks for an approval always do not become rows that need none.
#[test]
fn what_always_needs_an_approval_keeps_it() {
    let (_db, mut admin, _app) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('notes', require => 'always'); SELECT approve('a', 5)",
    );
    let exact = "DELETE FROM notes WHERE id = ANY ('{1,2,3,4,5}');";
    let more = "DELETE FROM notes WHERE id = 6;";
    assert_eq!(
        refused(&mut admin, &block(&format!("{exact} {more}"))).sqlstate,
        "SF010"
    );
    // What needs none may stand beside it, and nothing of the budget is given back for that.
    passes(
        &mut admin,
        &block(&format!("{exact} DELETE FROM items WHERE id = 1;")),
    );
    assert_eq!(refused(&mut admin, more).sqlstate, "SF010");
    assert_eq!(query_text(&mut admin, RECORDED), "6 a");
}
