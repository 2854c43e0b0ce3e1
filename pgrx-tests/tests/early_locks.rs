//! The locks that are taken before PostgreSQL takes them are the same ones, in the same order: nothing waits longer, and
//! nobody meets a deadlock that he would not meet without us.

use pg_backstop_tests::{
    Database, database_with, passes, query_text, refused, sqlstate_of, until_they_wait,
};

const WORLD: &str = "
    CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE free (id int PRIMARY KEY);
    CREATE TABLE parent (id int, v int); CREATE TABLE heir () INHERITS (parent);
    CREATE TABLE parted (id int, v int) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (1000);
    CREATE TABLE rest PARTITION OF parted DEFAULT;
    CREATE TABLE lone (id int PRIMARY KEY, v int);
    CREATE SCHEMA far; CREATE TABLE far.t (id int); CREATE TABLE far.heir () INHERITS (far.t); CREATE TABLE far.z (id int)";

/// With nothing protected, and with another table protected.
fn worlds() -> [Database; 2] {
    ["SELECT 1", "SELECT backstop.protect('other')"].map(|more| {
        let (db, _admin) = database_with(&format!("{WORLD}; {more}"));
        db
    })
}

#[test]
fn what_postgresql_does_at_once_waits_for_nobody() {
    for db in worlds() {
        let mut reader = db.connect();
        passes(
            &mut reader,
            "BEGIN; SELECT count(*) FROM heir, part, rest, free",
        );
        let mut client = db.connect();
        passes(&mut client, "SET lock_timeout = '2s'");
        passes(&mut client, "ALTER TABLE parent DROP COLUMN IF EXISTS nope");
        for (statement, sqlstate) in [
            ("ALTER TABLE parent DROP COLUMN nope", "42703"),
            // 18 says it otherwise than 15.
            ("ALTER TABLE parent DETACH PARTITION heir", "42P17 42809"),
            ("DROP TABLE nope, free", "42P01"),
            ("DROP FOREIGN TABLE free", "42809"),
            ("DROP TABLE IF EXISTS nope, parent, free RESTRICT", "2BP01"),
        ] {
            if sqlstate == "2BP01" {
                passes(&mut reader, "COMMIT");
            }
            let refusal = refused(&mut client, statement);
            let expected = sqlstate.contains(&refusal.sqlstate);
            assert!(expected, "{statement}: {refusal:?}");
        }
    }
}

/// The reader of what PostgreSQL locks first goes on to what it locks last.
#[test]
fn the_order_is_postgresql_s() {
    for (first, statement, then) in [
        ("rest", "ALTER TABLE parted DETACH PARTITION part", "part"),
        ("heir", "TRUNCATE parent, free", "free"),
        ("part", "TRUNCATE parted, free", "free"),
        ("other", "TRUNCATE other, free", "free"),
        ("parent", "DROP TABLE parent CASCADE", "heir"),
        ("parted", "DROP TABLE parted, free", "free"),
        ("far.heir", "DROP SCHEMA far CASCADE", "far.z"),
        ("parted", "DROP TABLE part", "part"),
        (
            "rest",
            "ALTER TABLE parted ATTACH PARTITION lone FOR VALUES FROM (2000) TO (3000)",
            "lone",
        ),
    ] {
        let [one, two] = worlds();
        let (guarded, _admin) = database_with(&format!(
            "{WORLD}; SELECT backstop.protect('parted', '{{id}}'), backstop.protect('parent', '{{id}}'), backstop.protect('far.t', '{{id}}')"
        ));
        for db in [one, two, guarded] {
            let mut reader = db.connect();
            passes(
                &mut reader,
                &format!("BEGIN; SELECT count(*) FROM ONLY {first}"),
            );
            let approval = "SET backstop.approval = '{\"reason\":\"a\",\"max_rows\":9}'";
            let waiting = sqlstate_of(&db, &format!("{approval}; {statement}"));
            until_they_wait(&mut db.connect(), 1);
            passes(&mut reader, &format!("SELECT count(*) FROM ONLY {then}"));
            passes(&mut reader, "COMMIT");
            assert_eq!(
                waiting.join().expect("the waiting session"),
                "",
                "{statement}"
            );
        }
    }
}

#[test]
fn another_session_s_temporary_child_is_left_alone() {
    for db in worlds() {
        let mut other = db.connect();
        passes(
            &mut other,
            "CREATE TEMP TABLE mine () INHERITS (parent); INSERT INTO mine VALUES (1, 1)",
        );
        let mut client = db.connect();
        passes(&mut client, "SET lock_timeout = '2s'");
        passes(&mut client, "BEGIN; TRUNCATE parent");
        passes(&mut other, "SET lock_timeout = '2s'");
        passes(&mut other, "TRUNCATE mine");
        passes(&mut client, "COMMIT");
    }
}

#[test]
fn who_may_not_truncate_is_told_so() {
    let (db, mut admin) = database_with(WORLD);
    passes(
        &mut admin,
        "ALTER TABLE other ADD FOREIGN KEY (id) REFERENCES free; REVOKE ALL ON free FROM app, PUBLIC;
         SELECT backstop.protect('other')",
    );
    let refusal = refused(&mut db.connect_as("app"), "TRUNCATE free CASCADE");
    assert_eq!(refusal.sqlstate, "42501");
}

/// What else has changed meanwhile makes no other statement of the one that was previewed.
#[test]
fn a_token_covers_ddl_that_waited() {
    for statement in [
        "ALTER TABLE other RENAME TO another",
        "ALTER TABLE other DROP COLUMN v",
        "CREATE RULE r AS ON DELETE TO other DO ALSO NOTHING",
    ] {
        let (db, mut admin) = database_with(WORLD);
        passes(
            &mut admin,
            "ALTER TABLE other ADD v int; INSERT INTO other VALUES (1, 1); SELECT backstop.protect('other', approval => 'preview')",
        );
        let preview =
            format!("SELECT max(request_id) FROM backstop.preview($$ {statement} $$, 'a')");
        let request = query_text(&mut admin, &preview);
        let approve = format!("SELECT backstop.approve({request}, 'a')");
        let token = query_text(&mut admin, &approve);
        let mut writer = db.connect();
        passes(
            &mut writer,
            "BEGIN; ANALYZE other; ALTER TABLE other SET (fillfactor = 70)",
        );
        let waiting = sqlstate_of(&db, &format!("SELECT * FROM backstop.run('{token}')"));
        until_they_wait(&mut db.connect(), 1);
        passes(&mut writer, "COMMIT");
        assert_eq!(
            waiting.join().expect("the waiting session"),
            "",
            "{statement}"
        );
    }
}
