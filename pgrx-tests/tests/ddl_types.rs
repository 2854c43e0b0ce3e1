//! DDL on composite types: tables of a type go with it, and what followers hold of one is kept, too.

use pg_backstop_tests::{database_with, passes, query_text, refused};

#[test]
fn a_typed_table_that_goes_with_its_type_is_a_table_that_goes() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA zz; CREATE TYPE zz.co AS (id int, v text); CREATE TYPE zz.free AS (id int, v text);
         CREATE ROLE typist; ALTER TYPE zz.co OWNER TO typist; GRANT USAGE ON SCHEMA zz TO typist;
         CREATE TABLE typed OF zz.co (PRIMARY KEY (id)); CREATE TABLE unguarded OF zz.free; INSERT INTO typed VALUES (1, 'a'), (2, 'b');
         SELECT backstop.protect('typed')",
    );
    for statement in [
        "DROP TYPE zz.co CASCADE",
        "DROP SCHEMA zz CASCADE",
        "DROP OWNED BY typist CASCADE",
        "DO 'BEGIN DROP SCHEMA zz CASCADE; END'",
    ] {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF008", "{statement} {refusal:?}");
        assert_eq!(refusal.table, "typed", "{statement} {refusal:?}");
        passes(
            &mut admin,
            &format!(
                "BEGIN; SELECT backstop.approve_batch('OPS-1', 2, '{{public.typed}}', '{{drop}}'); {statement}"
            ),
        );
        assert_eq!(
            query_text(
                &mut admin,
                "SELECT to_regclass('typed'), count(*), min(operation) FROM backstop.preimage"
            ),
            "null|2|DROP TABLE",
            "{statement}"
        );
        passes(&mut admin, "ROLLBACK");
    }
    assert_eq!(refused(&mut admin, "DROP TYPE zz.co").sqlstate, "2BP01");
    passes(&mut admin, "DROP TYPE zz.free CASCADE");
    passes(
        &mut admin,
        "SELECT backstop.unprotect('typed'); DROP OWNED BY typist CASCADE; DROP ROLE typist",
    );
}

#[test]
fn what_followers_hold_keeps_its_parts() {
    let (_db, mut admin) = database_with(
        "CREATE TYPE inner_t AS (a int, b int); CREATE TYPE outer_t AS (name text, i inner_t); CREATE DOMAIN dom AS inner_t;
         CREATE TYPE entry AS (id int, p_id int, note text);
         CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
         CREATE TABLE plain (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE, v inner_t[]);
         CREATE TABLE nested (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE, v outer_t);
         CREATE TABLE domained (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE, v dom);
         CREATE TABLE typed OF entry (PRIMARY KEY (id), FOREIGN KEY (p_id) REFERENCES p ON DELETE CASCADE);
         CREATE TABLE bystander (id int PRIMARY KEY, v inner_t)",
    );
    let attribute = "ALTER TYPE inner_t DROP ATTRIBUTE b";
    passes(&mut admin, &format!("BEGIN; {attribute}; ROLLBACK"));
    passes(&mut admin, "SELECT backstop.protect('p')");
    for (statement, table) in [
        (attribute, "plain"),
        ("DROP TYPE inner_t CASCADE", "nested"),
        ("ALTER TYPE outer_t DROP ATTRIBUTE i", "nested"),
        ("ALTER TYPE entry DROP ATTRIBUTE note CASCADE", "typed"),
        (
            "ALTER TYPE entry ALTER ATTRIBUTE note TYPE varchar CASCADE",
            "typed",
        ),
    ] {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF008", "{statement} {refusal:?}");
        assert!(
            refusal.table == table && refusal.hint.contains("backstop.unprotect('public.p')"),
            "{statement} {refusal:?}"
        );
    }
    for statement in [
        "ALTER TYPE inner_t ADD ATTRIBUTE c int",
        "ALTER TYPE inner_t RENAME ATTRIBUTE b TO d",
        "DROP TABLE bystander",
    ] {
        passes(&mut admin, statement);
    }
}
