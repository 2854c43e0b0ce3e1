//! What catalogs say of things decides nothing about which rows are `expendable`: whoever owns a table may rename it, move it
//! or comment on it, and a role's name goes with a rename. The OIDs of things may be compared.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, Refusal, database_with, passes};

const WORLD: &str = "
    CREATE TYPE composed AS (tbl regclass, n int); CREATE DOMAIN named AS regclass;
    CREATE FUNCTION in_words(record) RETURNS text IMMUTABLE LANGUAGE internal AS 'row_to_json';
    CREATE TABLE x (id int PRIMARY KEY, c composed, d named, tbl regclass, tbls regclass[], what regtype, who oid, s text, acl aclitem,
        created timestamptz, n int);
    CREATE TABLE scratch (id int)";

fn protect(expression: &str) -> String {
    format!("SELECT backstop.protect('x', max_rows => 5, expendable => $x${expression}$x$)")
}

/// The expressions that protect() takes, or refuses by another DETAIL.
fn taken(admin: &mut Client, expressions: &[&str], detail: &str) -> Vec<String> {
    let mut taken = Vec::new();
    let has_xml = admin.batch_execute("SELECT '<a/>'::xml").is_ok();
    for expression in expressions {
        if expression.contains("xmlelement") && !has_xml {
            println!("left out, this server lacks libxml: {expression}");
            continue;
        }
        let told = admin.batch_execute(&protect(expression));
        match told.map_err(|error| Refusal::of(&error)) {
            Err(Some(refusal)) if refusal.detail.contains(detail) => {
                assert_eq!(refusal.sqlstate, "22023", "{expression}: {refusal:?}");
            }
            Err(Some(refusal)) => taken.push(format!("{expression}: {}", refusal.detail)),
            _ => taken.push((*expression).to_owned()),
        }
    }
    taken
}

fn world() -> (Database, Client) {
    database_with(WORLD)
}

#[test]
fn names_are_not_printed_and_not_looked_up() {
    let (_db, mut admin) = world();
    let expressions = [
        "tbl::text LIKE 'scratch.%'",
        "d::text LIKE 'scratch.%'",
        "tbl::varchar LIKE 'scratch.%'",
        "tbls::text = '{scratch}'",
        "(tbls::text[])[1] = 'scratch'",
        "c::text = '(scratch,1)'",
        "public.in_words(c) = 'x'",
        "to_jsonb(ARRAY[c]::record[]) ->> 0 = 'x'",
        "what::text = 'text'",
        "tableoid::regclass::text = 'x'",
        "who::regclass::text = 'x'",
        "s::regtype = 'text'::regtype",
        "s::regproc = 'now'::regproc",
        "(s::regclass[])[1] = 'public.x'::regclass",
        "concat(tbl) = 'x'",
        "format('%s', tbl) = 'x'",
        "quote_literal(tbl) = 'x'",
        "tbl || '' = 'x'",
        "to_jsonb(tbl) = '\"x\"'",
        "to_jsonb(ROW(tbl)) ->> 'f1' = 'x'",
        "array_to_string(tbls, ',') = 'x'",
        "array_to_string(ARRAY[tbl], ',') = 'x'",
        "xmlelement(name a, tbl)::text = ''",
        "acl::text LIKE 'app=%'",
        "pg_typeof(n)::text = 'integer'",
    ];
    let none: [&str; 0] = [];
    assert_eq!(
        taken(
            &mut admin,
            &expressions,
            "Keep the name in a column of type text"
        ),
        none
    );
}

#[test]
fn catalogs_are_not_asked() {
    let (_db, mut admin) = world();
    let expressions = [
        "obj_description(tbl, 'pg_class') = 'test'",
        "col_description(tbl, 1) = 'test'",
        "shobj_description(who, 'pg_authid') = 'test'",
        "pg_get_userbyid(who) = 'dummy'",
        "format_type(who, NULL) = 'x'",
        "s::regclass = 'public.x'::regclass",
        "pg_describe_object(1259, who, 0) = 'table x'",
        "pg_get_viewdef(who) = ''",
        "pg_get_constraintdef(who) = ''",
        "pg_table_is_visible(who)",
        "pg_relation_filenode(tbl) = 5",
        "pg_stat_get_live_tuples(who) = 0",
        "information_schema._pg_index_position(who, 1::smallint) = 1",
        "table_to_xml(tbl, true, true, '') IS DOCUMENT",
        "age(id::text::xid) > 5",
    ];
    let none: [&str; 0] = [];
    assert_eq!(
        taken(
            &mut admin,
            &expressions,
            "is in catalogs that others change"
        ),
        none
    );
    let expressions = [
        "inet_server_port() = 5432",
        "txid_current_if_assigned() IS NULL",
    ];
    assert_eq!(
        taken(&mut admin, &expressions, "is for the session to say"),
        none
    );
}

#[test]
fn what_is_no_name_passes() {
    let (_db, mut admin) = world();
    for expression in [
        "tableoid = 'public.x'::regclass",
        "tbl = 'public.scratch'::regclass",
        "tbl = ANY ('{public.x,public.scratch}'::regclass[])",
        "tbl IN ('public.x'::regclass, 'pg_class'::regclass)",
        "'public.scratch'::regclass = ANY (tbls)",
        "tbl::oid = 5",
        "(c).tbl = 'public.scratch'::regclass AND (c).n::text = '1'",
        "tbl::oid::text = '5'",
        "what = 'text'::regtype",
        "pg_typeof(n) = 'integer'::regtype",
        "pg_column_size(s) > 5",
        "tbl IS NULL",
        "CASE WHEN tbl = 'public.scratch'::regclass THEN to_char(created, 'YYYY') = '2025' END",
        "to_char(CASE WHEN tbl = 'public.scratch'::regclass THEN created END, 'YYYY') = '2025'",
        "regexp_replace(s, 'a', 'b') = 'b'",
        "(to_tsvector('simple', s))::text = '''a'':1'",
        "to_jsonb(s) = '\"a\"'",
        "format('%s', s) = 'x'",
        "(s || n) = 'x1'",
        "created::date < '2025-01-01'",
    ] {
        passes(&mut admin, &protect(expression));
    }
}
