//! Incident B: the cache wipe.

use anyhow::Result;
use pg_backstop_tests::Cluster;

use crate::narrator::{Narrator, quietly, value};
use crate::undo::{self, Approved, approve_and_run};

/// 60 results of seven customers, 20 of them of the day the pipeline behind `cache_a` was broken.
const WORLD: &str = "
CREATE TABLE results (id bigint PRIMARY KEY, customer_id int NOT NULL, created_at timestamptz NOT NULL,
    cache_a text, cache_b text, cache_c jsonb);
INSERT INTO results SELECT n, n % 7, timestamptz '2026-11-01 00:00+00' + n * interval '72 minutes',
    repeat('expensive ', n::int), 'text ' || n, jsonb_build_object('pages', n, 'rest', NULL)
    FROM generate_series(1, 60) n;";

const PROTECT: [&str; 4] = [
    "SELECT backstop.protect('results', max_rows => 5)",
    "SELECT backstop.protect_columns('results', '{cache_a}', 'summaries')",
    "SELECT backstop.protect_columns('results', '{cache_b}', 'translations')",
    "SELECT backstop.protect_columns('results', '{cache_c}', 'page index')",
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

    narrator.say("1. One pipeline was broken. The agent proposes to clear all three columns.");
    narrator.refused(&mut app, WIPE, "SF009")?;

    narrator.say("2. The column that was really broken, alone: it is still more rows than anyone has looked at.");
    narrator.refused(&mut app, WIPE_ONE, "SF005")?;
    narrator.claim(
        "not one byte of results has changed",
        undo::dump(&mut admin, &["results"])? == before,
    )?;

    narrator.say(
        "3. With an approval that says how many rows, for this table and this operation only:",
    );
    let others = "SELECT md5(string_agg(cache_b || cache_c::text, '' ORDER BY id)) FROM results";
    let untouched = value(&mut admin, others)?;
    let approved = Approved {
        reason: "OPS-150: summaries of 2 November",
        max_rows: 20,
        relation: "public.results",
        operation: "update",
        statement: WIPE_ONE,
    };
    let id = approve_and_run(narrator, &mut app, &mut admin, &approved)?;
    narrator.claim(
        "the other two columns kept every value",
        value(&mut admin, others)? == untouched,
    )?;

    narrator.say("4. The pipeline was fine after all. Undone:");
    undo::restore(narrator, &mut admin, id, &["results"], &before)
}
