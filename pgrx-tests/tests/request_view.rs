//! Requests as people see them: who sees which, what of the rows, how the tree reads, and the decision against one.
//! The requests here are written by hand: what a preview writes is the concern of the preview's own tests.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

/// Request 1 is app's and open, 2 outsider's and open, 3 approved, 4 denied, 5 used, 6 expired, 7 approved but out of date.
const WORLD: &str = r#"
    CREATE TABLE users (id bigint PRIMARY KEY, email text, plan text);
    CREATE TABLE subs (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE SEQUENCE users_id_seq;
    GRANT EXECUTE ON FUNCTION backstop.approve(bigint, text), backstop.deny(bigint, text) TO reviewer;
    INSERT INTO backstop.request_log (request_id, requested_at, session_role, role, pid, reason, statement, kind, rows,
        expendable_rows, expires_at, fingerprint_key)
    SELECT n, now() - interval '2 hours', CASE n WHEN 2 THEN 'outsider' ELSE 'app' END, 'app', 4711, 'OPS-142',
        E'DELETE FROM users\n  WHERE email LIKE ''%@example.com''', 'second_person', 3, 2, now() + interval '1 hour', '\x00'
    FROM generate_series(1, 7) AS n;
    UPDATE backstop.request_log SET decision = 'approved', decided_by = 'reviewer', decided_at = now(),
        decision_reason = 'fine', token_hash = '\xdeadbeef', token_kind = 'second_person',
        token_expires_at = now() + interval '10 minutes' WHERE request_id IN (3, 5, 7);
    UPDATE backstop.request_log SET decision = 'denied', decided_by = 'reviewer', decided_at = now(),
        decision_reason = 'too many' WHERE request_id = 4;
    UPDATE backstop.request_log SET used_at = now(), used_statement_id = 12 WHERE request_id = 5;
    UPDATE backstop.request_log SET expires_at = now() - interval '1 minute' WHERE request_id = 6;
    UPDATE backstop.request_log SET token_expires_at = now() - interval '1 minute' WHERE request_id = 7;
    INSERT INTO backstop.request_step
    SELECT r, 1, 'public.users', 'users'::regclass, 'DELETE', NULL, 2, 2, '{id,email,plan}'::text[], '{}'::text[], '{key_range,row_limit}'::text[],
        '[{"key": {"id": 1}, "old_row": {"id": 1, "email": "a@example.com", "plan": "pro"}, "new_values": null}]'::jsonb
    FROM generate_series(1, 7) AS r
    UNION ALL SELECT r, 2, 'public.subs', 'subs'::regclass, 'DELETE', 'cascade from public.users', 1, 0, '{id,user_id}', '{}', '{}',
        '[{"key": {"id": 9}, "old_row": {"id": 9, "user_id": 1}, "new_values": null}]'
    FROM generate_series(1, 7) AS r
    UNION ALL SELECT r, 3, 'public.users', 'users'::regclass, 'UPDATE', 'trigger purge on public.subs', 2, 0, '{email,plan}', '{plan}',
        '{mixed_upstreams}', '[]'
    FROM generate_series(1, 7) AS r
    UNION ALL SELECT r, 4, 'public.users_id_seq', 'users_id_seq'::regclass, 'SETVAL', NULL, 0, 0, '{}', '{}', '{sequence_guard}',
        '{"from": 57, "from_is_called": true, "to": 9000000000, "to_is_called": true, "next": 9000000001, "registered": true}'
    FROM generate_series(1, 7) AS r;
    INSERT INTO backstop.request_chunk
    SELECT r, 1, 1, 2, 1, '{id,email,plan}'::text[], '[[1, 1, "a@example.com", "pro"], [1, 2, "b@example.com", null]]'::bytea, '\x'::bytea
    FROM generate_series(1, 7) AS r
    UNION ALL SELECT r, 2, 2, 1, 1, '{id,user_id}', '[[3, 9, 1]]', '\x' FROM generate_series(1, 7) AS r
    UNION ALL SELECT r, 3, 3, 2, 1, '{id,email,plan}', '[[4, 3, "c@c", "pro", {"plan": null}], [4, 4, "d@d", "pro", {"plan": null, "email": "x"}]]', '\x'
    FROM generate_series(1, 7) AS r"#;

fn world() -> (Database, Client) {
    database_with(WORLD)
}

const STATES: &str = "SELECT request_id, state FROM backstop.request ORDER BY 1";

#[test]
fn every_state_is_told_apart() {
    let (_db, mut admin) = world();
    assert_eq!(
        query_text(&mut admin, STATES),
        "1|open\n2|open\n3|approved\n4|denied\n5|used\n6|expired\n7|expired"
    );
}

#[test]
fn one_sees_one_s_own_requests_and_a_reviewer_sees_all() {
    let (db, mut admin) = world();
    let ids = "SELECT string_agg(request_id::text, ',' ORDER BY request_id) FROM backstop.request";
    assert_eq!(query_text(&mut db.connect_as("app"), ids), "1,3,4,5,6,7");
    assert_eq!(query_text(&mut db.connect_as("outsider"), ids), "2");
    assert_eq!(
        query_text(&mut db.connect_as("reviewer"), ids),
        "1,2,3,4,5,6,7"
    );
    passes(
        &mut admin,
        "GRANT SELECT ON backstop.request_log TO outsider",
    );
    assert_eq!(
        query_text(&mut db.connect_as("outsider"), ids),
        "1,2,3,4,5,6,7"
    );
    // What counts is who logged in, not the role that was put on.
    passes(&mut admin, "SET ROLE app");
    assert_eq!(query_text(&mut admin, ids), "null");
}

#[test]
fn no_secret_is_in_any_view() {
    let (_db, mut admin) = world();
    let columns = "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute
                   WHERE attrelid = 'backstop.request'::regclass";
    assert_eq!(
        query_text(&mut admin, columns),
        "request_id,state,requested_at,session_role,role,application_name,client_addr,pid,reason,statement,parameters,\
         kind,rows,expendable_rows,expires_at,decided_at,decided_by,decision_reason,token_kind,token_expires_at,used_at,\
         used_statement_id"
    );
    let secret = "SELECT count(*) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid
                  WHERE relnamespace = 'backstop'::regnamespace AND relkind = 'v'
                    AND attname IN ('token_hash', 'fingerprint_key', 'fingerprints')";
    assert_eq!(query_text(&mut admin, secret), "0");
}

#[test]
fn the_tables_behind_the_views_are_closed() {
    let (db, _admin) = world();
    for role in ["app", "reviewer", "outsider"] {
        let mut client = db.connect_as(role);
        for table in ["request_log", "request_step", "request_chunk"] {
            for statement in [
                format!("SELECT FROM backstop.{table}"),
                format!("DELETE FROM backstop.{table}"),
                format!("UPDATE backstop.{table} SET request_id = 1"),
            ] {
                assert_eq!(
                    refused(&mut client, &statement).sqlstate,
                    "42501",
                    "{statement}"
                );
            }
        }
        for view in ["request", "request_detail", "request_row"] {
            let statement = format!("DELETE FROM backstop.{view}");
            let refusal = refused(&mut client, &statement);
            assert!(
                ["42501", "55000"].contains(&refusal.sqlstate.as_str()),
                "{refusal:?}"
            );
        }
    }
}

const ROWS: &str = "SELECT * FROM backstop.request_rows(1)";
const IN_FULL: &str = r#"public.users|DELETE|1|{"id": 1}|{"id": 1, "plan": "pro", "email": "a@example.com"}|null
public.users|DELETE|2|{"id": 2}|{"id": 2, "plan": null, "email": "b@example.com"}|null
public.subs|DELETE|3|{"id": 9}|{"id": 9, "user_id": 1}|null
public.users|UPDATE|4|{"id": 3}|{"id": 3, "plan": "pro", "email": "c@c"}|{"plan": null}
public.users|UPDATE|5|{"id": 4}|{"id": 4, "plan": "pro", "email": "d@d"}|{"plan": null, "email": "x"}"#;

#[test]
fn the_reviewer_reads_every_row_without_privileges_on_the_tables() {
    let (db, _admin) = world();
    let mut reviewer = db.connect_as("reviewer");
    assert_eq!(
        refused(&mut reviewer, "SELECT FROM users").sqlstate,
        "42501"
    );
    assert_eq!(query_text(&mut reviewer, ROWS), IN_FULL);
}

#[test]
fn the_requester_reads_the_rows_that_he_could_read_anyway() {
    let (db, mut admin) = world();
    let mut app = db.connect_as("app");
    assert_eq!(query_text(&mut app, ROWS), IN_FULL);
    passes(&mut admin, "REVOKE SELECT ON users FROM app");
    let hidden = "public.users|DELETE|1|null|null|null\npublic.users|DELETE|2|null|null|null\n\
                  public.subs|DELETE|3|{\"id\": 9}|{\"id\": 9, \"user_id\": 1}|null\n\
                  public.users|UPDATE|4|null|null|null\npublic.users|UPDATE|5|null|null|null";
    assert_eq!(query_text(&mut app, ROWS), hidden);
    passes(&mut admin, "GRANT SELECT (id, email) ON users TO app");
    assert_eq!(query_text(&mut app, ROWS), hidden);
    passes(
        &mut admin,
        "GRANT SELECT ON users TO app; ALTER TABLE users ENABLE ROW LEVEL SECURITY;
         CREATE POLICY mine ON users USING (email = 'a@example.com')",
    );
    assert_eq!(query_text(&mut app, ROWS), hidden);
    let samples = "SELECT step, sample FROM backstop.request_detail WHERE request_id = 1 AND step <= 2 ORDER BY step";
    assert_eq!(
        query_text(&mut app, samples),
        "1|null\n2|[{\"key\": {\"id\": 9}, \"old_row\": {\"id\": 9, \"user_id\": 1}, \"new_values\": null}]"
    );
    let json = "SELECT backstop.request_json(1) #> '{steps,0,sample}'";
    assert_eq!(query_text(&mut app, json), "null");
    // A table that is gone can be read by nobody.
    passes(&mut admin, "DROP TABLE subs");
    assert!(query_text(&mut app, ROWS).contains("public.subs|DELETE|3|null|null|null"));
}

#[test]
fn nobody_reads_another_s_request() {
    let (db, _admin) = world();
    let mut outsider = db.connect_as("outsider");
    assert_eq!(query_text(&mut outsider, ROWS), "");
    assert_eq!(
        query_text(&mut outsider, "SELECT backstop.request_json(1) IS NULL"),
        "t"
    );
    let refusal = refused(&mut outsider, "SELECT backstop.preview_tree(1)");
    assert_eq!(
        (refusal.sqlstate.as_str(), refusal.message.as_str()),
        ("42704", "request 1 does not exist")
    );
}

#[test]
fn a_search_path_of_the_caller_s_changes_nothing() {
    let (db, _admin) = world();
    let mut app = db.connect_as("app");
    let tree = query_text(&mut app, "SELECT backstop.preview_tree(1)");
    let json = query_text(&mut app, "SELECT backstop.request_json(1)");
    passes(
        &mut app,
        "CREATE FUNCTION public.has_table_privilege(oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE FUNCTION public.to_char(timestamptz, text) RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN RAISE 'called'; END $$;
         CREATE FUNCTION public.same(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
         CREATE OPERATOR public.= (FUNCTION = public.same, LEFTARG = bigint, RIGHTARG = bigint);
         CREATE TYPE public.text AS (n int);
         SET search_path = public, pg_catalog, backstop",
    );
    assert_eq!(query_text(&mut app, ROWS), IN_FULL);
    assert_eq!(
        query_text(&mut app, "SELECT backstop.preview_tree(1)"),
        tree
    );
    assert_eq!(
        query_text(&mut app, "SELECT backstop.request_json(1)"),
        json
    );
}

#[test]
fn the_tree_reads_well_at_eighty_columns() {
    let (db, mut admin) = world();
    passes(
        &mut admin,
        "UPDATE backstop.request_log SET requested_at = '2026-11-21 10:00:00+00', expires_at = '2126-11-21 10:15:00+00'",
    );
    let mut app = db.connect_as("app");
    passes(&mut app, "SET TimeZone = 'UTC'");
    assert_eq!(
        query_text(&mut app, "SELECT * FROM backstop.preview_tree(1)"),
        "\
request:    1, open until 2126-11-21 10:15:00+00
asked by:   app, 2026-11-21 10:00:00+00
reason:     OPS-142
statement:  DELETE FROM users WHERE email LIKE '%@example.com'
destroys:   5 rows, 2 of them expendable
approval:   of kind second_person at least
|
+- DELETE public.users: 2 rows, expendable
|  |    changes: id, email, plan
|  |    breaks:  key_range, row_limit
|  `- DELETE public.subs: 1 row, by cascade
|     |    changes: id, user_id
|     `- UPDATE public.users: 2 rows, by trigger purge
|             changes: email, plan
|             clears:  plan
|             breaks:  mixed_upstreams
`- SETVAL public.users_id_seq
        from:    57
        to:      9000000000
        next:    9000000001
        breaks:  sequence_guard

every row:  SELECT * FROM backstop.request_rows(1);
to approve: SELECT backstop.approve(1, 'why');
to deny:    SELECT backstop.deny(1, 'why');"
    );
    let approved = query_text(&mut app, "SELECT backstop.preview_tree(3)");
    assert!(
        approved.ends_with("\n\nto run:     SELECT * FROM backstop.run('<token>');"),
        "{approved}"
    );
    let used = query_text(&mut app, "SELECT backstop.preview_tree(5)");
    assert!(used.contains("request:    5, used\n"), "{used}");
    assert!(used.contains("as statement 12 of the record"), "{used}");
    assert!(used.contains("decided by: reviewer, "), "{used}");
}

#[test]
fn the_json_says_everything_and_what_to_do_next() {
    let (db, _admin) = world();
    let mut app = db.connect_as("app");
    let told = "SELECT j ->> 'state', j ->> 'kind', j ->> 'rows', j ->> 'expendable_rows',
                       jsonb_array_length(j -> 'steps'), j #>> '{steps,2,cleared_columns}', j #>> '{steps,1,cause}',
                       j #>> '{sequences,0,sequence}', j #>> '{sequences,0,to}', j #>> '{next,approve}', j #>> '{next,run}'
                FROM backstop.request_json(1) AS j";
    assert_eq!(
        query_text(&mut app, told),
        "open|second_person|5|2|3|[\"plan\"]|cascade from public.users|public.users_id_seq|9000000000|\
         SELECT backstop.approve(1, 'why')|SELECT * FROM backstop.run('<token>')"
    );
    let next = "SELECT string_agg(k, ',' ORDER BY n, k)
                FROM generate_series(3, 7) AS n, jsonb_object_keys(backstop.request_json(n) -> 'next') AS k";
    assert_eq!(
        query_text(&mut app, next),
        "run,preview,preview,preview,preview"
    );
}

#[test]
fn denying_is_for_those_who_were_granted_it() {
    let (db, mut admin) = world();
    for role in ["app", "outsider"] {
        let refusal = refused(&mut db.connect_as(role), "SELECT backstop.deny(1, 'no')");
        assert_eq!(refusal.sqlstate, "42501", "{role}");
    }
    let mut reviewer = db.connect_as("reviewer");
    passes(
        &mut reviewer,
        "SELECT backstop.deny(1, 'no'), backstop.deny(3, 'changed my mind')",
    );
    let decided =
        "SELECT request_id, state, decided_by, decision_reason, token_kind FROM backstop.request
                   WHERE request_id IN (1, 3) ORDER BY 1";
    assert_eq!(
        query_text(&mut reviewer, decided),
        "1|denied|reviewer|no|null\n3|denied|reviewer|changed my mind|null"
    );
    // The token of an approved request is worth nothing any more.
    let token = "SELECT token_hash IS NULL FROM backstop.request_log WHERE request_id = 3";
    assert_eq!(query_text(&mut admin, token), "t");
}

#[test]
fn only_what_is_open_or_approved_and_unused_can_be_denied() {
    let (db, _admin) = world();
    let mut reviewer = db.connect_as("reviewer");
    for (request, sqlstate, message) in [
        (4, "55000", "request 4 is already denied"),
        (5, "55000", "request 5 was already used"),
        (6, "55000", "request 6 has expired"),
        (99, "42704", "request 99 does not exist"),
    ] {
        let refusal = refused(
            &mut reviewer,
            &format!("SELECT backstop.deny({request}, 'no')"),
        );
        assert_eq!(
            (refusal.sqlstate.as_str(), refusal.message.as_str()),
            (sqlstate, message)
        );
        assert!(!refusal.hint.is_empty());
    }
    for (call, sqlstate, word) in [
        ("deny(NULL, 'no')", "22004", "\"request_id\""),
        ("deny(1, NULL)", "22004", "\"reason\""),
        ("deny(1, ' ')", "22023", "\"reason\""),
        ("preview_tree(NULL)", "22004", "\"request_id\""),
    ] {
        let refusal = refused(&mut reviewer, &format!("SELECT backstop.{call}"));
        assert_eq!(refusal.sqlstate, sqlstate, "{call}");
        assert!(refusal.message.contains(word), "{refusal:?}");
    }
    assert_eq!(
        query_text(&mut reviewer, STATES),
        "1|open\n2|open\n3|approved\n4|denied\n5|used\n6|expired\n7|expired"
    );
    // Its token ran out, but it could be approved again.
    passes(&mut reviewer, "SELECT backstop.deny(7, 'no')");
}

#[test]
fn two_who_deny_at_once_do_not_both_succeed() {
    let (db, _admin) = world();
    let (mut first, mut second) = (db.connect_as("reviewer"), db.connect_as("reviewer"));
    passes(&mut first, "BEGIN; SELECT backstop.deny(1, 'first')");
    let waiting =
        std::thread::spawn(move || refused(&mut second, "SELECT backstop.deny(1, 'second')"));
    // Until the second one waits for the first.
    let mut admin = db.connect();
    while query_text(
        &mut admin,
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()",
    ) == "0"
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    passes(&mut first, "COMMIT");
    let refusal = waiting.join().expect("the second session");
    assert_eq!(refusal.message, "request 1 is already denied");
}

#[test]
fn settled_requests_are_pruned_whole() {
    let (db, mut admin) = world();
    for role in ["app", "reviewer"] {
        let statement = "SELECT backstop.prune_requests('0')";
        assert_eq!(
            refused(&mut db.connect_as(role), statement).sqlstate,
            "42501"
        );
    }
    assert_eq!(
        query_text(&mut admin, "SELECT backstop.prune_requests('3 hours')"),
        "0"
    );
    assert_eq!(
        query_text(&mut admin, "SELECT backstop.prune_requests('1 hour')"),
        "3"
    );
    let left = "SELECT (SELECT string_agg(request_id::text, ',' ORDER BY request_id) FROM backstop.request_log),
                       (SELECT count(*) FROM backstop.request_step), (SELECT count(*) FROM backstop.request_chunk)";
    assert_eq!(query_text(&mut admin, left), "1,2,3,7|16|12");
}
