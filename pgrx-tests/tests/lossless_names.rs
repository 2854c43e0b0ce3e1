//! Names of objects as values: overloaded, in need of quotes, out of the search_path, inside arrays and composites.

use pg_backstop_tests::{database, passes, query_text};

const WORLD: &str = r#"
    CREATE SCHEMA "Off Path";
    CREATE FUNCTION "Off Path"."F n"(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION "Off Path"."F n"(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION overloaded(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION overloaded(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE "Off Path"."T, ""able" (a int);
    CREATE TYPE named AS (c regclass, q regprocedure, t regtype, n int);
    CREATE DOMAIN function AS regproc; CREATE DOMAIN functions AS regproc[];
    CREATE TABLE r (id int PRIMARY KEY, value %TYPE%);
    INSERT INTO r SELECT 1, %VALUE%; INSERT INTO r VALUES (2, NULL); CREATE TABLE twin AS TABLE r;
    SELECT backstop.protect('r')"#;

const OVERLOADED: &str = "'overloaded(int)'::regprocedure::oid::regproc";

fn comes_back(kind: &str, value: &str) {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        &WORLD.replace("%TYPE%", kind).replace("%VALUE%", value),
    );
    for path in ["public", r#""Off Path", public"#, "pg_catalog"] {
        passes(
            &mut admin,
            &format!(
                "SET search_path = {path}; DELETE FROM public.r WHERE id = 1; DELETE FROM public.r WHERE id = 2"
            ),
        );
        passes(&mut admin, r#"SET search_path = "Off Path""#);
        passes(
            &mut admin,
            "SELECT * FROM backstop.restore_since('-infinity', dry_run => false)",
        );
        passes(&mut admin, "RESET search_path");
        let same = "SELECT count(*), bool_and((r.*) *= (t.*)) FROM r FULL JOIN twin t USING (id)";
        assert_eq!(query_text(&mut admin, same), "2|t", "{kind} under {path}");
    }
}

#[test]
fn overloaded_functions_in_arrays() {
    let own = format!(
        r#"ARRAY[{OVERLOADED}, '"Off Path"."F n"(text)'::regprocedure::oid::regproc, NULL, 'pg_catalog.now'::regproc, 0::oid::regproc]"#
    );
    comes_back("regproc[]", &own);
    comes_back(
        "regproc[]",
        &format!("('[2:3]={{now,\"' || {OVERLOADED}::oid || '\"}}')::regproc[]"),
    );
    comes_back("functions", &format!("{own}::functions"));
    comes_back("function[]", &format!("{own}::function[]"));
    comes_back(
        "regoper[]",
        "ARRAY['+(int,int)'::regoperator::oid, '*(int,int)'::regoperator::oid]::regoper[]",
    );
}

#[test]
fn overloaded_functions_behind_domains() {
    comes_back("function", OVERLOADED);
}

#[test]
fn names_that_need_quotes_and_their_schema() {
    comes_back(
        "regprocedure[]",
        r#"ARRAY['overloaded(text)', '"Off Path"."F n"(int)', NULL]::regprocedure[]"#,
    );
    let row = r#"ROW('"Off Path"."T, ""able"', '"Off Path"."F n"(text)', '"Off Path"."T, ""able"', 3)::named"#;
    comes_back("named", row);
    comes_back("named[]", &format!("ARRAY[{row}, NULL]"));
    comes_back(
        "regtype[]",
        r#"ARRAY['"Off Path"."T, ""able"', 'int']::regtype[]"#,
    );
    comes_back("regnamespace[]", r#"ARRAY['"Off Path"']::regnamespace[]"#);
    comes_back("regclass", r#"'"Off Path"."T, ""able"'::regclass"#);
}
