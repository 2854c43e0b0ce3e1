//! Other people's errors keep every field with the extension loaded: programs read them.

use pg_backstop_tests::{ClusterOptions, Database, database, passes, refused, start};

const WORLD: &str = "
    CREATE DOMAIN percent AS int CONSTRAINT percent_range CHECK (VALUE BETWEEN 0 AND 100);
    CREATE TABLE accounts (id bigint CONSTRAINT accounts_key PRIMARY KEY, email text NOT NULL,
        share percent, balance numeric CONSTRAINT solvent CHECK (balance >= 0),
        CONSTRAINT one_mailbox UNIQUE (email));
    CREATE TABLE orders (id bigint PRIMARY KEY,
        account_id bigint CONSTRAINT orders_account REFERENCES accounts);
    CREATE TABLE bookings (room int, during int4range,
        CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&));
    INSERT INTO accounts VALUES (1, 'one@example.org', 10, 5), (2, 'two@example.org', 20, 5);
    INSERT INTO orders VALUES (1, 1);
    INSERT INTO bookings VALUES (1, '[1,5)');
    CREATE FUNCTION divide(a int, b int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN a / b; END';
    CREATE FUNCTION inner_sql() RETURNS bigint LANGUAGE sql AS
        'INSERT INTO accounts VALUES (1, ''three'') RETURNING id';
    CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN RAISE EXCEPTION USING ERRCODE = ''ZZ123'', MESSAGE = ''no'', DETAIL = ''detail'', HINT = ''hint'',
            COLUMN = ''c'', CONSTRAINT = ''k'', DATATYPE = ''d'', TABLE = ''t'', SCHEMA = ''s''; END';
    CREATE TABLE picked (id int);
    CREATE TRIGGER picky BEFORE INSERT ON picked FOR EACH ROW EXECUTE FUNCTION picky();
    CREATE PROCEDURE nested() LANGUAGE plpgsql AS 'BEGIN EXECUTE ''SELECT divide(1, 0)''; END';";

/// Statements that fail, whether or not anything is protected.
const FAILING: &[&str] = &[
    // Constraints: the fields every object-relational mapper reads.
    "INSERT INTO accounts VALUES (1, 'new@example.org')",
    "INSERT INTO accounts VALUES (3, 'one@example.org')",
    "INSERT INTO accounts VALUES (3, 'new@example.org'), (3, 'newer@example.org')",
    "INSERT INTO accounts VALUES (3, NULL)",
    "INSERT INTO accounts VALUES (3, 'new@example.org', 101)",
    "INSERT INTO accounts VALUES (3, 'new@example.org', 1, -1)",
    "INSERT INTO orders VALUES (2, 99)",
    "INSERT INTO bookings VALUES (2, '[4,9)')",
    "UPDATE accounts SET email = 'one@example.org' WHERE id = 2",
    "UPDATE accounts SET email = NULL WHERE id = 2",
    "UPDATE accounts SET balance = -1 WHERE id = 2",
    "UPDATE accounts SET share = 101 WHERE id = 2",
    "DELETE FROM accounts WHERE id = 1",
    // Positions.
    "SELECT 1 FROM accounts WHEER id = 1",
    "SELECT nothing FROM accounts",
    "DELETE FROM nowhere WHERE id = 1",
    "UPDATE accounts SET nothing = 1 WHERE id = 1",
    "SELECT no_such_function(1)",
    "INSERT INTO accounts (id) SELECT 'x'::text",
    "SELECT 'ä', nothing",
    // Contexts, one inside the other.
    "SELECT divide(1, 0)",
    "CALL nested()",
    "SELECT inner_sql()",
    "DO 'BEGIN PERFORM 1; INSERT INTO accounts VALUES (1, ''x''); END'",
    "DO 'BEGIN UPDATE accounts SET balance = -1 WHERE id = 2; END'",
    "WITH gone AS (DELETE FROM bookings RETURNING room) SELECT 1 / (room - 1) FROM gone",
    "PREPARE p AS SELECT 1 / $1; EXECUTE p (0)",
    "COPY (SELECT 1 / (id - 2) FROM accounts) TO '/dev/null'",
    "COPY orders FROM PROGRAM 'echo 7,x' WITH (FORMAT csv)",
    "COPY accounts (id, email) FROM PROGRAM 'echo 1,x' WITH (FORMAT csv)",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1 / (id - 2) FROM accounts",
    "EXPLAIN ANALYZE SELECT 1 / (id - 2) FROM accounts",
    // Fields that a function sets.
    "INSERT INTO picked VALUES (1)",
    // Not errors of a table at all.
    "SET statement_timeout = 50; SELECT pg_sleep(5)",
    "SELECT '1'::int + 'x'::int",
    "CREATE TABLE accounts (id int)",
    "DROP TABLE nowhere",
    "SET no_such_setting = 1",
    "SET LOCAL work_mem = 'lots'",
    "VACUUM nowhere",
];

fn compare(plain: &Database, loaded: &Database) {
    for statement in FAILING {
        let expected = refused(&mut plain.connect(), statement);
        let found = refused(&mut loaded.connect(), statement);
        assert_eq!(found, expected, "{statement}");
        assert!(
            !expected.sqlstate.starts_with("XX"),
            "{statement}: {expected:?}"
        );
    }
}

fn plain() -> (pg_backstop_tests::Cluster, Database) {
    let server = start(&ClusterOptions::default().without_extension());
    let db = server.database();
    passes(&mut db.connect(), WORLD);
    (server, db)
}

#[test]
fn an_error_has_the_same_fields_with_the_extension_as_without_it() {
    let (_server, plain) = plain();
    let loaded = database();
    passes(&mut loaded.connect(), WORLD);
    compare(&plain, &loaded);
}

#[test]
fn an_error_on_a_protected_table_has_the_same_fields_as_on_a_plain_one() {
    let (_server, plain) = plain();
    let loaded = database();
    let mut admin = loaded.connect();
    passes(&mut admin, WORLD);
    passes(
        &mut admin,
        "SELECT backstop.protect('accounts'), backstop.protect('orders')",
    );
    compare(&plain, &loaded);
}

#[test]
fn a_unique_violation_names_its_constraint_table_and_context() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    passes(&mut admin, "SELECT backstop.protect('accounts')");
    let refusal = refused(
        &mut admin,
        "DO 'BEGIN INSERT INTO accounts VALUES (3, ''one@example.org''); END'",
    );
    assert_eq!(refusal.sqlstate, "23505");
    assert_eq!(refusal.constraint, "one_mailbox");
    assert_eq!(
        (refusal.schema.as_str(), refusal.table.as_str()),
        ("public", "accounts")
    );
    assert!(
        refusal.detail.contains("(email)=(one@example.org)"),
        "{refusal:?}"
    );
    assert!(
        refusal
            .context
            .contains("inline_code_block line 1 at SQL statement"),
        "{refusal:?}"
    );
    assert_eq!(
        refused(&mut admin, "SELECT 1 FORM accounts").position,
        Some(15)
    );
}

/// What PostgreSQL refuses by itself keeps its own words where a rule of ours looks first.
#[test]
fn postgresqls_own_refusals_of_ddl_keep_their_words() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1); SELECT backstop.protect('users')",
    );
    let refusal = refused(&mut admin, "CREATE TEMP VIEW public.v AS SELECT 1");
    assert_eq!(
        refusal.message,
        "cannot create temporary relation in non-temporary schema"
    );
    let approved = "BEGIN; SELECT backstop.approve_batch('r', 10); SET TRANSACTION READ ONLY; DROP TABLE users";
    let refusal = refused(&mut admin, approved);
    assert_eq!(
        refusal.message,
        "cannot execute DROP TABLE in a read-only transaction"
    );
}
