//! Putting the rows of a DELETE back, beside what an operator would write by hand for a log of jsonb rows, and beside
//! inserting them again from a copy, which no undo can beat.

use std::time::Instant;

use anyhow::Result;
use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::shell::step;

use crate::capturers::Capturer;
use crate::rows;
use crate::series::{Series, short};
use crate::server::{Bench, execute, number, timed};
use crate::table::{Promise, Table};

const PROMISE: Promise = Promise::AtLeast(100_000.0, " rows/s");

/// # Errors
/// When something breaks, or rows do not come back.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let db = bench.with.database();
    let mut client = db.connect();
    let rows = bench.arguments.rows();
    rows::make_source(&mut client, rows)?;
    let sides = [
        Capturer::Bare,
        Capturer::Backstop,
        Capturer::RowTrigger,
        Capturer::StatementTrigger,
    ];
    for capturer in sides {
        capturer.make(&mut client)?;
    }
    let built = number(
        &mut client,
        "SELECT count(*)::float8 FROM pg_proc WHERE proname = 'restore' AND pronamespace = 'backstop'::regnamespace",
    )? > 0.0;
    let mut series: Vec<(Series, Series)> = sides.iter().map(|_| Default::default()).collect();
    for round in 0..bench.arguments.rounds {
        step(format!("undo, round {}", round + 1));
        let mut copy = f64::NAN;
        for (capturer, (speed, ratio)) in sides.iter().zip(&mut series) {
            if *capturer == Capturer::Backstop && !built {
                continue;
            }
            capturer.prepare(&mut client)?;
            timed(
                &mut client,
                capturer.before(),
                &format!("DELETE FROM {}", capturer.table()),
            )?;
            let sql = undo(*capturer);
            execute(&mut client, "CHECKPOINT")?;
            let started = Instant::now();
            execute(&mut client, &sql)?;
            let per_second = rows as f64 / started.elapsed().as_secs_f64();
            whole(&mut client, *capturer)?;
            if *capturer == Capturer::Bare {
                copy = per_second;
            }
            speed.push(per_second);
            ratio.push(per_second / copy);
        }
    }
    table.part(&format!(
        "Putting {rows} deleted rows back: rows per second"
    ));
    for (capturer, (speed, ratio)) in sides.iter().zip(&series) {
        let ours = *capturer == Capturer::Backstop;
        let promise = ours.then_some(PROMISE);
        let name = match capturer {
            Capturer::Bare => "inserted from a copy",
            Capturer::Backstop => "backstop.restore",
            Capturer::RowTrigger => "by hand, from the row trigger's log",
            _ => "by hand, from the statement trigger's log",
        };
        if ours && !built {
            table.absent(name, "not built", promise);
            continue;
        }
        let remarks = format!("x{} of inserting them from a copy", short(ratio.median()));
        table.figure(name, speed, " rows/s", promise, remarks);
    }
    Ok(())
}

/// What puts the rows back.
fn undo(capturer: Capturer) -> String {
    let table = capturer.table();
    match capturer {
        Capturer::Bare => format!("INSERT INTO {table} SELECT * FROM source"),
        Capturer::Backstop => {
            "SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), false)"
                .to_owned()
        }
        _ => format!(
            "INSERT INTO {table} SELECT r.* FROM {table}_log, jsonb_populate_record(NULL::{table}, old) AS r"
        ),
    }
}

/// Every row is back as it was.
fn whole(client: &mut Client, capturer: Capturer) -> Result<()> {
    let missing = number(
        client,
        &format!(
            "SELECT count(*)::float8 FROM (SELECT * FROM source EXCEPT SELECT * FROM {}) AS missing",
            capturer.table()
        ),
    )?;
    anyhow::ensure!(
        missing == 0.0,
        "{missing} rows are not back in {}",
        capturer.table()
    );
    Ok(())
}
