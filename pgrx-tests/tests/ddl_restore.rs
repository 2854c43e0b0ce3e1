//! What approved DDL took away comes back: the tables, everything on them, and their rows.

#[path = "ddl/world.rs"]
mod world;

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, cluster, database_with, passes, query_text, refused};
use world::{approved, destroyed, restore_last};

/// One of everything that a table can have.
const SHOP: &str = include_str!("ddl/shop.sql");

fn shop() -> (Database, Client) {
    database_with(SHOP)
}

/// The schema as pg_dump sees it, and what is registered; lines in one order, because rows come back in another.
fn dump(db: &Database, client: &mut Client) -> Vec<String> {
    let text = cluster()
        .program("pg_dump", &["--schema=shop", &db.name])
        .expect("pg_dump");
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines.push(query_text(
        client,
        "SELECT relation, key_columns, max_rows, expendable, require, approval FROM backstop.protected_table ORDER BY relation::text",
    ));
    lines.push(query_text(
        client,
        "SELECT * FROM backstop.protected_column",
    ));
    lines.push(query_text(
        client,
        "SELECT * FROM backstop.protected_sequence",
    ));
    lines
}

/// Destroys, restores dry and for real, and finds everything as it was.
fn comes_back(statement: &str, tables: usize) {
    let (db, mut admin) = shop();
    let before = dump(&db, &mut admin);
    approved(&mut admin, 1000, statement);
    let gone = dump_or_nothing(&db, &mut admin);
    assert_ne!(gone, before, "{statement}");
    let dry = restore_last(&mut admin, true);
    assert_eq!(
        dump_or_nothing(&db, &mut admin),
        gone,
        "{statement}: dry run"
    );
    let done = restore_last(&mut admin, false);
    assert_eq!(done, dry, "{statement}");
    assert_eq!(done.lines().count(), tables, "{statement}\n{done}");
    assert!(done.lines().all(|line| line.ends_with("|0|0")), "{done}");
    let after = dump(&db, &mut admin);
    let missing: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
    let added: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(
        after == before,
        "{statement}\nmissing: {missing:#?}\nadded: {added:#?}"
    );
    let refusal = refused(&mut admin, "DELETE FROM shop.users WHERE mood = 'good'");
    assert_eq!(refusal.sqlstate, "SF005", "{refusal:?}");
}

fn dump_or_nothing(db: &Database, client: &mut Client) -> Vec<String> {
    match query_text(client, "SELECT to_regnamespace('shop')").as_str() {
        "null" => Vec::new(),
        _ => dump(db, client),
    }
}

#[test]
fn a_dropped_table_comes_back_with_everything_on_it() {
    comes_back("DROP TABLE shop.users CASCADE", 1);
}

#[test]
fn tables_dropped_together_come_back_together() {
    comes_back(
        "DROP TABLE shop.msgs, shop.users, shop.subs, shop.child, shop.base CASCADE",
        5,
    );
}

#[test]
fn a_dropped_schema_comes_back() {
    comes_back("DROP SCHEMA shop CASCADE", 6);
}

#[test]
fn a_dropped_partition_comes_back_in_its_place() {
    comes_back("DROP TABLE shop.e26", 1);
}

#[test]
fn a_dropped_partitioned_table_comes_back_with_its_partitions() {
    comes_back("DROP TABLE shop.events CASCADE", 1);
}

#[test]
fn truncated_tables_are_refilled_and_their_sequences_set_back() {
    let (db, mut admin) = shop();
    let before = dump(&db, &mut admin);
    passes(
        &mut admin,
        "SELECT backstop.unprotect_sequence('shop.users_id_seq')",
    );
    approved(
        &mut admin,
        1000,
        "TRUNCATE shop.users, shop.base RESTART IDENTITY CASCADE",
    );
    assert_eq!(
        query_text(&mut admin, "SELECT is_called FROM shop.users_id_seq"),
        "f"
    );
    restore_last(&mut admin, false);
    passes(
        &mut admin,
        "SELECT backstop.protect_sequence('shop.users_id_seq', max_step => 3)",
    );
    assert!(dump(&db, &mut admin) == before);
}

#[test]
fn what_an_owner_or_an_extension_takes_along_comes_back() {
    let (db, mut admin) = shop();
    let before = dump(&db, &mut admin);
    let role = format!("keeper_{}", db.name);
    passes(&mut admin, &format!("CREATE ROLE {role}"));
    passes(
        &mut admin,
        &format!(
            "BEGIN; SELECT backstop.approve_batch('x', 1); ALTER TABLE shop.msgs OWNER TO {role}; ALTER TABLE shop.base OWNER TO {role}; COMMIT"
        ),
    );
    approved(&mut admin, 1000, &format!("DROP OWNED BY {role} CASCADE"));
    assert_eq!(
        destroyed(&mut admin),
        "shop.base|DROP TABLE|cascade from DROP OWNED|3\nshop.child|DROP TABLE|cascade from DROP OWNED|3\n\
         shop.msgs|DROP TABLE|cascade from DROP OWNED|9"
    );
    restore_last(&mut admin, false);
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('x', 1); ALTER TABLE shop.msgs OWNER TO postgres; ALTER TABLE shop.base OWNER TO postgres; COMMIT",
    );
    assert!(dump(&db, &mut admin) == before);
    passes(&mut admin, &format!("DROP ROLE {role}"));
    let found = "SELECT count(*) FROM pg_available_extensions WHERE name = 'tcn'";
    if query_text(&mut admin, found) == "0" {
        println!("SKIPPED from here: this PostgreSQL came without its contrib modules");
        return;
    }
    passes(
        &mut admin,
        "CREATE EXTENSION tcn; ALTER EXTENSION tcn ADD TABLE shop.subs",
    );
    approved(&mut admin, 1000, "DROP EXTENSION tcn CASCADE");
    assert_eq!(
        destroyed(&mut admin),
        "shop.subs|DROP TABLE|cascade from extension tcn|9"
    );
    restore_last(&mut admin, false);
    assert!(dump(&db, &mut admin) == before);
}

#[test]
fn dropped_columns_come_back_with_what_hung_on_them() {
    let (_db, mut admin) = shop();
    let rows =
        "SELECT id, parent, name, email, mood, during, low, number FROM shop.users ORDER BY id";
    let shape = "
        SELECT a.attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage, attcollation, attacl,
               col_description(attrelid, attnum), pg_get_expr(adbin, adrelid) FROM pg_attribute a LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = 'shop.users'::regclass AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT conname, pg_get_constraintdef(oid), convalidated, '', '', '', 0, NULL, NULL, NULL FROM pg_constraint
            WHERE conrelid = 'shop.users'::regclass OR confrelid = 'shop.users'::regclass
        UNION ALL SELECT relname, pg_get_indexdef(oid), true, '', '', '', 0, NULL, NULL, NULL FROM pg_class WHERE relname LIKE 'users%' AND relkind = 'i'
        UNION ALL SELECT polname, pg_get_expr(polqual, polrelid), true, '', '', '', 0, NULL, NULL, NULL FROM pg_policy
        UNION ALL SELECT tgname, pg_get_triggerdef(oid), true, '', '', '', 0, NULL, NULL, NULL FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'v', pg_get_viewdef('shop.v'::regclass), true, '', '', '', 0, NULL, NULL, NULL ORDER BY 1, 2";
    let before = (query_text(&mut admin, rows), query_text(&mut admin, shape));
    approved(
        &mut admin,
        100,
        "ALTER TABLE shop.users DROP COLUMN name CASCADE, DROP COLUMN number, DROP COLUMN email",
    );
    assert_eq!(
        restore_last(&mut admin, false),
        "shop.users|DROP COLUMN|9|9|0|0"
    );
    assert_eq!(
        (query_text(&mut admin, rows), query_text(&mut admin, shape)),
        before
    );
    passes(&mut admin, "INSERT INTO shop.users (name) VALUES ('next')");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT number FROM shop.users WHERE name = 'next'"
        ),
        "145"
    );
    approved(&mut admin, 100, "DROP TYPE shop.mood CASCADE");
    assert_eq!(
        destroyed(&mut admin),
        "shop.users|DROP COLUMN|cascade from type shop.mood|10"
    );
    restore_last(&mut admin, false);
    assert_eq!(
        query_text(&mut admin, "SELECT count(*), min(mood) FROM shop.users"),
        "10|good"
    );
}

#[test]
fn values_and_types_go_back() {
    let (_db, mut admin) = shop();
    let rows = "SELECT id, t, tableoid::regclass FROM shop.base ORDER BY id";
    let before = query_text(&mut admin, rows);
    for conversion in [
        "varchar(9)",
        "varchar USING NULL",
        "int USING length(t)",
        "int USING id",
    ] {
        approved(
            &mut admin,
            100,
            &format!("ALTER TABLE shop.base ALTER t DROP DEFAULT, ALTER t TYPE {conversion}"),
        );
        let done = restore_last(&mut admin, false);
        assert!(
            done.ends_with("|0") && done.contains("shop.child|ALTER COLUMN TYPE|3|"),
            "{conversion}\n{done}"
        );
        assert_eq!(query_text(&mut admin, rows), before, "{conversion}");
        assert_eq!(
            query_text(&mut admin, "SELECT pg_typeof(t) FROM shop.child LIMIT 1"),
            "text"
        );
    }
}

#[test]
fn going_back_in_time_passes_over_a_drop() {
    let (db, mut admin) = shop();
    let before = dump(&db, &mut admin);
    let at = query_text(&mut admin, "SELECT clock_timestamp()");
    passes(
        &mut admin,
        "UPDATE shop.base SET t = 'changed' WHERE id = 1; DELETE FROM shop.msgs WHERE id = 2",
    );
    approved(&mut admin, 1000, "DROP TABLE shop.base, shop.msgs CASCADE");
    approved(
        &mut admin,
        1000,
        "ALTER TABLE shop.events DETACH PARTITION shop.e26",
    );
    passes(
        &mut admin,
        &format!("SELECT backstop.restore_since('{at}', dry_run => false)"),
    );
    assert!(dump(&db, &mut admin) == before);
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*), bool_and(ok) FROM backstop.restore_drill()"
        ),
        "5|t"
    );
}

#[test]
fn definitions_are_pruned_with_their_statement() {
    let (_db, mut admin) = shop();
    approved(&mut admin, 1000, "DROP TABLE shop.base CASCADE");
    let definitions = "SELECT count(*) > 0 FROM backstop.definition";
    assert_eq!(query_text(&mut admin, definitions), "t");
    passes(&mut admin, "SELECT pg_sleep(0.1)");
    passes(&mut admin, "SELECT backstop.prune('0 s')");
    assert_eq!(query_text(&mut admin, definitions), "f");
}

#[test]
fn a_table_made_again_by_hand_is_refilled() {
    let (_db, mut admin) = shop();
    approved(&mut admin, 100, "DROP TABLE shop.base CASCADE");
    passes(
        &mut admin,
        "CREATE TABLE shop.base (id int PRIMARY KEY, t text, more int DEFAULT 6); INSERT INTO shop.base VALUES (1, 'x'), (2, 'other')",
    );
    let refusal = refused(
        &mut admin,
        "SELECT backstop.restore(max(statement_id), false) FROM backstop.statement",
    );
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    passes(&mut admin, "DELETE FROM shop.base WHERE id = 2");
    assert_eq!(
        restore_last(&mut admin, false),
        "shop.base|DROP TABLE|3|2|1|0\nshop.child|DROP TABLE|3|3|0|0"
    );
    assert_eq!(
        query_text(&mut admin, "SELECT * FROM shop.base ORDER BY id LIMIT 3"),
        "1|x|6\n2|x|6\n3|x|6"
    );
}
