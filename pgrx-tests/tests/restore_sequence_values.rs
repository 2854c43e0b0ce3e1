//! Where a registered sequence stood comes back with the rows of its table: forward only, whatever its policy says, and in the
//! restore's record.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database_with, last_statement, now, passes, query_text, refused,
};

const TABLE: &str = "CREATE TABLE t (id serial PRIMARY KEY, v text);
    INSERT INTO t (v) SELECT 'x' FROM generate_series(1, 50);
    SELECT backstop.protect('t', max_rows => 3), backstop.protect_sequence('t_id_seq')";

const TRUNCATE: &str = "TRUNCATE t RESTART IDENTITY";

/// The table, truncated; the statement's id.
fn world() -> (Database, Client, String) {
    let (db, mut admin) = database_with(TABLE);
    approved(&mut admin, 100, TRUNCATE);
    let id = last_statement(&mut admin);
    (db, admin, id)
}

fn stands(client: &mut Client) -> String {
    query_text(client, "SELECT last_value, is_called FROM t_id_seq")
}

fn restore(client: &mut Client, id: &str, dry_run: bool) -> String {
    query_text(
        client,
        &format!("SELECT restored, conflicts FROM backstop.restore({id}, {dry_run})"),
    )
}

/// Sequences' changes, the last statement's.
fn last_changes(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT sequence, operation, old_value, new_value FROM backstop.sequence_change
         WHERE statement_id = (SELECT max(statement_id) FROM backstop.statement) ORDER BY change_id",
    )
}

#[test]
fn restart_identity_is_undone_as_the_drill_and_the_dry_run_say() {
    let (_db, mut admin, id) = world();
    let drill = "SELECT ok, detail FROM backstop.restore_drill()";
    assert_eq!(
        query_text(&mut admin, drill),
        "t|50 of 50 rows can be put back"
    );
    assert_eq!(restore(&mut admin, &id, true), "50|0");
    assert_eq!(stands(&mut admin), "1|f");
    assert_eq!(restore(&mut admin, &id, false), "50|0");
    assert_eq!(stands(&mut admin), "50|t");
    assert_eq!(last_changes(&mut admin), "public.t_id_seq|SETVAL|1|50");

    let undo = last_statement(&mut admin);
    let both = "SELECT relations, reverts FROM backstop.statement WHERE statement_id";
    assert_eq!(
        query_text(&mut admin, &format!("{both} = {undo}")),
        format!("{{public.t,public.t_id_seq}}|{id}")
    );
    let back = format!("SELECT outcome FROM backstop.restore_sequence({undo}, dry_run => false)");
    assert_eq!(query_text(&mut admin, &back), "restored");
    assert_eq!(stands(&mut admin), "1|f");
}

#[test]
fn a_sequence_that_has_gone_on_since_stays_there() {
    let (_db, mut admin, id) = world();
    approved(&mut admin, 100, "SELECT setval('t_id_seq', 1000)");
    assert_eq!(restore(&mut admin, &id, false), "50|0");
    assert_eq!(stands(&mut admin), "1000|t");
    assert_eq!(last_changes(&mut admin), "");

    // It was never called then, and has handed out its first value since.
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t VALUES (7, 'x');
         SELECT backstop.protect('t'), backstop.protect_sequence('t_id_seq')",
    );
    approved(&mut admin, 100, TRUNCATE);
    let id = last_statement(&mut admin);
    for registered in [true, false] {
        passes(&mut admin, "INSERT INTO t (v) VALUES ('new')");
        let before = stands(&mut admin);
        restore(&mut admin, &id, false);
        assert_eq!(stands(&mut admin), before);
        if registered {
            passes(&mut admin, "SELECT backstop.unprotect_sequence('t_id_seq')");
            approved(&mut admin, 100, TRUNCATE);
        }
    }
}

#[test]
fn what_cannot_come_back_is_said_by_the_dry_run_too() {
    let (_db, mut admin, id) = world();
    approved(&mut admin, 100, "ALTER SEQUENCE t_id_seq MAXVALUE 40");
    for dry_run in [true, false] {
        let call = format!("SELECT * FROM backstop.restore({id}, {dry_run})");
        let refusal = refused(&mut admin, &call);
        assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
        assert!(refusal.detail.contains("between 1 and 40"), "{refusal:?}");
        assert_eq!(stands(&mut admin), "1|f");
    }
    let drill = "SELECT ok FROM backstop.restore_drill() LIMIT 1";
    assert_eq!(query_text(&mut admin, drill), "f");
}

#[test]
fn going_back_over_two_of_them() {
    let (_db, mut admin) = database_with(TABLE);
    let at = now(&mut admin);
    approved(&mut admin, 100, TRUNCATE);
    passes(
        &mut admin,
        "INSERT INTO t (v) SELECT 'y' FROM generate_series(1, 20)",
    );
    approved(&mut admin, 100, TRUNCATE);
    // The rows of the first stand in the way of the second's.
    let since = format!("SELECT FROM backstop.restore_since('{at}', NULL, false, 'skip')");
    passes(&mut admin, &since);
    assert_eq!(stands(&mut admin), "50|t");
    assert_eq!(
        last_changes(&mut admin),
        "public.t_id_seq|SETVAL|1|20\npublic.t_id_seq|SETVAL|20|50"
    );
    let undo = last_statement(&mut admin);
    let back = format!("SELECT outcome FROM backstop.restore_sequence({undo}, dry_run => false)");
    assert_eq!(query_text(&mut admin, &back), "restored");
    assert_eq!(stands(&mut admin), "1|f");
}

#[test]
fn a_restore_that_is_rolled_back_leaves_word_of_what_stands() {
    let (_db, mut admin, id) = world();
    passes(
        &mut admin,
        &format!(
            "BEGIN; SAVEPOINT s; SELECT * FROM backstop.restore({id}, false); ROLLBACK TO s; COMMIT"
        ),
    );
    assert_eq!(stands(&mut admin), "50|t");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM t"), "0");
    assert_eq!(last_changes(&mut admin), "public.t_id_seq|SETVAL|1|50");
}

#[test]
fn a_table_that_has_moved_takes_its_sequence_along() {
    let (_db, mut admin, id) = world();
    passes(&mut admin, "CREATE SCHEMA s");
    approved(&mut admin, 100, "ALTER TABLE t SET SCHEMA s");
    assert_eq!(restore(&mut admin, &id, false), "50|0");
    let stands = "SELECT last_value, is_called FROM s.t_id_seq";
    assert_eq!(query_text(&mut admin, stands), "50|t");
    assert_eq!(last_changes(&mut admin), "s.t_id_seq|SETVAL|1|50");
}

#[test]
fn a_dropped_table_brings_its_sequence_with_value_and_protection() {
    let (_db, mut admin) = database_with(TABLE);
    let at = now(&mut admin);
    for since in [false, true] {
        approved(&mut admin, 100, "DROP TABLE t");
        let id = last_statement(&mut admin);
        match since {
            true => passes(
                &mut admin,
                &format!("SELECT FROM backstop.restore_since('{at}', NULL, false)"),
            ),
            false => assert_eq!(restore(&mut admin, &id, false), "50|0"),
        }
        assert_eq!(stands(&mut admin), "50|t");
        let registered = "SELECT count(*) FROM backstop.protected_sequence";
        assert_eq!(query_text(&mut admin, registered), "1");
    }
}

#[test]
fn in_a_preview_it_stays_where_it_is() {
    let (_db, mut admin, id) = world();
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.preview('SELECT * FROM backstop.restore({id}, false)')"),
    );
    assert_eq!(stands(&mut admin), "1|f");
}

#[test]
fn who_may_restore_needs_no_right_to_the_sequence() {
    let (db, mut admin, id) = world();
    passes(
        &mut admin,
        "GRANT EXECUTE ON FUNCTION backstop.restore(bigint, boolean, text, text[]) TO outsider",
    );
    let mut outsider = db.connect_as("outsider");
    let right = "SELECT has_sequence_privilege('t_id_seq', 'UPDATE')";
    assert_eq!(query_text(&mut outsider, right), "f");
    assert_eq!(restore(&mut outsider, &id, false), "50|0");
    assert_eq!(stands(&mut admin), "50|t");
}
