//! Incident B: the cache wipe.

use anyhow::Result;
use pg_backstop_tests::Cluster;

use crate::narrator::{Narrator, quietly, value};
use crate::{gate, undo};

/// 60 results of seven customers, 20 of them of the day the pipeline behind `cache_a` was broken.
const WORLD: &str = "
CREATE TABLE results (id bigint PRIMARY KEY, customer_id int NOT NULL, created_at timestamptz NOT NULL,
    cache_a text, cache_b text, cache_c jsonb);
INSERT INTO results SELECT n, n % 7, timestamptz '2026-11-01 00:00+00' + n * interval '72 minutes',
    repeat('expensive ', n::int), 'text ' || n, jsonb_build_object('pages', n, 'rest', NULL)
    FROM generate_series(1, 60) n;";

const PROTECT: [&str; 4] = [
    "SELECT backstop.protect('results', max_rows => 5, approval => 'second_person')",
    "SELECT backstop.protect_columns('results', '{cache_a}', 'summaries')",
    "SELECT backstop.protect_columns('results', '{cache_b, cache_c}', 'page index')",
    "GRANT EXECUTE ON FUNCTION backstop.approve TO reviewer",
];

const WIPE: &str = "UPDATE results SET cache_a = NULL, cache_b = NULL, cache_c = NULL \
     WHERE created_at BETWEEN '2026-11-02 00:00+00' AND '2026-11-02 23:59+00'";
const WIPE_ONE: &str = "UPDATE results SET cache_a = NULL WHERE created_at BETWEEN '2026-11-02 00:00+00' AND '2026-11-02 23:59+00'";

/// # Errors
/// At the first claim that isn't so.
pub fn tell(narrator: &mut Narrator, server: &Cluster) -> Result<()> {
    let db = server.database();
    let (mut admin, mut app) = (db.connect(), db.connect_as("app"));
    narrator.title("Incident B: the cache wipe");
    narrator
        .say("Expensive texts in three columns, each fed by its own pipeline, each the only copy:");
    quietly(&mut admin, WORLD)?;
    for protect in PROTECT {
        narrator.passes(&mut admin, protect)?;
    }
    let before = undo::dump(&mut admin, &["results"])?;

    narrator.say("1. One pipeline was broken. The agent proposes to clear all three columns. First it has to show what that does:");
    let id = gate::preview(
        narrator,
        &mut app,
        WIPE,
        "OPS-150: bad summaries of 2 November",
    )?;
    narrator.claim(
        "the preview shows 20 rows, three cleared columns and the rule it breaks",
        gate::steps(
            &mut admin,
            id,
            "rows || ' ' || array_to_string(cleared_columns, ',') || ' ' || rules::text",
        )? == "20 cache_a,cache_b,cache_c {mixed_upstreams,row_limit}",
    )?;
    narrator.say("2. Run without anybody's approval:");
    narrator.refused(&mut app, WIPE, "SF009")?;
    narrator.claim(
        "not one byte of results has changed",
        undo::dump(&mut admin, &["results"])? == before,
    )?;

    narrator.say(
        "3. The column that was really broken, alone: still more rows than one may touch unseen.",
    );
    narrator.refused(&mut app, WIPE_ONE, "SF005")?;
    let id = gate::preview(
        narrator,
        &mut app,
        WIPE_ONE,
        "OPS-150: bad summaries of 2 November",
    )?;
    let others = "SELECT md5(string_agg(cache_b || cache_c::text, '' ORDER BY id)) FROM results";
    let untouched = value(&mut admin, others)?;
    let mut reviewer = db.connect_as("reviewer");
    let (statement, rows) = gate::approve_and_run(
        narrator,
        &mut app,
        &mut reviewer,
        id,
        "looked at all 20 rows",
    )?;
    narrator.claim("20 rows, as previewed", rows == 20)?;
    narrator.claim(
        "the other two columns kept every value",
        value(&mut admin, others)? == untouched,
    )?;
    narrator.table(
        &mut admin,
        &format!(
            "SELECT statement_id, session_role, rows, approval->>'kind' AS kind, approval->>'approved_by' AS approved_by \
             FROM backstop.statement WHERE statement_id = {statement}"
        ),
    )?;

    narrator.say("4. The pipeline was fine after all. Undone:");
    undo::restore(narrator, &mut admin, statement, &["results"], &before)?;

    narrator.say("5. A record that was never restored from is only a hope. The drill restores everything, and rolls back:");
    undo::drill(narrator, &mut admin)
}
