//! A table with everything on it comes back as pg_dump saw it.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, Notices, approved, database, major, passes, query_text, schema_dump,
};

/// Everything that is not in the other worlds.
const WORLD: &str = include_str!("ddl/whole.sql");

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
    // Since 15 a tablespace needs no directory.
    if major().is_ok_and(|major| major >= 15) {
        passes(&mut admin, "SET allow_in_place_tablespaces = on");
        passes(
            &mut admin,
            &format!("CREATE TABLESPACE space_{} LOCATION ''", db.name),
        );
        let spaced = "ALTER INDEX w.main_a SET TABLESPACE s; ALTER INDEX w.main_z SET TABLESPACE s; ALTER TABLE w.base SET TABLESPACE s;
                      ALTER MATERIALIZED VIEW w.mv SET TABLESPACE s; ALTER INDEX w.mv_a SET TABLESPACE s;
                      ALTER INDEX w.own_x SET TABLESPACE s; ALTER INDEX w.parts_v SET TABLESPACE s";
        passes(
            &mut admin,
            &spaced.replace("TABLESPACE s", &format!("TABLESPACE space_{}", db.name)),
        );
    }
    (db, admin, notices)
}

fn comes_back(statement: &str) {
    let (db, mut admin, notices) = world();
    let before = schema_dump(&db, "w*");
    let rows = "SELECT (SELECT string_agg(t::text, ' ' ORDER BY id) FROM w.parts AS t), (SELECT count(*) FROM w.main), (SELECT count(*) FROM w.mv)";
    let rows_before = query_text(&mut admin, rows);
    approved(&mut admin, 10000, statement);
    assert_ne!(schema_dump(&db, "w*"), before, "{statement}");
    notices.take();
    restore(&mut admin);
    let warnings: Vec<String> = notices
        .take()
        .iter()
        .filter(|notice| notice.severity() == "WARNING")
        .map(|notice| notice.message().to_owned())
        .collect();
    let after = schema_dump(&db, "w*");
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
    comes_back("DROP TYPE w.pair CASCADE");
    comes_back("DROP COLLATION w.coll CASCADE");
    comes_back("DROP TYPE w.span CASCADE");
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

/// The owner, who is no superuser, drops and restores in a session where everything that has a common name is something else.
#[test]
fn by_the_owner_under_a_hostile_search_path() {
    for statement in [
        "DROP TABLE w.main CASCADE",
        "ALTER TABLE w.main DROP COLUMN a CASCADE",
        "ALTER TABLE w.main ALTER z TYPE varchar(20)",
    ] {
        let (db, mut admin, _notices) = world();
        let role = format!("owner_{}", db.name);
        passes(
            &mut admin,
            &format!(
                "CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA w TO {role}; GRANT EXECUTE ON FUNCTION backstop.restore TO {role};
                 BEGIN; SELECT backstop.approve_batch('OPS-8', 1);
                 ALTER TABLE w.main OWNER TO {role}; ALTER TABLE w.kid OWNER TO {role}; ALTER VIEW w.v OWNER TO {role};
                 ALTER MATERIALIZED VIEW w.mv OWNER TO {role}; ALTER STATISTICS w.main_st OWNER TO {role};
                 ALTER STATISTICS w.z_st OWNER TO {role}; ALTER STATISTICS w.mv_st OWNER TO {role}; COMMIT;
                 CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO {role};
                 CREATE FUNCTION evil.stop() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
                 CREATE FUNCTION evil.equal(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT evil.stop() IS NULL';
                 CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.equal);
                 CREATE OPERATOR evil.> (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.equal);
                 CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS 'SELECT evil.stop()::text';
                 CREATE FUNCTION evil.format(text, VARIADIC \"any\") RETURNS text LANGUAGE internal AS 'text_format_nv';
                 CREATE FUNCTION evil.pg_get_expr(pg_node_tree, oid) RETURNS text LANGUAGE sql AS 'SELECT evil.stop()::text';
                 CREATE TABLE evil.pg_class (oid oid, relname name); CREATE TABLE evil.main (id int); CREATE DOMAIN evil.text AS int;
                 CREATE DOMAIN evil.int4 AS text"
            ),
        );
        let before = schema_dump(&db, "w*");
        let mut owner = db.connect_as(&role);
        passes(&mut owner, "SET search_path = evil, pg_catalog, w");
        approved(&mut owner, 10000, statement);
        assert_ne!(schema_dump(&db, "w*"), before, "{statement}");
        let id = query_text(
            &mut admin,
            "SELECT max(statement_id) FROM backstop.statement",
        );
        passes(
            &mut owner,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
        );
        let after = schema_dump(&db, "w*");
        let missing: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
        let added: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
        assert!(
            after == before,
            "{statement}\nmissing: {missing:#?}\nadded: {added:#?}"
        );
    }
}
