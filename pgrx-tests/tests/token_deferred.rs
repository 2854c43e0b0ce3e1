//! What deferred triggers do at COMMIT is no part of the statement that a token is for, unless it is made one.

mod preview {
    pub mod world;
}

use pg_backstop_tests::{passes, query_text, refused};
use preview::world::{FIVE, approve, call, left, run, set_local, token, world};

#[test]
fn deferred_triggers_are_not_covered_by_the_statements_token() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id BETWEEN 11 AND 60; RETURN NULL; END $$",
    );
    let token = token(&mut world, FIVE);
    passes(
        &mut world.admin,
        "CREATE CONSTRAINT TRIGGER late AFTER DELETE ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.id < 6) EXECUTE FUNCTION late()",
    );
    for transaction in [
        run(&token),
        format!("BEGIN; {}; {FIVE}; COMMIT", set_local(&token)),
    ] {
        let refusal = refused(&mut world.app, &transaction);
        assert!(refusal.sqlstate.starts_with("SF0"), "{refusal:?}");
        passes(&mut world.app, "ROLLBACK");
        assert_eq!(left(&mut world), "200");
    }
}

/// The way that the preview's warning shows.
#[test]
fn made_immediate_they_are_a_part_of_it() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE TABLE closing (id bigint); GRANT ALL ON closing TO app;
         CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id = NEW.id; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON closing DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
         SELECT backstop.protect('users', max_rows => 10, require => 'always', approval => 'second_person')",
    );
    let close = "INSERT INTO closing VALUES (1), (2), (3)";
    let (mut app, notices) = world.db.connect_listening("app");
    let asked = format!("SELECT DISTINCT request_id FROM {}", call(close));
    let request = query_text(&mut app, &asked);
    let said = notices.take();
    assert!(
        said.iter()
            .any(|said| said.message().contains("destroy 3 rows at COMMIT")
                && said
                    .hint()
                    .is_some_and(|hint| hint.contains("SET CONSTRAINTS ALL IMMEDIATE"))),
        "{said:?}"
    );
    let token = approve(&mut world.reviewer, &request);
    let refusal = refused(&mut world.app, &run(&token));
    assert!(refusal.sqlstate.starts_with("SF0"), "{refusal:?}");

    passes(&mut app, "BEGIN; SET CONSTRAINTS ALL IMMEDIATE");
    let request = query_text(&mut app, &asked);
    passes(&mut app, "COMMIT");
    assert_eq!(notices.take().len(), 0);
    let token = approve(&mut world.reviewer, &request);
    passes(
        &mut app,
        &format!(
            "BEGIN; SET CONSTRAINTS ALL IMMEDIATE; {}; COMMIT",
            run(&token)
        ),
    );
    assert_eq!(left(&mut world), "197");
}
