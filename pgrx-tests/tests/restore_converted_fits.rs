//! Restore of ALTER COLUMN TYPE keeps the present values of rows inserted or changed since: those that the former type
//! does not hold as they are stand in its way, and are neither truncated nor rounded.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database_with, last_statement, passes, query_text, refused,
};

fn rows(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT string_agg(u::text, ' ' ORDER BY id), min(format_type(atttypid, atttypmod)) FROM u, pg_attribute
         WHERE attrelid = 'u'::regclass AND attname = 'v'",
    )
}

/// Totals of a restore: captured, restored, unchanged, conflicts.
fn restore(client: &mut Client, id: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}{options})"
    );
    query_text(client, &sql)
}

/// A column was converted, and a row came since: the types, a value then, the row's.
fn inserted_since(
    (was, becomes, value, new): (&str, &str, &str, &str),
) -> (Database, Client, String) {
    let (db, mut admin) = database_with(&format!(
        "SET timezone = 'Europe/Berlin'; CREATE DOMAIN small AS varchar(3);
         CREATE TABLE u (id int PRIMARY KEY, v {was}); INSERT INTO u VALUES (1, {value}); SELECT backstop.protect('u')"
    ));
    approved(
        &mut admin,
        10,
        &format!("ALTER TABLE u ALTER v TYPE {becomes} USING v::{becomes}"),
    );
    let id = last_statement(&mut admin);
    passes(&mut admin, &format!("INSERT INTO u VALUES (2, {new})"));
    (db, admin, id)
}

#[test]
fn what_the_former_type_would_truncate_or_round_is_refused() {
    for case in [
        ("varchar(5)", "varchar(50)", "'abc'", "'a long value'"),
        ("varchar(5)", "text", "'abc'", "'abc    '"),
        ("char(3)", "text", "'abc'", "'abcd'"),
        ("small", "text", "'abc'", "'abcd'"),
        ("name", "text", "'abc'", "repeat('x', 70)"),
        ("varchar(3)[]", "text[]", "'{abc}'", "'{abc,abcd}'"),
        ("numeric(6,2)", "numeric(12,6)", "1.5", "1.234567"),
        ("float4", "float8", "1.5", "0.123456789012"),
        ("float8", "numeric", "1.5", "0.12345678901234567890"),
        ("int", "text", "1", "'01'"),
        ("date", "timestamptz", "'2026-01-01'", "'2026-01-01 12:00'"),
        (
            "timestamp(0)",
            "timestamp",
            "'2026-01-01'",
            "'2026-01-01 12:00:00.4'",
        ),
        // An hour that comes twice.
        (
            "timestamp",
            "timestamptz",
            "'2026-01-01'",
            "'2026-10-25 02:30+02'",
        ),
        ("varbit(3)", "varbit", "B'101'", "B'10110'"),
        ("jsonb", "json", "'{}'", "'{\"a\": 1, \"a\": 2}'"),
    ] {
        let (_db, mut admin, id) = inserted_since(case);
        let present = rows(&mut admin);
        for options in ["", ", false", ", false, 'skip'", ", false, 'overwrite'"] {
            let refusal = refused(
                &mut admin,
                &format!("SELECT * FROM backstop.restore({id}{options})"),
            );
            assert_eq!(refusal.sqlstate, "55000", "{case:?} {refusal:?}");
            assert!(
                refusal.message.contains("table \"public.u\""),
                "{refusal:?}"
            );
            assert!(refusal.detail.contains("present values"), "{refusal:?}");
            assert!(refusal.hint.contains("remove those rows"), "{refusal:?}");
            assert_eq!(rows(&mut admin), present, "{case:?}");
        }
    }
}

#[test]
fn what_the_former_type_holds_as_it_is_is_converted() {
    for (case, back) in [
        (("int", "bigint", "1", "7"), "(1,1) (2,7)|integer"),
        (("int", "bigint", "1", "NULL"), "(1,1) (2,)|integer"),
        (("int", "text", "1", "'7'"), "(1,1) (2,7)|integer"),
        (("boolean", "int", "true", "1"), "(1,t) (2,t)|boolean"),
        (
            ("varchar(5)", "text", "'abc'", "'abcde'"),
            "(1,abc) (2,abcde)|character varying(5)",
        ),
        (
            ("char(3)", "text", "'abc'", "'ab'"),
            "(1,abc) (2,\"ab \")|character(3)",
        ),
        (
            ("char(3)", "text", "'abc'", "'ab '"),
            "(1,abc) (2,\"ab \")|character(3)",
        ),
        (
            ("numeric(6,2)", "numeric(12,6)", "1", "1.5"),
            "(1,1.00) (2,1.50)|numeric(6,2)",
        ),
        (
            ("numeric", "float8", "1.50", "'NaN'"),
            "(1,1.50) (2,NaN)|numeric",
        ),
        (("float4", "float8", "1", "-0.1"), "(1,1) (2,-0.1)|real"),
        (
            ("date", "timestamptz", "'2026-01-01'", "'2026-01-02'"),
            "(1,2026-01-01) (2,2026-01-02)|date",
        ),
        (
            ("jsonb", "json", "'{}'", "'{\"bb\":1,\"a\":[2 ,{}]}'"),
            "(1,{}) (2,\"{\"\"a\"\": [2, {}], \"\"bb\"\": 1}\")|jsonb",
        ),
        (("json", "jsonb", "'{}'", "'[1]'"), "(1,{}) (2,[1])|json"),
        (
            ("int[]", "bigint[]", "'{1}'", "'{7,NULL}'"),
            "(1,{1}) (2,\"{7,NULL}\")|integer[]",
        ),
        (
            ("point", "text", "'(1,2)'", "'(3,4)'"),
            "(1,\"(1,2)\") (2,\"(3,4)\")|point",
        ),
    ] {
        let (_db, mut admin, id) = inserted_since(case);
        assert_eq!(restore(&mut admin, &id, ", false"), "1|1|0|0", "{case:?}");
        assert_eq!(rows(&mut admin), back, "{case:?}");
    }
}

#[test]
fn a_changed_row_that_stays_as_it_is_is_not_truncated() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE u (id int PRIMARY KEY, v varchar(5)); INSERT INTO u VALUES (1, 'abc'), (2, 'def');
         SELECT backstop.protect('u')",
    );
    approved(&mut admin, 10, "ALTER TABLE u ALTER v TYPE varchar(50)");
    let id = last_statement(&mut admin);
    passes(&mut admin, "UPDATE u SET v = 'a long value' WHERE id = 1");
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({id}, false, 'skip')"),
    );
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert_eq!(
        rows(&mut admin),
        "(1,\"a long value\") (2,def)|character varying(50)"
    );
    assert_eq!(restore(&mut admin, &id, ", false, 'overwrite'"), "2|2|0|1");
    assert_eq!(rows(&mut admin), "(1,abc) (2,def)|character varying(5)");
}

#[test]
fn a_setting_of_the_session_hides_no_digit() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE u (id int PRIMARY KEY, v numeric); INSERT INTO u VALUES (1, 1.5); SELECT backstop.protect('u')",
    );
    approved(&mut admin, 10, "ALTER TABLE u ALTER v TYPE float8");
    let id = last_statement(&mut admin);
    passes(
        &mut admin,
        "INSERT INTO u VALUES (2, 0.1234567890123456); SET extra_float_digits = -12",
    );
    restore(&mut admin, &id, ", false");
    let now = "SELECT v::text FROM u WHERE id = 2";
    assert_eq!(query_text(&mut admin, now), "0.1234567890123456");
}
