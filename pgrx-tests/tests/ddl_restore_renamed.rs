//! Definitions name tables and columns as they were called when they were recorded; what has another name today gets its
//! own back all the same.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{approved, database_with, passes, query_text};

const TABLE: &str = "CREATE TABLE r (id int PRIMARY KEY, a int, b int DEFAULT 4 NOT NULL); CREATE INDEX both_of_r ON r (a, b);
    CREATE SCHEMA arch; INSERT INTO r SELECT n, n * 10, n * 100 FROM generate_series(1, 3) n; SELECT backstop.protect('r')";
const DROP: &str = "ALTER TABLE r DROP COLUMN b";
const RETYPE: &str = "ALTER TABLE r ALTER b TYPE numeric USING b * 2.5";

fn restore(admin: &mut Client, id: &str) {
    passes(
        admin,
        &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
    );
}

/// Table, columns with types and defaults, indexes, rows of whatever has this name.
fn told(admin: &mut Client, table: &str) -> String {
    query_text(
        admin,
        &format!(
            "SELECT '{table}'::regclass,
                    (SELECT string_agg(format('%s %s %s %s', attname, atttypid::regtype, attnotnull,
                            (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)),
                            ', ' ORDER BY attname)
                     FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped),
                    (SELECT string_agg(pg_get_indexdef(indexrelid), ', ' ORDER BY indexrelid::regclass::text) FROM pg_index
                     WHERE indrelid = '{table}'::regclass),
                    (SELECT string_agg(to_jsonb(r)::text, ' ' ORDER BY id) FROM {table} AS r)"
        ),
    )
}

/// What `statement` took comes back whatever `renames` did after it; `table` is the table's name then.
fn follows(statement: &str, renames: &str, table: &str) {
    let (_db, mut admin) = database_with(TABLE);
    // As it is called without having lost anything.
    approved(&mut admin, 1000, renames);
    let whole = told(&mut admin, table);
    let (_db, mut admin) = database_with(TABLE);
    approved(&mut admin, 1000, statement);
    let id = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    approved(&mut admin, 1000, renames);
    restore(&mut admin, &id);
    assert_eq!(told(&mut admin, table), whole, "{statement}; {renames}");
    let left = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'backstop\\_%'),
                       (SELECT count(*) FROM pg_attribute WHERE attname LIKE 'backstop\\_%' AND attrelid = '";
    assert_eq!(
        query_text(&mut admin, &format!("{left}{table}'::regclass)")),
        "0|0"
    );
}

#[test]
fn a_table_that_was_renamed() {
    for statement in [DROP, RETYPE] {
        follows(statement, "ALTER TABLE r RENAME TO r_new", "r_new");
    }
}

#[test]
fn a_table_that_was_moved() {
    for statement in [DROP, RETYPE] {
        follows(statement, "ALTER TABLE r SET SCHEMA arch", "arch.r");
        let both = "ALTER TABLE r SET SCHEMA arch; ALTER TABLE arch.r RENAME TO \"R s\"";
        follows(statement, both, "arch.\"R s\"");
    }
}

#[test]
fn columns_that_were_renamed() {
    follows(DROP, "ALTER TABLE r RENAME a TO a2", "r");
    follows(RETYPE, "ALTER TABLE r RENAME b TO b2", "r");
    let swapped =
        "ALTER TABLE r RENAME a TO former; ALTER TABLE r RENAME b TO a; ALTER TABLE r RENAME TO s";
    follows(RETYPE, swapped, "s");
}

/// Others have taken the names.
#[test]
fn what_has_the_name_now_stays_as_it_is() {
    let taken = "ALTER TABLE r SET SCHEMA arch; CREATE TABLE r (other int PRIMARY KEY)";
    follows(RETYPE, taken, "arch.r");
    follows(
        DROP,
        "ALTER TABLE r RENAME TO r2; CREATE TABLE r (other int)",
        "r2",
    );
    follows(
        DROP,
        "ALTER TABLE r RENAME a TO a2; ALTER TABLE r ADD a int",
        "r",
    );
}

#[test]
fn a_table_whose_policy_went_with_another_one() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE perm (uid int PRIMARY KEY); CREATE TABLE doc (id int, owner int);
         CREATE POLICY p ON doc USING (EXISTS (SELECT FROM perm WHERE uid = owner)); SELECT backstop.protect('perm')",
    );
    approved(&mut admin, 100, "DROP TABLE perm CASCADE");
    let id = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    passes(
        &mut admin,
        "ALTER TABLE doc RENAME TO papers; ALTER TABLE papers RENAME owner TO author",
    );
    restore(&mut admin, &id);
    let policy = "SELECT count(*) FROM pg_policy WHERE polrelid = 'papers'::regclass";
    assert_eq!(query_text(&mut admin, policy), "1");
}
