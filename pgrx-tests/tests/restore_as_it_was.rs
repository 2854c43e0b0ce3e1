//! What a restore must not be stricter or meaner about than the database was.

use pg_backstop_tests::{database, database_with, passes, query_text, refused};

const LAST: &str = "(SELECT max(statement_id) FROM backstop.statement)";

#[test]
fn rows_that_a_not_valid_key_let_stand_come_back() {
    let db = database();
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(
        &mut admin,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, pid int);
         INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1), (2, 99), (3, 2);
         ALTER TABLE c ADD CONSTRAINT late FOREIGN KEY (pid) REFERENCES p NOT VALID; SELECT backstop.protect('c');
         BEGIN; SELECT backstop.approve_batch('OPS-1', 10); DELETE FROM c; COMMIT",
    );
    let restore = format!("SELECT * FROM backstop.restore({LAST}, false)");
    notices.take();
    passes(&mut admin, &restore);
    let told: Vec<String> = notices
        .take()
        .iter()
        .map(|notice| notice.message().to_owned())
        .collect();
    assert_eq!(
        told,
        ["restored rows of \"public.c\" reference rows that are not in \"public.p\""]
    );
    let rows = "SELECT string_agg(concat(id, ':', pid), ' ' ORDER BY id) FROM c";
    assert_eq!(query_text(&mut admin, rows), "1:1 2:99 3:2");
    // The parents of those that have one are locked, as ever.
    assert_eq!(
        refused(&mut admin, "DELETE FROM p WHERE id = 2").sqlstate,
        "23503"
    );
    // A key that holds for all rows is held to.
    passes(
        &mut admin,
        "DELETE FROM c WHERE id = 2; ALTER TABLE c VALIDATE CONSTRAINT late; DELETE FROM c WHERE id = 3; DELETE FROM p WHERE id = 2",
    );
    assert_eq!(refused(&mut admin, &restore).sqlstate, "23503");
}

#[test]
fn rows_that_mix_nulls_under_a_not_valid_key_come_back() {
    let db = database();
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(
        &mut admin,
        "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE c (id int PRIMARY KEY, x int, y int);
         INSERT INTO c VALUES (1, 1, NULL), (2, NULL, NULL), (3, 7, 8);
         ALTER TABLE c ADD CONSTRAINT late FOREIGN KEY (x, y) REFERENCES p MATCH FULL NOT VALID; SELECT backstop.protect('c');
         DELETE FROM c WHERE id IN (1, 2, 3)",
    );
    let restore = format!("SELECT * FROM backstop.restore({LAST}, false)");
    notices.take();
    passes(&mut admin, &restore);
    let told: Vec<_> = notices
        .take()
        .iter()
        .map(|notice| notice.detail().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        told,
        ["Foreign key \"late\" is NOT VALID and lets such rows stand: 2 of them."]
    );
    let rows = "SELECT string_agg(concat_ws(':', id, x, y), ' ' ORDER BY id) FROM c";
    assert_eq!(query_text(&mut admin, rows), "1:1 2 3:7:8");
    // A key that holds for all rows is held to.
    passes(
        &mut admin,
        "DELETE FROM c WHERE id IN (1, 3); ALTER TABLE c VALIDATE CONSTRAINT late",
    );
    assert_eq!(refused(&mut admin, &restore).sqlstate, "23503");
}

/// Its multirange type and the functions that make its values come with it, each with default privileges of its own.
#[test]
fn a_range_type_is_everybodys_whatever_the_defaults_withhold() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO app; CREATE TYPE s.\"Rg\" AS RANGE (subtype = int);
         CREATE TABLE t (id int PRIMARY KEY, r s.\"Rg\", m s.\"Rg_multirange\"); INSERT INTO t VALUES (1, '[1,2)', '{[1,2)}');
         SELECT backstop.protect('t');
         BEGIN; SELECT backstop.approve_batch('OPS-1', 10); DROP TYPE s.\"Rg\" CASCADE; COMMIT;
         ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM CURRENT_USER, PUBLIC;
         ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM CURRENT_USER, PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO outsider WITH GRANT OPTION;
         ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO outsider WITH GRANT OPTION",
    );
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({LAST}, false)"),
    );
    passes(
        &mut admin,
        "SET ROLE app; SELECT s.\"Rg\"(1, 2), s.\"Rg\"(1, 2, '[]'), s.\"Rg_multirange\"(), s.\"Rg_multirange\"(s.\"Rg\"(1, 2)),
             s.\"Rg_multirange\"(s.\"Rg\"(1, 2), s.\"Rg\"(3, 4)); CREATE TEMP TABLE mine (r s.\"Rg\", m s.\"Rg_multirange\"); RESET ROLE",
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*), count(DISTINCT name) FILTER (WHERE a.grantee = 0), count(*) FILTER (WHERE a.grantee = 'outsider'::regrole)
             FROM (SELECT oid::regprocedure::text, COALESCE(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace = 's'::regnamespace
                   UNION ALL SELECT oid::regtype::text, COALESCE(typacl, acldefault('T', typowner)) FROM pg_type
                   WHERE typnamespace = 's'::regnamespace AND typtype IN ('r', 'm')) AS made (name, acl), aclexplode(acl) AS a"
        ),
        "14|7|0"
    );
    assert_eq!(
        query_text(&mut admin, "SELECT r, m FROM t"),
        "[1,2)|{[1,2)}"
    );
}

#[test]
fn an_owner_has_his_own_whatever_the_defaults_withhold() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA s AUTHORIZATION app; SET SESSION AUTHORIZATION app; CREATE TYPE s.mark AS (n int);
         CREATE TABLE s.t (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, m s.mark); INSERT INTO s.t DEFAULT VALUES;
         CREATE VIEW s.v AS SELECT * FROM s.t; CREATE FUNCTION s.f(s.t) RETURNS int LANGUAGE sql AS 'SELECT $1.id';
         RESET SESSION AUTHORIZATION; SELECT backstop.protect('s.t');
         BEGIN; SELECT backstop.approve_batch('OPS-1', 10); DROP SCHEMA s CASCADE; COMMIT;
         ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM CURRENT_USER;
         ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM CURRENT_USER;
         ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM CURRENT_USER;
         ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM CURRENT_USER, PUBLIC;
         ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM CURRENT_USER, PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO outsider; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO outsider",
    );
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({LAST}, false)"),
    );
    passes(
        &mut admin,
        "SET ROLE app; INSERT INTO s.t DEFAULT VALUES; SELECT s.f(v) FROM s.t AS v; SELECT * FROM s.v;
         SELECT nextval('s.t_id_seq'); SELECT ROW(1)::s.mark; RESET ROLE",
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT has_function_privilege('outsider', 's.f(s.t)', 'EXECUTE'), has_type_privilege('outsider', 's.mark', 'USAGE'),
                    has_table_privilege('outsider', 's.t', 'SELECT'), has_table_privilege('outsider', 's.v', 'SELECT'),
                    has_sequence_privilege('outsider', 's.t_id_seq', 'USAGE')"
        ),
        "t|t|f|f|f"
    );
}
