//! A recorded name means the column that had it then, whatever columns were dropped, renamed and brought back since.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, Refusal, approved, cluster, database_with, last_statement, now, passes, query_text,
    refused,
};

const TABLE: &str = "CREATE TABLE a (id int PRIMARY KEY, v text, w text);
    INSERT INTO a SELECT n, 'v' || n, 'w' || n FROM generate_series(1, 3) n; SELECT backstop.protect('a')";

fn restore(client: &mut Client, statement: &str) -> String {
    query_text(
        client,
        &format!(
            "SELECT sum(restored), sum(conflicts) FROM backstop.restore({statement}, dry_run => false)"
        ),
    )
}

fn go_back(client: &mut Client, at: &str) {
    passes(
        client,
        &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
    );
}

fn rows(client: &mut Client, query: &str) -> String {
    query_text(
        client,
        &format!(
            "SELECT string_agg(to_jsonb(t)::text, ' ' ORDER BY to_jsonb(t)::text) FROM ({query}) t"
        ),
    )
}

/// Drops `v`, runs each of `changes`, and returns the id of the drop.
fn dropped(admin: &mut Client, changes: &[&str]) -> String {
    approved(admin, 1000, "ALTER TABLE a DROP COLUMN v");
    let id = last_statement(admin);
    for change in changes {
        approved(admin, 1000, change);
    }
    id
}

fn is_name_taken(refusal: &Refusal) {
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert!(
        refusal
            .message
            .contains(r#"cannot bring back column "v" of table "public.a": another column has"#),
        "{refusal:?}"
    );
    assert!(
        refusal
            .hint
            .contains("ALTER TABLE public.a RENAME COLUMN v TO"),
        "{refusal:?}"
    );
}

#[test]
fn a_dropped_column_whose_name_another_one_has_waits_for_it() {
    for (taken, free) in [
        ("ALTER TABLE a RENAME w TO v", "ALTER TABLE a RENAME v TO w"),
        (
            "ALTER TABLE a ADD x text; ALTER TABLE a RENAME x TO v",
            "ALTER TABLE a RENAME v TO x",
        ),
    ] {
        for filled in [true, false] {
            let (_db, mut admin) = database_with(TABLE);
            if !filled {
                approved(&mut admin, 1000, "DELETE FROM a WHERE w LIKE 'w%'");
            }
            let (then, at) = (rows(&mut admin, "SELECT id, v, w FROM a"), now(&mut admin));
            let id = dropped(&mut admin, &[taken]);
            let before = rows(&mut admin, "SELECT * FROM a");
            for sql in [
                format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
                format!("SELECT * FROM backstop.restore({id})"),
                format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
            ] {
                is_name_taken(&refused(&mut admin, &sql));
            }
            assert_eq!(rows(&mut admin, "SELECT * FROM a"), before);
            approved(&mut admin, 1000, free);
            restore(&mut admin, &id);
            assert_eq!(rows(&mut admin, "SELECT id, v, w FROM a"), then, "{taken}");
        }
    }
}

#[test]
fn a_name_that_was_given_away_and_given_back_is_no_obstacle() {
    let (_db, mut admin) = database_with(TABLE);
    let then = rows(&mut admin, "SELECT id, v, w FROM a");
    let back_and_forth = ["ALTER TABLE a RENAME w TO v", "ALTER TABLE a RENAME v TO w"];
    let id = dropped(&mut admin, &back_and_forth);
    assert_eq!(restore(&mut admin, &id), "3|0");
    assert_eq!(rows(&mut admin, "SELECT id, v, w FROM a"), then);
}

#[test]
fn names_that_moved_on_and_were_used_again() {
    let (_db, mut admin) = database_with(TABLE);
    let (then, at) = (rows(&mut admin, "SELECT id, v, w FROM a"), now(&mut admin));
    passes(
        &mut admin,
        "DELETE FROM a WHERE id = 1; UPDATE a SET v = 'x' WHERE id = 2",
    );
    approved(
        &mut admin,
        1000,
        "ALTER TABLE a RENAME v TO b; ALTER TABLE a RENAME b TO c; ALTER TABLE a ADD v text DEFAULT 'new'",
    );
    go_back(&mut admin, &at);
    assert_eq!(rows(&mut admin, "SELECT id, c AS v, w FROM a"), then);
    assert_eq!(
        query_text(&mut admin, "SELECT string_agg(DISTINCT v, ',') FROM a"),
        "new"
    );
}

#[test]
fn two_names_exchanged_in_a_table_that_lost_a_column() {
    let (_db, mut admin) = database_with(TABLE);
    let (then, at) = (rows(&mut admin, "SELECT id, v, w FROM a"), now(&mut admin));
    passes(&mut admin, "DELETE FROM a WHERE id = 1");
    approved(
        &mut admin,
        1000,
        "ALTER TABLE a ADD lost int; ALTER TABLE a DROP COLUMN lost; ALTER TABLE a RENAME v TO x; ALTER TABLE a RENAME w TO v;
         ALTER TABLE a RENAME x TO w",
    );
    passes(&mut admin, "UPDATE a SET v = 'x' WHERE id = 2");
    go_back(&mut admin, &at);
    assert_eq!(rows(&mut admin, "SELECT id, w AS v, v AS w FROM a"), then);
}

#[test]
fn a_column_that_a_restore_brought_back_is_the_one_that_was_dropped() {
    let (_db, mut admin) = database_with(TABLE);
    let then = rows(&mut admin, "SELECT id, v, w FROM a");
    passes(&mut admin, "DELETE FROM a WHERE id = 1");
    let deleted = last_statement(&mut admin);
    let drop = dropped(&mut admin, &[]);
    restore(&mut admin, &drop);
    approved(
        &mut admin,
        1000,
        "ALTER TABLE a RENAME v TO x; ALTER TABLE a RENAME w TO v",
    );
    assert_eq!(restore(&mut admin, &deleted), "1|0");
    assert_eq!(rows(&mut admin, "SELECT id, x AS v, v AS w FROM a"), then);
    // It does not come a second time.
    restore(&mut admin, &drop);
    assert_eq!(rows(&mut admin, "SELECT id, x AS v, v AS w FROM a"), then);
    assert_eq!(
        rows(&mut admin, "SELECT * FROM a WHERE id = 1"),
        r#"{"v": "w1", "x": "v1", "id": 1}"#
    );
}

#[test]
fn of_two_columns_that_were_dropped_under_one_name_each_gets_its_own() {
    let (_db, mut admin) = database_with(TABLE);
    let (then, at) = (rows(&mut admin, "SELECT id, v, w FROM a"), now(&mut admin));
    let first = dropped(&mut admin, &["ALTER TABLE a RENAME w TO v"]);
    let second = dropped(&mut admin, &[]);
    // Both at once have no place under that name.
    is_name_taken(&refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
    ));
    restore(&mut admin, &second);
    assert_eq!(query_text(&mut admin, "SELECT v FROM a WHERE id = 1"), "w1");
    is_name_taken(&refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({first}, dry_run => false)"),
    ));
    approved(&mut admin, 1000, "ALTER TABLE a RENAME v TO w");
    restore(&mut admin, &first);
    assert_eq!(rows(&mut admin, "SELECT id, v, w FROM a"), then);
}

#[test]
fn through_a_table_that_was_dropped_and_restored() {
    let (_db, mut admin) = database_with(TABLE);
    passes(&mut admin, "DELETE FROM a WHERE id = 1");
    let deleted = last_statement(&mut admin);
    let renames =
        "ALTER TABLE a RENAME v TO x; ALTER TABLE a RENAME w TO v; ALTER TABLE a RENAME x TO w";
    approved(&mut admin, 1000, renames);
    approved(&mut admin, 1000, "DROP TABLE a");
    let drop = last_statement(&mut admin);
    restore(&mut admin, &drop);
    approved(&mut admin, 1000, "ALTER TABLE a RENAME v TO u");
    assert_eq!(restore(&mut admin, &deleted), "1|0");
    assert_eq!(
        rows(&mut admin, "SELECT * FROM a WHERE id = 1"),
        r#"{"u": "w1", "w": "v1", "id": 1}"#
    );
}

#[test]
fn changes_of_another_table_of_that_name_mean_nothing() {
    let (_db, mut admin) = database_with(TABLE);
    let then = rows(&mut admin, "SELECT id, v, w FROM a");
    passes(&mut admin, "DELETE FROM a WHERE id = 1");
    let deleted = last_statement(&mut admin);
    approved(
        &mut admin,
        1000,
        "ALTER TABLE a ADD lost int; ALTER TABLE a DROP COLUMN lost; ALTER TABLE a RENAME TO former",
    );
    passes(
        &mut admin,
        "CREATE TABLE a (n int PRIMARY KEY, v text, w text); SELECT backstop.protect('a')",
    );
    approved(
        &mut admin,
        1000,
        "ALTER TABLE a RENAME v TO x; ALTER TABLE a RENAME w TO v; DROP TABLE a",
    );
    assert_eq!(restore(&mut admin, &deleted), "1|0");
    assert_eq!(rows(&mut admin, "SELECT id, v, w FROM former"), then);
}

#[test]
fn through_a_dump() {
    let (db, mut admin) = database_with(TABLE);
    let then = rows(&mut admin, "SELECT id, v, w FROM a");
    passes(&mut admin, "DELETE FROM a WHERE id = 1");
    let deleted = last_statement(&mut admin);
    let drop = dropped(&mut admin, &["ALTER TABLE a RENAME w TO v"]);
    let name = format!("{}_dump", db.name);
    passes(
        &mut cluster().admin(),
        &format!("CREATE DATABASE {name} TEMPLATE template0"),
    );
    let file = std::env::temp_dir().join(format!("{name}.dump"));
    let file = file.to_string_lossy();
    let dump = ["--format=custom", "--file", &file, &db.name];
    cluster().program("pg_dump", &dump).expect("pg_dump");
    let restored = cluster().program("pg_restore", &["--dbname", &name, &file]);
    let _ = std::fs::remove_file(&*file);
    restored.expect("pg_restore");
    let copy = Database {
        endpoint: db.endpoint.clone(),
        name,
    };
    let mut copy = copy.connect();
    is_name_taken(&refused(
        &mut copy,
        &format!("SELECT * FROM backstop.restore({drop}, dry_run => false)"),
    ));
    approved(&mut copy, 1000, "ALTER TABLE a RENAME v TO w");
    restore(&mut copy, &drop);
    approved(&mut copy, 1000, "ALTER TABLE a RENAME v TO x");
    restore(&mut copy, &deleted);
    assert_eq!(rows(&mut copy, "SELECT id, x AS v, w FROM a"), then);
}

#[test]
fn names_for_the_time_of_a_restore_are_free_and_leave_no_trace() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE a (id int PRIMARY KEY, v text, w text, backstop_aside_0 text CHECK (backstop_aside_0 > ''));
         CREATE TABLE child (backstop_aside_1 text) INHERITS (a); CREATE SCHEMA backstop_aside_0; CREATE SCHEMA backstop_aside_1;
         CREATE INDEX a_v ON a (v, w); INSERT INTO a VALUES (1, 'v1', 'w1', 'x'); INSERT INTO child VALUES (2, 'v2', 'w2', 'x', 'y');
         SELECT backstop.protect('a')",
    );
    let then = rows(&mut admin, "SELECT * FROM a");
    let id = dropped(
        &mut admin,
        &[
            "ALTER TABLE a RENAME w TO u; ALTER TABLE a RENAME backstop_aside_0 TO w; ALTER TABLE a RENAME TO b",
        ],
    );
    let noted = "SELECT string_agg(DISTINCT concat(column_name, '>', new_name), ' ') FROM backstop.column_change";
    assert_eq!(
        query_text(&mut admin, noted),
        ">public.b backstop_aside_0>w v> w>u"
    );
    restore(&mut admin, &id);
    assert_eq!(
        rows(
            &mut admin,
            "SELECT id, v, u AS w, w AS backstop_aside_0 FROM b"
        ),
        then
    );
    let index = "SELECT pg_get_indexdef('a_v'::regclass)";
    assert_eq!(
        query_text(&mut admin, index),
        "CREATE INDEX a_v ON public.b USING btree (v, u)"
    );
    assert_eq!(
        query_text(&mut admin, noted),
        ">public.b backstop_aside_0>w v> v>v w>u"
    );
}

#[test]
fn a_snapshot_from_before_an_alteration_is_no_obstacle() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        for (alteration, then) in [
            ("ALTER TABLE a ALTER v TYPE varchar(9)", "text"),
            (
                "ALTER TABLE a ALTER v TYPE int USING substr(v, 2)::int",
                "text",
            ),
            ("ALTER TABLE a DROP COLUMN v", "text"),
        ] {
            let (db, mut admin) = database_with(TABLE);
            let before = rows(&mut admin, "SELECT id, v, w FROM a");
            let mut late = db.connect();
            passes(
                &mut late,
                &format!("BEGIN ISOLATION LEVEL {level}; SELECT 1 FROM pg_class"),
            );
            approved(&mut admin, 1000, alteration);
            let id = last_statement(&mut admin);
            passes(
                &mut late,
                &format!("SELECT * FROM backstop.restore({id}, dry_run => false); COMMIT"),
            );
            assert_eq!(
                rows(&mut admin, "SELECT id, v, w FROM a"),
                before,
                "{alteration}"
            );
            assert_eq!(
                query_text(&mut admin, "SELECT DISTINCT pg_typeof(v) FROM a"),
                then
            );
        }
    }
}

#[test]
fn a_column_added_by_hand_stands_for_one_dropped_column_of_its_name() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE w2 (id int PRIMARY KEY, a text, b text);
         INSERT INTO w2 SELECT n, 'A' || n, 'B' || n FROM generate_series(1, 3) n; SELECT backstop.protect('w2');
         DELETE FROM w2 WHERE id = 1",
    );
    let first = last_statement(&mut admin);
    approved(&mut admin, 100, "ALTER TABLE w2 DROP COLUMN b");
    passes(&mut admin, "DELETE FROM w2 WHERE id = 2");
    let second = last_statement(&mut admin);
    for sql in [
        "ALTER TABLE w2 RENAME a TO b",
        "ALTER TABLE w2 DROP COLUMN b",
        "ALTER TABLE w2 ADD b text",
    ] {
        approved(&mut admin, 100, sql);
    }
    restore(&mut admin, &first);
    restore(&mut admin, &second);
    assert_eq!(
        query_text(&mut admin, "SELECT string_agg(b, ' ' ORDER BY id) FROM w2"),
        "A1 A2"
    );
}
