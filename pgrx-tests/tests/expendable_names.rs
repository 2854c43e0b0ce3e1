//! What an `expendable` expression names keeps its name, and no name comes to mean something else: that of a schema, of a
//! field of a composite value, of a column, a label or a text search configuration, and what a call leaves out.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

/// `app` owns everything but the registration.
const WORLD: &str = "
    CREATE SCHEMA lib AUTHORIZATION app; CREATE SCHEMA calm AUTHORIZATION app; GRANT ALL ON SCHEMA public TO app;
    SET ROLE app;
    CREATE FUNCTION lib.is_test(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1 = 'test' $$;
    CREATE FUNCTION calm.other(varchar) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT true $$;
    CREATE FUNCTION lib.f(a text, b text DEFAULT 'test') RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1 = $2 $$;
    CREATE TYPE lib.comp AS (x text, y text); CREATE TYPE lib.bystander AS (x text, y text);
    CREATE TABLE lib.rowt (x text, y text); CREATE TABLE lib.child () INHERITS (lib.rowt);
    CREATE TYPE lib.visibility AS ENUM ('lib', 'private', 'test', 'spare');
    CREATE TABLE called (id int PRIMARY KEY, src varchar); CREATE TABLE left_out (id int PRIMARY KEY, src text);
    CREATE TABLE composed (id int PRIMARY KEY, c lib.comp); CREATE TABLE rows (id int PRIMARY KEY, r lib.child);
    CREATE TABLE seen (id int PRIMARY KEY, vis lib.visibility);
    CREATE TABLE worded (id int PRIMARY KEY, auth_source text, source text, auth text, test text, \"Test It\" text);
    INSERT INTO called SELECT n, 'web' FROM generate_series(1, 20) n;
    INSERT INTO composed SELECT n, '(web,test)' FROM generate_series(1, 20) n;
    RESET ROLE;
    SELECT backstop.protect('called', max_rows => 5, expendable => 'lib.is_test(src)'),
        backstop.protect('left_out', max_rows => 5, expendable => 'lib.f(src)'),
        backstop.protect('composed', max_rows => 5, expendable => $$(c).x = 'test'$$),
        backstop.protect('rows', max_rows => 5, expendable => $$(r).x = 'test'$$),
        backstop.protect('seen', max_rows => 5, expendable => $$vis = 'test'$$),
        backstop.protect('worded', max_rows => 5, expendable => $$auth_source = 'test' OR \"Test It\" = 'test'$$)";

fn world() -> (Database, Client, Client) {
    let (db, admin) = database_with(WORLD);
    let app = db.connect_as("app");
    (db, admin, app)
}

#[track_caller]
fn is_refused(client: &mut Client, sql: &str, table: &str) {
    let refusal = refused(client, sql);
    assert_eq!(refusal.sqlstate, "SF008", "{sql}\n{refusal:?}");
    assert_eq!(refusal.table, table, "{sql}\n{refusal:?}");
    let says = refusal.message.contains("expendable");
    assert!(says, "{sql}\n{refusal:?}");
}

#[test]
fn schemas_keep_their_names() {
    let (_db, mut admin, mut app) = world();
    for sql in [
        "ALTER SCHEMA lib RENAME TO lib_old",
        "DO $$ BEGIN EXECUTE 'ALTER SCHEMA lib RENAME TO lib_old'; END $$",
        "ALTER FUNCTION lib.is_test(text) SET SCHEMA calm",
    ] {
        is_refused(&mut admin, sql, "called");
    }
    is_refused(
        &mut app,
        "ALTER TYPE lib.visibility SET SCHEMA calm",
        "seen",
    );
    let told = query_text(
        &mut app,
        "SELECT sqlstate FROM backstop.check('ALTER SCHEMA lib RENAME TO lib_old')",
    );
    assert!(told.starts_with("SF008"), "{told}");
    for sql in [
        "ALTER SCHEMA calm RENAME TO calmer",
        "ALTER SCHEMA calmer RENAME TO calm",
        "ALTER SCHEMA lib OWNER TO postgres",
        "ALTER FUNCTION lib.is_test(text) OWNER TO postgres",
    ] {
        passes(&mut admin, sql);
    }
}

#[test]
fn no_other_function_takes_the_name() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "CREATE FUNCTION lib.other(varchar) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'",
    );
    passes(
        &mut app,
        "ALTER FUNCTION calm.other(varchar) RENAME TO is_test",
    );
    for sql in [
        "ALTER FUNCTION lib.other(varchar) RENAME TO is_test",
        "ALTER FUNCTION calm.is_test(varchar) SET SCHEMA lib",
    ] {
        is_refused(&mut app, sql, "called");
    }
    passes(
        &mut admin,
        "SET backstop.mode = off; CREATE FUNCTION lib.is_test(varchar, int) RETURNS boolean IMMUTABLE LANGUAGE sql AS
         'SELECT true'; ALTER FUNCTION lib.is_test(varchar, int) OWNER TO app; RESET backstop.mode",
    );
    is_refused(
        &mut app,
        "CREATE OR REPLACE FUNCTION lib.is_test(varchar, int DEFAULT 1) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'",
        "called",
    );
}

#[test]
fn what_cannot_be_read_at_the_moment_is_not_made_readable_by_somebody() {
    let (db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "SET backstop.mode = off; ALTER SCHEMA lib RENAME TO lib_old; RESET backstop.mode;
         CREATE SCHEMA lib AUTHORIZATION app; CREATE SCHEMA lib3 AUTHORIZATION app",
    );
    for (sql, table) in [
        (
            "CREATE FUNCTION lib.is_test(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'",
            "called",
        ),
        ("CREATE TYPE lib.visibility AS ENUM ('test')", "seen"),
        ("ALTER SCHEMA lib RENAME TO lib2", "called"),
    ] {
        is_refused(&mut admin, sql, table);
    }
    for sql in [
        "CREATE FUNCTION lib.is_live(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'",
        "CREATE OR REPLACE FUNCTION lib.is_live(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT false'",
        "DROP FUNCTION lib.is_live(text)",
        "CREATE TEMP TABLE t (id int); ALTER TABLE t RENAME COLUMN id TO number; DROP TABLE t",
    ] {
        passes(&mut app, sql);
    }
    passes(
        &mut admin,
        "ALTER SCHEMA lib3 RENAME TO lib4;
         DROP SCHEMA lib; SET backstop.mode = off; ALTER SCHEMA lib_old RENAME TO lib; RESET backstop.mode",
    );
    let refusal = refused(
        &mut db.connect_as("app"),
        "DELETE FROM called WHERE src = 'web'",
    );
    assert_eq!(refusal.sqlstate, "SF005", "{refusal:?}");
}

#[test]
fn fields_that_it_selects_keep_their_names() {
    let (_db, mut admin, mut app) = world();
    for (sql, table) in [
        ("ALTER TYPE lib.comp RENAME ATTRIBUTE x TO z", "composed"),
        ("ALTER TABLE lib.rowt RENAME COLUMN x TO z", "rows"),
    ] {
        is_refused(&mut app, sql, table);
    }
    for sql in [
        "ALTER TYPE lib.bystander RENAME ATTRIBUTE x TO z",
        "ALTER TYPE lib.bystander DROP ATTRIBUTE z",
        "ALTER TYPE lib.comp RENAME ATTRIBUTE y TO z",
        "ALTER TABLE lib.rowt RENAME COLUMN y TO z",
    ] {
        passes(&mut app, sql);
    }
    // Of a value that no column holds.
    passes(
        &mut admin,
        "CREATE TYPE lib.parts AS (head text, tail text); ALTER TYPE lib.parts OWNER TO app;
         CREATE FUNCTION lib.parse(text) RETURNS lib.parts IMMUTABLE LANGUAGE sql AS 'SELECT $1, $1';
         SELECT backstop.protect('called', max_rows => 5, expendable => $$(lib.parse(src::text)).head = 'test'$$)",
    );
    for sql in [
        "ALTER TYPE lib.parts RENAME ATTRIBUTE head TO neck",
        "ALTER TYPE lib.parts DROP ATTRIBUTE head",
    ] {
        is_refused(&mut app, sql, "called");
    }
    passes(
        &mut app,
        "ALTER TYPE lib.parts RENAME ATTRIBUTE tail TO rest",
    );
}

#[test]
fn what_a_call_leaves_out_stays_the_same() {
    let (_db, _admin, mut app) = world();
    let made = |default: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION lib.f(a text, b text DEFAULT {default}) RETURNS boolean IMMUTABLE LANGUAGE sql AS \
             $$ SELECT $1 = $2 $$"
        )
    };
    is_refused(&mut app, &made("'app'"), "left_out");
    for default in ["'test'", "   'test'"] {
        passes(&mut app, &made(default));
    }
}

#[test]
fn text_search_configurations_of_ones_own_are_refused() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "CREATE TEXT SEARCH CONFIGURATION lib.words (COPY = pg_catalog.simple)",
    );
    let protect = |configuration: &str| {
        format!(
            "SELECT backstop.protect('left_out', expendable => \
             $$to_tsvector('{configuration}', src) @@ to_tsquery('pg_catalog.simple', 'test')$$)"
        )
    };
    let refusal = refused(&mut admin, &protect("lib.words"));
    assert_eq!(refusal.sqlstate, "22023", "{refusal:?}");
    assert!(
        refusal
            .detail
            .contains("text search configuration lib.words")
            && refusal.detail.contains("ALTER TEXT SEARCH"),
        "{refusal:?}"
    );
    passes(&mut admin, &protect("pg_catalog.english"));
}

/// Two renames give a role's or a schema's name to another one.
#[test]
fn roles_and_schemas_are_not_asked_for_by_name() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA n_test; CREATE TABLE x (id int PRIMARY KEY, ns regnamespace, who regrole, name text)",
    );
    for expression in [
        "ns = 'n_test'::regnamespace",
        "who = 'app'::regrole",
        "name::regrole = 'app'::regrole",
        "name = ns::text",
    ] {
        let protect = format!("SELECT backstop.protect('x', expendable => $${expression}$$)");
        let refusal = refused(&mut admin, &protect);
        assert_eq!(refusal.sqlstate, "22023", "{expression}: {refusal:?}");
        assert!(
            refusal.detail.contains("type text"),
            "{expression}: {refusal:?}"
        );
    }
    passes(
        &mut admin,
        "SELECT backstop.protect('x', expendable => $$name = 'app'$$)",
    );
}

#[test]
fn columns_and_labels_that_only_its_words_hold_may_be_renamed() {
    let (_db, mut admin, mut app) = world();
    let approved = |statement: &str| {
        format!("BEGIN; SELECT backstop.approve_batch('OPS-7', max_rows => 1); {statement}; COMMIT")
    };
    for column in ["source", "auth", "test"] {
        let rename = format!("ALTER TABLE worded RENAME COLUMN {column} TO {column}_2");
        assert_eq!(refused(&mut app, &rename).sqlstate, "SF008");
        passes(&mut admin, &approved(&rename));
    }
    for column in ["auth_source", "\"Test It\"", "id"] {
        let rename = format!("ALTER TABLE worded RENAME COLUMN {column} TO renamed");
        let refusal = refused(&mut admin, &approved(&rename));
        assert_eq!(refusal.sqlstate, "SF008", "{column} {refusal:?}");
        passes(&mut admin, "ROLLBACK");
    }
    is_refused(
        &mut app,
        "ALTER TYPE lib.visibility RENAME VALUE 'test' TO 'probe'",
        "seen",
    );
    for label in ["lib", "spare"] {
        passes(
            &mut app,
            &format!("ALTER TYPE lib.visibility RENAME VALUE '{label}' TO '{label}_2'"),
        );
    }
    passes(
        &mut admin,
        "SELECT backstop.protect('seen', max_rows => 5, expendable => $$vis = ANY ('{test,spare_2}')$$)",
    );
    is_refused(
        &mut app,
        "ALTER TYPE lib.visibility RENAME VALUE 'spare_2' TO 'probe'",
        "seen",
    );
    passes(
        &mut app,
        "ALTER TYPE lib.visibility RENAME VALUE 'private' TO 'spare'",
    );
}
