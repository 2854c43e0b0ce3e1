//! A token and sequences: nothing takes a setval back, so one that the preview did not show is refused before it happens.

mod preview {
    pub mod world;
}

use pg_backstop_tests::{passes, query_text, refused};
use preview::world::{
    World, approve, ask, call, left, refused_under, run, token, token as token_of,
};

const DELETE: &str = "DELETE FROM users WHERE id < 6";

/// A setval that is refused by its policy, a DELETE, and a block that is undone, as bodies of a function that `app` calls.
fn sequence_world() -> World {
    let mut world = preview::world::world();
    passes(
        &mut world.admin,
        "CREATE SEQUENCE s START 5000; SELECT nextval('s'); GRANT ALL ON SEQUENCE s TO app;
         SELECT backstop.protect_sequence('s')",
    );
    world
}

fn undone(steps: &str) -> String {
    format!("BEGIN {steps}; RAISE EXCEPTION 'x'; EXCEPTION WHEN raise_exception THEN NULL; END")
}

fn define(world: &mut World, body: &str) {
    passes(
        &mut world.admin,
        &format!(
            "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN 1; END $$"
        ),
    );
}

fn position(world: &mut World) -> String {
    query_text(&mut world.admin, "SELECT last_value FROM s")
}

#[test]
fn a_setval_that_was_not_shown_is_refused_before_it_happens() {
    let mut world = sequence_world();
    define(&mut world, DELETE);
    let token = token(&mut world, "SELECT f()");
    let setval = "PERFORM setval('s', 1)";
    for body in [
        format!("{setval}; {DELETE}"),
        format!("{DELETE}; {setval}"),
        format!("{}; {DELETE}", undone(setval)),
        format!("{DELETE}; {}", undone(setval)),
        format!("{}; {DELETE}", undone(&undone(setval))),
        setval.to_owned(),
    ] {
        define(&mut world, &body);
        let refusal = refused(&mut world.app, &run(&token));
        assert_eq!(refusal.sqlstate, "SF011", "{body}");
        assert!(
            refusal.detail.contains("SETVAL public.s to 1"),
            "{refusal:?}"
        );
        assert_eq!(
            refused_under(&mut world.app, &token, "SELECT f()"),
            "SF011",
            "{body}"
        );
        assert_eq!(position(&mut world), "5000", "{body}");
    }
    assert_eq!(left(&mut world), "200");
    define(&mut world, DELETE);
    passes(&mut world.app, &run(&token));
    assert_eq!(left(&mut world), "195");
}

#[test]
fn a_setval_that_was_shown_passes_and_no_other() {
    for shown in [
        "PERFORM setval('s', 1)".to_owned(),
        // What a block takes back stays moved, and is shown.
        undone("PERFORM setval('s', 1)"),
        undone(&undone("PERFORM setval('s', 1)")),
    ] {
        let mut world = sequence_world();
        define(&mut world, &format!("{shown}; {DELETE}"));
        let moved = format!(
            "SELECT relation FROM {} WHERE operation = 'SETVAL'",
            call("SELECT f()")
        );
        assert_eq!(query_text(&mut world.app, &moved), "public.s", "{shown}");
        let token = token(&mut world, "SELECT f()");
        assert_eq!(position(&mut world), "5000", "{shown}");
        for other in [
            "PERFORM setval('s', 2)",
            "PERFORM setval('s', 1, false)",
            "PERFORM setval('s', 1); PERFORM setval('s', 1)",
            "PERFORM setval('s', 1); PERFORM setval('s', 2)",
            "PERFORM 1",
        ] {
            define(&mut world, &format!("{other}; {DELETE}"));
            let refusal = refused(&mut world.app, &run(&token));
            assert_eq!(refusal.sqlstate, "SF011", "{shown} {other}");
            let at = position(&mut world);
            assert!(
                ["5000", "1"].contains(&at.as_str()),
                "{shown} {other}: {at}"
            );
        }
        define(&mut world, &format!("{shown}; {DELETE}"));
        passes(&mut world.app, &run(&token));
        assert_eq!(position(&mut world), "1", "{shown}");
        assert_eq!(left(&mut world), "195", "{shown}");
    }
}

/// The preview showed that it goes forward. Numbers that were handed out since would come again.
#[test]
fn a_setval_that_was_shown_going_forward_does_not_go_back() {
    let mut world = sequence_world();
    let forward = "SELECT setval('s', 6000)";
    let token = token(&mut world, forward);
    passes(
        &mut world.admin,
        "SELECT count(nextval('s')) FROM generate_series(1, 2000)",
    );
    let refusal = refused(&mut world.app, &run(&token));
    assert_eq!(refusal.sqlstate, "SF011");
    assert!(refusal.detail.contains("to 6000, down"), "{refusal:?}");
    assert_eq!(position(&mut world), "7000");
    // A number that was handed out is not made the next one.
    let again = token_of(&mut world, "SELECT setval('s', 7500, false)");
    passes(
        &mut world.admin,
        "SET backstop.approval = '{\"reason\": \"x\", \"max_rows\": 1}'; SELECT setval('s', 7500); RESET backstop.approval",
    );
    let refusal = refused(&mut world.app, &run(&again));
    assert_eq!(refusal.sqlstate, "SF011");
    assert!(refusal.detail.contains(", again"), "{refusal:?}");
    // Nor is it moved back again and again by runs that are rolled back.
    let next = token_of(&mut world, "SELECT setval('s', 8000)");
    for at in ["8000", "8000"] {
        passes(&mut world.app, "BEGIN");
        passes(&mut world.app, &run(&next));
        passes(&mut world.app, "ROLLBACK");
        assert_eq!(position(&mut world), at);
    }
    passes(&mut world.admin, "SELECT nextval('s')");
    assert_eq!(refused(&mut world.app, &run(&next)).sqlstate, "SF011");
    assert_eq!(position(&mut world), "8001");
    // What nextval draws meanwhile is no difference otherwise.
    let back = "SELECT setval('s', 100)";
    let token = token_of(&mut world, back);
    passes(&mut world.admin, "SELECT nextval('s')");
    passes(&mut world.app, &run(&token));
    assert_eq!(position(&mut world), "100");
}

/// Unlike setval, DDL goes with its block: what was undone is no difference.
#[test]
fn ddl_that_a_block_takes_back_is_no_difference() {
    let mut world = sequence_world();
    passes(
        &mut world.admin,
        "SET backstop.mode = off; ALTER TABLE users OWNER TO app; RESET backstop.mode",
    );
    let ddl = "ALTER TABLE users RENAME plan TO tariff";
    define(&mut world, DELETE);
    let request = ask(&mut world.app, "SELECT f()");
    let token = approve(&mut world.reviewer, &request);
    define(&mut world, &format!("{DELETE}; {ddl}"));
    let refusal = refused(&mut world.app, &run(&token));
    assert_eq!(refusal.sqlstate, "SF011");
    assert!(
        !refusal.detail.contains("None") && refusal.detail.contains("of public.users"),
        "{refusal:?}"
    );
    define(&mut world, &format!("{DELETE}; {}", undone(ddl)));
    passes(&mut world.app, &run(&token));
    assert_eq!(left(&mut world), "195");
}
