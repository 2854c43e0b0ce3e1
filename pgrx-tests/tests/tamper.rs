//! Tamper (SF013): while anything is protected, the guard's own objects stay as they are, for superusers too.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    ClusterOptions, Database, database_with, passes, query_text, refused, start,
};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE plain (id bigint PRIMARY KEY);
    INSERT INTO users VALUES (1, 'free'), (2, 'free'); INSERT INTO subscriptions VALUES (1, 1);
    SELECT backstop.protect('users')";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

const REFUSED: &[&str] = &[
    "DROP EXTENSION pg_backstop",
    "DROP EXTENSION pg_backstop CASCADE",
    "DROP SCHEMA backstop CASCADE",
    "DROP TABLE backstop.statement_log CASCADE",
    "DROP TRIGGER registry_changed ON backstop.registered_table",
    "DROP INDEX backstop.sequence_change_statement_id",
    "DROP VIEW backstop.statement",
    "DROP VIEW backstop.preimage CASCADE",
    "DROP VIEW backstop.request",
    "DROP FUNCTION backstop.prune(interval)",
    "DROP FUNCTION backstop.preview_nextval(regclass)",
    "DROP FUNCTION backstop.capture() CASCADE",
    "DROP FUNCTION backstop.check",
    "DROP ROUTINE backstop.guard_record() CASCADE",
    "DROP SEQUENCE backstop.request_id_seq",
    "TRUNCATE backstop.statement_log",
    "TRUNCATE backstop.registered_table CASCADE",
    "TRUNCATE backstop.request_chunk",
    "DROP TABLE backstop.request_log CASCADE",
    "ALTER TABLE backstop.request_log ALTER COLUMN decision SET DEFAULT 'approved'",
    "ALTER TABLE backstop.statement_log ADD COLUMN extra int",
    "ALTER TABLE backstop.image_chunk DROP COLUMN images",
    "ALTER TABLE backstop.registered_table DISABLE TRIGGER registry_changed",
    "ALTER TABLE backstop.registered_table DISABLE TRIGGER ALL",
    "ALTER TABLE backstop.statement_log RENAME TO lost",
    "ALTER TABLE backstop.statement_log OWNER TO app",
    "ALTER SEQUENCE backstop.statement_id_seq RESTART",
    "ALTER SCHEMA backstop RENAME TO backstop2",
    "ALTER EXTENSION pg_backstop DROP TABLE backstop.statement_log",
    "ALTER FUNCTION backstop.capture_row() RENAME TO off",
    "CREATE OR REPLACE FUNCTION backstop.capture_row() RETURNS boolean LANGUAGE sql AS 'SELECT false'",
    "CREATE RULE off AS ON INSERT TO backstop.registered_table DO INSTEAD NOTHING",
    "CREATE INDEX ON backstop.statement_log ((rows + 1))",
    "ALTER TABLE users DISABLE TRIGGER backstop_capture",
    "ALTER TABLE users ENABLE TRIGGER backstop_capture",
    "ALTER TABLE users ENABLE REPLICA TRIGGER backstop_capture",
    "DROP TRIGGER backstop_capture ON users",
    "ALTER TRIGGER backstop_capture ON users RENAME TO off",
    "ALTER TABLE subscriptions DISABLE TRIGGER backstop_capture",
    "ALTER TABLE subscriptions DISABLE TRIGGER ALL",
    "DROP TRIGGER backstop_capture ON subscriptions",
    "CREATE OR REPLACE TRIGGER backstop_capture AFTER DELETE OR UPDATE ON users FOR EACH ROW WHEN (backstop.capture_row()) EXECUTE FUNCTION backstop.capture()",
    "CREATE TRIGGER backstop_capture BEFORE DELETE OR UPDATE ON users FOR EACH ROW WHEN (backstop.capture_row()) EXECUTE FUNCTION backstop.capture()",
    "CREATE TRIGGER backstop_capture AFTER DELETE ON users FOR EACH ROW WHEN (backstop.capture_row()) EXECUTE FUNCTION backstop.capture()",
    "CREATE TRIGGER backstop_capture AFTER DELETE OR UPDATE ON users FOR EACH ROW WHEN (false) EXECUTE FUNCTION backstop.capture()",
    "ALTER TABLE backstop.image_chunk DISABLE TRIGGER guard_record",
    "DROP TRIGGER guard_record ON backstop.committed",
    "TRUNCATE backstop.committed, backstop.pruned",
    "ALTER TABLE backstop.pruned ALTER up_to TYPE timestamptz USING '-infinity'",
    "ALTER TRIGGER backstop_capture ON users DEPENDS ON EXTENSION plpgsql",
    "ALTER TRIGGER backstop_capture ON subscriptions DEPENDS ON EXTENSION plpgsql",
    "CREATE OR REPLACE VIEW backstop.protected_table AS SELECT * FROM backstop.registered_table WHERE false",
    "CREATE OR REPLACE VIEW backstop.preimage AS SELECT * FROM backstop.preimage WHERE false",
];

#[test]
fn the_guard_cannot_be_taken_apart() {
    let (_db, mut admin) = world();
    for statement in REFUSED {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF013", "{statement}\n{refusal:?}");
        // The record's rows stay whatever is protected.
        let next = match refusal.detail.contains("append-only") {
            true => "prune",
            false => "unprotect",
        };
        assert!(refusal.hint.contains(next), "{statement}\n{refusal:?}");
    }
    passes(&mut admin, "DELETE FROM users WHERE id = 1");
    let captured = "SELECT count(*) FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, captured), "2");
}

#[test]
fn no_approval_covers_it() {
    let (_db, mut admin) = world();
    for statement in [
        "DROP EXTENSION pg_backstop CASCADE",
        "ALTER TABLE users DISABLE TRIGGER backstop_capture",
        "ALTER TABLE users DISABLE TRIGGER ALL",
    ] {
        let approved = format!(
            "BEGIN; SELECT backstop.approve_batch('OPS-1', max_rows => 100); {statement}; COMMIT"
        );
        let refusal = refused(&mut admin, &approved);
        passes(&mut admin, "ROLLBACK");
        assert!(
            ["SF008", "SF013"].contains(&refusal.sqlstate.as_str()),
            "{statement}\n{refusal:?}"
        );
    }
}

#[test]
fn care_of_the_record_passes() {
    let (_db, mut admin) = world();
    for statement in [
        "VACUUM backstop.statement_log",
        "VACUUM FULL backstop.statement_log",
        "ANALYZE backstop.image_chunk",
        "REINDEX TABLE backstop.statement_log",
        "GRANT SELECT ON backstop.statement TO app",
        "GRANT EXECUTE ON FUNCTION backstop.protect(regclass, text[], bigint, text, text, text) TO app",
        "REVOKE EXECUTE ON FUNCTION backstop.protect(regclass, text[], bigint, text, text, text) FROM app",
        "ALTER TABLE backstop.image_chunk SET (autovacuum_vacuum_scale_factor = 0.01)",
        "COMMENT ON TABLE backstop.statement_log IS 'what was destroyed'",
        "CREATE VIEW public.seen AS SELECT * FROM backstop.statement",
        "DROP VIEW public.seen",
        "ALTER EXTENSION pg_backstop UPDATE",
        "DROP TABLE plain",
    ] {
        passes(&mut admin, statement);
    }
}

#[test]
fn a_follower_can_be_dropped_with_its_trigger() {
    let (_db, mut admin) = world();
    passes(&mut admin, "ALTER TABLE subscriptions RENAME TO subs");
    passes(&mut admin, "TRUNCATE subs");
    passes(&mut admin, "DROP TABLE subs");
    passes(&mut admin, "DELETE FROM users WHERE id = 1");
}

#[test]
fn the_extension_can_be_dropped_when_nothing_is_protected() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SELECT backstop.unprotect('users'); DROP EXTENSION pg_backstop; DELETE FROM users; SELECT 1",
    );
    passes(
        &mut admin,
        "DROP SCHEMA IF EXISTS backstop CASCADE; CREATE EXTENSION pg_backstop; SELECT backstop.protect('users')",
    );
}

#[test]
fn unprotecting_drops_the_triggers() {
    let (_db, mut admin) = world();
    passes(&mut admin, "SELECT backstop.unprotect('users')");
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'backstop%'";
    assert_eq!(query_text(&mut admin, triggers), "0");
}

#[test]
fn observe_mode_warns_and_lets_it_pass() {
    let cluster = start(&ClusterOptions::default().set("backstop.mode", "observe"));
    let db = cluster.database();
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(&mut admin, WORLD);
    passes(&mut admin, "DROP TABLE users CASCADE");
    let warned = notices
        .take()
        .into_iter()
        .filter(|notice| notice.code().code() == "SF008")
        .count();
    assert_eq!(warned, 1);
}
