//! `quote_all_identifiers`: a session that has everything quoted (pg_dump's does) protects, records and restores the
//! same, under the same names.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 20) n;
    INSERT INTO subscriptions SELECT n, n FROM generate_series(1, 20) n";

/// A superuser's session in which everything is quoted.
fn world() -> (Database, Client) {
    let db = database();
    let mut admin = db.connect_with(|config| {
        config.options("-c quote_all_identifiers=on");
    });
    passes(&mut admin, WORLD);
    (db, admin)
}

#[test]
fn tables_are_protected_changed_and_given_up() {
    let (_db, mut admin) = world();
    let protect = "SELECT backstop.protect('users', expendable => $$plan = 'test'$$)";
    passes(&mut admin, protect);
    passes(&mut admin, protect);
    passes(
        &mut admin,
        "SELECT backstop.protect('subscriptions', max_rows => 3)",
    );
    assert_eq!(
        refused(&mut admin, "DELETE FROM users WHERE id > 5").sqlstate,
        "SF001"
    );
    passes(&mut admin, "SELECT backstop.unprotect('users')");
    passes(&mut admin, "SELECT backstop.unprotect('subscriptions')");
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'backstop%'";
    assert_eq!(query_text(&mut admin, triggers), "0");
}

#[test]
fn the_record_has_the_names_it_has_otherwise() {
    let (db, mut admin) = world();
    passes(&mut admin, "SELECT backstop.protect('users')");
    passes(&mut admin, "DELETE FROM users WHERE id = 5");
    let mut plain = db.connect();
    passes(&mut plain, "DELETE FROM users WHERE id = 6");
    let names = "SELECT relations FROM backstop.statement ORDER BY statement_id";
    assert_eq!(
        query_text(&mut admin, names),
        "{public.subscriptions,public.users}\n{public.subscriptions,public.users}".replace(
            "{public.subscriptions,public.users}",
            &query_text(
                &mut plain,
                "SELECT relations FROM backstop.statement ORDER BY statement_id DESC LIMIT 1"
            )
        )
    );
    let rows = "SELECT relation, cause, key, old_row FROM backstop.preimage WHERE statement_id =
        (SELECT min(statement_id) FROM backstop.statement) ORDER BY relation";
    assert_eq!(
        query_text(&mut admin, rows),
        "public.subscriptions|cascade from public.users|{\"id\": 5}|{\"id\": 5, \"user_id\": 5}\n\
         public.users|null|{\"id\": 5}|{\"id\": 5, \"plan\": \"free\"}"
    );
}

#[test]
fn restore_finds_its_tables_and_checks_their_foreign_keys() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('users'); SELECT backstop.protect('subscriptions'); DELETE FROM users WHERE id = 5",
    );
    let restore = |id: i32| {
        format!(
            "SELECT sum(restored), sum(conflicts) FROM backstop.restore({id}, dry_run => false)"
        )
    };
    let first = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    let first: i32 = first.parse().expect("a number");
    assert_eq!(query_text(&mut admin, &restore(first)), "2|0");
    // Undoing the restore would take user 5 away again, whom a new row references by now.
    let undo = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    passes(&mut admin, "INSERT INTO subscriptions VALUES (100, 5)");
    let refusal = refused(&mut admin, &restore(undo.parse().expect("a number")));
    assert_eq!(refusal.sqlstate, "23503", "{refusal:?}");
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM users WHERE id = 5"),
        "1"
    );
    // A reference that is set back must find its row.
    passes(
        &mut admin,
        "UPDATE subscriptions SET user_id = 9 WHERE id = 8; DELETE FROM users WHERE id = 8",
    );
    let update = "SELECT max(statement_id) FROM backstop.statement WHERE operations = '{UPDATE}'";
    let update = query_text(&mut admin, update);
    let refusal = refused(&mut admin, &restore(update.parse().expect("a number")));
    assert_eq!(refusal.sqlstate, "23503", "{refusal:?}");
}
