//! What is restored refers to what it referred to, whatever that is called now and whatever has its name.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, Notices, approved, database, passes, query_text, refused};

const WORLD: &str = "
    CREATE SCHEMA s; CREATE SCHEMA arch; CREATE TYPE s.mood AS ENUM ('good', 'bad');
    CREATE DOMAIN s.small AS int CHECK (VALUE < 100); CREATE SEQUENCE s.numbers;
    CREATE FUNCTION s.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
    CREATE FUNCTION s.f(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';
    CREATE FUNCTION s.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TABLE s.parent (id int PRIMARY KEY, code int UNIQUE); CREATE VIEW s.seen AS SELECT id FROM s.parent;
    CREATE TABLE s.t (id int PRIMARY KEY, p int REFERENCES s.parent, c int REFERENCES s.parent (code), m s.mood DEFAULT 'good',
        n int DEFAULT nextval('s.numbers'), d s.small DEFAULT s.f(1), CHECK (s.f(d) < 90));
    CREATE INDEX ON s.t (s.f(d)); CREATE TRIGGER fire BEFORE UPDATE OF d ON s.t FOR EACH ROW EXECUTE FUNCTION s.fire();
    CREATE POLICY p ON s.t USING (p IN (SELECT id FROM s.seen));
    INSERT INTO s.parent VALUES (1, 10); INSERT INTO s.t VALUES (1, 1, 10); SELECT backstop.protect('s.t')";

/// All that `s.t` refers to, by OID.
const REFERS: &str = "
    SELECT (SELECT string_agg(confrelid::oid::text || confkey::text, ',' ORDER BY conname) FROM pg_constraint
                WHERE contype = 'f' AND conrelid = 's.t'::regclass),
           (SELECT string_agg(atttypid::oid::text, ',' ORDER BY attname) FROM pg_attribute
                WHERE attrelid = 's.t'::regclass AND attnum > 0 AND NOT attisdropped),
           (SELECT string_agg(DISTINCT refobjid::text, ',' ORDER BY refobjid::text) FROM pg_depend
                WHERE refobjid >= 16384 AND refclassid IN ('pg_proc'::regclass, 'pg_class'::regclass) AND refobjid <> 's.t'::regclass
                    AND (objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = 's.t'::regclass
                                   UNION SELECT oid FROM pg_constraint WHERE conrelid = 's.t'::regclass
                                   UNION SELECT oid FROM pg_trigger WHERE tgrelid = 's.t'::regclass AND NOT tgisinternal
                                        AND tgname NOT LIKE 'backstop%'
                                   UNION SELECT oid FROM pg_policy WHERE polrelid = 's.t'::regclass
                                   UNION SELECT indexrelid FROM pg_index WHERE indrelid = 's.t'::regclass))),
           (SELECT count(*) FROM s.t WHERE p = 1 AND c = 10 AND m = 'good' AND n = 1 AND d = 2)";

/// What names all of it has, and what is left of ours.
const NAMES: &str = "
    SELECT (SELECT string_agg(oid::regclass::text, ',' ORDER BY oid) FROM pg_class WHERE relnamespace IN ('s'::regnamespace, 'arch'::regnamespace)
                AND relkind IN ('r', 'v', 'S')),
           (SELECT string_agg(oid::regprocedure::text, ',' ORDER BY oid) FROM pg_proc WHERE pronamespace IN ('s'::regnamespace, 'arch'::regnamespace)),
           (SELECT string_agg(oid::regtype::text, ',' ORDER BY oid) FROM pg_type WHERE typtype IN ('e', 'd')
                AND typnamespace IN ('s'::regnamespace, 'arch'::regnamespace)),
           (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'backstop!_%' ESCAPE '!')";

const LOSSES: &[&str] = &[
    "ALTER TABLE s.t DROP COLUMN p CASCADE, DROP COLUMN c, DROP COLUMN m, DROP COLUMN n, DROP COLUMN d CASCADE",
    "ALTER TABLE s.t ALTER m DROP DEFAULT, ALTER m TYPE text, ALTER n TYPE bigint",
];

fn world() -> (Database, Client, Notices) {
    let db = database();
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(&mut admin, WORLD);
    (db, admin, notices)
}

fn last(admin: &mut Client) -> String {
    query_text(admin, "SELECT max(statement_id) FROM backstop.statement")
}

fn restore(id: &str) -> String {
    format!("SELECT * FROM backstop.restore({id}, dry_run => false)")
}

fn warnings(notices: &Notices) -> Vec<String> {
    let notices = notices.take().into_iter();
    let warnings = notices.filter(|notice| notice.severity() == "WARNING");
    warnings.map(|notice| notice.message().to_owned()).collect()
}

fn follows(renames: &str) {
    for loss in LOSSES {
        let (_db, mut admin, notices) = world();
        let refers = query_text(&mut admin, REFERS);
        approved(&mut admin, 1000, loss);
        let id = last(&mut admin);
        approved(&mut admin, 1000, renames);
        let names = query_text(&mut admin, NAMES);
        notices.take();
        passes(&mut admin, &restore(&id));
        assert_eq!(
            warnings(&notices),
            Vec::<String>::new(),
            "{loss}; {renames}"
        );
        assert_eq!(query_text(&mut admin, REFERS), refers, "{loss}; {renames}");
        assert_eq!(query_text(&mut admin, NAMES), names, "{loss}; {renames}");
    }
}

#[test]
fn relations_that_were_renamed_and_others_that_have_their_names() {
    follows("ALTER TABLE s.parent RENAME TO former");
    follows(
        "ALTER TABLE s.parent RENAME TO former; CREATE TABLE s.parent (id int PRIMARY KEY, code int UNIQUE);
         INSERT INTO s.parent VALUES (1, 10); ALTER VIEW s.seen RENAME TO shown; CREATE VIEW s.seen AS SELECT 1 AS id",
    );
    follows("ALTER TABLE s.parent SET SCHEMA arch; ALTER VIEW s.seen SET SCHEMA arch");
    follows("ALTER TABLE s.parent RENAME id TO former; ALTER TABLE s.parent RENAME code TO id");
}

#[test]
fn functions_types_and_sequences_that_were_renamed_and_others_that_have_their_names() {
    follows(
        "ALTER FUNCTION s.f(int) RENAME TO g; ALTER FUNCTION s.fire RENAME TO fired; ALTER TYPE s.mood RENAME TO \"M ood\";
         ALTER DOMAIN s.small RENAME TO smaller; ALTER SEQUENCE s.numbers RENAME TO counted",
    );
    follows(
        "ALTER FUNCTION s.f(int) RENAME TO g; CREATE FUNCTION s.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 95';
         ALTER TYPE s.mood RENAME TO former; CREATE TYPE s.mood AS ENUM ('bad', 'good');
         ALTER SEQUENCE s.numbers RENAME TO counted; CREATE SEQUENCE s.numbers START 1000;
         ALTER DOMAIN s.small SET SCHEMA arch; CREATE DOMAIN s.small AS text",
    );
    follows(
        "ALTER FUNCTION s.f(int) SET SCHEMA arch; ALTER TYPE s.mood SET SCHEMA arch; ALTER SEQUENCE s.numbers SET SCHEMA arch;
         ALTER FUNCTION s.fire SET SCHEMA arch",
    );
}

#[test]
fn what_is_gone_is_not_replaced_by_somebody_else_s() {
    let (db, mut admin, notices) = world();
    let role = format!("planter_{}", db.name);
    approved(&mut admin, 100, "ALTER TABLE s.t DROP COLUMN p CASCADE");
    let id = last(&mut admin);
    passes(
        &mut admin,
        &format!(
            "CREATE ROLE {role}; GRANT ALL ON SCHEMA s TO {role}; ALTER TABLE s.t DROP CONSTRAINT t_c_fkey; DROP TABLE s.parent CASCADE;
             SET ROLE {role}; CREATE TABLE s.parent (id int PRIMARY KEY); INSERT INTO s.parent VALUES (1); RESET ROLE"
        ),
    );
    notices.take();
    passes(&mut admin, &restore(&id));
    let told = warnings(&notices);
    let named = "foreign key \"t_p_fkey\" of \"s.t\" was not brought back: what is called \"s.parent\" now is not what it referred to";
    assert!(told.contains(&named.to_owned()), "{told:?}");
    let keys = "SELECT count(*) FROM pg_constraint WHERE confrelid = 's.parent'::regclass";
    assert_eq!(query_text(&mut admin, keys), "0");
    approved(&mut admin, 100, "ALTER TABLE s.t DROP COLUMN m");
    let id = last(&mut admin);
    passes(
        &mut admin,
        &format!(
            "DROP TYPE s.mood; SET ROLE {role}; CREATE TYPE s.mood AS ENUM ('good', 'bad'); RESET ROLE"
        ),
    );
    let refusal = refused(&mut admin, &restore(&id));
    assert!(
        refusal.message.contains("cannot bring back column \"m\""),
        "{refusal:?}"
    );
    passes(
        &mut admin,
        &format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"),
    );
}

#[test]
fn a_detached_partition_that_has_another_name() {
    let (_db, mut admin, _notices) = world();
    passes(
        &mut admin,
        "CREATE TABLE s.parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE s.low PARTITION OF s.parted FOR VALUES FROM (0) TO (10); INSERT INTO s.parted VALUES (1);
         SELECT backstop.protect('s.parted')",
    );
    approved(
        &mut admin,
        10,
        "ALTER TABLE s.parted DETACH PARTITION s.low",
    );
    let id = last(&mut admin);
    approved(
        &mut admin,
        10,
        "ALTER TABLE s.low RENAME TO archived; CREATE TABLE s.low (id int PRIMARY KEY)",
    );
    passes(&mut admin, &restore(&id));
    let there = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 's.parted'::regclass";
    assert_eq!(query_text(&mut admin, there), "s.archived");
}
