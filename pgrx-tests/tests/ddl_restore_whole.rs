//! A table with everything on it comes back as pg_dump saw it.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, Notices, approved, cluster, database, passes, query_text};

/// Everything that is not in the other worlds.
const WORLD: &str = include_str!("ddl/whole.sql");

/// The schema as pg_dump tells it: its commands, sorted. OIDs, the order of making and of columns are not told.
fn dump(db: &Database) -> Vec<String> {
    let dump = cluster()
        .program("pg_dump", &["--schema=w*", "--schema-only", &db.name])
        .expect("pg_dump runs");
    let told =
        |line: &&str| !line.is_empty() && !line.starts_with("--") && !line.contains("restrict ");
    let mut lines: Vec<String> = dump
        .lines()
        .filter(told)
        .map(|line| line.trim_end_matches(',').to_owned())
        .collect();
    lines.sort();
    lines
}

fn restore(client: &mut Client) {
    passes(
        client,
        "SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)",
    );
}

fn world() -> (Database, Client, Notices) {
    let db = database();
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(&mut admin, &WORLD.replace("$db", &db.name));
    (db, admin, notices)
}

fn comes_back(statement: &str) {
    let (db, mut admin, notices) = world();
    let before = dump(&db);
    let rows = "SELECT (SELECT string_agg(t::text, ' ' ORDER BY id) FROM w.parts AS t), (SELECT count(*) FROM w.main), (SELECT count(*) FROM w.mv)";
    let rows_before = query_text(&mut admin, rows);
    approved(&mut admin, 10000, statement);
    assert_ne!(dump(&db), before, "{statement}");
    notices.take();
    restore(&mut admin);
    let warnings: Vec<String> = notices
        .take()
        .iter()
        .filter(|notice| notice.severity() == "WARNING")
        .map(|notice| notice.message().to_owned())
        .collect();
    let after = dump(&db);
    let missing: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
    let added: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(
        after == before && warnings.is_empty(),
        "{statement}\nmissing: {missing:#?}\nadded: {added:#?}\nwarnings: {warnings:#?}"
    );
    if !statement.contains("COLUMN") {
        assert_eq!(query_text(&mut admin, rows), rows_before, "{statement}");
    }
}

#[test]
fn after_drop_table() {
    comes_back("DROP TABLE w.main CASCADE");
}

#[test]
fn after_drop_of_a_partitioned_table() {
    comes_back("DROP TABLE w.parts CASCADE");
}

#[test]
fn after_drop_of_a_partition() {
    comes_back("DROP TABLE w.parts_l CASCADE");
}

#[test]
fn after_drop_column() {
    comes_back("ALTER TABLE w.main DROP COLUMN a CASCADE");
    comes_back("ALTER TABLE w.main DROP COLUMN b CASCADE");
    comes_back("ALTER TABLE w.main DROP COLUMN z CASCADE");
    comes_back("ALTER TABLE w.main DROP COLUMN n CASCADE, DROP COLUMN s CASCADE");
}

#[test]
fn after_drop_of_what_others_are_made_of() {
    comes_back("DROP TABLE w.base CASCADE");
    comes_back("DROP TABLE w.heir");
    comes_back("DROP TABLE w.old");
    comes_back("ALTER TABLE w.base DROP COLUMN t");
    comes_back("DROP TABLE w.typed");
    comes_back("DROP FUNCTION w.f CASCADE");
    comes_back("DROP COLLATION w.coll CASCADE");
    comes_back("DROP TYPE w.pair CASCADE");
}

#[test]
fn after_drop_column_of_a_partitioned_table() {
    comes_back("ALTER TABLE w.parts DROP COLUMN v CASCADE");
}

#[test]
fn after_alter_column_type() {
    comes_back("ALTER TABLE w.main ALTER z TYPE varchar(20)");
    comes_back(
        "ALTER TABLE w.main ALTER z DROP DEFAULT, ALTER z DROP NOT NULL, ALTER z TYPE varchar USING NULL, ALTER s TYPE bigint",
    );
    comes_back("ALTER TABLE w.main ALTER n TYPE bigint");
    comes_back(
        "ALTER TABLE w.base ALTER t DROP DEFAULT, ALTER t DROP NOT NULL, ALTER t TYPE varchar",
    );
}
