//! Restore: rows that others have changed since are conflicts, and whose work wins is the restorer's choice.

mod restore {
    pub mod world;
}

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, last_statement, passes, query_text, refused};
use restore::world::{restore, world};

/// Statement `id` updated users 5 and 7; since then 7 has got another plan.
fn conflict() -> (Database, Client, String) {
    let (db, mut admin, mut app) = world();
    passes(
        &mut app,
        "UPDATE users SET plan = 'wiped' WHERE id IN (5, 7)",
    );
    let id = last_statement(&mut admin);
    passes(&mut app, "UPDATE users SET plan = 'bought' WHERE id = 7");
    (db, admin, id)
}

const PLANS: &str = "SELECT string_agg(plan, ',' ORDER BY id) FROM users WHERE id IN (5, 7)";

#[test]
fn a_conflict_aborts_and_changes_nothing() {
    let (_db, mut admin, id) = conflict();
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert!(
        !refusal.hint.is_empty() && refusal.sqlstate != "XX000",
        "{refusal:?}"
    );
    assert_eq!(query_text(&mut admin, PLANS), "wiped,bought");
}

#[test]
fn a_dry_run_counts_conflicts_instead_of_failing() {
    let (_db, mut admin, id) = conflict();
    let conflicts = format!("SELECT sum(captured), sum(conflicts) FROM backstop.restore({id})");
    assert_eq!(query_text(&mut admin, &conflicts), "2|1");
}

#[test]
fn a_conflict_can_be_skipped() {
    let (_db, mut admin, id) = conflict();
    assert_eq!(
        restore(&mut admin, &id, ", dry_run => false, on_conflict => 'skip'"),
        "2|1|0|1"
    );
    assert_eq!(query_text(&mut admin, PLANS), "free,bought");
}

#[test]
fn a_conflict_can_be_overwritten() {
    let (_db, mut admin, id) = conflict();
    assert_eq!(
        restore(
            &mut admin,
            &id,
            ", dry_run => false, on_conflict => 'overwrite'"
        ),
        "2|2|0|1"
    );
    assert_eq!(query_text(&mut admin, PLANS), "free,free");
}

#[test]
fn conflicts_are_listed_with_what_was_what_it_left_and_what_is() {
    let (_db, mut admin, id) = conflict();
    let listed = format!(
        "SELECT relation, key, old_row ->> 'plan', left_as ->> 'plan', current_row ->> 'plan' FROM backstop.restore_conflicts({id})"
    );
    assert_eq!(
        query_text(&mut admin, &listed),
        "public.users|{\"id\": 7}|free|wiped|bought"
    );
}

#[test]
fn work_added_to_a_json_value_is_a_conflict_too() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        r#"UPDATE users SET extra = '{"mistake": 1}' WHERE id = 5"#,
    );
    let id = last_statement(&mut admin);
    passes(
        &mut app,
        r#"UPDATE users SET extra = '{"mistake": 1, "later": 2}' WHERE id = 5"#,
    );
    let conflicts = format!("SELECT sum(conflicts) FROM backstop.restore({id})");
    assert_eq!(query_text(&mut admin, &conflicts), "1");
}

#[test]
fn a_row_that_took_a_deleted_rows_key_is_a_conflict() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 20");
    let id = last_statement(&mut admin);
    passes(
        &mut app,
        "INSERT INTO users (id, plan, email) VALUES (20, 'new', 'new')",
    );
    refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert_eq!(
        query_text(&mut admin, "SELECT plan FROM users WHERE id = 20"),
        "new"
    );
}

#[test]
fn a_row_that_is_back_already_is_unchanged() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "UPDATE users SET plan = 'wiped' WHERE id IN (5, 7)",
    );
    let id = last_statement(&mut admin);
    passes(&mut app, "UPDATE users SET plan = 'free' WHERE id = 7");
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "2|1|1|0");
}
