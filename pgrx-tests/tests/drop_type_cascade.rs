//! DROP TYPE, DOMAIN and FUNCTION ... CASCADE name no table, and take columns from many.

use pg_backstop_tests::{database_with, passes, query_text, refused};

#[test]
fn an_approval_for_one_table_takes_nothing_from_another() {
    let (_db, mut admin) = database_with(
        "CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN small AS int; CREATE TYPE pair AS (id int, v text);
         CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
         CREATE TABLE mine (id int PRIMARY KEY, e mood, d small, f int GENERATED ALWAYS AS (twice(id)) STORED);
         CREATE TABLE theirs (id int PRIMARY KEY, e mood, d small, f int GENERATED ALWAYS AS (twice(id)) STORED, p pair);
         CREATE TABLE typed OF pair (PRIMARY KEY (id));
         INSERT INTO mine VALUES (1, 'a', 1); INSERT INTO theirs VALUES (1, 'a', 1), (2, 'a', 2);
         SELECT backstop.protect('mine'), backstop.protect('theirs', require => 'always'), backstop.protect('typed')",
    );
    for (statement, approved) in [
        ("DROP TYPE mood CASCADE", "'{public.mine}', '{alter}'"),
        ("DROP DOMAIN small CASCADE", "'{public.mine}', '{alter}'"),
        (
            "DROP FUNCTION twice(int) CASCADE",
            "'{public.mine}', '{alter}'",
        ),
        ("DROP TYPE pair CASCADE", "'{public.typed}', '{drop}'"),
        ("DROP TYPE pair CASCADE", "NULL, '{drop}'"),
    ] {
        passes(
            &mut admin,
            &format!("BEGIN; SELECT backstop.approve_batch('OPS-1', 100, {approved})"),
        );
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF010", "{statement} {refusal:?}");
        assert_eq!(refusal.table, "theirs", "{statement} {refusal:?}");
        passes(&mut admin, "ROLLBACK");
    }
    for (statement, approved) in [
        (
            "DROP TYPE mood CASCADE",
            "'{public.mine, public.theirs}', '{alter}'",
        ),
        ("DROP TYPE pair CASCADE", "NULL, NULL"),
        ("DROP TYPE pair CASCADE", "NULL, '{drop, alter}'"),
    ] {
        passes(
            &mut admin,
            &format!("BEGIN; SELECT backstop.approve_batch('OPS-1', 100, {approved}); {statement}"),
        );
        assert_eq!(
            query_text(
                &mut admin,
                "SELECT count(*) FROM backstop.preimage WHERE relation = 'public.theirs'"
            ),
            "2",
            "{statement}"
        );
        passes(&mut admin, "ROLLBACK");
    }
}

/// The type that a typed table is of loses the column, too: it could not come back.
#[test]
fn a_typed_table_keeps_its_columns() {
    let (_db, mut admin) = database_with(
        "CREATE TYPE inner_t AS (x int); CREATE DOMAIN dom AS int; CREATE TYPE entry AS (id int, i inner_t, d dom);
         CREATE TABLE typed OF entry (PRIMARY KEY (id)); INSERT INTO typed VALUES (1, '(5)', 1);
         SELECT backstop.protect('typed')",
    );
    for statement in ["DROP TYPE inner_t CASCADE", "DROP DOMAIN dom CASCADE"] {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF008", "{statement} {refusal:?}");
        assert!(!refusal.hint.contains("approve_batch"), "{refusal:?}");
        passes(
            &mut admin,
            "BEGIN; SELECT backstop.approve_batch('OPS-1', 100)",
        );
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF008", "{statement} {refusal:?}");
        passes(&mut admin, "ROLLBACK");
    }
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', 100); DROP TYPE entry CASCADE; COMMIT;
         SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), false)",
    );
    assert_eq!(query_text(&mut admin, "SELECT * FROM typed"), "1|(5)|1");
}
