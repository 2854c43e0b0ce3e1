//! Restore: what a recorded statement destroyed comes back as it was, and nothing else changes.

mod restore {
    pub mod world;
}

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{last_statement, passes, query_text, refused};
use restore::world::{restore, world};

/// Every row of the world, as text.
fn dump(client: &mut Client) -> String {
    ["users", "subscriptions", "messages", "notes"]
        .map(|table| {
            query_text(
                client,
                &format!("SELECT t::text FROM {table} t ORDER BY id"),
            )
        })
        .join("\n")
}

#[test]
fn a_dry_run_is_the_default_and_changes_nothing() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 1");
    let (after, id) = (dump(&mut admin), last_statement(&mut admin));
    let plan = format!(
        "SELECT relation, operation, captured, restored, conflicts FROM backstop.restore({id}) ORDER BY relation"
    );
    assert_eq!(
        query_text(&mut admin, &plan),
        "public.messages|DELETE|10|10|0\npublic.notes|UPDATE|5|5|0\npublic.subscriptions|DELETE|5|5|0\npublic.users|DELETE|5|5|0"
    );
    assert_eq!(dump(&mut admin), after);
    assert_eq!(
        last_statement(&mut admin),
        id,
        "a dry run is no statement of the record"
    );
}

#[test]
fn a_delete_comes_back_with_its_cascades_and_self_references() {
    let (_db, mut admin, mut app) = world();
    let before = dump(&mut admin);
    passes(&mut app, "DELETE FROM users WHERE id IN (1, 6)");
    assert_ne!(dump(&mut admin), before);
    let id = last_statement(&mut admin);
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "50|50|0|0");
    assert_eq!(dump(&mut admin), before);
}

#[test]
fn a_restore_leaves_every_foreign_key_valid() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 1");
    let id = last_statement(&mut admin);
    restore(&mut admin, &id, ", dry_run => false");
    let orphans = "SELECT (SELECT count(*) FROM subscriptions WHERE user_id NOT IN (SELECT id FROM users)),
                          (SELECT count(*) FROM messages WHERE subscription_id NOT IN (SELECT id FROM subscriptions)),
                          (SELECT count(*) FROM pg_constraint WHERE NOT convalidated),
                          (SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D')";
    assert_eq!(query_text(&mut admin, orphans), "0|0|0|0");
}

#[test]
fn rows_that_point_at_each_other_come_back() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE a (id bigint PRIMARY KEY, b bigint); CREATE TABLE b (id bigint PRIMARY KEY, a bigint NOT NULL REFERENCES a ON DELETE CASCADE);
         ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE;
         INSERT INTO a VALUES (1, NULL); INSERT INTO b VALUES (1, 1); UPDATE a SET b = 1; SELECT backstop.protect('a')",
    );
    passes(&mut app, "DELETE FROM a WHERE id = 1");
    assert_eq!(query_text(&mut app, "SELECT count(*) FROM b"), "0");
    let id = last_statement(&mut admin);
    restore(&mut admin, &id, ", dry_run => false");
    assert_eq!(query_text(&mut app, "SELECT a.b, b.a FROM a, b"), "1|1");
}

#[test]
fn an_update_is_set_back_and_later_work_on_other_columns_stays() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "UPDATE users SET plan = 'wiped', extra = NULL WHERE id IN (5, 7)",
    );
    let id = last_statement(&mut admin);
    passes(&mut app, "UPDATE users SET email = 'later' WHERE id = 5");
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "2|2|0|0");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT id, plan, email, extra FROM users WHERE id IN (5, 7) ORDER BY id"
        ),
        "5|free|later|null\n7|free|u7|null"
    );
    let json_null = "SELECT count(*) FROM users WHERE id IN (5, 7) AND extra = 'null'::jsonb";
    assert_eq!(
        query_text(&mut admin, json_null),
        "2",
        "JSON null is not SQL NULL"
    );
}

#[test]
fn a_restore_is_recorded_and_can_be_undone() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 1");
    let (deleted, id) = (dump(&mut admin), last_statement(&mut admin));
    restore(&mut admin, &id, ", dry_run => false");
    let undo = last_statement(&mut admin);
    assert_ne!(undo, id);
    assert_eq!(
        query_text(
            &mut admin,
            &format!("SELECT reverts FROM backstop.statement WHERE statement_id = {undo}")
        ),
        id
    );
    let operations = format!(
        "SELECT DISTINCT operation FROM backstop.preimage WHERE statement_id = {undo} ORDER BY 1"
    );
    assert_eq!(query_text(&mut admin, &operations), "INSERT\nUPDATE");
    restore(&mut admin, &undo, ", dry_run => false");
    assert_eq!(dump(&mut admin), deleted);
    let redo = last_statement(&mut admin);
    assert_eq!(
        query_text(
            &mut admin,
            &format!("SELECT reverts FROM backstop.statement WHERE statement_id = {redo}")
        ),
        undo
    );
}

#[test]
fn a_restore_that_is_rolled_back_is_not_recorded() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 1");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        &format!("BEGIN; SELECT * FROM backstop.restore({id}, dry_run => false); ROLLBACK"),
    );
    assert_eq!(last_statement(&mut admin), id);
}

#[test]
fn triggers_do_not_rewrite_what_is_restored() {
    let (_db, mut admin, mut app) = world();
    let before = dump(&mut admin);
    passes(
        &mut app,
        "DELETE FROM users WHERE id = 1; UPDATE users SET plan = 'wiped' WHERE id = 7",
    );
    passes(
        &mut admin,
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.plan := 'stamped'; RETURN NEW; END $$;
         CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION stamp();
         CREATE FUNCTION veto() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER veto BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION veto()",
    );
    let ids = query_text(
        &mut admin,
        "SELECT statement_id FROM backstop.statement ORDER BY statement_id DESC",
    );
    for id in ids.lines() {
        restore(&mut admin, id, ", dry_run => false");
    }
    assert_eq!(dump(&mut admin), before);
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'"
        ),
        "0"
    );
}

#[test]
fn identity_and_generated_columns_come_out_right() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 16");
    let id = last_statement(&mut admin);
    restore(&mut admin, &id, ", dry_run => false");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT id, price, total FROM subscriptions WHERE user_id = 16"
        ),
        "16|16.50|198.00"
    );
    passes(
        &mut app,
        "INSERT INTO subscriptions (user_id, price) VALUES (16, 1)",
    );
    assert_eq!(
        query_text(&mut admin, "SELECT max(id) FROM subscriptions"),
        "21",
        "the next identity value is free"
    );
}

#[test]
fn a_column_added_since_keeps_its_default() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 20");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "ALTER TABLE users ADD COLUMN late text DEFAULT 'filled'",
    );
    restore(&mut admin, &id, ", dry_run => false");
    assert_eq!(
        query_text(&mut admin, "SELECT late, plan FROM users WHERE id = 20"),
        "filled|free"
    );
}

#[test]
fn only_the_relations_asked_for_are_restored() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 20");
    let id = last_statement(&mut admin);
    assert_eq!(
        restore(
            &mut admin,
            &id,
            ", dry_run => false, relations => '{public.users}'"
        ),
        "1|1|0|0"
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*) FROM users, subscriptions WHERE users.id = 20 AND user_id = 20"
        ),
        "0"
    );
}

#[test]
fn a_row_updated_often_by_one_statement_goes_back_to_the_beginning() {
    let (_db, mut admin, mut app) = world();
    let before = dump(&mut admin);
    passes(
        &mut app,
        "DO $$ BEGIN FOR i IN 1 .. 5 LOOP UPDATE users SET plan = 'p' || i WHERE id = 20; END LOOP; DELETE FROM users WHERE id = 20; END $$",
    );
    let id = last_statement(&mut admin);
    restore(&mut admin, &id, ", dry_run => false");
    assert_eq!(dump(&mut admin), before);
}

#[test]
fn values_come_back_byte_for_byte_whatever_the_sessions_settings() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        r#"CREATE TABLE zoo (id bigint PRIMARY KEY, a numeric, b float8, c timestamptz, d date, e interval, f bytea, g json, h jsonb, i text[], j tstzrange, k numeric, l money);
          INSERT INTO zoo VALUES (1, 1.50000, 'NaN', '2026-02-03 04:05:06.789012Z', 'infinity', '-1 year 2 days 03:04:05.6', '\x00ff5c', '{"a" : 1}', 'null',
              '[3:4]={NULL,"x"}', '[2026-01-01Z,)', 'NaN', 12.34), (2, NULL, '-0', NULL, NULL, NULL, '', NULL, NULL, '{}', 'empty', '-Infinity', NULL);
          CREATE TABLE twin AS SELECT * FROM zoo; SELECT backstop.protect('zoo')"#,
    );
    passes(
        &mut app,
        "SET DateStyle = 'German'; SET TimeZone = 'Asia/Kathmandu'; SET extra_float_digits = -10; SET bytea_output = escape; SET IntervalStyle = sql_standard",
    );
    passes(&mut app, "DELETE FROM zoo WHERE id IN (1, 2)");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "SET DateStyle = 'SQL, MDY'; SET TimeZone = 'America/Caracas'; SET IntervalStyle = postgres_verbose",
    );
    restore(&mut admin, &id, ", dry_run => false");
    passes(&mut admin, "RESET ALL");
    // record_image_ops compares bytes, not values.
    let same = "SELECT count(*) FROM zoo JOIN twin USING (id) WHERE zoo.* *= twin.*";
    assert_eq!(query_text(&mut admin, same), "2");
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 20");
    let (after, id) = (dump(&mut admin), last_statement(&mut admin));
    for (call, named) in [
        ("backstop.restore(-5)".to_owned(), "-5"),
        (
            format!("backstop.restore({id}, dry_run => false, on_conflict => 'maybe')"),
            "maybe",
        ),
        (
            format!("backstop.restore({id}, dry_run => false, relations => '{{public.nowhere}}')"),
            "nowhere",
        ),
        ("backstop.restore_conflicts(-5)".to_owned(), "-5"),
    ] {
        let refusal = refused(&mut admin, &format!("SELECT * FROM {call}"));
        assert!(
            format!("{} {}", refusal.message, refusal.detail).contains(named),
            "{refusal:?}"
        );
        assert_ne!(refusal.sqlstate, "XX000", "{refusal:?}");
        assert_eq!(dump(&mut admin), after);
    }
}

#[test]
fn restoring_is_not_for_everyone() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM users WHERE id = 20");
    let id = last_statement(&mut admin);
    assert_eq!(
        refused(
            &mut app,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)")
        )
        .sqlstate,
        "42501"
    );
}
