//! Destructive DDL (SF008): what takes a protected table, its rows, its key or its guard away.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

const WORLD: &str = "
    CREATE SCHEMA shop; CREATE SCHEMA attic;
    CREATE TYPE shop.mood AS ENUM ('good', 'bad');
    CREATE DOMAIN shop.mail AS text;
    CREATE TABLE shop.users (id bigint PRIMARY KEY, plan text, mood shop.mood, email shop.mail, friend bigint);
    CREATE TABLE shop.subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES shop.users ON DELETE CASCADE);
    CREATE TABLE shop.events (id bigint, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE shop.events_2025 PARTITION OF shop.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE shop.events_2027 (id bigint NOT NULL, day date NOT NULL);
    CREATE TABLE shop.stock (id bigint PRIMARY KEY); CREATE TABLE shop.stock_eu () INHERITS (shop.stock);
    CREATE TABLE attic.plain (id bigint PRIMARY KEY, note text);
    CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER touch BEFORE UPDATE ON shop.users FOR EACH ROW EXECUTE FUNCTION shop.touch();
    INSERT INTO shop.users SELECT n, 'free', 'good', 'u' || n, 1 FROM generate_series(1, 5) n;
    INSERT INTO shop.subscriptions VALUES (1, 1); INSERT INTO shop.events VALUES (1, '2025-05-05');
    INSERT INTO shop.stock VALUES (1); INSERT INTO shop.stock_eu VALUES (2); INSERT INTO attic.plain VALUES (1, 'x');
    SELECT backstop.protect('shop.users'); SELECT backstop.protect('shop.events'); SELECT backstop.protect('shop.stock')";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

/// The columns, triggers, rules and rows of the protected tables.
const SHAPE: &str = "
    SELECT attrelid::regclass, attname, atttypid::regtype FROM pg_attribute WHERE attnum > 0
        AND attrelid IN ('shop.users'::regclass, 'shop.events'::regclass, 'shop.events_2025'::regclass, 'shop.stock'::regclass)
    UNION ALL SELECT tgrelid::regclass, tgname, NULL FROM pg_trigger WHERE tgenabled <> 'D' AND tgrelid = 'shop.users'::regclass
    UNION ALL SELECT conrelid::regclass, conname, NULL FROM pg_constraint WHERE contype = 'p'
    UNION ALL SELECT inhrelid::regclass, inhparent::regclass::text, NULL FROM pg_inherits
    UNION ALL SELECT 'shop.users'::regclass, (SELECT count(*)::text FROM shop.users), NULL
    UNION ALL SELECT 'shop.events'::regclass, (SELECT count(*)::text FROM shop.events), NULL
    UNION ALL SELECT 'shop.stock'::regclass, (SELECT count(*)::text FROM shop.stock), NULL ORDER BY 1, 2";

const REFUSED: &[&str] = &[
    "TRUNCATE shop.users CASCADE",
    "TRUNCATE attic.plain, shop.users CASCADE",
    "TRUNCATE ONLY shop.stock",
    "TRUNCATE shop.stock_eu",
    "TRUNCATE shop.events",
    "TRUNCATE shop.events_2025",
    "DROP TABLE shop.users CASCADE",
    "DROP TABLE IF EXISTS attic.plain, shop.users CASCADE",
    "DROP TABLE shop.events",
    "DROP TABLE shop.events_2025",
    "DROP TABLE shop.stock_eu",
    "DROP SCHEMA shop CASCADE",
    "DROP OWNED BY keeper CASCADE",
    "REASSIGN OWNED BY keeper TO app",
    "DROP TYPE shop.mood CASCADE",
    "DROP DOMAIN shop.mail CASCADE",
    "ALTER TABLE shop.users DROP COLUMN plan",
    "ALTER TABLE shop.users ADD COLUMN extra int, DROP COLUMN plan",
    "ALTER TABLE shop.users ALTER COLUMN plan TYPE varchar(20)",
    "ALTER TABLE shop.users ALTER COLUMN plan TYPE text USING 'gone'",
    "ALTER TABLE shop.users RENAME TO people",
    "ALTER TABLE shop.users RENAME COLUMN plan TO level",
    "ALTER TABLE shop.users SET SCHEMA attic",
    "ALTER TABLE shop.users OWNER TO app",
    "ALTER SCHEMA shop RENAME TO store",
    "ALTER TABLE shop.users DISABLE TRIGGER touch",
    "DROP TRIGGER touch ON shop.users",
    "ALTER TABLE shop.users DROP CONSTRAINT users_pkey CASCADE",
    "ALTER TABLE shop.events DETACH PARTITION shop.events_2025",
    "ALTER TABLE shop.events ATTACH PARTITION shop.events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    "ALTER TABLE shop.stock_eu NO INHERIT shop.stock",
    "ALTER TABLE shop.users REPLICA IDENTITY NOTHING",
    "CREATE RULE nothing AS ON DELETE TO shop.users DO INSTEAD NOTHING",
    "DO $$ BEGIN TRUNCATE shop.users CASCADE; END $$",
    "DO $$ BEGIN EXECUTE 'DROP TABLE shop.users CASCADE'; END $$",
    "CREATE FUNCTION pg_temp.wipe() RETURNS void LANGUAGE sql AS 'TRUNCATE shop.users CASCADE'; SELECT pg_temp.wipe()",
];

#[test]
fn what_takes_a_protected_table_apart_is_refused() {
    let (db, mut admin) = world();
    passes(
        &mut admin,
        &format!(
            "CREATE ROLE keeper_{0}; ALTER TABLE attic.plain OWNER TO keeper_{0}",
            db.name
        ),
    );
    passes(
        &mut admin,
        &format!(
            "SELECT backstop.unprotect('shop.stock'); ALTER TABLE shop.stock OWNER TO keeper_{}; SELECT backstop.protect('shop.stock')",
            db.name
        ),
    );
    let before = query_text(&mut admin, SHAPE);
    let keeper = format!("keeper_{}", db.name);
    for statement in REFUSED {
        let refusal = refused(&mut admin, &statement.replace("keeper", &keeper));
        assert_eq!(refusal.sqlstate, "SF008", "{statement}\n{refusal:?}");
        assert_eq!(refusal.schema, "shop", "{statement}\n{refusal:?}");
        assert!(!refusal.table.is_empty(), "{statement}\n{refusal:?}");
        assert!(
            !refusal.detail.is_empty() && !refusal.hint.is_empty(),
            "{statement}\n{refusal:?}"
        );
        assert_eq!(query_text(&mut admin, SHAPE), before, "{statement}");
    }
    passes(
        &mut admin,
        &format!(
            "SELECT backstop.unprotect('shop.stock'); DROP OWNED BY {keeper} CASCADE; DROP ROLE {keeper}"
        ),
    );
}

#[test]
fn the_guards_own_triggers_cannot_be_switched_off() {
    let (_db, mut admin) = world();
    let statements = [
        "ALTER TABLE shop.users DISABLE TRIGGER ALL",
        "ALTER TABLE shop.users DISABLE TRIGGER USER",
        "DO $$ DECLARE t record; BEGIN
            FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'shop.users'::regclass AND tgname <> 'touch' AND NOT tgisinternal LOOP
                EXECUTE format('ALTER TABLE shop.users DISABLE TRIGGER %I', t.tgname);
            END LOOP;
         END $$",
        "DO $$ DECLARE t record; BEGIN
            FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'shop.users'::regclass AND tgname <> 'touch' AND NOT tgisinternal LOOP
                EXECUTE format('DROP TRIGGER %I ON shop.users', t.tgname);
            END LOOP;
         END $$",
        "DROP EXTENSION pg_backstop CASCADE",
    ];
    for statement in statements {
        let refusal = refused(&mut admin, statement);
        assert!(
            ["SF008", "SF013"].contains(&refusal.sqlstate.as_str()),
            "{statement}\n{refusal:?}"
        );
    }
    assert_eq!(
        refused(&mut admin, "DELETE FROM shop.users").sqlstate,
        "SF002"
    );
}

#[test]
fn harmless_ddl_passes() {
    let (_db, mut admin) = world();
    let statements = [
        "ALTER TABLE shop.users ADD COLUMN note text DEFAULT 'x'",
        "ALTER TABLE shop.users ALTER COLUMN plan SET DEFAULT 'free'",
        "ALTER TABLE shop.users ALTER COLUMN plan SET NOT NULL",
        "ALTER TABLE shop.users ALTER COLUMN plan SET STATISTICS 500",
        "ALTER TABLE shop.users ADD CONSTRAINT plan_known CHECK (plan <> '')",
        "ALTER TABLE shop.users ADD CONSTRAINT friend_known FOREIGN KEY (friend) REFERENCES shop.users",
        "ALTER TABLE shop.users DROP CONSTRAINT plan_known",
        "CREATE INDEX users_plan ON shop.users (plan)",
        "DROP INDEX shop.users_plan",
        "COMMENT ON TABLE shop.users IS 'people'",
        "GRANT SELECT ON shop.users TO app",
        "REVOKE SELECT ON shop.users FROM app",
        "ANALYZE shop.users",
        "VACUUM shop.users",
        "VACUUM FULL shop.users",
        "CLUSTER shop.users USING users_pkey",
        "REINDEX TABLE shop.users",
        "CREATE VIEW shop.everyone AS SELECT * FROM shop.users",
        "DROP VIEW shop.everyone",
        "CREATE MATERIALIZED VIEW shop.plans AS SELECT plan, count(*) FROM shop.users GROUP BY plan",
        "REFRESH MATERIALIZED VIEW shop.plans",
        "CREATE STATISTICS shop.s ON plan, mood FROM shop.users",
        "LOCK TABLE shop.users IN ACCESS EXCLUSIVE MODE; SELECT 1",
        "CREATE TABLE shop.events_2028 PARTITION OF shop.events FOR VALUES FROM ('2028-01-01') TO ('2029-01-01')",
        "CREATE TABLE shop.copy (LIKE shop.users INCLUDING ALL)",
        "DROP TABLE shop.copy",
        "ALTER TYPE shop.mood ADD VALUE 'middling'",
        "ALTER TABLE attic.plain DROP COLUMN note",
        "TRUNCATE attic.plain",
        "DROP SCHEMA attic CASCADE",
    ];
    for statement in statements {
        match statement.strip_prefix("LOCK ") {
            Some(_) => passes(&mut admin, &format!("BEGIN; {statement}; COMMIT")),
            None => passes(&mut admin, statement),
        }
    }
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM shop.users"),
        "5"
    );
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.statement"),
        "0"
    );
    assert_eq!(
        refused(&mut admin, "DELETE FROM shop.users WHERE id > 2").sqlstate,
        "SF001"
    );
}

#[test]
fn the_owner_of_the_table_is_refused_as_well() {
    let (db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TABLE public.ledger (id bigint PRIMARY KEY, amount numeric); ALTER TABLE public.ledger OWNER TO app;
         SELECT backstop.protect('public.ledger')",
    );
    let mut app = db.connect_as("app");
    for statement in [
        "DROP TABLE ledger",
        "TRUNCATE ledger",
        "ALTER TABLE ledger DISABLE TRIGGER USER",
    ] {
        assert_eq!(
            refused(&mut app, statement).sqlstate,
            "SF008",
            "{statement}"
        );
    }
    passes(
        &mut app,
        "ALTER TABLE ledger ADD COLUMN note text; DROP TABLE IF EXISTS nowhere",
    );
}

#[test]
fn an_approval_lets_reversible_ddl_through() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        r#"BEGIN; SET LOCAL backstop.approval = '{"reason": "OPS-3", "max_rows": 1}';
           ALTER TABLE shop.users RENAME COLUMN plan TO level; COMMIT"#,
    );
    let renamed = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop.users'::regclass AND attname = 'level'";
    assert_eq!(query_text(&mut admin, renamed), "1");
    assert_eq!(
        refused(
            &mut admin,
            "ALTER TABLE shop.users RENAME COLUMN level TO plan"
        )
        .sqlstate,
        "SF008"
    );
}

#[test]
fn a_dropped_unprotected_table_can_be_protected_under_its_name_again() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SELECT backstop.unprotect('shop.stock'); DROP TABLE shop.stock CASCADE;
         CREATE TABLE shop.stock (id bigint PRIMARY KEY); SELECT backstop.protect('shop.stock')",
    );
    assert_eq!(
        refused(&mut admin, "DROP TABLE shop.stock").sqlstate,
        "SF008"
    );
}
