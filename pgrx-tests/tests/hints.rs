//! The SQL that a HINT shows can be run as it is, whatever things are called: it is what people and programs do next.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

/// Tables as SQL has to spell them, the first with names that need no quotes.
const TABLES: &[&str] = &[
    "public.plain",
    r#"public."User""#,
    r#""Sho p"."it's {odd, ""really""}""#,
    r#"public."back\slash""#,
    r#"public."null""#,
    r#"public."order""#,
];

/// Those tables, each with a key, attributes and three rows.
fn world(columns: &str) -> (Database, Client) {
    let mut sql = String::from("CREATE SCHEMA \"Sho p\";");
    for table in TABLES {
        sql += &format!(
            "CREATE TABLE {table} ({columns}); INSERT INTO {table} SELECT n FROM generate_series(1, 3) n;
             SELECT backstop.protect({}, max_rows => 1);",
            literal(table)
        );
    }
    database_with(&sql)
}

const QUOTED: &str = r#""I d" int PRIMARY KEY, n int, "order" text DEFAULT 'x'"#;
const COMPOSITE: &str = r#"a int, "B" int DEFAULT 1, plan text DEFAULT 'x', PRIMARY KEY (a, "B")"#;

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What the hint shows from `start` on, up to and with `end`.
#[track_caller]
fn shown<'a>(hint: &'a str, start: &str, end: &str) -> &'a str {
    let from = hint
        .find(start)
        .unwrap_or_else(|| panic!("no {start}: {hint}"));
    let length = hint[from..]
        .find(end)
        .unwrap_or_else(|| panic!("no {end}: {hint}"));
    &hint[from..from + length + end.len()]
}

/// The approval that a refusal of `statement` shows lets it pass.
#[track_caller]
fn passes_as_hinted(client: &mut Client, statement: &str, sqlstate: &str) {
    let refusal = refused(client, statement);
    assert_eq!(refusal.sqlstate, sqlstate, "{statement}\n{refusal:?}");
    let approve = shown(&refusal.hint, "SELECT backstop.approve_batch(", "}')");
    passes(
        client,
        &format!(
            "BEGIN; {}; {statement}; ROLLBACK",
            approve.replace("<rows>", "3")
        ),
    );
}

/// The condition that names rows in the hint of a refusal, and the example of an attribute.
#[track_caller]
fn conditions(hint: &str) -> (String, String) {
    let (_, rest) = hint
        .split_once("the rows (")
        .unwrap_or_else(|| panic!("{hint}"));
    let (named, rest) = rest.split_once("...)").unwrap_or_else(|| panic!("{hint}"));
    let rest = rest.strip_prefix(") or an attribute they share (for example ");
    let (attribute, _) = rest
        .and_then(|rest| rest.split_once(" = '...')"))
        .unwrap_or_else(|| panic!("{hint}"));
    (named.to_owned(), attribute.to_owned())
}

#[test]
fn an_approval_names_tables_as_sql_spells_them() {
    let (_db, mut admin) = world(QUOTED);
    for table in TABLES {
        passes_as_hinted(
            &mut admin,
            &format!("DELETE FROM {table} WHERE \"order\" = 'x'"),
            "SF005",
        );
        passes_as_hinted(&mut admin, &format!("TRUNCATE {table}"), "SF008");
        passes_as_hinted(
            &mut admin,
            &format!("ALTER TABLE {table} RENAME COLUMN n TO m"),
            "SF008",
        );
        let hint = refused(
            &mut admin,
            &format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
        )
        .hint;
        let give_up = shown(&hint, "SELECT backstop.unprotect(", "; ...;");
        passes(
            &mut admin,
            &format!("BEGIN; {} ROLLBACK", give_up.replace("...;", "")),
        );
    }
    let hint = refused(&mut admin, "TRUNCATE plain").hint;
    assert!(
        hint.contains("relations => '{public.plain}', operations"),
        "{hint}"
    );
}

#[test]
fn an_approval_names_sequences_as_sql_spells_them() {
    let (_db, mut admin) = database_with(
        r#"CREATE TABLE "User" ("userId" serial PRIMARY KEY); CREATE SEQUENCE "Se q's""#,
    );
    for sequence in [r#"public."User_userId_seq""#, r#"public."Se q's""#] {
        let sequence = literal(sequence);
        passes(
            &mut admin,
            &format!("SELECT backstop.protect_sequence({sequence})"),
        );
        passes_as_hinted(
            &mut admin,
            &format!("SELECT setval({sequence}, 500)"),
            "SF007",
        );
    }
}

#[test]
fn columns_are_quoted_where_sql_needs_it() {
    let (_db, mut admin) = world(QUOTED);
    for table in TABLES {
        for condition in ["WHERE \"I d\" > 1", ""] {
            let hint = refused(&mut admin, &format!("DELETE FROM {table} {condition}")).hint;
            let (named, attribute) = conditions(&hint);
            assert_eq!((&*named, &*attribute), ("\"I d\" = ANY (", "\"order\""));
            passes(
                &mut admin,
                &format!("BEGIN; DELETE FROM {table} WHERE {named}'{{2}}'); ROLLBACK"),
            );
            passes(
                &mut admin,
                &format!("DELETE FROM {table} WHERE {attribute} = 'nothing'"),
            );
        }
        let insert = format!("INSERT INTO {table} VALUES (1)");
        let upsert = format!("{insert} ON CONFLICT (\"I d\") DO UPDATE SET n = 5");
        let refusal = refused(&mut admin, &upsert);
        assert!(
            refusal.message.contains("protected key (\"I d\")") && refusal.column == "I d",
            "{refusal:?}"
        );
        let nothing = shown(&refusal.hint, "ON CONFLICT ", "DO NOTHING");
        passes(&mut admin, &format!("{insert} {nothing}"));
        let one = shown(&refusal.hint, "WHERE ", " to change one");
        let one = one.replace("...", "2").replace(" to change one", "");
        passes(&mut admin, &format!("UPDATE {table} SET n = 7 {one}"));
    }
    let fed = "SELECT backstop.protect_columns('plain', '{order}', 'crm'), backstop.protect_columns('plain', '{n}', 'shop')";
    passes(&mut admin, fed);
    let both = "UPDATE plain SET \"order\" = NULL, n = NULL WHERE \"I d\" = 1";
    let hint = query_text(
        &mut admin,
        &format!("SELECT hint FROM backstop.check($${both}$$)"),
    );
    let set = shown(&hint, "SET ", " = NULL");
    passes(&mut admin, &format!("UPDATE plain {set} WHERE \"I d\" = 1"));
}

#[test]
fn a_key_of_several_columns_is_shown_whole() {
    let (_db, mut admin) = world(COMPOSITE);
    for table in TABLES {
        for condition in ["WHERE a > 1", "WHERE \"B\" > 1", ""] {
            let hint = refused(&mut admin, &format!("DELETE FROM {table} {condition}")).hint;
            let (named, attribute) = conditions(&hint);
            assert_eq!((&*named, &*attribute), ("(a, \"B\") IN (", "plan"));
            for values in ["(2, 1)", "VALUES (2, 1)"] {
                passes(
                    &mut admin,
                    &format!("BEGIN; DELETE FROM {table} WHERE {named}{values}); ROLLBACK"),
                );
            }
        }
        let insert = format!("INSERT INTO {table} VALUES (1)");
        let hint = refused(
            &mut admin,
            &format!("{insert} ON CONFLICT (a, \"B\") DO UPDATE SET plan = 'y'"),
        )
        .hint;
        let nothing = shown(&hint, "ON CONFLICT ", "DO NOTHING");
        passes(&mut admin, &format!("{insert} {nothing}"));
        let one = shown(&hint, "WHERE ", " to change one");
        let one = one.replace("...", "1").replace(" to change one", "");
        assert_eq!(one, "WHERE a = 1 AND \"B\" = 1");
        passes(&mut admin, &format!("UPDATE {table} SET plan = 'z' {one}"));
    }
}

#[test]
fn a_table_of_nothing_but_its_key_gets_no_example() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE tags (a int, b int, PRIMARY KEY (a, b)); SELECT backstop.protect('tags')",
    );
    let hint = refused(&mut admin, "DELETE FROM tags WHERE a > 1").hint;
    assert!(
        hint.contains("the rows ((a, b) IN (...)), or see") && !hint.contains("example"),
        "{hint}"
    );
}

#[test]
fn a_merge_on_more_than_the_key_is_refused_for_the_key() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE users (id int PRIMARY KEY, plan text, n int, mail text);
         INSERT INTO users VALUES (1, 'p', 0, 'm'); SELECT backstop.protect('users');
         CREATE TABLE listed (id int, plan text, n int, mail text);
         SELECT backstop.protect('listed', key_columns => '{mail}')",
    );
    if query_text(&mut admin, "SHOW server_version_num").as_str() < "150000" {
        println!("skipped: MERGE is new in PostgreSQL 15");
        return;
    }
    for (table, key, target) in [("users", "id", "(id) "), ("listed", "mail", "")] {
        let merge = format!(
            "MERGE INTO {table} t USING (VALUES (1, 'p', 'm')) s(i, p, m) ON t.id = s.i AND t.plan = s.p AND t.mail = s.m
             WHEN MATCHED THEN UPDATE SET n = 1 WHEN NOT MATCHED THEN INSERT VALUES (s.i, s.p)"
        );
        let refusal = refused(&mut admin, &merge);
        assert_eq!((&*refusal.sqlstate, &*refusal.column), ("SF003", key));
        assert!(
            refusal.message.contains(&format!("protected key ({key})")),
            "{refusal:?}"
        );
        assert!(
            refusal.detail.contains(&format!("matches on ({key}),")),
            "{refusal:?}"
        );
        let nothing = shown(&refusal.hint, "ON CONFLICT ", "DO NOTHING");
        assert_eq!(nothing, format!("ON CONFLICT {target}DO NOTHING"));
        passes(
            &mut admin,
            &format!("INSERT INTO {table} VALUES (1, 'p') {nothing}"),
        );
    }
}

#[test]
fn what_no_approval_covers_is_not_offered_for_approval() {
    let (_db, mut admin) = database_with(
        "CREATE TYPE pair AS (id bigint, label text); CREATE TABLE pairs OF pair (PRIMARY KEY (id));
         CREATE TYPE place AS (street text, city text); CREATE TABLE homes (id bigint PRIMARY KEY, place place);
         INSERT INTO homes VALUES (1, ROW('s', 'c')); INSERT INTO pairs VALUES (1, 'l');
         SELECT backstop.protect('pairs'), backstop.protect('homes')",
    );
    for (statement, message, table) in [
        (
            "ALTER TYPE pair ALTER ATTRIBUTE label TYPE varchar CASCADE",
            "ALTER ATTRIBUTE TYPE \"label\" of protected table \"pairs\" is refused",
            "pairs",
        ),
        (
            "ALTER TYPE pair DROP ATTRIBUTE label CASCADE",
            "DROP ATTRIBUTE \"label\" of protected table \"pairs\" is refused",
            "pairs",
        ),
        (
            "ALTER TYPE place DROP ATTRIBUTE city",
            "dropping a part of its columns' type would reach protected table \"homes\"",
            "homes",
        ),
    ] {
        let approved = format!(
            "BEGIN; SELECT backstop.approve_batch('OPS-7', max_rows => 5); {statement}; COMMIT"
        );
        let refusal = refused(&mut admin, &approved);
        passes(&mut admin, "ROLLBACK");
        assert_eq!((&*refusal.sqlstate, &*refusal.message), ("SF008", message));
        assert!(
            refusal.detail.contains("no approval covers it"),
            "{refusal:?}"
        );
        assert!(!refusal.hint.contains("approve"), "{refusal:?}");
        let unapproved = refused(&mut admin, statement);
        assert_eq!(
            (&unapproved.message, &unapproved.hint),
            (&refusal.message, &refusal.hint)
        );
        let give_up = shown(&refusal.hint, "SELECT backstop.unprotect(", ").");
        let give_up = give_up.replace("...", statement).replace(").", ")");
        passes(&mut admin, &format!("BEGIN; {give_up}; COMMIT"));
        let again = format!(
            "SELECT count(*) FROM backstop.protected_table WHERE relation::text LIKE '%{table}'"
        );
        assert_eq!(query_text(&mut admin, &again), "1");
    }
}

#[test]
fn a_symmetric_range_is_shown_as_it_was_written() {
    let (_db, mut admin) = world(QUOTED);
    for (written, shown) in [
        (
            "\"I d\" BETWEEN SYMMETRIC 10 AND 1",
            "\"I d\" BETWEEN SYMMETRIC 10 AND 1",
        ),
        ("\"I d\" BETWEEN 1 AND 10", "\"I d\" >= 1 AND \"I d\" <= 10"),
        (
            "\"I d\" BETWEEN 1 AND 10 OR \"I d\" BETWEEN 20 AND 30",
            "\"I d\" >= 1 AND \"I d\" <= 10",
        ),
    ] {
        let detail = refused(&mut admin, &format!("DELETE FROM plain WHERE {written}")).detail;
        assert_eq!(
            detail,
            format!("The statement would select rows by \"{shown}\".")
        );
    }
}
