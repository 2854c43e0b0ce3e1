//! What the extension puts into a database, object by object, and who may use it: an object that joins it joins this list.

use pg_backstop_tests::{database, query_text};

/// Functions that everyone may execute: those that act with the caller's own privileges.
const FOR_EVERYONE: &str = "
approve_batch(reason text, max_rows bigint, relations text[], operations text[])
capture()
capture_row()
check(statement text)
comes_back(present anyelement, back anyelement, of_type text)
guarded_setval(sequence regclass, value bigint)
guarded_setval(sequence regclass, value bigint, is_called boolean)
is_recorded(relation oid, place tid)
populate_record(base anyelement, old_row jsonb)
preview(statement text, reason text)
preview(statement text, reason text, parameters jsonb)
preview_currval(sequence regclass)
preview_identity(sequence internal)
preview_json(statement text, reason text, parameters jsonb)
preview_lastval()
preview_nextval(sequence regclass)
preview_tree(request_id bigint)
recorded_array(of_type anyarray, place integer)
recorded_value(of_type anyarray, place integer)
request_json(request_id bigint)
request_rows(request_id bigint)
run(token text)
status()
unpacked(images bytea)
work_under_way()";

/// Functions for superusers and those who are granted them.
const GRANTED: &str = "
approve(request_id bigint, reason text)
deny(request_id bigint, reason text)
forget_oid()
guard_record()
guard_truncate()
protect(relation regclass, key_columns text[], max_rows bigint, expendable text, require text, approval text)
protect_columns(relation regclass, columns text[], upstream text)
protect_sequence(sequence regclass, max_step bigint, min_value bigint, max_value bigint, allow_backward boolean)
prune(keep interval)
prune(keep interval, max_statements bigint)
prune_requests(keep interval)
registry_changed()
restore(statement_id bigint, dry_run boolean, on_conflict text, relations text[])
restore_conflicts(statement_id bigint)
restore_drill(since interval)
restore_sequence(statement_id bigint, dry_run boolean)
restore_sequence(statement_id bigint, dry_run boolean, on_conflict text)
restore_since(at timestamp with time zone, relations text[], dry_run boolean, on_conflict text)
unprotect(relation regclass)
unprotect_columns(relation regclass, columns text[])
unprotect_sequence(sequence regclass)";

/// Views and tables that everyone may read.
const READABLE: &str = "
r registered_column
r registered_sequence
r registered_table
v follower
v progress
v protected_column
v protected_sequence
v protected_table
v request
v request_detail
v request_row";

/// Relations for superusers and those who are granted them.
const CLOSED: &str = "
S chunk_id_seq
S rejection_id_seq
S request_id_seq
S statement_id_seq
r column_change
r committed
r definition
r image_chunk
r pruned
r rejection
r request_chunk
r request_log
r request_step
r sequence_change
r statement_log
v chunk
v preimage
v statement";

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
           AND (proconfig @> ARRAY['search_path=pg_catalog, pg_temp']) IS NOT TRUE"
    );
    assert_eq!(query_text(&mut db.connect(), &sql), "null");
}

#[test]
fn no_sql_function_of_ours_is_a_text_that_is_read_anew() {
    let db = database();
    // A body bound when it was made, or with a search_path of its own, means the same under every search_path.
    let sql = format!(
        "SELECT string_agg(proname, ',') FROM pg_proc AS p JOIN pg_language AS l ON l.oid = prolang
         WHERE p.oid IN ({MEMBERS}) AND (lanname = 'sql' AND prosqlbody IS NULL OR lanname NOT IN ('c', 'sql'))
           AND proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp']"
    );
    assert_eq!(query_text(&mut db.connect(), &sql), "null");
}
