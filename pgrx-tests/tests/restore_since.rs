//! Going back to a moment: every row gets its earliest pre-image since then, in the order in which rows really changed.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, database_with_app, now, passes, query_text, refused, until_someone_waits,
};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, email text UNIQUE);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE, body text);
    INSERT INTO users SELECT n, 'free', 'u' || n FROM generate_series(1, 10) n;
    INSERT INTO notes SELECT n, n, 'n' || n FROM generate_series(1, 10) n;
    SELECT backstop.protect('users', max_rows => 1000), backstop.protect('notes', max_rows => 1000)";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

/// Totals: captured, restored, unchanged, conflicts; `null`s when there is nothing to do.
fn since(client: &mut Client, at: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore_since('{at}'{options})"
    );
    query_text(client, &sql)
}

fn dump(client: &mut Client) -> String {
    ["users", "notes"]
        .map(|table| {
            query_text(
                client,
                &format!("SELECT t::text FROM {table} t ORDER BY id"),
            )
        })
        .join("\n")
}

fn plan_of(client: &mut Client, id: i32) -> String {
    query_text(client, &format!("SELECT plan FROM users WHERE id = {id}"))
}

const GO: &str = ", dry_run => false";

#[test]
fn every_row_goes_back_to_how_it_was_at_that_moment() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "UPDATE users SET plan = 'before' WHERE id = 1");
    let (then, at) = (dump(&mut admin), now(&mut admin));
    for statement in [
        "UPDATE users SET plan = 'a' WHERE id = 1",
        "UPDATE users SET plan = 'b', email = 'other' WHERE id = 1",
        "DELETE FROM users WHERE id = 1",
        "UPDATE users SET plan = 'c' WHERE id = 2",
        "DELETE FROM notes WHERE id = 3",
        "DELETE FROM users WHERE id IN (3, 4)",
        "DELETE FROM notes WHERE id = 5",
    ] {
        passes(&mut app, statement);
    }
    let after = dump(&mut admin);
    assert_eq!(since(&mut admin, &at, ""), "10|10|0|0");
    assert_eq!(dump(&mut admin), after, "a dry run is the default");
    assert_eq!(since(&mut admin, &at, GO), "10|10|0|0");
    assert_eq!(dump(&mut admin), then);
    // It is a statement of the record, and undone like any other.
    let undo = query_text(
        &mut admin,
        &format!("SELECT statement_id FROM backstop.statement WHERE reverts_since = '{at}'"),
    );
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({undo}, dry_run => false)"),
    );
    assert_eq!(dump(&mut admin), after);
    // Going back once more undoes the undoing too.
    since(&mut admin, &at, GO);
    assert_eq!(dump(&mut admin), then);
    since(&mut admin, &at, GO);
    assert_eq!(dump(&mut admin), then);
}

#[test]
fn rows_only_inserted_since_stay() {
    let (_db, mut admin, mut app) = world();
    let at = now(&mut admin);
    passes(
        &mut app,
        "INSERT INTO users VALUES (11, 'new', 'u11'); DELETE FROM users WHERE id = 1",
    );
    since(&mut admin, &at, GO);
    let ids = "SELECT string_agg(id::text, ',' ORDER BY id) FROM users WHERE id IN (1, 11)";
    assert_eq!(query_text(&mut admin, ids), "1,11");
}

#[test]
fn a_row_deleted_inserted_anew_and_changed_becomes_the_first_one_again() {
    let (_db, mut admin, mut app) = world();
    let (then, at) = (dump(&mut admin), now(&mut admin));
    passes(
        &mut app,
        "DELETE FROM users WHERE id = 1; INSERT INTO users VALUES (1, 'second', 'u1')",
    );
    assert_eq!(
        since(&mut admin, &at, ""),
        "2|1|0|1",
        "what the last recorded statement left is not there any more"
    );
    passes(&mut app, "UPDATE users SET email = 'x' WHERE id = 1");
    since(&mut admin, &at, GO);
    assert_eq!(dump(&mut admin), then);
    // Restored, then deleted again.
    passes(&mut app, "DELETE FROM users WHERE id IN (1, 2)");
    since(&mut admin, &at, GO);
    assert_eq!(dump(&mut admin), then);
}

#[test]
fn keys_that_were_changed_and_taken_by_others_go_back() {
    let (_db, mut admin, _app) = world();
    let (then, at) = (dump(&mut admin), now(&mut admin));
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('moving', 100); DELETE FROM notes WHERE body <> '';
         UPDATE users SET id = 100 WHERE id = 1; UPDATE users SET id = 1, email = 'u100' WHERE id = 2;
         UPDATE users SET id = 2, email = 'u2' WHERE id = 100; DELETE FROM users WHERE id = 1;
         UPDATE users SET email = 'u2x' WHERE id = 2; COMMIT",
    );
    since(&mut admin, &at, GO);
    assert_eq!(dump(&mut admin), then);
}

#[test]
fn a_change_counts_when_it_was_committed_not_when_it_was_made() {
    let (db, mut admin, mut long) = world();
    let mut app = db.connect_as("app");
    passes(
        &mut long,
        "BEGIN; UPDATE users SET plan = 'long' WHERE id = 1",
    );
    passes(
        &mut app,
        "BEGIN; UPDATE users SET plan = 'ended' WHERE id = 2; COMMIT",
    );
    let at = now(&mut admin);
    passes(&mut long, "DELETE FROM users WHERE id = 3");
    passes(&mut long, "COMMIT");
    assert_eq!(since(&mut admin, &at, GO), "3|3|0|0");
    let plans = "SELECT string_agg(plan, ',' ORDER BY id) FROM users WHERE id <= 3";
    assert_eq!(query_text(&mut admin, plans), "free,ended,free");
}

#[test]
fn a_prepared_transaction_counts_from_its_commit_on() {
    let (db, mut admin, mut app) = world();
    for (id, name) in [(1, "first"), (2, "second")] {
        passes(
            &mut app,
            &format!("BEGIN; UPDATE users SET plan = '{name}' WHERE id = {id}"),
        );
        passes(
            &mut app,
            &format!("PREPARE TRANSACTION '{}_{name}'", db.name),
        );
    }
    passes(&mut app, &format!("COMMIT PREPARED '{}_first'", db.name));
    let at = now(&mut admin);
    passes(&mut app, &format!("COMMIT PREPARED '{}_second'", db.name));
    assert_eq!(since(&mut admin, &at, GO), "1|1|0|0");
    let plans = "SELECT string_agg(plan, ',' ORDER BY id) FROM users WHERE id <= 2";
    assert_eq!(query_text(&mut admin, plans), "first,free");
}

#[test]
fn what_counts_is_the_order_in_which_rows_changed() {
    let (db, mut admin, mut first) = world();
    let mut second = db.connect_as("app");
    let at = now(&mut admin);
    // The second statement draws its id and begins first, and changes the row last.
    passes(
        &mut second,
        "BEGIN; UPDATE users SET plan = 'elsewhere' WHERE id = 5",
    );
    passes(
        &mut first,
        "BEGIN; UPDATE users SET plan = 'first' WHERE id = 1",
    );
    let waiting = std::thread::spawn(move || {
        passes(
            &mut second,
            "UPDATE users SET plan = plan || ' second' WHERE id IN (1, 6)",
        );
        passes(&mut second, "COMMIT");
    });
    until_someone_waits(&mut admin);
    passes(&mut first, "UPDATE users SET plan = 'later' WHERE id = 7");
    passes(&mut first, "COMMIT");
    waiting.join().expect("the second transaction passes");
    assert_eq!(plan_of(&mut admin, 1), "first second");
    assert_eq!(since(&mut admin, &at, GO), "5|5|0|0");
    let changed = "SELECT count(*) FROM users WHERE plan <> 'free'";
    assert_eq!(query_text(&mut admin, changed), "0");
}

#[test]
fn sessions_that_fight_over_the_same_rows_lose_nothing() {
    let (db, mut admin, _app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION many(a int, b int, mark text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
             UPDATE users SET plan = mark || length(plan) WHERE id = a;
             DELETE FROM users WHERE id = b;
             INSERT INTO users VALUES (b, mark, 'u' || b) ON CONFLICT DO NOTHING;
             UPDATE users SET plan = plan || mark WHERE id = b OR id = a; END $$",
    );
    let then = query_text(&mut admin, "SELECT u::text FROM users u ORDER BY id");
    let at = now(&mut admin);
    let fighters: Vec<_> = (0..4)
        .map(|n| {
            let mut client = db.connect_as("app");
            std::thread::spawn(move || {
                for round in 0..40 {
                    let (a, b) = ((n * 7 + round * 3) % 10 + 1, (n * 5 + round) % 10 + 1);
                    // A deadlock's victim has changed nothing.
                    let begin = if round % 2 == 0 { "BEGIN; " } else { "" };
                    let end = if round % 2 == 0 { "; COMMIT" } else { "" };
                    if client
                        .batch_execute(&format!("{begin}SELECT many({a}, {b}, '{n}'){end}"))
                        .is_err()
                    {
                        let _ = client.batch_execute("ROLLBACK");
                    }
                }
            })
        })
        .collect();
    for fighter in fighters {
        fighter.join().expect("a session");
    }
    assert_ne!(
        query_text(&mut admin, "SELECT u::text FROM users u ORDER BY id"),
        then
    );
    let totals = since(&mut admin, &at, GO);
    assert!(totals.ends_with("|0"), "{totals}");
    assert_eq!(
        query_text(&mut admin, "SELECT u::text FROM users u ORDER BY id"),
        then
    );
}

#[test]
fn a_conflict_is_a_row_that_is_not_as_the_last_recorded_statement_left_it() {
    let (_db, mut admin, mut app) = world();
    let at = now(&mut admin);
    passes(
        &mut app,
        "UPDATE users SET plan = 'a' WHERE id IN (1, 2, 3); UPDATE users SET plan = 'b' WHERE id IN (1, 2)",
    );
    passes(
        &mut admin,
        "SET backstop.mode = off; UPDATE users SET plan = 'unseen' WHERE id = 1;
         UPDATE users SET plan = 'free' WHERE id = 2; RESET backstop.mode",
    );
    assert_eq!(since(&mut admin, &at, ""), "5|1|2|2");
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
    );
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert!(refusal.detail.contains("\"id\":1"), "{refusal:?}");
    assert!(refusal.hint.contains("skip"), "{refusal:?}");
    let plans = "SELECT string_agg(plan, ',' ORDER BY id) FROM users WHERE id <= 3";
    assert_eq!(query_text(&mut admin, plans), "unseen,free,a");
    since(&mut admin, &at, ", dry_run => false, on_conflict => 'skip'");
    assert_eq!(query_text(&mut admin, plans), "unseen,free,free");
    since(
        &mut admin,
        &at,
        ", dry_run => false, on_conflict => 'overwrite'",
    );
    assert_eq!(query_text(&mut admin, plans), "free,free,free");
}

#[test]
fn only_the_tables_asked_for_go_back_by_today_s_name_or_the_recorded_one() {
    let (_db, mut admin, mut app) = world();
    let at = now(&mut admin);
    passes(
        &mut app,
        "UPDATE users SET plan = 'a' WHERE id = 1; UPDATE notes SET body = 'a' WHERE id = 1",
    );
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', 10); ALTER TABLE users RENAME TO members; COMMIT;
         UPDATE members SET plan = 'b' WHERE id = 1",
    );
    let state = "SELECT plan, (SELECT body FROM notes WHERE id = 1) FROM members WHERE id = 1";
    assert_eq!(
        since(&mut admin, &at, ", '{public.members}', dry_run => false"),
        "2|2|0|0"
    );
    assert_eq!(query_text(&mut admin, state), "free|a");
    since(&mut admin, &at, ", '{public.notes}', dry_run => false");
    assert_eq!(query_text(&mut admin, state), "free|n1");
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}', '{{public.nowhere}}')"),
    );
    assert_eq!(refusal.sqlstate, "42P01");
    assert!(refusal.message.contains("public.nowhere"), "{refusal:?}");
}

#[test]
fn a_table_without_a_key_goes_back_and_not_twice() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE loose (a int, b text); INSERT INTO loose VALUES (1, 'x'), (1, 'x'), (2, 'y');
         SELECT backstop.protect('loose', '{a}'); GRANT ALL ON loose TO app",
    );
    let at = now(&mut admin);
    passes(
        &mut app,
        "DELETE FROM loose WHERE b = 'x'; UPDATE loose SET b = 'z' WHERE a = 2; DELETE FROM loose WHERE a = 2",
    );
    let deleted = query_text(
        &mut admin,
        "SELECT min(statement_id) FROM backstop.statement",
    );
    let rows = "SELECT string_agg(a || b, ',' ORDER BY a) FROM loose";
    for _ in 0..2 {
        since(&mut admin, &at, GO);
        assert_eq!(query_text(&mut admin, rows), "1x,1x,2y");
    }
    // Its statement alone: what has come back must not come twice.
    let again = format!("SELECT sum(restored), sum(conflicts) FROM backstop.restore({deleted})");
    assert_eq!(query_text(&mut admin, &again), "0|2");
}

#[test]
fn foreign_keys_hold_for_rows_that_were_changed_before_they_were_deleted() {
    let (_db, mut admin, mut app) = world();
    let at = now(&mut admin);
    passes(
        &mut app,
        "UPDATE notes SET body = 'x' WHERE id = 1; DELETE FROM notes WHERE id = 1; DELETE FROM users WHERE id = 1",
    );
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}', '{{public.notes}}', false)"),
    );
    assert_eq!(refusal.sqlstate, "23503", "{refusal:?}");
    assert_eq!(since(&mut admin, &at, GO), "3|3|0|0");
}

#[test]
fn bad_input_is_named() {
    let (_db, mut admin, mut app) = world();
    for (call, named) in [
        ("NULL", "at"),
        ("now(), NULL, NULL", "dry_run"),
        ("now(), '{NULL}'", "relations"),
        ("now(), on_conflict => 'maybe'", "maybe"),
    ] {
        let refusal = refused(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_since({call})"),
        );
        assert!(refusal.message.contains(named), "{refusal:?}");
        assert_ne!(refusal.sqlstate, "XX000");
    }
    assert_eq!(since(&mut admin, "infinity", ""), "null|null|null|null");
    assert_eq!(since(&mut admin, "-infinity", ""), "null|null|null|null");
    let call = "SELECT * FROM backstop.restore_since(now())";
    assert_eq!(refused(&mut app, call).sqlstate, "42501");
}

#[test]
fn a_moment_that_is_still_to_come_is_a_mistaken_time_zone() {
    let (_db, mut admin, _app) = world();
    passes(&mut admin, "SET TimeZone = 'Asia/Tokyo'");
    let refusal = refused(
        &mut admin,
        "SELECT * FROM backstop.restore_since(now() + interval '9 hours')",
    );
    assert_eq!(refusal.sqlstate, "22023", "{refusal:?}");
    assert!(refusal.message.contains("\"at\""), "{refusal:?}");
    assert!(
        refusal.hint.contains("Asia/Tokyo") && refusal.hint.contains("now"),
        "{refusal:?}"
    );
}

/// What sqlsmith found: the key that a row had is taken by the time the row goes back to it.
#[test]
fn a_row_inserted_under_the_key_of_a_moved_one_is_overwritten() {
    let (_db, mut admin, mut app) = world();
    let (then, at) = (dump(&mut admin), now(&mut admin));
    passes(
        &mut app,
        "DELETE FROM notes WHERE id = 4;
         BEGIN; SELECT backstop.approve_batch('move', 1); UPDATE users SET id = 77 WHERE id = 4; COMMIT;
         INSERT INTO users VALUES (4, 'new', 'taken')",
    );
    let after = dump(&mut admin);
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}'{GO})"),
    );
    assert!(!refusal.hint.is_empty(), "{refusal:?}");
    since(&mut admin, &at, ", dry_run => false, on_conflict => 'skip'");
    passes(&mut app, "DELETE FROM notes WHERE id = 4");
    assert_eq!(dump(&mut admin), after);
    since(
        &mut admin,
        &at,
        ", dry_run => false, on_conflict => 'overwrite'",
    );
    assert_eq!(dump(&mut admin), then);
    let undo = "SELECT max(statement_id) FROM backstop.statement WHERE reverts_since IS NOT NULL";
    let undo = query_text(&mut admin, undo);
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({undo}, dry_run => false)"),
    );
    assert_eq!(dump(&mut admin), after);
}

/// The moved row is gone besides, and nobody knows how.
#[test]
fn a_row_under_the_key_of_a_moved_and_lost_one_is_overwritten() {
    let (_db, mut admin, mut app) = world();
    let (then, at) = (dump(&mut admin), now(&mut admin));
    passes(
        &mut app,
        "DELETE FROM notes WHERE id = 4;
         BEGIN; SELECT backstop.approve_batch('move', 1); UPDATE users SET id = 77 WHERE id = 4; COMMIT;
         INSERT INTO users VALUES (4, 'new', 'taken')",
    );
    passes(
        &mut admin,
        "SET backstop.mode = off; DELETE FROM users WHERE id = 77; RESET backstop.mode",
    );
    passes(&mut app, "UPDATE users SET plan = 'newer' WHERE id = 4");
    since(
        &mut admin,
        &at,
        ", dry_run => false, on_conflict => 'overwrite'",
    );
    assert_eq!(dump(&mut admin), then);
}

#[test]
fn a_row_inserted_in_the_partition_that_another_has_left_is_overwritten() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE parts (id int, day text, body text, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
         CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
         CREATE TABLE parts_b (body text, day text NOT NULL, id int NOT NULL);
         ALTER TABLE parts ATTACH PARTITION parts_b FOR VALUES IN ('b');
         INSERT INTO parts SELECT n, 'a', 'body ' || n FROM generate_series(1, 3) n;
         SELECT backstop.protect('parts')",
    );
    let rows = "SELECT p::text FROM parts p ORDER BY id, day";
    let (then, at) = (query_text(&mut admin, rows), now(&mut admin));
    passes(
        &mut app,
        "BEGIN; SELECT backstop.approve_batch('move', 2);
         UPDATE parts SET day = 'b' WHERE id = 2; UPDATE parts SET id = 9 WHERE id = 3; COMMIT;
         INSERT INTO parts VALUES (2, 'a', 'other'), (3, 'a', 'other')",
    );
    let after = query_text(&mut admin, rows);
    let over = ", dry_run => false, on_conflict => 'overwrite'";
    assert_eq!(since(&mut admin, &at, over), "2|2|0|2");
    assert_eq!(query_text(&mut admin, rows), then);
    let undo = "SELECT max(statement_id) FROM backstop.statement WHERE reverts_since IS NOT NULL";
    let undo = query_text(&mut admin, undo);
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({undo}, dry_run => false)"),
    );
    assert_eq!(query_text(&mut admin, rows), after);
}
