//! One statement that destroys every row of a table, kept in each of the ways there are.

use anyhow::Result;
use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::shell::step;

use crate::capturers::{ALL, Capturer};
use crate::rows;
use crate::series::{Series, megabytes, short};
use crate::server::{Bench, timed};
use crate::table::{Promise, Table};

/// What one way to keep the rows took, over all rounds.
#[derive(Default)]
struct Side {
    milliseconds: Series,
    time: Series,
    per_row: Series,
    wal: Series,
    extra_wal: Series,
    stored: Series,
    /// Beside the row trigger's.
    of_row_trigger: Series,
}

impl Side {
    fn measured(&self) -> bool {
        !self.time.median().is_nan()
    }
}

/// One run.
#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    wal: f64,
    stored: f64,
}

struct Operation {
    name: &'static str,
    sql: &'static str,
    time: Option<Promise>,
    wal: Option<Promise>,
    disk: Option<Promise>,
}

const OPERATIONS: [Operation; 2] = [
    Operation {
        name: "DELETE of every row",
        sql: "DELETE FROM {}",
        time: Some(Promise::AtMost(4.0, "x")),
        wal: Some(Promise::AtMost(1.35, "x")),
        disk: Some(Promise::AtMost(0.2, "x")),
    },
    Operation {
        name: "UPDATE of every row",
        sql: "UPDATE {} SET quantity = quantity + 1, updated_at = now()",
        time: None,
        wal: None,
        disk: None,
    },
];

/// The same DELETE where the uuids are counted instead of drawn: random digits do not compress in any form that plain
/// SQL can read.
const COUNTED: Operation = Operation {
    name: "DELETE of every row, uuids counted",
    ..OPERATIONS[0]
};

/// The same DELETE where nothing compresses well: shown, not promised.
const HARD: Operation = Operation {
    name: "DELETE of every row, notes of random words",
    sql: "DELETE FROM {}",
    time: None,
    wal: None,
    disk: None,
};

/// # Errors
/// When something breaks.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let db = bench.with.database();
    let mut client = db.connect();
    rows::make_source(&mut client, bench.arguments.rows())?;
    let mut available: Vec<Capturer> = ALL
        .into_iter()
        .filter(|capturer| capturer.available(bench))
        .collect();
    for capturer in &available {
        capturer.make(&mut client)?;
    }
    for operation in &OPERATIONS {
        let sides = rounds(bench, &mut client, &available, operation)?;
        show(bench, operation, &sides, table);
    }
    rows::count_uuids(&mut client)?;
    available.retain(|capturer| *capturer != Capturer::TableLog);
    let sides = rounds(bench, &mut client, &available, &COUNTED)?;
    show(bench, &COUNTED, &sides, table);
    rows::scramble(&mut client)?;
    let sides = rounds(bench, &mut client, &available, &HARD)?;
    show(bench, &HARD, &sides, table);
    Ok(())
}

/// Runs all rounds of an operation; one side for each of `ALL`.
fn rounds(
    bench: &Bench,
    client: &mut Client,
    available: &[Capturer],
    operation: &Operation,
) -> Result<Vec<Side>> {
    let mut sides: Vec<Side> = ALL.iter().map(|_| Side::default()).collect();
    for round in 0..bench.arguments.rounds {
        step(format!("{}, round {}", operation.name, round + 1));
        let mut order = available.to_vec();
        if round % 2 == 1 {
            order.reverse();
        }
        let mut runs: Vec<(Capturer, Run)> = Vec::new();
        for capturer in order {
            capturer.prepare(client)?;
            let kept = capturer.stored(client)?;
            let sql = operation.sql.replace("{}", capturer.table());
            let taken = timed(client, capturer.before(), &sql)?;
            let run = Run {
                seconds: taken.seconds,
                wal: taken.wal,
                stored: capturer.stored(client)? - kept,
            };
            runs.push((capturer, run));
        }
        book(bench, &runs, &mut sides);
    }
    Ok(sides)
}

/// Enters one round: every figure beside the same round's bare statement.
fn book(bench: &Bench, runs: &[(Capturer, Run)], sides: &mut [Side]) {
    let of = |wanted: Capturer| runs.iter().find(|(capturer, _)| *capturer == wanted);
    let (Some((_, bare)), Some((_, by_row))) = (of(Capturer::Bare), of(Capturer::RowTrigger))
    else {
        return;
    };
    for (capturer, run) in runs {
        let Some(place) = ALL.iter().position(|one| one == capturer) else {
            continue;
        };
        let side = &mut sides[place];
        side.milliseconds.push(run.seconds * 1e3);
        side.time.push(run.seconds / bare.seconds);
        side.per_row
            .push((run.seconds - bare.seconds) * 1e6 / bench.arguments.rows() as f64);
        side.wal.push(run.wal / bare.wal);
        side.extra_wal.push(run.wal - bare.wal);
        side.stored.push(run.stored);
        side.of_row_trigger.push(run.stored / by_row.stored);
    }
}

fn show(bench: &Bench, operation: &Operation, sides: &[Side], table: &mut Table) {
    let rows = bench.arguments.rows();
    table.part(&format!(
        "{} ({rows}): time, WAL and disk beside the bare statement's",
        operation.name
    ));
    for (capturer, side) in ALL.iter().zip(sides) {
        let (name, ours) = (capturer.name(), *capturer == Capturer::Backstop);
        if !capturer.available(bench) {
            table.absent(name, "not installed", None);
            continue;
        }
        if !side.measured() {
            continue;
        }
        let promise = |promise: Option<Promise>| promise.filter(|_| ours);
        let mut remarks = format!("{} ms", short(side.milliseconds.median()));
        if *capturer != Capturer::Bare {
            remarks += &format!(
                ", +{} us/row, WAL x{} (+{}), {} stored",
                short(side.per_row.median()),
                short(side.wal.median()),
                megabytes(side.extra_wal.median()),
                megabytes(side.stored.median()),
            );
        }
        table.figure(name, &side.time, "x", promise(operation.time), remarks);
        if ours {
            table.figure("  its WAL", &side.wal, "x", operation.wal, "");
            table.figure(
                "  its disk, beside the row trigger's",
                &side.of_row_trigger,
                "x",
                operation.disk,
                "",
            );
        }
    }
}
