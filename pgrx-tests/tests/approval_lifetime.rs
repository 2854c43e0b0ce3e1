//! Approval: when it begins and when it ends, also for plans that were made while it lasted.

mod approval {
    pub mod world;
}

use approval::world::{approval, under, world};
use pg_backstop_tests::{passes, query_text, refused};

#[test]
fn every_set_is_a_budget_of_its_own() {
    let (_db, _admin, mut app) = world();
    under(
        &mut app,
        "\"max_rows\": 2",
        "DELETE FROM users WHERE id > 198",
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 197").sqlstate,
        "SF001"
    );
    under(
        &mut app,
        "\"max_rows\": 2",
        "DELETE FROM users WHERE id > 196",
    );
}

#[test]
fn it_ends_when_it_says_so() {
    let (_db, _admin, mut app) = world();
    let soon = query_text(
        &mut app,
        "SELECT to_char((now() + interval '1 second') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    );
    passes(
        &mut app,
        &format!(
            r#"SET backstop.approval = '{{"reason": "OPS-142", "max_rows": 50, "expires": "{soon}"}}'"#
        ),
    );
    passes(
        &mut app,
        "DELETE FROM users WHERE id > 199; SELECT pg_sleep(1.2)",
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 198").sqlstate,
        "SF010"
    );
    passes(&mut app, "DELETE FROM users WHERE id = 199");
}

#[test]
fn its_end_may_be_written_as_postgresql_prints_it() {
    let (_db, _admin, mut app) = world();
    for zone in ["UTC", "Asia/Kolkata", "America/St_Johns"] {
        let end = |when: &str| {
            format!(
                r#"SET timezone = '{zone}'; SELECT set_config('backstop.approval', format('{{"reason": "OPS-142",
                   "max_rows": 50, "expires": "%s"}}', now() {when}), false)"#
            )
        };
        assert_eq!(
            refused(&mut app, &end("- interval '1 second'")).sqlstate,
            "SF010"
        );
        passes(&mut app, &end("+ interval '1 hour'"));
        passes(
            &mut app,
            "BEGIN; DELETE FROM users WHERE id > 198; ROLLBACK",
        );
    }
}

#[test]
fn it_never_outlives_the_time_to_live() {
    let (db, mut admin, _app) = world();
    passes(
        &mut admin,
        &format!("ALTER DATABASE {} SET backstop.approval_ttl = 1", db.name),
    );
    let mut app = db.connect_as("app");
    let far = r#"SET backstop.approval = '{"reason": "OPS-142", "max_rows": 50, "expires": "2199-01-01T00:00:00Z"}'"#;
    passes(&mut app, far);
    passes(&mut app, "SELECT pg_sleep(1.2)");
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 198").sqlstate,
        "SF010"
    );
    assert_eq!(
        refused(&mut app, "SET backstop.approval_ttl = 100000").sqlstate,
        "42501"
    );
}

#[test]
fn set_local_ends_with_the_transaction_and_set_does_not() {
    let (_db, _admin, mut app) = world();
    under(
        &mut app,
        "\"max_rows\": 50",
        "DELETE FROM users WHERE id > 199",
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 198").sqlstate,
        "SF001"
    );
    passes(
        &mut app,
        r#"SET backstop.approval = '{"reason": "OPS-142", "max_rows": 50}'"#,
    );
    passes(&mut app, "DELETE FROM users WHERE id > 198");
    passes(&mut app, "DELETE FROM users WHERE id > 197");
    passes(&mut app, "RESET backstop.approval");
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 196").sqlstate,
        "SF001"
    );
}

#[test]
fn a_set_that_is_rolled_back_approves_nothing() {
    let (_db, _admin, mut app) = world();
    passes(
        &mut app,
        r#"BEGIN; SET backstop.approval = '{"reason": "OPS-142", "max_rows": 50}'; ROLLBACK"#,
    );
    assert_eq!(
        refused(&mut app, "DELETE FROM users WHERE id > 198").sqlstate,
        "SF001"
    );
    let savepoint = format!(
        "BEGIN; SAVEPOINT a; {}; ROLLBACK TO a; DELETE FROM users WHERE id > 198",
        approval("\"max_rows\": 50")
    );
    assert_eq!(refused(&mut app, &savepoint).sqlstate, "SF001");
}

#[test]
fn a_plan_made_while_approved_does_not_stay_approved() {
    let (_db, _admin, mut app) = world();
    for mode in ["auto", "force_generic_plan", "force_custom_plan"] {
        passes(
            &mut app,
            &format!(
                "SET plan_cache_mode = {mode}; PREPARE wipe (bigint) AS DELETE FROM users WHERE id > $1"
            ),
        );
        let seven = ["EXECUTE wipe (1000)"; 7].join("; ");
        under(&mut app, "\"max_rows\": 50", &seven);
        assert_eq!(
            refused(&mut app, "EXECUTE wipe (1000)").sqlstate,
            "SF001",
            "{mode}"
        );
        passes(&mut app, "DEALLOCATE wipe");
    }
}

#[test]
fn a_plan_made_unapproved_can_be_approved_later() {
    let (_db, _admin, mut app) = world();
    passes(
        &mut app,
        "PREPARE wipe (bigint) AS DELETE FROM users WHERE id > $1",
    );
    assert_eq!(refused(&mut app, "EXECUTE wipe (199)").sqlstate, "SF001");
    under(&mut app, "\"max_rows\": 50", "EXECUTE wipe (199)");
    assert_eq!(query_text(&mut app, "SELECT count(*) FROM users"), "199");
}

#[test]
fn a_function_that_ran_while_approved_does_not_stay_approved() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION wipe(low bigint) RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id > low; END $$",
    );
    under(
        &mut app,
        "\"max_rows\": 50",
        &["SELECT wipe(1000)"; 7].join("; "),
    );
    assert_eq!(refused(&mut app, "SELECT wipe(1000)").sqlstate, "SF001");
}
