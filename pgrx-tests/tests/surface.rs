//! What the extension puts into a database, object by object, and who may use it: an object that joins it joins this list.

use pg_backstop_tests::{database, query_text};

/// Functions that everyone may execute: those that act with the caller's own privileges.
const FOR_EVERYONE: &str = "";

/// Functions for superusers and those who are granted them.
const GRANTED: &str = "";

/// Views and tables that everyone may read.
const READABLE: &str = "";

/// Relations for superusers and those who are granted them.
const CLOSED: &str = "";

const MEMBERS: &str =
    "SELECT objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
                       AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_backstop')";

#[test]
fn every_function_is_known_and_so_is_who_may_execute_it() {
    let db = database();
    let mut admin = db.connect();
    for (everyone, listed) in [("t", FOR_EVERYONE), ("f", GRANTED)] {
        let sql = format!(
            "SELECT string_agg(format('%s(%s)', proname, pg_get_function_identity_arguments(oid)), E'\\n'
                               ORDER BY proname, pronargs)
             FROM pg_proc WHERE oid IN ({MEMBERS})
               AND has_function_privilege('outsider', oid, 'EXECUTE') = '{everyone}'"
        );
        assert_eq!(query_text(&mut admin, &sql), listed.trim());
    }
}

#[test]
fn every_relation_is_known_and_so_is_who_may_read_it() {
    let db = database();
    let mut admin = db.connect();
    for (everyone, listed) in [("t", READABLE), ("f", CLOSED)] {
        let sql = format!(
            "SELECT string_agg(format('%s %s', relkind, relname), E'\\n' ORDER BY relkind, relname)
             FROM pg_class WHERE oid IN ({MEMBERS}) AND relkind IN ('r', 'v', 'S')
               AND has_table_privilege('outsider', oid, 'SELECT') = '{everyone}'"
        );
        assert_eq!(query_text(&mut admin, &sql), listed.trim());
    }
}

#[test]
fn nobody_may_write_to_any_relation_nor_draw_from_a_sequence() {
    let db = database();
    let sql = format!(
        "SELECT count(*) FROM pg_class WHERE oid IN ({MEMBERS}) AND
             CASE relkind WHEN 'S' THEN has_sequence_privilege('outsider', oid, 'USAGE, SELECT, UPDATE')
                          ELSE has_table_privilege('outsider', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER') END"
    );
    assert_eq!(query_text(&mut db.connect(), &sql), "0");
}

#[test]
fn what_runs_with_the_owner_s_privileges_pins_its_search_path() {
    let db = database();
    let sql = format!(
        "SELECT string_agg(proname, ',') FROM pg_proc WHERE oid IN ({MEMBERS}) AND prosecdef
           AND proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp']"
    );
    assert_eq!(query_text(&mut db.connect(), &sql), "null");
}

#[test]
fn no_sql_function_of_ours_is_a_text_that_is_read_anew() {
    let db = database();
    // A body bound when it was made means the same under every search_path.
    let sql = format!(
        "SELECT string_agg(proname, ',') FROM pg_proc AS p JOIN pg_language AS l ON l.oid = prolang
         WHERE p.oid IN ({MEMBERS}) AND (lanname = 'sql' AND prosqlbody IS NULL OR lanname NOT IN ('c', 'sql'))"
    );
    assert_eq!(query_text(&mut db.connect(), &sql), "null");
}
