//! Tables that are made in uncommon ways, and things that stand on tables, come back after a drop.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{approved, cluster, database, passes, query_text, refused};

const WORLD: &str = r#"
    CREATE SCHEMA w; SET search_path = w;
    CREATE TYPE pair AS (id int, v text);
    CREATE TABLE typed OF pair (PRIMARY KEY (id), v WITH OPTIONS DEFAULT 'q' NOT NULL); INSERT INTO typed VALUES (1);
    DO $$ BEGIN EXECUTE (SELECT 'CREATE TABLE wide (c1 bool PRIMARY KEY, ' || string_agg('c' || n || ' bool', ',') || ')'
                         FROM generate_series(2, 1600) n); END $$;
    INSERT INTO wide (c1, c1600) VALUES (true, true);
    CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY); INSERT INTO unlogged VALUES (1);
    CREATE TABLE base (id int, a text DEFAULT 'p', CONSTRAINT positive CHECK (id > 0));
    CREATE TABLE merged (id int PRIMARY KEY, a text DEFAULT 'own', extra int) INHERITS (base);
    INSERT INTO merged VALUES (1, 'x', 2); ALTER TABLE merged DROP COLUMN extra;
    CREATE TABLE "Quo""ted.T able" ("A b" int PRIMARY KEY, "sel""ect" text DEFAULT 'it''s', CONSTRAINT "ch k" CHECK ("A b" > 0));
    INSERT INTO "Quo""ted.T able" VALUES (1);
    CREATE TABLE deferred (id int PRIMARY KEY, r int4range, u int UNIQUE DEFERRABLE,
        EXCLUDE USING gist (r WITH &&) DEFERRABLE INITIALLY DEFERRED); INSERT INTO deferred VALUES (1, '[1,3)', 1);
    CREATE TABLE parts (id int, k text, v int, PRIMARY KEY (id, k)) PARTITION BY HASH (id);
    CREATE TABLE parts0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY LIST (k);
    CREATE TABLE parts0a PARTITION OF parts0 FOR VALUES IN ('a', NULL); CREATE TABLE parts0d PARTITION OF parts0 DEFAULT;
    CREATE TABLE parts1 (v int DEFAULT 9, junk int, k text NOT NULL, id int NOT NULL); ALTER TABLE parts1 DROP COLUMN junk;
    ALTER TABLE parts ATTACH PARTITION parts1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO parts SELECT n, chr(97 + n % 3), n FROM generate_series(1, 50) n;
    CREATE VIEW seen AS SELECT id, v FROM parts; CREATE VIEW seen_again AS SELECT * FROM seen WHERE id > 3 WITH LOCAL CHECK OPTION;
    CREATE FUNCTION of_table(int) RETURNS SETOF parts LANGUAGE sql AS 'SELECT * FROM w.parts WHERE id = $1';
    CREATE FUNCTION of_view(w.seen) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE VIEW called AS SELECT (of_table(3)).v;
    CREATE TABLE counted (id int PRIMARY KEY, a int, b int); INSERT INTO counted VALUES (1, 2, 3);
    CREATE STATISTICS guess (dependencies) ON a, b FROM counted; ALTER STATISTICS guess SET STATISTICS 77;
    CREATE TABLE holder (id int PRIMARY KEY, of_counted counted); INSERT INTO holder VALUES (1, ROW(1, 2, 3));
    SELECT backstop.protect(c.oid, key_columns => CASE relname WHEN 'base' THEN '{id}'::text[] END) FROM pg_class AS c
    WHERE relnamespace = 'w'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY c.oid;
    RESET search_path"#;

/// The schema as pg_dump tells it: its commands and its rows, each sorted. OIDs and the order of making are not told.
fn dump(database: &str) -> Vec<String> {
    let dump = cluster()
        .program("pg_dump", &["--schema=w", "--inserts", database])
        .expect("pg_dump runs");
    let told =
        |line: &&str| !line.is_empty() && !line.starts_with("--") && !line.contains("restrict ");
    let mut lines: Vec<String> = dump.lines().filter(told).map(str::to_owned).collect();
    lines.sort();
    lines
}

fn restore(admin: &mut Client) {
    passes(
        admin,
        "SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)",
    );
}

#[test]
fn every_table_comes_back_as_pg_dump_saw_it() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let before = dump(&db.name);
    for table in [
        "w.typed",
        "w.wide",
        "w.unlogged",
        "w.merged",
        "w.base",
        "w.\"Quo\"\"ted.T able\"",
        "w.deferred",
        "w.parts0",
        "w.parts",
        "w.holder",
    ] {
        approved(&mut admin, 1000, &format!("DROP TABLE {table} CASCADE"));
        assert_ne!(dump(&db.name), before, "{table}");
        restore(&mut admin);
        assert_eq!(dump(&db.name), before, "{table}");
    }
}

#[test]
fn what_stands_on_a_dropped_table_and_on_its_views_comes_back() {
    let db = database();
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(&mut admin, WORLD);
    approved(&mut admin, 1000, "DROP TABLE w.parts, w.counted CASCADE");
    let lost = "SELECT to_regclass('w.called') IS NULL, (SELECT count(*) FROM pg_proc WHERE proname ~ '^of_')";
    assert_eq!(query_text(&mut admin, lost), "t|0");
    notices.take();
    restore(&mut admin);
    let warnings: Vec<String> = notices
        .take()
        .iter()
        .filter(|notice| notice.severity() == "WARNING")
        .map(|notice| notice.message().to_owned())
        .collect();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(query_text(&mut admin, lost), "f|2");
    let back = "SELECT (SELECT v FROM w.called), (SELECT w.of_view(s) FROM w.seen AS s WHERE id = 4),
                       (SELECT of_counted FROM w.holder), (SELECT stxstattarget FROM pg_statistic_ext WHERE stxname = 'guess')";
    assert_eq!(query_text(&mut admin, back), "3|1|(1,2,3)|77");
}

/// The session that drops prints dates, intervals, numbers and backslashes in its own way, and the one that restores reads
/// them in another.
#[test]
fn constants_come_back_whatever_the_session_has_set() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        r"CREATE SCHEMA w;
          CREATE TABLE w.dated (id int, d date DEFAULT '2026-01-02', x text DEFAULT 'a\b' CHECK (x <> 'c\d'),
              i interval DEFAULT '-1 day -2:00', f float8 DEFAULT 0.1 + 0.2, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
          CREATE TABLE w.early PARTITION OF w.dated FOR VALUES FROM ('2026-01-02') TO ('2026-03-04');
          CREATE INDEX ON w.dated (id) WHERE d > '2026-05-06';
          SELECT backstop.protect('w.dated'); INSERT INTO w.dated (id) VALUES (1)",
    );
    let before = dump(&db.name);
    passes(
        &mut admin,
        "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = sql_standard; SET standard_conforming_strings = off;
         SET extra_float_digits = -10; SET escape_string_warning = off",
    );
    for table in ["w.early", "w.dated"] {
        approved(&mut admin, 100, &format!("DROP TABLE {table} CASCADE"));
        let mut other = db.connect();
        restore(&mut other);
        assert_eq!(dump(&db.name), before, "{table}");
    }
}

/// What others have made since the snapshot of a REPEATABLE READ transaction goes with the table, and comes back with it.
/// PostgreSQL does not print a constraint that is newer: the drop fails like any other change of what is newer.
#[test]
fn a_drop_by_an_old_snapshot_takes_nothing_that_is_not_recorded() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE SCHEMA w; CREATE TABLE w.users (id int PRIMARY KEY); INSERT INTO w.users VALUES (1);
         CREATE TABLE w.plain (id int); SELECT backstop.protect('w.users')",
    );
    let old = "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO w.plain VALUES (1);
               SELECT backstop.approve_batch('OPS-8', 100)";
    let drop = "DROP TABLE w.users CASCADE";
    let mut app = db.connect();
    passes(&mut app, old);
    passes(
        &mut admin,
        "CREATE TABLE w.notes (id int PRIMARY KEY, user_id int REFERENCES w.users ON DELETE CASCADE);
         INSERT INTO w.notes VALUES (1, 1)",
    );
    assert_eq!(refused(&mut app, drop).sqlstate, "40001");
    passes(&mut app, "ROLLBACK");
    passes(&mut app, old);
    passes(
        &mut admin,
        "CREATE VIEW w.late AS SELECT * FROM w.users; CREATE INDEX ON w.users ((id + 1))",
    );
    let before = dump(&db.name);
    passes(&mut app, &format!("{drop}; DELETE FROM w.plain; COMMIT"));
    restore(&mut admin);
    assert_eq!(dump(&db.name), before);
}
