//! Bad input to the functions that protect is refused with an error that names it, and nothing is changed.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Refusal, database, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, auth_source text, email text, tags text[]);
    CREATE TABLE keyless (a int, b int);
    CREATE TABLE free (id int PRIMARY KEY, note text);
    CREATE VIEW looking AS SELECT * FROM users;
    CREATE MATERIALIZED VIEW stored AS SELECT * FROM users;
    CREATE TYPE pair AS (a int, b int);
    CREATE SEQUENCE numbers;
    CREATE SEQUENCE other_numbers;
    CREATE TEMPORARY TABLE passing (id int PRIMARY KEY);
    CREATE TEMPORARY SEQUENCE passing_numbers;
    SELECT backstop.protect('users', max_rows => 7, expendable => $$auth_source = 'test'$$);
    SELECT backstop.protect_columns('users', '{tags}', 'tagger');
    SELECT backstop.protect_sequence('numbers', max_step => 10)";

/// Everything that a registration could have changed.
const REGISTERED: &str = "
    SELECT t::text FROM backstop.protected_table t UNION ALL
    SELECT c::text FROM backstop.protected_column c UNION ALL
    SELECT s::text FROM backstop.protected_sequence s UNION ALL
    SELECT f::text FROM backstop.follower f UNION ALL
    SELECT format('%s on %s %s', tgname, tgrelid::regclass, tgenabled) FROM pg_trigger
    ORDER BY 1";

/// A call, and the words of which the refusal's message or detail must hold one: what names the bad input.
type Case = (&'static str, &'static [&'static str]);

const PROTECT: &[Case] = &[
    ("protect('nowhere')", &["\"nowhere\""]),
    ("protect(0)", &["OID 0", "\"-\""]),
    ("protect(NULL)", &["relation"]),
    ("protect('keyless')", &["keyless\""]),
    ("protect('users', '{nope}')", &["\"nope\""]),
    ("protect('users', '{id,nope}')", &["\"nope\""]),
    ("protect('users', '{}')", &["key_columns", "key column"]),
    (
        "protect('users', '{id,NULL}')",
        &["key_columns", "key column"],
    ),
    ("protect('users', '{id,id}')", &["\"id\""]),
    ("protect('users', '{ctid}')", &["\"ctid\""]),
    ("protect('users', '{ID}')", &["\"ID\""]),
    ("protect('users', max_rows => -1)", &["max_rows", "-1"]),
    ("protect('users', expendable => 'email')", &["expendable"]),
    (
        "protect('users', expendable => 'users IS NOT NULL')",
        &["expendable"],
    ),
    (
        "protect('users', expendable => $$to_jsonb(users) ? 'plan'$$)",
        &["expendable"],
    ),
    ("protect('users', expendable => '42')", &["expendable"]),
    ("protect('users', expendable => 'nope = 1')", &["\"nope\""]),
    ("protect('users', expendable => 'free.id = 1')", &["free\""]),
    ("protect('users', expendable => '')", &["expendable"]),
    (
        "protect('users', expendable => 'auth_source =')",
        &["expendable"],
    ),
    (
        "protect('users', expendable => 'true) OR (true')",
        &["expendable"],
    ),
    (
        "protect('users', expendable => 'true); DROP TABLE free; --')",
        &["expendable"],
    ),
    (
        "protect('users', expendable => 'count(*) > 1')",
        &["expendable", "aggregate"],
    ),
    (
        "protect('users', expendable => 'EXISTS (SELECT FROM free)')",
        &["expendable", "subquer"],
    ),
    (
        "protect('users', expendable => 'generate_series(1, 2) = 1')",
        &["expendable", "set-returning"],
    ),
    (
        "protect('users', require => 'sometimes')",
        &["\"sometimes\""],
    ),
    ("protect('users', require => NULL)", &["require"]),
    ("protect('users', approval => 'anybody')", &["\"anybody\""]),
    ("protect('users', approval => NULL)", &["approval"]),
    ("protect('looking')", &["looking\""]),
    ("protect('stored')", &["stored\""]),
    ("protect('pair')", &["pair\""]),
    ("protect('numbers')", &["numbers\""]),
    ("protect('users_pkey')", &["users_pkey\""]),
    ("protect('passing')", &["passing\""]),
    ("protect('pg_class')", &["pg_class\""]),
    (
        "protect('information_schema.sql_features')",
        &["sql_features\""],
    ),
    ("unprotect('nowhere')", &["\"nowhere\""]),
    ("unprotect('free')", &["free\""]),
    ("unprotect('looking')", &["looking\""]),
    ("unprotect(NULL)", &["relation"]),
];

const PROTECT_COLUMNS: &[Case] = &[
    (
        "protect_columns('nowhere', '{email}', 'mailer')",
        &["\"nowhere\""],
    ),
    ("protect_columns(NULL, '{email}', 'mailer')", &["relation"]),
    (
        "protect_columns('looking', '{email}', 'mailer')",
        &["looking\""],
    ),
    (
        "protect_columns('passing', '{id}', 'mailer')",
        &["passing\""],
    ),
    (
        "protect_columns('pg_class', '{relname}', 'mailer')",
        &["pg_class\""],
    ),
    (
        "protect_columns('users', '{nope}', 'mailer')",
        &["\"nope\""],
    ),
    (
        "protect_columns('users', '{email,nope}', 'mailer')",
        &["\"nope\""],
    ),
    (
        "protect_columns('users', '{xmin}', 'mailer')",
        &["\"xmin\""],
    ),
    ("protect_columns('users', '{}', 'mailer')", &["columns"]),
    (
        "protect_columns('users', '{email,NULL}', 'mailer')",
        &["columns"],
    ),
    ("protect_columns('users', NULL, 'mailer')", &["columns"]),
    ("protect_columns('users', '{email}', NULL)", &["upstream"]),
    ("protect_columns('users', '{email}', '')", &["upstream"]),
    ("unprotect_columns('nowhere', '{email}')", &["\"nowhere\""]),
    ("unprotect_columns('users', '{nope}')", &["\"nope\""]),
    ("unprotect_columns('users', '{email}')", &["\"email\""]),
    ("unprotect_columns('users', '{tags,email}')", &["\"email\""]),
    ("unprotect_columns('users', '{}')", &["columns"]),
    ("unprotect_columns('users', NULL)", &["columns"]),
    ("unprotect_columns(NULL, '{email}')", &["relation"]),
];

const PROTECT_SEQUENCE: &[Case] = &[
    ("protect_sequence('nowhere')", &["\"nowhere\""]),
    ("protect_sequence(NULL)", &["sequence"]),
    ("protect_sequence('users')", &["users\""]),
    (
        "protect_sequence('backstop.chunk_id_seq')",
        &["chunk_id_seq\""],
    ),
    ("protect_sequence('looking')", &["looking\""]),
    (
        "protect_sequence('passing_numbers')",
        &["passing_numbers\""],
    ),
    ("protect_sequence('numbers', -1)", &["max_step"]),
    ("protect_sequence('numbers', NULL)", &["max_step"]),
    (
        "protect_sequence('numbers', min_value => 10, max_value => 9)",
        &["min_value", "max_value"],
    ),
    (
        "protect_sequence('numbers', allow_backward => NULL)",
        &["allow_backward"],
    ),
    ("unprotect_sequence('nowhere')", &["\"nowhere\""]),
    ("unprotect_sequence('other_numbers')", &["other_numbers\""]),
    ("unprotect_sequence('users')", &["users\""]),
    ("unprotect_sequence(NULL)", &["sequence"]),
];

/// Runs the calls and gathers what is wrong with their refusals, so that one run shows all of it.
fn every_case_is_refused(cases: &[Case]) {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let before = query_text(&mut admin, REGISTERED);
    let mut wrong = Vec::new();
    for (call, names) in cases {
        match complaint(&mut admin, call, names) {
            Some(complaint) => wrong.push(format!("{call}: {complaint}")),
            None if query_text(&mut admin, REGISTERED) != before => {
                wrong.push(format!("{call}: changed something"))
            }
            None => {}
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} calls:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// What is wrong with the answer to a call; `None` if it is refused as it should be.
fn complaint(admin: &mut Client, call: &str, names: &[&str]) -> Option<String> {
    let Err(error) = admin.batch_execute(&format!("SELECT backstop.{call}")) else {
        return Some("was not refused".into());
    };
    let Some(refusal) = Refusal::of(&error) else {
        return Some(error.to_string());
    };
    let said = format!("{}\n{}", refusal.message, refusal.detail);
    // A panic, or a function that isn't there: its name would hold the words looked for.
    let internal =
        refusal.sqlstate.starts_with("XX") || refusal.sqlstate == "42883" || said.contains(".rs");
    let named = names.iter().any(|name| said.contains(name));
    (internal || !named).then(|| format!("{} {said}", refusal.sqlstate))
}

#[test]
fn bad_input_to_protect_is_named_and_changes_nothing() {
    every_case_is_refused(PROTECT);
}

#[test]
fn bad_input_to_protect_columns_is_named_and_changes_nothing() {
    every_case_is_refused(PROTECT_COLUMNS);
}

#[test]
fn bad_input_to_protect_sequence_is_named_and_changes_nothing() {
    every_case_is_refused(PROTECT_SEQUENCE);
}

/// What is exempt must not depend on who reads it.
#[test]
fn an_expression_that_other_sessions_read_otherwise_is_refused() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE jobs (id int PRIMARY KEY, took interval, path text)",
    );
    let printed = "SELECT expendable FROM backstop.protected_table";
    for (settings, expression, kept) in [
        (
            "SET IntervalStyle = sql_standard",
            "took = '-1 2:03:04'",
            None,
        ),
        (
            "SET standard_conforming_strings = off",
            r"path = 'a\\b'",
            None,
        ),
        (
            "SET standard_conforming_strings = off",
            r"path = E'a\\b'",
            Some(r"(path = 'a\b'::text)"),
        ),
        // What is kept can be given again.
        (
            "SET standard_conforming_strings = off",
            r"(path = 'a\b'::text)",
            Some(r"(path = 'a\b'::text)"),
        ),
        (
            "SET IntervalStyle = sql_standard",
            "took > '1 day'",
            Some("(took > '1 day'::interval)"),
        ),
    ] {
        passes(&mut admin, settings);
        let protect = format!("SELECT backstop.protect('jobs', expendable => $x${expression}$x$)");
        match kept {
            Some(kept) => {
                passes(&mut admin, &protect);
                assert_eq!(query_text(&mut admin, printed), kept, "{settings}");
            }
            None => {
                let refusal = refused(&mut admin, &protect);
                assert_eq!(refusal.sqlstate, "22023", "{settings}: {refusal:?}");
                assert!(refusal.detail.contains("session"), "{refusal:?}");
            }
        }
        passes(&mut admin, "RESET ALL");
    }
}
