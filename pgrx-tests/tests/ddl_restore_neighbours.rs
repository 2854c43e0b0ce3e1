//! What a drop takes from tables that stay, and from views, comes back with the table; what cannot is named.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, Notices, approved, database, passes, query_text};

fn world(sql: &str) -> (Database, Client, Notices) {
    let db = database();
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(&mut admin, sql);
    (db, admin, notices)
}

/// Restores the last statement; the warnings.
fn restore(admin: &mut Client, notices: &Notices) -> String {
    notices.take();
    passes(
        admin,
        "SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)",
    );
    let warnings: Vec<String> = notices
        .take()
        .iter()
        .filter(|notice| notice.severity() == "WARNING")
        .map(|notice| notice.message().to_owned())
        .collect();
    warnings.join("\n")
}

/// What `query` says comes back with what `statement` takes.
fn comes_back(sql: &str, statement: &str, query: &str) {
    let (_db, mut admin, notices) = world(sql);
    let before = query_text(&mut admin, query);
    approved(&mut admin, 1000, statement);
    assert_ne!(query_text(&mut admin, query), before, "{statement}");
    assert_eq!(restore(&mut admin, &notices), "");
    assert_eq!(query_text(&mut admin, query), before, "{statement}");
}

const POLICIES: &str =
    "CREATE TABLE perm (uid int PRIMARY KEY); CREATE TABLE doc (id int PRIMARY KEY, owner int);
    ALTER TABLE doc ENABLE ROW LEVEL SECURITY; CREATE POLICY p1 ON doc USING (true);
    CREATE POLICY p2 ON doc AS RESTRICTIVE USING (EXISTS (SELECT FROM perm WHERE uid = owner));
    COMMENT ON POLICY p2 ON doc IS 'only who may'; SELECT backstop.protect('perm')";

#[test]
fn indexes_of_a_materialized_view() {
    comes_back(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE MATERIALIZED VIEW mv AS SELECT * FROM t;
         CREATE UNIQUE INDEX ON mv (id); CREATE INDEX mv_more ON mv ((id + 1)); SELECT backstop.protect('t')",
        "DROP TABLE t CASCADE",
        "SELECT string_agg(pg_get_indexdef(indexrelid), ';' ORDER BY indexrelid::regclass::text) FROM pg_index
         WHERE indrelid = to_regclass('mv')",
    );
}

#[test]
fn policies_of_other_tables() {
    comes_back(
        POLICIES,
        "DROP TABLE perm CASCADE",
        "SELECT polname, polpermissive, pg_get_expr(polqual, polrelid), obj_description(oid, 'pg_policy') FROM pg_policy
         WHERE polrelid = 'doc'::regclass ORDER BY 1",
    );
}

#[test]
fn a_policy_whose_table_has_lost_a_column_is_named() {
    let (_db, mut admin, notices) = world(POLICIES);
    approved(&mut admin, 1000, "DROP TABLE perm CASCADE");
    passes(&mut admin, "ALTER TABLE doc DROP COLUMN owner");
    let warnings = restore(&mut admin, &notices);
    assert!(
        warnings.contains("policy \"p2\" of \"public.doc\" was not brought back"),
        "{warnings}"
    );
}

#[test]
fn rules_of_other_tables() {
    comes_back(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int); CREATE VIEW v AS SELECT 1 AS id;
         CREATE RULE also AS ON INSERT TO b DO ALSO INSERT INTO a VALUES (NEW.id); ALTER TABLE b DISABLE RULE also;
         COMMENT ON RULE also ON b IS 'twice'; CREATE RULE instead AS ON INSERT TO v DO INSTEAD INSERT INTO a VALUES (NEW.id);
         SELECT backstop.protect('a')",
        "DROP TABLE a CASCADE",
        "SELECT string_agg(pg_get_ruledef(oid) || ev_enabled::text || coalesce(obj_description(oid, 'pg_rewrite'), ''), ';'
                           ORDER BY rulename) FROM pg_rewrite WHERE rulename IN ('also', 'instead')",
    );
}

#[test]
fn defaults_of_other_tables_that_draw_from_its_sequence() {
    comes_back(
        "CREATE TABLE a (id serial PRIMARY KEY, n int); CREATE TABLE b (id int DEFAULT nextval('a_id_seq'));
         INSERT INTO a (n) VALUES (1), (2); SELECT backstop.protect('a')",
        "DROP TABLE a CASCADE",
        "SELECT count(*), max(pg_get_expr(adbin, adrelid)) FROM pg_attrdef WHERE adrelid = 'b'::regclass",
    );
    comes_back(
        "CREATE TABLE a (id serial, k int PRIMARY KEY); CREATE TABLE b (id int DEFAULT nextval('a_id_seq'));
         INSERT INTO a (k) VALUES (1), (2); SELECT backstop.protect('a')",
        "ALTER TABLE a DROP COLUMN id CASCADE",
        "SELECT count(*), max(pg_get_expr(adbin, adrelid)) FROM pg_attrdef WHERE adrelid = 'b'::regclass",
    );
}

/// Since 15 a publication can be of some columns and of some rows.
#[test]
fn publications() {
    comes_back(
        "CREATE TABLE t (id int PRIMARY KEY, a int, \"B c\" int); CREATE PUBLICATION whole FOR TABLE t;
         DO $$ BEGIN IF current_setting('server_version_num')::int >= 150000 THEN
             CREATE PUBLICATION part FOR TABLE t (id, \"B c\") WHERE (id > 5 AND a IS NULL) WITH (publish = 'insert');
         END IF; END $$; SELECT backstop.protect('t')",
        "DROP TABLE t CASCADE",
        "SELECT string_agg(to_jsonb(t)::text, ';' ORDER BY pubname) FROM pg_publication_tables AS t",
    );
}

#[test]
fn defaults_of_views_and_targets_of_indexes_and_comments_on_rules() {
    comes_back(
        "CREATE TABLE t (id int PRIMARY KEY, a int); CREATE VIEW v AS SELECT * FROM t;
         ALTER VIEW v ALTER COLUMN a SET DEFAULT 7; CREATE INDEX ti ON t ((a + 1)); ALTER INDEX ti ALTER COLUMN 1 SET STATISTICS 99;
         CREATE RULE r AS ON DELETE TO t DO ALSO NOTIFY gone; COMMENT ON RULE r ON t IS 'told'; SELECT backstop.protect('t')",
        "DROP TABLE t CASCADE",
        "SELECT (SELECT string_agg(pg_get_expr(adbin, adrelid), ';') FROM pg_attrdef WHERE adrelid = to_regclass('v')),
                (SELECT string_agg(attstattarget::text, ';') FROM pg_attribute WHERE attrelid = to_regclass('ti')),
                (SELECT obj_description(oid, 'pg_rewrite') FROM pg_rewrite WHERE rulename = 'r')",
    );
}
