//! The record is append-only, for superusers too, whatever is protected and whatever the mode; prune alone shortens it.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    ClusterOptions, Database, Preload, database_with, passes, query_text, refused, start,
};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 1000) n;
    CREATE SEQUENCE numbers; CREATE SCHEMA a; CREATE SEQUENCE a.early; SELECT setval('a.early', 5);
    SELECT backstop.protect('users', max_rows => 1000), backstop.protect_sequence('numbers', max_step => 1000),
        backstop.protect_sequence('a.early');
    BEGIN; UPDATE users SET plan = 'a' WHERE id = 1; DELETE FROM users WHERE plan = 'free'; COMMIT;
    SELECT setval('numbers', 7);
    UPDATE users SET plan = 'b' WHERE id = 1";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

const TABLES: &[&str] = &[
    "statement_log",
    "image_chunk",
    "definition",
    "sequence_change",
    "column_change",
    "committed",
    "pruned",
];

/// What is in the record.
fn contents(client: &mut Client) -> String {
    contents_as(client, "t::text")
}

/// `text`: a row `t` as text.
fn contents_as(client: &mut Client, text: &str) -> String {
    TABLES
        .iter()
        .map(|table| {
            let sql = format!("SELECT pg_catalog.md5({text}) FROM backstop.{table} t ORDER BY 1");
            format!("{table} {}", query_text(client, &sql))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every way to a row of the record that SQL has.
const ATTACKS: &[&str] = &[
    "UPDATE backstop.statement_log SET query = 'nothing happened'",
    "UPDATE backstop.statement SET rows = 0",
    "DELETE FROM backstop.statement WHERE statement_id = 1",
    "DELETE FROM backstop.preimage",
    "DELETE FROM backstop.preimage WHERE false",
    "UPDATE backstop.preimage SET old_row = NULL WHERE statement_id = 1",
    "WITH gone AS (DELETE FROM backstop.chunk RETURNING 1) SELECT count(*) FROM gone",
    "PREPARE gone AS DELETE FROM backstop.preimage; EXECUTE gone",
    "DELETE FROM backstop.statement_log WHERE false",
    "WITH gone AS (DELETE FROM backstop.image_chunk RETURNING 1) SELECT count(*) FROM gone",
    "MERGE INTO backstop.statement_log AS s USING (SELECT 1 AS id) AS o ON s.statement_id = o.id WHEN MATCHED THEN DELETE",
    "INSERT INTO backstop.statement_log SELECT * FROM backstop.statement_log ON CONFLICT (statement_id) DO UPDATE SET query = NULL",
    "DO $$ BEGIN DELETE FROM backstop.sequence_change; END $$",
    "SET session_replication_role = replica; DELETE FROM backstop.image_chunk",
    "SET backstop.mode = off; DELETE FROM backstop.image_chunk",
    "SET backstop.mode = observe; DELETE FROM backstop.image_chunk",
    "SET backstop.mode = off; TRUNCATE backstop.image_chunk",
    "EXPLAIN ANALYZE DELETE FROM backstop.statement_log",
    "PREPARE p AS DELETE FROM backstop.statement_log; EXECUTE p",
    "BEGIN; DECLARE c CURSOR FOR SELECT * FROM backstop.statement_log FOR UPDATE; FETCH c; DELETE FROM backstop.statement_log WHERE CURRENT OF c",
    "COPY (DELETE FROM backstop.statement_log RETURNING 1) TO STDOUT",
    "TRUNCATE backstop.statement_log, backstop.image_chunk",
    "TRUNCATE backstop.committed",
    "DELETE FROM backstop.committed",
    "DELETE FROM backstop.pruned",
    "UPDATE backstop.pruned SET up_to = '-infinity'",
    "SELECT backstop.approve_batch('OPS-1', 100000); DELETE FROM backstop.statement_log",
];

fn is_refused(admin: &mut Client, attack: &str) {
    let before = contents(admin);
    let refusal = refused(admin, attack);
    passes(
        admin,
        "ROLLBACK; RESET ALL; RESET SESSION AUTHORIZATION; DEALLOCATE ALL",
    );
    assert_eq!(refusal.sqlstate, "SF013", "{attack}\n{refusal:?}");
    assert!(!refusal.hint.is_empty(), "{attack}\n{refusal:?}");
    assert_eq!(contents(admin), before, "{attack}");
}

#[test]
fn nobody_changes_what_is_recorded() {
    let (_db, mut admin) = world();
    for attack in ATTACKS {
        is_refused(&mut admin, attack);
    }
    let explained = query_text(&mut admin, "EXPLAIN DELETE FROM backstop.statement_log");
    assert!(explained.contains("Delete on statement_log"), "{explained}");
}

#[test]
fn nobody_changes_it_when_nothing_is_protected_any_more() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SELECT backstop.unprotect('users'), backstop.unprotect_sequence('numbers'),
             backstop.unprotect_sequence('a.early')",
    );
    for attack in ATTACKS {
        is_refused(&mut admin, attack);
    }
    passes(
        &mut admin,
        "ALTER TABLE backstop.statement_log DISABLE TRIGGER ALL",
    );
    for attack in [
        "DELETE FROM backstop.statement_log",
        "TRUNCATE backstop.statement_log",
    ] {
        is_refused(&mut admin, attack);
    }
}

#[test]
fn owning_its_tables_does_not_help() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SELECT backstop.unprotect('users'), backstop.unprotect_sequence('numbers'),
             backstop.unprotect_sequence('a.early');
         GRANT ALL ON SCHEMA backstop TO app; ALTER TABLE backstop.statement_log OWNER TO app;
         CREATE TABLE parent (statement_id bigint NOT NULL); ALTER TABLE backstop.statement_log INHERIT parent;
         CREATE FUNCTION sweep() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM parent; END $$",
    );
    for attack in [
        "SET SESSION AUTHORIZATION app; DELETE FROM backstop.statement_log",
        "SET SESSION AUTHORIZATION app; TRUNCATE backstop.statement_log",
        "DELETE FROM parent",
        "SELECT sweep()",
        "UPDATE parent SET statement_id = 0 WHERE statement_id = 1",
    ] {
        is_refused(&mut admin, attack);
    }
}

#[test]
fn where_the_library_is_not_loaded_the_trigger_loads_it() {
    let cluster = start(&ClusterOptions::default().preload(Preload::None));
    let db = cluster.database();
    passes(&mut db.connect(), WORLD);
    for attack in [
        "DELETE FROM backstop.statement_log",
        "SET session_replication_role = replica; UPDATE backstop.statement_log SET rows = 0",
        "TRUNCATE backstop.image_chunk",
    ] {
        let mut fresh = db.connect();
        let refusal = refused(&mut fresh, attack);
        assert_eq!(refusal.sqlstate, "SF013", "{attack}\n{refusal:?}");
    }
}

#[test]
fn a_dump_brings_its_record_into_another_database() {
    let cluster = start(&ClusterOptions::default());
    let db = cluster.database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    passes(
        &mut admin,
        "UPDATE users SET plan = 'pruned' WHERE id = 1; SELECT backstop.prune('0', 1);
         CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
         INSERT INTO notes VALUES (1, 1)",
    );
    // All but the OIDs, which are other tables' there.
    let portable = "(pg_catalog.to_jsonb(t) - '{relid,image_relid}'::text[])::text";
    let before = contents_as(&mut admin, portable);
    for options in [&[][..], &["--inserts"]] {
        let file = std::env::temp_dir().join(format!("{}.dump.sql", db.name));
        let path = file.to_string_lossy().into_owned();
        let mut arguments = vec!["--file", &path, &db.name];
        arguments.extend(options);
        cluster.program("pg_dump", &arguments).expect("a dump");
        let other = cluster.database();
        passes(
            &mut other.connect(),
            "DROP EXTENSION pg_backstop; DROP SCHEMA IF EXISTS backstop",
        );
        let restored = cluster.program(
            "psql",
            &[
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-f",
                &path,
                &other.name,
            ],
        );
        let _ = std::fs::remove_file(&file);
        restored.expect("the dump goes in");
        let mut there = other.connect();
        assert_eq!(contents_as(&mut there, portable), before);
        let oids = "SELECT DISTINCT relid FROM backstop.chunk";
        assert_eq!(query_text(&mut there, oids), "0");
        let triggers = "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger WHERE tgname LIKE 'backstop%' ORDER BY 1, 2";
        assert_eq!(
            query_text(&mut there, triggers),
            query_text(&mut admin, triggers)
        );
        assert_eq!(refused(&mut there, "DELETE FROM users").sqlstate, "SF002");
        passes(
            &mut there,
            "SELECT * FROM backstop.restore_since(now() - interval '1 microsecond', dry_run => false)",
        );
        is_refused(&mut there, "DELETE FROM backstop.statement_log");
    }
}

#[test]
fn other_tables_of_those_names_are_nobodys_concern() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TABLE statement_log (statement_id bigint PRIMARY KEY); INSERT INTO statement_log VALUES (1);
         UPDATE statement_log SET statement_id = 2; DELETE FROM statement_log; TRUNCATE statement_log",
    );
}

#[test]
fn the_record_may_come_and_go_with_the_extension() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SELECT backstop.unprotect('users'), backstop.unprotect_sequence('numbers'),
             backstop.unprotect_sequence('a.early');
         SET backstop.mode = off; DROP EXTENSION pg_backstop; DELETE FROM users;
         DROP SCHEMA IF EXISTS backstop; CREATE EXTENSION pg_backstop",
    );
    is_refused(
        &mut admin,
        "SET backstop.mode = off; DELETE FROM backstop.statement_log",
    );
}
