//! Restoring a DELETE of many rows and what it took along by CASCADE, beside inserting the same rows from jsonb arrays,
//! the quickest way an operator could have written by hand.

use std::time::Instant;

use anyhow::{Result, bail};
use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::shell::step;

use crate::rows;
use crate::series::{Series, short};
use crate::server::{Bench, execute, number};
use crate::table::{Promise, Table};

const PROMISE: Promise = Promise::AtLeast(100_000.0, " rows/s");
const CHILDREN: [&str; 3] = ["orders", "visits", "notes"];
/// One parent in so many has a row in each child.
const EVERY: i64 = 10;

/// # Errors
/// When something breaks, or rows do not come back.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let db = bench.with.database();
    let mut client = db.connect();
    let many = bench.arguments.many_rows();
    step(format!("a cascade of {many} rows"));
    rows::make_source(&mut client, many)?;
    make(&mut client, many)?;
    let (mut speed, mut by_hand) = (Series::default(), Series::default());
    let (mut ratio, mut grown) = (Series::default(), Series::default());
    let mut total = 0.0;
    for round in 0..bench.arguments.rounds {
        step(format!("cascade, round {}", round + 1));
        total = count(&mut client)?;
        delete(&mut client)?;
        let started = Instant::now();
        execute(&mut client, &from_jsonb())?;
        let hand = total / started.elapsed().as_secs_f64();
        whole(&mut client, total)?;
        delete(&mut client)?;
        execute(&mut client, "CHECKPOINT")?;
        let memory = resident(&mut client)?;
        let started = Instant::now();
        execute(
            &mut client,
            "SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)",
        )?;
        let ours = total / started.elapsed().as_secs_f64();
        grown.push((resident(&mut client)? - memory) / 1e6);
        whole(&mut client, total)?;
        speed.push(ours);
        by_hand.push(hand);
        ratio.push(ours / hand);
    }
    table.part(&format!(
        "Restoring a DELETE of {many} rows with three children by CASCADE ({total} rows): rows per second"
    ));
    let remarks = format!(
        "x{} of jsonb_populate_recordset's, memory +{} MB",
        short(ratio.median()),
        short(grown.median())
    );
    table.figure(
        "backstop.restore",
        &speed,
        " rows/s",
        Some(PROMISE),
        remarks,
    );
    table.figure(
        "by hand, jsonb_populate_recordset",
        &by_hand,
        " rows/s",
        None,
        "",
    );
    table.figure(
        "  restore beside it",
        &ratio,
        "x",
        Some(Promise::AtLeast(1.0, "x")),
        "",
    );
    Ok(())
}

fn make(client: &mut Client, many: i64) -> Result<()> {
    rows::make(client, "parent")?;
    execute(
        client,
        "INSERT INTO parent SELECT * FROM source ORDER BY id",
    )?;
    for child in CHILDREN {
        execute(
            client,
            &format!(
                "CREATE TABLE {child} (id bigint PRIMARY KEY, parent_id bigint NOT NULL REFERENCES parent ON DELETE CASCADE,
                     body text, at timestamptz);
                 INSERT INTO {child} SELECT id, id, note, updated_at FROM source WHERE id % {EVERY} = 0;
                 CREATE INDEX ON {child} (parent_id)"
            ),
        )?;
    }
    for table in tables() {
        execute(
            client,
            &format!(
                "CREATE TABLE {table}_json AS SELECT jsonb_agg(to_jsonb(t) ORDER BY id) AS rows FROM {table} AS t
                 GROUP BY id / 1000"
            ),
        )?;
        execute(client, &format!("VACUUM ANALYZE {table}"))?;
    }
    let limit = many * 10;
    execute(
        client,
        &format!("SELECT backstop.protect('parent', max_rows => {limit})"),
    )
}

fn tables() -> impl Iterator<Item = &'static str> {
    std::iter::once("parent").chain(CHILDREN)
}

fn delete(client: &mut Client) -> Result<()> {
    execute(
        client,
        "BEGIN; SELECT backstop.approve_batch('bench', 100000000); DELETE FROM parent; COMMIT",
    )?;
    for table in tables() {
        execute(client, &format!("VACUUM {table}"))?;
    }
    execute(client, "CHECKPOINT")
}

fn from_jsonb() -> String {
    let inserts: Vec<String> = tables()
        .map(|table| {
            format!(
                "INSERT INTO {table} SELECT r.* FROM {table}_json, jsonb_populate_recordset(NULL::{table}, rows) AS r;"
            )
        })
        .collect();
    format!("BEGIN; {} COMMIT", inserts.concat())
}

fn count(client: &mut Client) -> Result<f64> {
    let parts: Vec<String> = tables()
        .map(|table| format!("(SELECT count(*) FROM {table})"))
        .collect();
    number(client, &format!("SELECT ({})::float8", parts.join(" + ")))
}

fn whole(client: &mut Client, total: f64) -> Result<()> {
    let found = count(client)?;
    if found != total {
        bail!("{found} of {total} rows came back");
    }
    Ok(())
}

/// The backend's anonymous memory in bytes: what it holds itself, shared buffers apart.
pub fn resident(client: &mut Client) -> Result<f64> {
    number(
        client,
        "SELECT 1024.0 * (regexp_match(pg_read_file('/proc/' || pg_backend_pid() || '/status'), 'RssAnon:\\s+(\\d+)'))[1]::float8",
    )
}
