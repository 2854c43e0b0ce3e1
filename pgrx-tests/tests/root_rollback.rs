//! What a root rolls back itself (an EXCEPTION block, ROLLBACK TO between fetches) was not done: neither its rows, nor the
//! rule that it broke, nor the finding that an approval is too small. What stands counts, refused work around it or not.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE items (id int PRIMARY KEY, g int, s text);
    INSERT INTO items SELECT n, n % 10, 's' FROM generate_series(1, 1000) n;
    CREATE TABLE fed (id int PRIMARY KEY, a text, b text); INSERT INTO fed SELECT n, 'a', 'b' FROM generate_series(1, 20) n;
    CREATE FUNCTION del(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM items WHERE id = i; RETURN 1; END $$;
    CREATE FUNCTION clear(which text, i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE format('UPDATE fed SET %I = NULL WHERE id = %s', which, i); RETURN 1; END $$;
    GRANT ALL ON items, fed TO app;
    SELECT backstop.protect('items'), backstop.protect('fed');
    SELECT backstop.protect_columns('fed', '{a}', 'u1'), backstop.protect_columns('fed', '{b}', 'u2')";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

/// A DO block under an approval of so many rows, in a transaction that is still open.
fn under(rows: i32, steps: &str) -> String {
    format!(
        "BEGIN; SELECT backstop.approve_batch('a', {rows}, '{{public.items}}', '{{delete}}'); DO $$ BEGIN {steps} END $$"
    )
}

/// Steps that are rolled back, as an error of theirs or of the block's does it.
fn undone(steps: &str) -> String {
    format!("BEGIN {steps} RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN NULL; END;")
}

#[test]
fn a_budget_that_was_too_small_for_what_is_undone_still_holds() {
    let (_db, mut admin, mut app) = world();
    let undone = undone("DELETE FROM items WHERE g = 2;");
    let steps = format!(
        "DELETE FROM items WHERE g = 1; {undone} DELETE FROM items WHERE id = ANY ('{{3,13,23}}');"
    );
    passes(&mut app, &format!("{}; COMMIT", under(150, &steps)));
    let recorded =
        "SELECT rows, approval ->> 'reason', approval ? 'covered_rows' FROM backstop.statement";
    assert_eq!(query_text(&mut admin, recorded), "103|a|f");
    // A range that fits it, and no row more.
    for (upto, fits) in [(55, true), (58, false)] {
        let range = format!("DELETE FROM items WHERE id BETWEEN 4 AND {upto};");
        let steps = format!("DELETE FROM items WHERE g = 4; {undone} {range}");
        match fits {
            // 39 rows of the range are left beside the 100 of g = 4.
            true => passes(&mut app, &under(150, &steps)),
            false => assert_eq!(refused(&mut app, &under(139, &steps)).sqlstate, "SF010"),
        }
        passes(&mut app, "ROLLBACK");
    }
}

#[test]
fn a_rule_that_what_is_undone_broke_is_not_broken() {
    let (_db, _admin, mut app) = world();
    let eighty =
        "DELETE FROM items WHERE id = ANY (ARRAY(SELECT id FROM items WHERE g = 3 LIMIT 80));";
    let range = "DELETE FROM items WHERE id BETWEEN 1 AND 10;";
    passes(
        &mut app,
        &format!(
            "{}; ROLLBACK",
            under(60, &format!("{} {eighty}", undone(range)))
        ),
    );
    // One that stands still asks for a budget that covers every row.
    for steps in [
        format!("{range} {eighty}"),
        format!("BEGIN {range} EXCEPTION WHEN OTHERS THEN NULL; END; {eighty}"),
        format!(
            "{range} {} {eighty}",
            undone("DELETE FROM items WHERE g = 2;")
        ),
    ] {
        assert_eq!(
            refused(&mut app, &under(60, &steps)).sqlstate,
            "SF010",
            "{steps}"
        );
        passes(&mut app, "ROLLBACK");
    }
}

#[test]
fn a_table_that_only_what_is_undone_touched_sets_no_limit() {
    let (_db, mut admin, mut app) = world();
    passes(&mut admin, "SELECT backstop.protect('fed', max_rows => 5)");
    let touch = "UPDATE fed SET a = 'x' WHERE id = 1;";
    let steps = |first: &str| {
        format!("BEGIN; DO $$ BEGIN {first} DELETE FROM items WHERE g = 1; END $$; ROLLBACK")
    };
    passes(&mut app, &steps(&undone(touch)));
    for standing in [
        touch.to_owned(),
        format!("BEGIN {touch} EXCEPTION WHEN OTHERS THEN NULL; END;"),
    ] {
        assert_eq!(refused(&mut app, &steps(&standing)).sqlstate, "SF005");
        passes(&mut app, "ROLLBACK");
    }
}

#[test]
fn fetches_that_are_rolled_back_do_not_count() {
    let (_db, _admin, mut app) = world();
    let cursor = "BEGIN; DECLARE c CURSOR FOR SELECT del(n) FROM generate_series(1, 1000) n";
    passes(
        &mut app,
        &format!(
            "{cursor}; SAVEPOINT a; MOVE FORWARD 60 IN c; ROLLBACK TO a; MOVE FORWARD 60 IN c; SAVEPOINT b; MOVE FORWARD 40 IN c"
        ),
    );
    assert_eq!(refused(&mut app, "MOVE FORWARD 1 IN c").sqlstate, "SF005");
    // A released savepoint keeps its rows, until what is around it is rolled back.
    let released =
        format!("ROLLBACK; {cursor}; SAVEPOINT a; SAVEPOINT b; MOVE FORWARD 60 IN c; RELEASE b");
    passes(&mut app, &format!("{released}; SAVEPOINT d"));
    assert_eq!(refused(&mut app, "MOVE FORWARD 41 IN c").sqlstate, "SF005");
    passes(
        &mut app,
        &format!("{released}; ROLLBACK TO a; MOVE FORWARD 100 IN c; ROLLBACK"),
    );
}

#[test]
fn fetches_that_are_rolled_back_give_their_approval_back() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "BEGIN; SELECT backstop.approve_batch('a', 150, '{public.items}', '{delete}');
         DECLARE c CURSOR FOR SELECT del(n) FROM generate_series(1, 1000) n;
         SAVEPOINT a; MOVE FORWARD 150 IN c; ROLLBACK TO a; MOVE FORWARD 150 IN c; SAVEPOINT b",
    );
    assert_eq!(refused(&mut app, "MOVE FORWARD 1 IN c").sqlstate, "SF010");
    passes(&mut app, "ROLLBACK TO b; COMMIT");
    let recorded = "SELECT rows, approval ->> 'reason' FROM backstop.statement";
    assert_eq!(query_text(&mut admin, recorded), "150|a");
}

#[test]
fn columns_cleared_by_fetches_that_are_rolled_back_are_not_cleared() {
    let (_db, _admin, mut app) = world();
    let cursor = "BEGIN; DECLARE c CURSOR FOR SELECT clear(CASE WHEN n < 3 THEN 'a' ELSE 'b' END, n) FROM generate_series(1, 20) n";
    passes(
        &mut app,
        &format!(
            "{cursor}; SAVEPOINT a; MOVE FORWARD 2 IN c; ROLLBACK TO a; MOVE FORWARD 2 IN c; ROLLBACK"
        ),
    );
    passes(
        &mut app,
        &format!("{cursor}; SAVEPOINT a; MOVE FORWARD 2 IN c; RELEASE a"),
    );
    assert_eq!(refused(&mut app, "MOVE FORWARD 2 IN c").sqlstate, "SF009");
    passes(&mut app, "ROLLBACK");
}

/// Whatever is tried and refused on the way, what stands in the end is no more than the limit.
#[test]
fn refusals_that_are_caught_leave_no_room() {
    let (_db, mut admin, mut app) = world();
    let approved =
        r#"PERFORM set_config('backstop.approval', '{"reason": "a", "max_rows": 60}', false);"#;
    for (approval, between) in [
        ("", ""),
        ("", "COMMIT;"),
        (approved, ""),
        (approved, "COMMIT;"),
    ] {
        let steps = format!(
            "DO $$ BEGIN
                 {approval}
                 FOR n IN 1 .. 1000 LOOP
                     BEGIN
                         DELETE FROM items WHERE id = n;
                         IF n % 3 = 0 THEN DELETE FROM items WHERE g = n % 7; END IF;
                         IF n % 5 = 0 THEN RAISE division_by_zero; END IF;
                     EXCEPTION WHEN OTHERS THEN NULL; END;
                     {between}
                 END LOOP;
             END $$"
        );
        let before: i32 = query_text(&mut admin, "SELECT count(*) FROM items")
            .parse()
            .expect("a number");
        passes(&mut app, &steps);
        let left: i32 = query_text(&mut admin, "SELECT count(*) FROM items")
            .parse()
            .expect("a number");
        assert_eq!(before - left, 100, "{approval} {between}");
    }
    passes(&mut app, "RESET backstop.approval");
    // A procedure's ROLLBACK takes its own transaction's rows back, and none that it has committed.
    let procedure = |last: i32| {
        format!(
            "DO $$ BEGIN
                 DELETE FROM items WHERE id = ANY (ARRAY(SELECT id FROM items LIMIT 60)); COMMIT;
                 DELETE FROM items WHERE id = ANY (ARRAY(SELECT id FROM items LIMIT 40)); ROLLBACK;
                 DELETE FROM items WHERE id = ANY (ARRAY(SELECT id FROM items LIMIT {last}));
             END $$"
        )
    };
    passes(&mut app, &procedure(40));
    assert_eq!(refused(&mut app, &procedure(41)).sqlstate, "SF005");
}
