//! An agent's role may do everything to the tables and may not approve: it previews, asks and reads its own request, and
//! by no route does it get an approval.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, passes, query_text, refused};

/// Incident B's table; `agent` is app: SELECT, INSERT, UPDATE, DELETE, and CREATE in the schema.
const WORLD: &str = "
    CREATE TABLE results (id bigint PRIMARY KEY, customer text, cache_a text, cache_b text);
    CREATE TABLE notes (id bigint PRIMARY KEY, result_id bigint REFERENCES results ON DELETE CASCADE, note text);
    INSERT INTO results SELECT n, 'customer ' || n % 7, 'a' || n, 'b' || n FROM generate_series(1, 20) AS n;
    INSERT INTO notes SELECT n, n, 'secret ' || n FROM generate_series(1, 5) AS n;
    REVOKE SELECT ON notes FROM app;
    GRANT EXECUTE ON FUNCTION backstop.approve(bigint, text), backstop.deny(bigint, text) TO reviewer;
    SELECT backstop.protect('results', max_rows => 3, approval => 'second_person'),
           backstop.protect_columns('results', '{cache_a}', 'a'), backstop.protect_columns('results', '{cache_b}', 'b')";

fn world() -> (Database, Client, Client) {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let agent = db.connect_as("app");
    (db, admin, agent)
}

const WIPE: &str = "UPDATE results SET cache_a = NULL, cache_b = NULL WHERE id <= 20";

fn ask(agent: &mut Client, statement: &str) -> String {
    let sql = format!(
        "SELECT backstop.preview_json($preview${statement}$preview$, 'OPS-142') ->> 'request_id'"
    );
    query_text(agent, &sql)
}

#[test]
fn one_value_tells_an_agent_everything() {
    let (_db, mut admin, mut agent) = world();
    let sql = format!(
        "CREATE TEMPORARY TABLE answer AS SELECT backstop.preview_json($preview${WIPE}$preview$, 'OPS-142') AS j"
    );
    passes(&mut agent, &sql);
    let told = "SELECT j ->> 'state', j ->> 'kind', j ->> 'rows', j ->> 'expendable_rows', j ->> 'reason',
                       jsonb_array_length(j -> 'steps'), j #>> '{steps,0,relation}', j #>> '{steps,0,operation}',
                       j #>> '{steps,0,rows}', j #>> '{steps,0,columns}', j #>> '{steps,0,cleared_columns}',
                       jsonb_array_length(j #> '{steps,0,sample}'), j #>> '{sequences}',
                       j #>> '{next,approve}' = format('SELECT backstop.approve(%s, ''why'')', j ->> 'request_id')
                FROM answer";
    assert_eq!(
        query_text(&mut agent, told),
        "open|second_person|20|0|OPS-142|1|public.results|UPDATE|20|[\"cache_a\", \"cache_b\"]|[\"cache_a\", \"cache_b\"]|\
         3|[]|t"
    );
    let rules = "SELECT string_agg(r, ',' ORDER BY r) FROM answer, jsonb_array_elements_text(j #> '{steps,0,rules}') AS r";
    assert_eq!(
        query_text(&mut agent, rules),
        "key_range,mixed_upstreams,row_limit"
    );
    let untouched =
        "SELECT count(*) FROM results WHERE cache_a IS NOT NULL AND cache_b IS NOT NULL";
    assert_eq!(query_text(&mut admin, untouched), "20");
}

#[test]
fn a_statement_that_destroys_nothing_is_told_so() {
    let (_db, _admin, mut agent) = world();
    let told =
        "SELECT j ->> 'rows', j ->> 'steps', j ->> 'sequences', (j ->> 'request_id') IS NOT NULL
                FROM backstop.preview_json('DELETE FROM results WHERE id = 4711') AS j";
    assert_eq!(query_text(&mut agent, told), "0|[]|[]|t");
}

#[test]
fn its_errors_are_postgresql_s_own() {
    let (_db, _admin, mut agent) = world();
    let duplicate = "INSERT INTO results (id) VALUES (1)";
    let real = refused(&mut agent, duplicate);
    let shown = refused(
        &mut agent,
        &format!("SELECT backstop.preview_json('{duplicate}')"),
    );
    assert_eq!(
        (
            shown.sqlstate,
            shown.message,
            shown.detail,
            shown.constraint,
            shown.table
        ),
        (
            real.sqlstate,
            real.message,
            real.detail,
            real.constraint,
            real.table
        )
    );
    for (statement, parameters, sqlstate) in [
        ("DELETE FROM results; DELETE FROM notes", "NULL", "42601"),
        ("DELETE FROM nowhere", "NULL", "42P01"),
        ("DELETE FROM results WHERE id = $1", "NULL", "08P01"),
        ("DELETE FROM results WHERE id = $1", "'[\"x\"]'", "22P02"),
    ] {
        let sql = format!(
            "SELECT backstop.preview_json($preview${statement}$preview$, parameters => {parameters})"
        );
        assert_eq!(refused(&mut agent, &sql).sqlstate, sqlstate, "{statement}");
    }
    assert_eq!(
        refused(&mut agent, "SELECT backstop.preview_json(NULL)").sqlstate,
        "22004"
    );
}

#[test]
fn the_search_path_is_the_caller_s_in_the_statement_and_nobody_s_in_our_own() {
    let (_db, mut admin, mut agent) = world();
    passes(
        &mut admin,
        "CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO app;
         CREATE TABLE other.results (id bigint PRIMARY KEY); GRANT ALL ON other.results TO app;
         INSERT INTO other.results VALUES (1), (2); SELECT backstop.protect('other.results')",
    );
    passes(&mut agent, "SET search_path = other, public");
    let told = "SELECT j #>> '{steps,0,relation}', j #>> '{steps,0,rows}'
                FROM backstop.preview_json('DELETE FROM results') AS j";
    assert_eq!(query_text(&mut agent, told), "other.results|2");
}

#[test]
fn the_agent_reads_its_own_request_and_of_the_rows_what_it_could_read() {
    let (db, _admin, mut agent) = world();
    let request = ask(&mut agent, "DELETE FROM results WHERE id IN (1, 2)");
    let rows = format!(
        "SELECT relation, ordinal, key ->> 'id', old_row ->> 'cache_a', old_row ->> 'note' IS NULL
         FROM backstop.request_rows({request}) ORDER BY relation, key ->> 'id'"
    );
    let own = query_text(&mut agent, &rows);
    assert!(own.contains("public.results|1|1|a1|t"), "{own}");
    assert_eq!(own.matches("public.notes|").count(), 2, "{own}");
    assert!(!own.contains("|f"), "a note can be read: {own}");
    let seen = query_text(&mut db.connect_as("reviewer"), &rows);
    assert_eq!(seen.matches("|f").count(), 2, "{seen}");
    assert_eq!(query_text(&mut db.connect_as("outsider"), &rows), "");
    let samples = format!(
        "SELECT relation, sample IS NULL FROM backstop.request_detail WHERE request_id = {request} ORDER BY step"
    );
    assert_eq!(
        query_text(&mut agent, &samples),
        "public.results|f\npublic.notes|t"
    );
}

#[test]
fn the_tree_of_a_real_request() {
    let (_db, _admin, mut agent) = world();
    let request = ask(&mut agent, "DELETE FROM results WHERE id <= 5");
    let tree = query_text(
        &mut agent,
        &format!("SELECT backstop.preview_tree({request})"),
    );
    let steps = tree.split_once("|\n").expect("a tree").1;
    assert!(
        steps.starts_with(
            "`- DELETE public.results: 5 rows\n   |    changes: id, customer, cache_a, cache_b\n"
        ) || steps.starts_with("`- DELETE public.results: 5 rows\n   |    breaks:"),
        "{tree}"
    );
    assert!(
        steps.contains("`- DELETE public.notes: 5 rows, by cascade"),
        "{tree}"
    );
    assert!(steps.contains("breaks:  key_range, row_limit"), "{tree}");
}

#[test]
fn by_no_route_does_the_agent_approve() {
    let (db, mut admin, mut agent) = world();
    let request = ask(&mut agent, WIPE);
    passes(
        &mut agent,
        &format!(
            "CREATE FUNCTION mine() RETURNS text LANGUAGE sql SECURITY DEFINER AS
                 $$ SELECT backstop.approve({request}, 'because') $$;
             CREATE FUNCTION lazy() RETURNS text LANGUAGE plpgsql AS
                 $$ BEGIN RETURN backstop.approve({request}, 'because'); END $$;
             CREATE TABLE bait (n int);
             CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM backstop.approve({request}, 'because'); RETURN NEW; END $$;
             CREATE TRIGGER trap BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION trap()"
        ),
    );
    let routes = [
        format!("SELECT backstop.approve({request}, 'because')"),
        format!("DO $$ BEGIN PERFORM backstop.approve({request}, 'because'); END $$"),
        format!("DO $$ BEGIN EXECUTE 'SELECT backstop.approve({request}, ''because'')'; END $$"),
        format!("PREPARE p AS SELECT backstop.approve({request}, 'because'); EXECUTE p"),
        format!("SELECT * FROM backstop.preview($$SELECT backstop.approve({request}, 'because')$$)"),
        format!("CREATE VIEW way AS SELECT backstop.approve({request}, 'because') AS token; SELECT * FROM way"),
        format!("CREATE TABLE way (t text DEFAULT backstop.approve({request}, 'because')); INSERT INTO way DEFAULT VALUES"),
        "SELECT mine()".to_owned(),
        "SELECT lazy()".to_owned(),
        "INSERT INTO bait VALUES (1)".to_owned(),
        format!("SELECT backstop.deny({request}, 'because')"),
        "SELECT backstop.prune_requests('0')".to_owned(),
        "GRANT EXECUTE ON FUNCTION backstop.approve(bigint, text) TO app".to_owned(),
        "ALTER FUNCTION backstop.approve(bigint, text) OWNER TO app".to_owned(),
        "CREATE OR REPLACE FUNCTION backstop.approve(request_id bigint, reason text) RETURNS text LANGUAGE sql AS ''".to_owned(),
        "CREATE FUNCTION mine_too(bigint, text) RETURNS text LANGUAGE c AS '$libdir/pg_backstop', 'backstop_approve'".to_owned(),
        format!("UPDATE backstop.request_log SET decision = 'approved', token_hash = sha256('t') WHERE request_id = {request}"),
        format!("UPDATE backstop.request SET kind = 'session' WHERE request_id = {request}"),
        "INSERT INTO backstop.request_log SELECT * FROM backstop.request_log".to_owned(),
        "SET ROLE reviewer".to_owned(),
        "SET SESSION AUTHORIZATION reviewer".to_owned(),
        "SELECT set_config('role', 'reviewer', false)".to_owned(),
        format!("SET backstop.approval = '{request}'"),
    ];
    for route in &routes {
        let refusal = refused(&mut agent, route);
        passes(&mut agent, "ROLLBACK");
        assert!(
            ["42501", "55000", "SF010", "SF013"].contains(&refusal.sqlstate.as_str()),
            "{route}\n{refusal:?}"
        );
    }
    let state =
        format!("SELECT state, decided_by FROM backstop.request WHERE request_id = {request}");
    assert_eq!(query_text(&mut admin, &state), "open|null");
    // In the reviewer's hands it is decided.
    passes(
        &mut db.connect_as("reviewer"),
        &format!("SELECT backstop.deny({request}, 'two upstreams')"),
    );
    assert_eq!(query_text(&mut admin, &state), "denied|reviewer");
}

#[test]
fn a_preview_leaves_nothing_to_use_behind() {
    let (_db, mut admin, mut agent) = world();
    // A statement that opens the way for itself is rolled back with the preview.
    passes(&mut admin, "GRANT CREATE ON SCHEMA public TO app");
    passes(
        &mut agent,
        "SELECT * FROM backstop.preview('CREATE TABLE left_over (n int)')",
    );
    assert_eq!(
        query_text(&mut agent, "SELECT to_regclass('left_over') IS NULL"),
        "t"
    );
    let wipe = refused(&mut agent, WIPE);
    assert_eq!(wipe.sqlstate, "SF001");
}
