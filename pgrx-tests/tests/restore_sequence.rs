//! Sequences go back to where a recorded statement found them, unless values would come again.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database, passes, query_text, refused, until_someone_waits,
};

const WORLD: &str = "
    CREATE SEQUENCE numbers; SELECT setval('numbers', 100);
    CREATE SEQUENCE down INCREMENT -1; SELECT setval('down', -100);
    GRANT ALL ON numbers, down TO app;
    SELECT backstop.protect_sequence('numbers', max_step => 10), backstop.protect_sequence('down', max_step => 10)";

/// Moves both sequences by one approved statement; its id.
fn world() -> (Database, Client, Client, String) {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let mut app = db.connect_as("app");
    approved(
        &mut app,
        10,
        "SELECT setval('numbers', 91111101), setval('numbers', 91111102), setval('down', -1)",
    );
    let id = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    (db, admin, app, id)
}

fn state(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT n.last_value, n.is_called, d.last_value, d.is_called FROM numbers n, down d",
    )
}

fn restore(client: &mut Client, id: &str, options: &str) -> String {
    query_text(
        client,
        &format!("SELECT * FROM backstop.restore_sequence({id}{options}) ORDER BY sequence"),
    )
}

const GO: &str = ", dry_run => false";

#[test]
fn a_dry_run_is_the_default_and_says_what_would_happen() {
    let (_db, mut admin, _app, id) = world();
    let before = state(&mut admin);
    assert_eq!(
        restore(&mut admin, &id, ""),
        "public.down|-1|t|-100|t|restorable\npublic.numbers|91111102|t|100|t|restorable"
    );
    assert_eq!(state(&mut admin), before);
    let statements = "SELECT count(*) FROM backstop.statement";
    assert_eq!(query_text(&mut admin, statements), "1");
}

#[test]
fn unused_since_it_goes_back_and_is_recorded_and_can_be_undone() {
    let (_db, mut admin, mut app, id) = world();
    let before = state(&mut admin);
    restore(&mut admin, &id, GO);
    assert_eq!(state(&mut admin), "100|t|-100|t");
    assert_eq!(query_text(&mut app, "SELECT nextval('down')"), "-101");
    let undo = format!("SELECT statement_id FROM backstop.statement WHERE reverts = {id}");
    let undo = query_text(&mut admin, &undo);
    let changes = format!(
        "SELECT sequence, operation, old_value, new_value FROM backstop.sequence_change WHERE statement_id = {undo} ORDER BY 1"
    );
    assert_eq!(
        query_text(&mut admin, &changes),
        "public.down|SETVAL|-1|-100\npublic.numbers|SETVAL|91111102|100"
    );
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_sequence({undo}{GO})"),
    );
    assert!(refusal.message.contains("public.down"), "{refusal:?}");
    assert_eq!(
        restore(
            &mut admin,
            &undo,
            ", dry_run => false, on_conflict => 'skip'"
        ),
        "public.down|-101|t|-1|t|conflict\npublic.numbers|100|t|91111102|t|restored"
    );
    restore(
        &mut admin,
        &undo,
        ", dry_run => false, on_conflict => 'overwrite'",
    );
    assert_eq!(state(&mut admin), before);
}

#[test]
fn used_since_it_does_not_go_back_unless_told_so() {
    let (_db, mut admin, mut app, id) = world();
    passes(&mut app, "SELECT nextval('numbers')");
    let before = state(&mut admin);
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_sequence({id}{GO})"),
    );
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert!(
        refusal.detail.contains("91111103") && refusal.detail.contains("come again"),
        "{refusal:?}"
    );
    assert_eq!(state(&mut admin), before, "neither of them has moved");
    let records = "SELECT count(*) FROM backstop.statement";
    assert_eq!(query_text(&mut admin, records), "1");
    assert_eq!(
        restore(&mut admin, &id, ""),
        "public.down|-1|t|-100|t|restorable\npublic.numbers|91111103|t|100|t|conflict"
    );
    restore(&mut admin, &id, ", dry_run => false, on_conflict => 'skip'");
    assert_eq!(state(&mut admin), "91111103|t|-100|t");
    assert_eq!(
        restore(
            &mut admin,
            &id,
            ", dry_run => false, on_conflict => 'overwrite'"
        ),
        "public.down|-100|t|-100|t|unchanged\npublic.numbers|91111103|t|100|t|overwritten"
    );
    assert_eq!(state(&mut admin), "100|t|-100|t");
}

#[test]
fn going_forward_repeats_nothing() {
    let (_db, mut admin, mut app, _id) = world();
    passes(
        &mut admin,
        "CREATE SEQUENCE fresh; SELECT setval('fresh', 50); SELECT backstop.protect_sequence('fresh')",
    );
    passes(&mut admin, "GRANT ALL ON fresh TO app");
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('OPS-8', 10); ALTER SEQUENCE fresh RESTART; COMMIT",
    );
    let id = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    passes(&mut app, "SELECT nextval('fresh'), nextval('fresh')");
    assert_eq!(
        restore(&mut admin, &id, GO),
        "public.fresh|2|t|50|t|restored"
    );
    assert_eq!(query_text(&mut app, "SELECT nextval('fresh')"), "51");
}

#[test]
fn nobody_draws_from_it_between_the_look_and_the_move() {
    let (db, mut admin, mut app, id) = world();
    passes(&mut app, "BEGIN; SELECT nextval('numbers')");
    let call = format!("SELECT * FROM backstop.restore_sequence({id}{GO})");
    let mut other = db.connect();
    let restoring = std::thread::spawn(move || refused(&mut other, &call));
    until_someone_waits(&mut admin);
    passes(&mut app, "SELECT nextval('numbers'); COMMIT");
    let refusal = restoring.join().expect("a refusal");
    assert!(refusal.detail.contains("91111104"), "{refusal:?}");
}

#[test]
fn bounds_made_since_refuse_before_anything_has_moved() {
    let (_db, mut admin, _app, id) = world();
    approved(
        &mut admin,
        10,
        "ALTER SEQUENCE numbers MINVALUE 1000 START 1000",
    );
    let before = state(&mut admin);
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_sequence({id}{GO})"),
    );
    assert_eq!(refusal.sqlstate, "22003", "{refusal:?}");
    assert_eq!(state(&mut admin), before);
    let changed = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_sequence({changed})"),
    );
    assert_eq!(refusal.sqlstate, "42704", "it moved nothing: {refusal:?}");
}

#[test]
fn a_sequence_that_was_made_again_goes_on_where_it_stood() {
    let (_db, mut admin, _app, id) = world();
    approved(&mut admin, 10, "DROP SEQUENCE numbers");
    let dropped = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    for id in [&id, &dropped] {
        let call = format!("SELECT * FROM backstop.restore_sequence({id})");
        let refusal = refused(&mut admin, &call);
        assert_eq!(refusal.sqlstate, "42P01", "{refusal:?}");
    }
    assert!(
        restore(&mut admin, &id, ", dry_run => true, on_conflict => 'skip'")
            .ends_with("public.numbers|null|null|100|t|conflict")
    );
    passes(&mut admin, "CREATE SEQUENCE numbers");
    assert_eq!(
        restore(&mut admin, &dropped, GO),
        "public.numbers|1|f|91111102|t|restored"
    );
}

#[test]
fn bad_input_is_named_and_only_those_who_are_granted_it_may() {
    let (_db, mut admin, mut app, id) = world();
    for (call, named) in [
        ("NULL".to_owned(), "statement_id"),
        (format!("{id}, NULL"), "dry_run"),
        (format!("{id}, true, on_conflict => 'maybe'"), "maybe"),
        ("-5".to_owned(), "-5"),
    ] {
        let refusal = refused(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_sequence({call})"),
        );
        assert!(refusal.message.contains(named), "{refusal:?}");
        assert_ne!(refusal.sqlstate, "XX000");
    }
    let call = format!("SELECT * FROM backstop.restore_sequence({id})");
    assert_eq!(refused(&mut app, &call).sqlstate, "42501");
}
