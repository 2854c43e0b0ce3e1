//! Every type a column can have: its values are deleted, and overwritten, and come back byte for byte, whatever the
//! sessions that destroy and restore have set.

mod encodings;
mod random;
mod round_trip;
mod values;

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{database, passes, query_rows, query_text};
use round_trip::{Shape, round_trip};
use values::{BUILT_IN, Case, OBJECTS, OF_EXTENSIONS, OF_USERS, UNICODE};

fn all_come_back(admin: &mut Client, app: &mut Client, cases: &[Case]) {
    let mut failures = Vec::new();
    let mut count = 0;
    for (n, (kind, values)) in cases.iter().enumerate() {
        if *kind == "xml" && admin.batch_execute("SELECT xml '<a/>'").is_err() {
            println!("skipped: xml: the server was built without libxml");
            continue;
        }
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        count += values.len();
        failures.extend(round_trip(
            admin,
            app,
            &format!("case_{n}"),
            kind,
            &values,
            Shape::Whole,
        ));
    }
    println!("{} types, {count} values", cases.len());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// A superuser's session and an application's, with nearly everything set differently.
fn sessions(db: &pg_backstop_tests::Database) -> (Client, Client) {
    let mut admin = db.connect();
    passes(&mut admin, OBJECTS);
    passes(
        &mut admin,
        r#"GRANT USAGE ON SCHEMA "Hidden Schema" TO app;
           SET DateStyle = 'German'; SET TimeZone = 'America/St_Johns'; SET IntervalStyle = 'sql_standard';
           SET extra_float_digits = -15"#,
    );
    let mut app = db.connect_as("app");
    passes(
        &mut app,
        r#"SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'; SET IntervalStyle = 'postgres_verbose';
           SET bytea_output = escape; SET extra_float_digits = 0; SET search_path = "Hidden Schema", public;
           SET quote_all_identifiers = on"#,
    );
    (admin, app)
}

#[test]
fn built_in_types() {
    let db = database();
    let (mut admin, mut app) = sessions(&db);
    all_come_back(&mut admin, &mut app, BUILT_IN);
}

#[test]
fn types_of_users() {
    let db = database();
    let (mut admin, mut app) = sessions(&db);
    all_come_back(&mut admin, &mut app, OF_USERS);
}

#[test]
fn types_of_extensions() {
    let db = database();
    let (mut admin, mut app) = sessions(&db);
    let mut cases: Vec<Case> = Vec::new();
    for (extension, kind, values) in OF_EXTENSIONS {
        let there =
            format!("SELECT count(*) FROM pg_available_extensions WHERE name = '{extension}'");
        if query_text(&mut admin, &there) == "0" {
            println!("skipped: this installation has no extension {extension}");
            continue;
        }
        passes(
            &mut admin,
            &format!("CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA public"),
        );
        cases.push((kind, values));
    }
    all_come_back(&mut admin, &mut app, &cases);
}

#[test]
fn text_of_every_kind() {
    let db = database();
    let (mut admin, mut app) = sessions(&db);
    let values: Vec<String> = UNICODE.iter().map(|text| format!("'{text}'")).collect();
    let mut failures = Vec::new();
    for (n, kind) in ["text", "varchar(20)", "char(20)", "name", "xml", "json"]
        .iter()
        .enumerate()
    {
        let values: Vec<String> = match *kind {
            "json" => UNICODE.iter().map(|text| format!("'\"{text}\"'")).collect(),
            "xml" => vec!["'čeština 🙂'".into()],
            _ => values.clone(),
        };
        failures.extend(round_trip(
            &mut admin,
            &mut app,
            &format!("uni_{n}"),
            kind,
            &values,
            Shape::Whole,
        ));
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// One table with a column of every type, all in one row.
#[test]
fn all_types_in_one_row() {
    let db = database();
    let (mut admin, mut app) = sessions(&db);
    let cases: Vec<&Case> = BUILT_IN
        .iter()
        .chain(OF_USERS)
        .filter(|(kind, values)| !values.is_empty() && *kind != "xml")
        .collect();
    let columns: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(n, (kind, _))| format!("c{n} {kind}"))
        .collect();
    let values: Vec<String> = cases
        .iter()
        .map(|(kind, values)| format!("{}::{kind}", values[0]))
        .collect();
    passes(
        &mut admin,
        &format!(
            "CREATE TABLE all_types (id int PRIMARY KEY, {}); INSERT INTO all_types SELECT 1, {};
             CREATE TABLE twin AS TABLE all_types; SELECT backstop.protect('all_types')",
            columns.join(", "),
            values.join(", ")
        ),
    );
    passes(&mut app, "DELETE FROM public.all_types WHERE id = 1");
    passes(
        &mut admin,
        "SELECT backstop.restore(max(statement_id), dry_run => false) FROM backstop.statement",
    );
    let same = "SELECT (a.*) *= (b.*) FROM all_types a, twin b";
    assert_eq!(query_text(&mut admin, same), "t");
}

#[test]
fn the_list_has_every_type_of_pg_type() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, OBJECTS);
    let listed: Vec<String> = BUILT_IN
        .iter()
        .map(|(kind, _)| format!("'{kind}'::regtype::oid"))
        .collect();
    let missing = format!(
        "SELECT oid::regtype FROM pg_type
         WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype <> 'p' AND typrelid = 0 AND typisdefined
           AND NOT (typelem <> 0 AND typsubscript = 'array_subscript_handler'::regproc AND typname LIKE '\\_%')
           AND oid NOT IN ({})",
        listed.join(", ")
    );
    assert_eq!(
        query_rows(&mut admin, &missing),
        Vec::<Vec<Option<String>>>::new()
    );
}
