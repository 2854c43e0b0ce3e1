//! Restore is done with a superuser's rights, and what a table's owner wrote (constraints, index expressions, domains,
//! generated columns) must not get them: it runs as the owner, as in REINDEX.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

/// A table of `app` that tells who runs its code.
const WORLD: &str = "
    CREATE SCHEMA shop AUTHORIZATION app; SET SESSION AUTHORIZATION app;
    CREATE TABLE shop.seen (what text, who text);
    CREATE FUNCTION shop.note(what text) RETURNS void LANGUAGE sql AS
        'INSERT INTO shop.seen VALUES (what, current_user)';
    CREATE FUNCTION shop.spy(what text, v text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM shop.note(what); RETURN v; END $$;
    CREATE DOMAIN shop.name AS text CHECK (shop.spy('domain', VALUE) IS NOT NULL);
    CREATE TABLE shop.users (id bigint PRIMARY KEY, name shop.name, plan text CHECK (shop.spy('check', plan) <> ''),
        twice text GENERATED ALWAYS AS (shop.spy('generated', plan)) STORED);
    CREATE INDEX ON shop.users (shop.spy('index', plan));
    CREATE UNIQUE INDEX ON shop.users (id, shop.spy('unique', plan));
    CREATE TABLE shop.parts (id bigint, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
    CREATE TABLE shop.parts_eu PARTITION OF shop.parts (CHECK (shop.spy('partition', v) <> '')) FOR VALUES IN ('eu');
    INSERT INTO shop.users SELECT n, 'u' || n, 'free' FROM generate_series(1, 5) n;
    INSERT INTO shop.parts SELECT n, 'eu', 'x' FROM generate_series(1, 5) n;
    RESET SESSION AUTHORIZATION;
    ALTER TABLE shop.parts OWNER TO postgres; ALTER TABLE shop.parts_eu OWNER TO app;
    SELECT backstop.protect('shop.users'); SELECT backstop.protect('shop.parts')";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

const RESTORE: &str = "SELECT sum(restored) FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)";

#[test]
fn owners_code_runs_as_the_owner() {
    let (_db, mut admin) = world();
    for (damage, table) in [
        ("DELETE FROM shop.users WHERE name = 'u3'", "users"),
        (
            "UPDATE shop.users SET plan = 'pro' WHERE name = 'u4'",
            "users",
        ),
        (
            "DELETE FROM shop.parts WHERE id = 3 AND region = 'eu'",
            "parts",
        ),
    ] {
        passes(&mut admin, damage);
        passes(&mut admin, "TRUNCATE shop.seen");
        assert_eq!(query_text(&mut admin, RESTORE), "1", "{damage}");
        let seen = "SELECT string_agg(DISTINCT what, ',' ORDER BY what), string_agg(DISTINCT who, ',') FROM shop.seen";
        let expected = match table {
            "users" => "check,domain,generated,index,unique|app",
            _ => "partition|app",
        };
        let seen = query_text(&mut admin, seen);
        // An UPDATE changes no domain.
        assert_eq!(
            seen,
            if damage.starts_with("UPDATE") && !seen.contains("domain") {
                expected.replace("domain,", "")
            } else {
                expected.to_owned()
            },
            "{damage}"
        );
    }
    assert_eq!(query_text(&mut admin, "SELECT current_user"), "postgres");
}

#[test]
fn owners_code_cannot_change_the_session() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "DELETE FROM shop.users WHERE name = 'u3';
         CREATE OR REPLACE FUNCTION shop.spy(what text, v text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
             $$ BEGIN PERFORM set_config('application_name', 'taken over', false); RETURN v; END $$;
         SET application_name = 'mine'",
    );
    assert_eq!(query_text(&mut admin, RESTORE), "1");
    assert_eq!(query_text(&mut admin, "SHOW application_name"), "mine");
    passes(
        &mut admin,
        "DELETE FROM shop.users WHERE name = 'u3';
         CREATE OR REPLACE FUNCTION shop.spy(what text, v text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
             $$ BEGIN PERFORM shop.note(what); RETURN v; END $$;
         CREATE OR REPLACE FUNCTION shop.note(what text) RETURNS void LANGUAGE sql AS 'ALTER ROLE app SUPERUSER'",
    );
    assert_eq!(refused(&mut admin, RESTORE).sqlstate, "42501");
    assert_eq!(query_text(&mut admin, "SELECT current_user"), "postgres");
}

#[test]
fn only_who_was_granted_it_may_restore() {
    let (db, mut admin) = world();
    passes(&mut admin, "DELETE FROM shop.users WHERE name = 'u3'");
    let mut reviewer = db.connect_as("reviewer");
    let id = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    let restore = format!("SELECT sum(restored) FROM backstop.restore({id}, dry_run => false)");
    for statement in [
        &restore,
        &format!("SELECT * FROM backstop.restore_conflicts({id})"),
    ] {
        assert_eq!(refused(&mut reviewer, statement).sqlstate, "42501");
    }
    passes(
        &mut admin,
        "GRANT EXECUTE ON FUNCTION backstop.restore(bigint, boolean, text, text[]) TO reviewer",
    );
    assert_eq!(query_text(&mut reviewer, &restore), "1");
    assert_eq!(
        refused(&mut reviewer, "SELECT * FROM shop.users").sqlstate,
        "42501"
    );
}

#[test]
fn a_table_without_a_key_is_restored_once() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TABLE shop.notes (n int, v text); INSERT INTO shop.notes VALUES (1, 'a'), (1, 'a'), (2, 'b');
         ALTER TABLE shop.notes OWNER TO app;
         SELECT backstop.protect('shop.notes', key_columns => '{n}'); DELETE FROM shop.notes WHERE v = 'a'",
    );
    // Whether it was restored before is asked of the record, which the owner cannot read.
    let id = query_text(
        &mut admin,
        "SELECT max(statement_id) FROM backstop.statement",
    );
    let restore = format!(
        "SELECT sum(restored), sum(unchanged) FROM backstop.restore({id}, dry_run => false)"
    );
    assert_eq!(query_text(&mut admin, &restore), "2|0");
    assert_eq!(refused(&mut admin, &restore).sqlstate, "55000");
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM shop.notes"),
        "3"
    );
}
