//! Who restores may do more than those whose definitions are restored: what somebody wrote for a relation of his own never
//! lands on somebody else's.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{database_with, passes, query_text, refused};

const ALL: &str = r#"SET backstop.approval = '{"reason": "t", "max_rows": 1000000}'"#;

fn restore(admin: &mut Client, id: i64) {
    passes(
        admin,
        &format!("SELECT * FROM backstop.restore({id}, false)"),
    );
}

/// A role that may make tables, with functions that take over whoever runs them.
const WORLD: &str = "
    CREATE ROLE planter; CREATE ROLE victim; GRANT CREATE, USAGE ON SCHEMA public TO planter, victim;
    CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1); SELECT backstop.protect('p');
    SET ROLE planter;
    CREATE FUNCTION evil(public.p) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        IF current_user <> 'planter' THEN RAISE 'evil runs as %', current_user; END IF; RETURN true; END $$;
    CREATE FUNCTION evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_user <> 'planter' THEN RAISE 'evil runs as %', current_user; END IF; RETURN NEW; END $$";

const PLANTED: &[&str] = &[
    "CREATE TABLE x (c int, CONSTRAINT ck CHECK (evil(NULL::public.p)))",
    "CREATE TABLE x (c int, d boolean DEFAULT evil(NULL::public.p))",
    "CREATE TABLE x (c int); CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW WHEN ((NULL::public.p) IS NULL)
         EXECUTE FUNCTION evil_trigger()",
    "CREATE TABLE x (c int); CREATE RULE r AS ON INSERT TO x WHERE EXISTS (SELECT FROM public.p WHERE evil(p))
         DO ALSO SELECT evil(NULL::public.p)",
    "CREATE TABLE x (c int); CREATE POLICY o ON x USING (evil(NULL::public.p))",
];

#[test]
fn what_was_written_for_ones_own_table_does_not_land_on_anothers() {
    for planted in PLANTED {
        let (db, mut admin) = database_with(&format!("{WORLD}; {planted}; RESET ROLE"));
        passes(&mut admin, &format!("{ALL}; DROP TABLE p CASCADE"));
        passes(
            &mut admin,
            "SET ROLE planter; DROP TABLE x; RESET ROLE; CREATE TABLE x (c int, d boolean); INSERT INTO x VALUES (1)",
        );
        restore(&mut admin, 1);
        assert_eq!(query_text(&mut admin, "SELECT count(*) FROM p"), "1");
        passes(&mut admin, "INSERT INTO x VALUES (2)");
        assert_eq!(
            query_text(&mut admin, "SELECT count(*) FROM x"),
            "2",
            "{planted}"
        );
        passes(
            &mut admin,
            "DROP TABLE x; DROP OWNED BY planter, victim CASCADE; DROP ROLE planter, victim",
        );
        drop(db);
    }
}

#[test]
fn it_comes_back_to_ones_own_whatever_that_is_called_and_to_one_made_again() {
    let (_db, mut admin) = database_with(&format!(
        "{}; CREATE TABLE x (c int, CONSTRAINT ck CHECK (evil(NULL::public.p)));
         CREATE TABLE y (c int, CONSTRAINT ck CHECK (evil(NULL::public.p))); RESET ROLE; {ALL}; DROP TABLE p CASCADE;
         SET ROLE planter2; ALTER TABLE x RENAME TO z; DROP TABLE y; CREATE TABLE y (c int); RESET ROLE",
        WORLD.replace("planter", "planter2").replace("victim", "victim2")
    ));
    restore(&mut admin, 1);
    let checks = "SELECT string_agg(conrelid::regclass::text, ',' ORDER BY 1) FROM pg_constraint WHERE conname = 'ck'";
    assert_eq!(query_text(&mut admin, checks), "y,z");
    passes(
        &mut admin,
        "DROP OWNED BY planter2, victim2 CASCADE; DROP ROLE planter2, victim2",
    );
}

#[test]
fn a_sequence_or_statistics_that_somebody_else_made_stay_theirs() {
    let (_db, mut admin) = database_with(
        "CREATE ROLE planter3; CREATE ROLE victim3; GRANT CREATE, USAGE ON SCHEMA public TO planter3, victim3; SET ROLE planter3;
         CREATE TABLE p (id int PRIMARY KEY, a int); CREATE SEQUENCE sq OWNED BY p.a; CREATE STATISTICS st ON id, a FROM p;
         ALTER TABLE p ALTER a SET DEFAULT nextval('sq'); INSERT INTO p VALUES (1, 1); RESET ROLE; SELECT backstop.protect('p')",
    );
    passes(
        &mut admin,
        &format!(
            "{ALL}; ALTER TABLE p DROP COLUMN a; SET ROLE victim3; CREATE SEQUENCE sq START 1000; CREATE TABLE v (a int, b int);
             CREATE STATISTICS st ON a, b FROM v; RESET ROLE"
        ),
    );
    restore(&mut admin, 1);
    let owners = "SELECT (SELECT relowner::regrole FROM pg_class WHERE relname = 'sq'),
        (SELECT stxowner::regrole FROM pg_statistic_ext), (SELECT last_value FROM sq),
        (SELECT count(*) FROM pg_depend WHERE objid = 'sq'::regclass AND deptype = 'a'), (SELECT a FROM p)";
    assert_eq!(query_text(&mut admin, owners), "victim3|victim3|1000|0|1");
    passes(
        &mut admin,
        "DROP OWNED BY planter3, victim3 CASCADE; DROP ROLE planter3, victim3",
    );
}

#[test]
fn a_column_comes_back_although_its_schema_has_another_name() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA s1; CREATE TABLE s1.t (id int PRIMARY KEY, a text); INSERT INTO s1.t VALUES (1, 'x');
         SELECT backstop.protect('s1.t')",
    );
    passes(
        &mut admin,
        &format!("{ALL}; ALTER TABLE s1.t DROP COLUMN a; ALTER SCHEMA s1 RENAME TO s2"),
    );
    restore(&mut admin, 1);
    assert_eq!(query_text(&mut admin, "SELECT a FROM s2.t"), "x");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 's1' OR nspname LIKE 'backstop!_%' ESCAPE '!'";
    assert_eq!(query_text(&mut admin, schemas), "0");
}

/// What could not be converted back was emptied: that a row has NULL then says nothing of what was in it.
#[test]
fn later_work_in_a_column_that_was_null_is_a_conflict() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 1), (4, NULL); SELECT backstop.protect('t')",
    );
    passes(
        &mut admin,
        &format!(
            "{ALL}; ALTER TABLE t ALTER a TYPE text USING 'v' || a; UPDATE t SET a = 'later' WHERE id = 4"
        ),
    );
    refused(&mut admin, "SELECT * FROM backstop.restore(1, false)");
    assert_eq!(
        query_text(&mut admin, "SELECT a FROM t WHERE id = 4"),
        "later"
    );
}
