//! Columns are converted back under the names that they have by now, and none in their place.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database_with, dumped, last_statement, now, passes, query_text, refused,
};

fn rows(client: &mut Client, table: &str) -> String {
    query_text(
        client,
        &format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {table} t"),
    )
}

/// Totals of a restore: captured, restored, unchanged, conflicts.
fn restore(client: &mut Client, id: &str) -> String {
    query_text(
        client,
        &format!(
            "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts)
             FROM backstop.restore({id}, dry_run => false)"
        ),
    )
}

fn types(client: &mut Client, table: &str) -> String {
    query_text(
        client,
        &format!(
            "SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' ORDER BY attnum) FROM pg_attribute
             WHERE attrelid = '{table}'::regclass AND attnum > 1 AND NOT attisdropped"
        ),
    )
}

/// A table `t` of two rows whose column v was converted to int by the statement returned, and what came then.
fn converted(then: &str) -> (Database, Client, String) {
    let (db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, v text, w text);
         INSERT INTO t VALUES (1, '01', 'a'), (2, '02', 'b'); SELECT backstop.protect('t')",
    );
    approved(
        &mut admin,
        100,
        "ALTER TABLE t ALTER v TYPE int USING v::int",
    );
    let id = last_statement(&mut admin);
    for sql in then.split(';').filter(|sql| !sql.trim().is_empty()) {
        approved(&mut admin, 100, sql);
    }
    (db, admin, id)
}

/// A table `t` of two rows, and the statement that ran `body` as one.
fn one_root(body: &str) -> (Database, Client, String) {
    let (db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, v text, w text);
         INSERT INTO t VALUES (1, '01', 'x'), (2, '02', 'y'); SELECT backstop.protect('t')",
    );
    approved(&mut admin, 100, &format!("DO $$ BEGIN {body}; END $$"));
    let id = last_statement(&mut admin);
    (db, admin, id)
}

fn is_refused(admin: &mut Client, id: &str, table: &str, message: &str) {
    let (before, of) = (rows(admin, table), types(admin, table));
    for dry_run in [true, false] {
        let refusal = refused(
            admin,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => {dry_run})"),
        );
        assert!(refusal.message.contains(message), "{refusal:?}");
        assert!(!refusal.hint.is_empty(), "{refusal:?}");
    }
    assert_eq!((rows(admin, table), types(admin, table)), (before, of));
}

#[test]
fn a_column_added_in_the_place_of_the_converted_one_is_another() {
    let (_db, mut admin, id) = converted(
        "ALTER TABLE t RENAME v TO v_old; ALTER TABLE t ADD v int; ALTER TABLE t DROP v_old;
         UPDATE t SET v = 500 WHERE id = 1",
    );
    is_refused(
        &mut admin,
        &id,
        "t",
        "cannot change the type of column \"v\" of table \"public.t\" back",
    );
}

#[test]
fn going_back_over_a_replaced_column_leaves_the_new_one_as_it_is() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, v text, w text);
         INSERT INTO t VALUES (1, '01', 'a'), (2, '02', 'b'); SELECT backstop.protect('t')",
    );
    let at = now(&mut admin);
    for sql in [
        "ALTER TABLE t ALTER v TYPE int USING v::int",
        "ALTER TABLE t RENAME v TO v_old",
        "ALTER TABLE t ADD v int",
        "ALTER TABLE t DROP v_old",
    ] {
        approved(&mut admin, 100, sql);
    }
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
    );
    assert_eq!(types(&mut admin, "t"), "w text, v integer, v_old text");
    assert_eq!(rows(&mut admin, "t"), "(1,a,,01) (2,b,,02)");
}

#[test]
fn exchanged_names_are_followed() {
    let (_db, mut admin, id) =
        converted("ALTER TABLE t RENAME v TO v2; ALTER TABLE t RENAME w TO v");
    passes(&mut admin, "UPDATE t SET v = 'z' WHERE id = 2");
    assert_eq!(restore(&mut admin, &id), "2|2|0|0");
    assert_eq!(types(&mut admin, "t"), "v2 text, v text");
    assert_eq!(rows(&mut admin, "t"), "(1,01,a) (2,02,z)");
}

#[test]
fn what_was_changed_under_another_name_is_a_conflict() {
    let (_db, mut admin, id) =
        converted("ALTER TABLE t RENAME v TO v2; ALTER TABLE t RENAME w TO v");
    passes(&mut admin, "UPDATE t SET v2 = 99 WHERE id = 1");
    let sql = format!("SELECT sum(restored), sum(conflicts) FROM backstop.restore({id}");
    assert_eq!(query_text(&mut admin, &format!("{sql})")), "1|1");
    refused(&mut admin, &format!("{sql}, dry_run => false)"));
    assert_eq!(rows(&mut admin, "t"), "(1,99,a) (2,2,b)");
}

#[test]
fn a_change_of_another_column_is_no_conflict_after_a_rename() {
    let (_db, mut admin, id) = converted("ALTER TABLE t RENAME v TO v2");
    passes(&mut admin, "UPDATE t SET w = 'z' WHERE id = 1");
    assert_eq!(restore(&mut admin, &id), "2|2|0|0");
    assert_eq!(rows(&mut admin, "t"), "(1,01,z) (2,02,b)");
}

#[test]
fn a_column_that_was_dropped_restored_and_renamed_is_converted_back() {
    let (_db, mut admin, id) = converted("ALTER TABLE t DROP v");
    let drop = last_statement(&mut admin);
    restore(&mut admin, &drop);
    approved(&mut admin, 100, "ALTER TABLE t RENAME v TO v2");
    assert_eq!(restore(&mut admin, &id), "2|2|0|0");
    assert_eq!(types(&mut admin, "t"), "w text, v2 text");
    assert_eq!(rows(&mut admin, "t"), "(1,a,01) (2,b,02)");
}

#[test]
fn a_renamed_column_of_a_table_that_is_made_again_is_converted_back() {
    for rows_of in [true, false] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL DEFAULT '07', w text);
             INSERT INTO t VALUES (1, '01', 'a'), (2, '02', 'b'); SELECT backstop.protect('t')",
        );
        let at = now(&mut admin);
        for sql in [
            "ALTER TABLE t ALTER v DROP DEFAULT, ALTER v TYPE int USING v::int, ALTER v SET DEFAULT 7",
            "ALTER TABLE t RENAME v TO v2",
            match rows_of {
                true => "ALTER TABLE t RENAME w TO v",
                false => "ALTER TABLE t RENAME w TO w2",
            },
            "DROP TABLE t",
        ] {
            approved(&mut admin, 100, sql);
        }
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)"),
        );
        assert!(types(&mut admin, "t").starts_with("v2 text, "));
        assert_eq!(rows(&mut admin, "t"), "(1,01,a) (2,02,b)");
    }
}

#[test]
fn one_statement_renames_between_its_conversions() {
    for (body, columns) in [
        (
            "ALTER TABLE t ALTER w TYPE varchar(20) USING w || '!'; ALTER TABLE t RENAME v TO tmp;
             ALTER TABLE t RENAME w TO v; ALTER TABLE t RENAME tmp TO w; ALTER TABLE t ALTER w TYPE int USING w::int",
            "w text, v text",
        ),
        (
            "ALTER TABLE t ALTER v TYPE int USING v::int; ALTER TABLE t RENAME v TO v2;
             ALTER TABLE t ALTER v2 TYPE numeric USING v2 * 10",
            "v2 text, w text",
        ),
    ] {
        // What was changed since is not overwritten, whichever name it was changed under.
        let (_db, mut admin, id) = one_root(body);
        let column = columns.split(' ').next().unwrap_or_default();
        let update = format!("UPDATE t SET {column} = 99 WHERE id = 1");
        passes(&mut admin, &update);
        let before = rows(&mut admin, "t");
        refused(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
        );
        assert_eq!(rows(&mut admin, "t"), before);
        let (_db, mut admin, id) = one_root(body);
        restore(&mut admin, &id);
        assert_eq!(types(&mut admin, "t"), columns);
        assert_eq!(rows(&mut admin, "t"), "(1,01,x) (2,02,y)", "{body}");
    }
}

#[test]
fn a_statement_whose_changes_lost_their_names_is_refused() {
    for (body, table, message) in [
        (
            "ALTER TABLE t DROP w; ALTER TABLE t RENAME v TO w; ALTER TABLE t ALTER w TYPE int USING w::int",
            "t",
            "cannot bring back column \"w\" of table \"public.t\"",
        ),
        (
            "ALTER TABLE t ALTER v TYPE int USING v::int; ALTER TABLE t RENAME TO t2;
             ALTER TABLE t2 ALTER w TYPE varchar(20) USING w || '!'",
            "t2",
            "cannot change the type of column \"v\" of table \"public.t\" back",
        ),
    ] {
        let (_db, mut admin, id) = one_root(body);
        is_refused(&mut admin, &id, table, message);
    }
}

#[test]
fn a_childs_own_column_of_the_recorded_name_stays() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE p (id int PRIMARY KEY, v text); CREATE TABLE c (x int) INHERITS (p);
         INSERT INTO p VALUES (1, '01'); INSERT INTO c VALUES (2, '02', 5); SELECT backstop.protect('p')",
    );
    approved(
        &mut admin,
        100,
        "ALTER TABLE p ALTER v TYPE int USING v::int",
    );
    let id = last_statement(&mut admin);
    approved(&mut admin, 100, "ALTER TABLE p RENAME v TO vv");
    approved(&mut admin, 100, "ALTER TABLE c RENAME x TO v");
    restore(&mut admin, &id);
    assert_eq!(types(&mut admin, "c"), "vv text, v integer");
    assert_eq!(rows(&mut admin, "c"), "(2,02,5)");
}

#[test]
fn exchanged_names_are_followed_through_a_dump() {
    let renames = [
        "ALTER TABLE t RENAME v TO v2",
        "ALTER TABLE t RENAME w TO v",
    ];
    for before in 0..=renames.len() {
        let (db, mut admin, id) = converted(&renames[..before].join(";"));
        // Another table's names are its own.
        for sql in [
            "CREATE TABLE o (id int PRIMARY KEY, v text)",
            "SELECT backstop.protect('o')",
            "ALTER TABLE o RENAME v TO w",
        ] {
            approved(&mut admin, 100, sql);
        }
        let changed = match before {
            2 => "UPDATE t SET v = 'b' WHERE id = 2",
            _ => "UPDATE t SET w = 'b' WHERE id = 2",
        };
        passes(&mut admin, changed);
        let database = dumped(&db);
        let mut copy = database.connect();
        for sql in &renames[before..] {
            approved(&mut copy, 100, sql);
        }
        assert_eq!(restore(&mut copy, &id), "2|2|0|0", "{before}");
        assert_eq!(types(&mut copy, "t"), "v2 text, v text");
        assert_eq!(rows(&mut copy, "t"), "(1,01,a) (2,02,b)");
    }
}

#[test]
fn an_empty_tables_column_is_converted_back_where_it_is_certain_which_it_is() {
    let empty = "CREATE TABLE t (id int PRIMARY KEY, v text, w text); SELECT backstop.protect('t')";
    for (then, done) in [
        (
            "ALTER TABLE t RENAME v TO v2; ALTER TABLE t RENAME w TO v",
            Some("v2 text, v text"),
        ),
        (
            "ALTER TABLE t RENAME v TO v2; ALTER TABLE t RENAME w TO v; ALTER TABLE t DROP v2",
            None,
        ),
    ] {
        let (_db, mut admin) = database_with(empty);
        approved(
            &mut admin,
            100,
            "ALTER TABLE t ALTER v TYPE int USING v::int",
        );
        let id = last_statement(&mut admin);
        for sql in then.split(';') {
            approved(&mut admin, 100, sql);
        }
        match done {
            Some(columns) => {
                restore(&mut admin, &id);
                assert_eq!(types(&mut admin, "t"), columns);
            }
            None => is_refused(
                &mut admin,
                &id,
                "t",
                "cannot change the type of column \"v\"",
            ),
        }
    }
}

#[test]
fn changes_of_a_converted_table_that_was_dropped_restored_and_renamed_stand_against_it() {
    let (_db, mut admin, id) = converted("DROP TABLE t");
    let drop = last_statement(&mut admin);
    restore(&mut admin, &drop);
    approved(&mut admin, 100, "ALTER TABLE t RENAME TO t2");
    passes(&mut admin, "UPDATE t2 SET v = 7 WHERE id = 2");
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert_eq!(rows(&mut admin, "t2"), "(1,1,a) (2,7,b)");
}
