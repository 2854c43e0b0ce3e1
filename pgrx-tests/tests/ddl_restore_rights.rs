//! Bringing back what DDL took away makes and fills objects whose definitions are their owners' code: it must run with the
//! owners' rights, never with those of whom the restore is.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, schema_dump};

/// Objects of `app` that tell who runs their code, everywhere a definition can call a function.
const WORLD: &str = "
    CREATE SCHEMA shop AUTHORIZATION app; SET SESSION AUTHORIZATION app;
    GRANT USAGE ON SCHEMA shop TO PUBLIC;
    CREATE TABLE shop.seen (what text, who text); GRANT INSERT ON shop.seen TO PUBLIC;
    CREATE FUNCTION shop.note(what text) RETURNS void LANGUAGE sql AS
        'INSERT INTO shop.seen VALUES (what, current_user)';
    CREATE FUNCTION shop.spy(what text, v anyelement) RETURNS anyelement IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM shop.note(what); RETURN v; END $$;
    CREATE DOMAIN shop.positive AS int CHECK (shop.spy('domain', VALUE) > 0);
    CREATE TYPE shop.mark AS (n int);
    CREATE FUNCTION shop.number(m shop.mark) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM shop.note('cast'); RETURN m.n; END $$;
    CREATE CAST (shop.mark AS int) WITH FUNCTION shop.number AS IMPLICIT;
    CREATE TABLE shop.users (id serial PRIMARY KEY, a int DEFAULT shop.spy('default', 1), b shop.positive, c serial,
        twice int GENERATED ALWAYS AS (shop.spy('generated', a)) STORED,
        CHECK (shop.spy('check', a) > 0), CHECK (shop.spy('constant', 1) > 0), UNIQUE (id, a));
    CREATE INDEX ON shop.users (shop.spy('index', a)) WHERE shop.spy('predicate', a) > 0;
    CREATE INDEX ON shop.users ((shop.spy('constant index', 1) + a));
    CREATE TABLE shop.marked (m shop.mark PRIMARY KEY, FOREIGN KEY (m) REFERENCES shop.users);
    CREATE MATERIALIZED VIEW shop.shown AS SELECT shop.spy('view', id) FROM shop.users;
    CREATE TABLE shop.parts (id int, a int) PARTITION BY LIST (shop.spy('key', a));
    CREATE TABLE shop.part1 PARTITION OF shop.parts FOR VALUES IN (1);
    CREATE TABLE shop.rest PARTITION OF shop.parts (CHECK (shop.spy('partition', a) > 0)) DEFAULT;
    INSERT INTO shop.users (a, b) VALUES (1, 1), (2, 2); INSERT INTO shop.marked VALUES ('(1)');
    INSERT INTO shop.parts VALUES (1, 1), (2, 7);
    REFRESH MATERIALIZED VIEW shop.shown;
    RESET SESSION AUTHORIZATION;
    SELECT backstop.protect('shop.users'), backstop.protect('shop.parts', '{id}')";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

/// Who ran whose code when the last statement was restored.
fn who(admin: &mut Client, damage: &str) -> String {
    passes(
        admin,
        &format!("BEGIN; SELECT backstop.approve_batch('OPS-1', 100); {damage}; COMMIT"),
    );
    passes(admin, "TRUNCATE shop.seen");
    passes(
        admin,
        "SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)",
    );
    let seen = "SELECT string_agg(DISTINCT who, ','), string_agg(DISTINCT what, ', ' ORDER BY what) FROM shop.seen";
    query_text(admin, seen)
}

#[test]
fn a_dropped_table_s_expressions_run_as_its_owner() {
    let (_db, mut admin) = world();
    assert_eq!(
        who(&mut admin, "DROP TABLE shop.users CASCADE"),
        "app|cast, check, constant, constant index, domain, generated, index, predicate, view"
    );
    let owners = "SELECT string_agg(DISTINCT relowner::regrole::text, ',') FROM pg_class WHERE relnamespace = 'shop'::regnamespace";
    assert_eq!(query_text(&mut admin, owners), "app");
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM shop.shown"),
        "2"
    );
}

#[test]
fn whatever_the_session_quotes() {
    let (_db, mut admin) = world();
    passes(&mut admin, "SET quote_all_identifiers = on");
    let who = who(&mut admin, "DROP TABLE shop.users CASCADE");
    assert!(who.starts_with("app|"), "{who}");
}

#[test]
fn columns_come_back_by_their_table_s_owner() {
    let (_db, mut admin) = world();
    for (damage, what) in [
        (
            "ALTER TABLE shop.users DROP COLUMN a CASCADE",
            "check, constant index, generated, index, predicate",
        ),
        ("ALTER TABLE shop.users DROP COLUMN b", "domain"),
        ("ALTER TABLE shop.users DROP COLUMN c", ""),
        ("ALTER TABLE shop.users ALTER COLUMN b TYPE text", "domain"),
        ("DROP DOMAIN shop.positive CASCADE", "domain"),
    ] {
        let seen = who(&mut admin, damage);
        let (by, seen) = seen.split_once('|').expect("two columns");
        assert!(by == "app" || what.is_empty(), "{damage}: {by}");
        for what in what.split(", ").filter(|what| !what.is_empty()) {
            assert!(seen.contains(what), "{damage}: {seen}");
        }
    }
    let rows = "SELECT id, a, b, c, twice FROM shop.users ORDER BY id";
    assert_eq!(query_text(&mut admin, rows), "1|1|1|1|1\n2|2|2|2|2");
    passes(
        &mut admin,
        "SET SESSION AUTHORIZATION app; INSERT INTO shop.users (b) VALUES (3); RESET SESSION AUTHORIZATION",
    );
}

#[test]
fn partitions_are_attached_as_their_parent_s_owner() {
    let (_db, mut admin) = world();
    let owners = "SELECT string_agg(relowner::regrole::text, ',' ORDER BY relname) FROM pg_class WHERE relname IN ('part1', 'parts', 'rest')";
    let drop = "DROP TABLE shop.parts";
    assert_eq!(who(&mut admin, drop), "app|key, partition");
    // Whoever owns the partition, and whatever runs in it.
    let owned = |admin: &mut Client, sql: &str| {
        passes(
            admin,
            &format!("BEGIN; SELECT backstop.approve_batch('OPS-1', 10); {sql}; COMMIT"),
        );
    };
    owned(&mut admin, "ALTER TABLE shop.part1 OWNER TO postgres");
    let who_attached = who(
        &mut admin,
        "ALTER TABLE shop.parts DETACH PARTITION shop.part1",
    );
    assert_eq!(who_attached, "app|key");
    assert_eq!(query_text(&mut admin, owners), "postgres,app,app");
    let who_made = who(&mut admin, drop);
    assert!(who_made.starts_with("app|"), "{who_made}");
    assert_eq!(query_text(&mut admin, owners), "postgres,app,app");
    owned(&mut admin, "ALTER TABLE shop.parts OWNER TO reviewer");
    let who_made = who(&mut admin, drop);
    assert!(!who_made.contains("postgres"), "{who_made}");
    assert_eq!(query_text(&mut admin, owners), "postgres,reviewer,app");
}

#[test]
fn a_view_in_a_sequence_s_place_is_not_asked_where_it_stands() {
    let (_db, mut admin) = world();
    let plant = "SET SESSION AUTHORIZATION app; ALTER SEQUENCE shop.users_c_seq RENAME TO aside;
         CREATE VIEW shop.users_c_seq AS SELECT shop.spy('view', 1)::bigint AS last_value; RESET SESSION AUTHORIZATION";
    let seen = who(
        &mut admin,
        &format!("TRUNCATE shop.users RESTART IDENTITY CASCADE; {plant}"),
    );
    assert!(seen.starts_with("app|") || seen == "null|null", "{seen}");
}

/// Literals whose values a domain checks, wherever a definition can have one; `mart` can be dropped whole.
const LITERALS: &str = "
    CREATE SCHEMA mart AUTHORIZATION app; SET SESSION AUTHORIZATION app;
    CREATE DOMAIN mart.spied AS int CHECK (shop.spy('literal', VALUE) > 0);
    CREATE TYPE mart.pair AS (n mart.spied);
    CREATE DOMAIN mart.pairs AS mart.pair[] DEFAULT '{(1)}';
    CREATE FUNCTION mart.seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TABLE mart.items (id int PRIMARY KEY, p mart.pair DEFAULT '(1)', s mart.spied[] DEFAULT '{1}', o mart.pairs,
        CHECK (p <> '(7)'::mart.pair), EXCLUDE (id WITH =) WHERE (p <> '(8)'::mart.pair),
        twice boolean GENERATED ALWAYS AS (p = '(9)'::mart.pair) STORED);
    CREATE INDEX ON mart.items (id) WHERE p <> '(4)'::mart.pair;
    CREATE STATISTICS mart.items_stat ON (p <> '(4)'::mart.pair), id FROM mart.items;
    CREATE POLICY items_policy ON mart.items USING (p <> '(4)'::mart.pair);
    CREATE TRIGGER items_trigger BEFORE INSERT ON mart.items FOR EACH ROW WHEN (NEW.p <> '(4)'::mart.pair)
        EXECUTE FUNCTION mart.seen();
    CREATE RULE items_rule AS ON INSERT TO mart.items WHERE NEW.p = '(4)'::mart.pair DO INSTEAD NOTHING;
    CREATE VIEW mart.shown AS SELECT id, '(4)'::mart.pair AS p FROM mart.items;
    ALTER VIEW mart.shown ALTER p SET DEFAULT '(5)';
    CREATE FUNCTION mart.of(i mart.items, p mart.pair DEFAULT '(4)') RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION mart.atomic(i mart.items) RETURNS mart.pair LANGUAGE sql BEGIN ATOMIC SELECT '(4)'::mart.pair; END;
    CREATE TABLE mart.keyed (id int, a int, g int GENERATED ALWAYS AS (shop.spy('constant generated', 1) + 1) STORED)
        PARTITION BY LIST ((shop.spy('constant key', 1) + a));
    CREATE TABLE mart.keyed1 PARTITION OF mart.keyed FOR VALUES IN (2);
    INSERT INTO mart.items (id) VALUES (1), (2); INSERT INTO mart.keyed VALUES (1, 1);
    RESET SESSION AUTHORIZATION;
    SELECT backstop.protect('mart.items', expendable => $$(p).n = 9$$), backstop.protect('mart.keyed', '{id}')";

#[test]
fn what_is_called_when_a_command_is_only_read_runs_as_the_owner() {
    for damage in [
        "DROP TABLE mart.items CASCADE",
        "DROP TABLE mart.keyed",
        "DROP SCHEMA mart CASCADE",
        "ALTER TABLE mart.items DROP COLUMN p CASCADE",
        "ALTER TABLE mart.items ALTER s DROP DEFAULT, ALTER s TYPE text USING s::text",
        "ALTER TABLE mart.items ALTER s DROP DEFAULT; ALTER TABLE mart.items DROP COLUMN s",
        "DROP TYPE mart.pair CASCADE",
        "TRUNCATE mart.items",
    ] {
        let (db, mut admin) = world();
        passes(&mut admin, LITERALS);
        let before = schema_dump(&db, "mart");
        let seen = who(&mut admin, damage);
        assert!(
            seen.starts_with("app|") || seen == "null|null",
            "{damage}: {seen}"
        );
        passes(
            &mut admin,
            "TRUNCATE shop.seen; SELECT * FROM backstop.restore_drill()",
        );
        let seen = "SELECT coalesce(string_agg(DISTINCT who, ','), 'app') FROM shop.seen";
        assert_eq!(query_text(&mut admin, seen), "app", "{damage}, in a drill");
        if !damage.contains("DROP DEFAULT") {
            assert_eq!(schema_dump(&db, "mart"), before, "{damage}");
        }
    }
}

#[test]
fn a_schema_lent_for_a_command_that_fails_is_taken_back() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA closed; CREATE FUNCTION public.f(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
         CREATE TABLE closed.t (id int PRIMARY KEY, v int, w int);
         ALTER TABLE closed.t ADD CONSTRAINT c CHECK (public.f(w)); INSERT INTO closed.t VALUES (1, 1);
         ALTER TABLE closed.t OWNER TO app; SELECT backstop.protect('closed.t')",
    );
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', 100); ALTER TABLE closed.t DROP COLUMN w; COMMIT;
         DROP FUNCTION public.f(int);
         SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)",
    );
    let open = "SELECT has_schema_privilege('app', 'closed', 'USAGE')";
    assert_eq!(query_text(&mut admin, open), "f");
}

#[test]
fn what_a_definition_calls_is_judged_while_it_is_restored() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA own AUTHORIZATION app; SET SESSION AUTHORIZATION app;
         CREATE TABLE own.kept (id int PRIMARY KEY); INSERT INTO own.kept VALUES (1), (2);
         CREATE TABLE own.tried (code text);
         CREATE FUNCTION own.wreck(v int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
             IF current_setting('own.armed', true) = 'on' THEN
                 BEGIN
                     EXECUTE 'ALTER TABLE own.kept DROP COLUMN id CASCADE';
                 EXCEPTION WHEN OTHERS THEN INSERT INTO own.tried VALUES (SQLSTATE); END;
             END IF;
             RETURN true; END $$;
         CREATE TABLE own.t (id int PRIMARY KEY, v int, CHECK (own.wreck(v))); INSERT INTO own.t VALUES (1, 1);
         RESET SESSION AUTHORIZATION; SELECT backstop.protect('own.t'), backstop.protect('own.kept')",
    );
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', 100); DROP TABLE own.t; COMMIT; SET own.armed = on;
         SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)",
    );
    let kept = "SELECT count(*) FROM own.kept WHERE id > 0";
    assert_eq!(query_text(&mut admin, kept), "2");
    let tried = "SELECT DISTINCT code FROM own.tried";
    assert_eq!(query_text(&mut admin, tried), "SF008");
    let back = "SELECT count(*) FROM own.t";
    assert_eq!(query_text(&mut admin, back), "1");
}
