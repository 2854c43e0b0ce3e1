//! One row at a time: UPDATE by key on a table that is protected, and on one that is kept in another way or not at all.

use std::fs;

use anyhow::Result;
use pg_backstop_tests::shell::step;

use crate::capturers::{ALL, Capturer};
use crate::rows;
use crate::series::{Series, short};
use crate::server::{Bench, execute};
use crate::table::{Promise, Table};

/// How the commits wait, as pgbench's sessions are told.
const COMMITS: [(&str, &str, Option<Promise>); 2] = [
    (
        "asynchronous commit",
        "-c synchronous_commit=off",
        Some(Promise::AtLeast(0.8, "x")),
    ),
    ("synchronous commit", "-c synchronous_commit=on", None),
];

/// # Errors
/// When something breaks.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let db = bench.with.database();
    let mut client = db.connect();
    let keys = bench.arguments.rows() / 10;
    rows::make_source(&mut client, keys)?;
    let folder = std::env::temp_dir();
    let sides: Vec<Capturer> = ALL
        .into_iter()
        .chain([Capturer::Expendable])
        .filter(|capturer| capturer.available(bench))
        .collect();
    let mut scripts = Vec::new();
    for capturer in &sides {
        capturer.make(&mut client)?;
        let script = folder.join(format!(
            "pg_backstop.{}.{}.sql",
            std::process::id(),
            capturer.table()
        ));
        fs::write(
            &script,
            format!(
                "\\set id random(1, {keys})\n\
                 UPDATE {} SET quantity = quantity + 1, updated_at = now() WHERE id = :id;\n",
                capturer.table()
            ),
        )?;
        scripts.push(script);
    }
    let result = run(bench, &db, &sides, &scripts, table);
    for script in &scripts {
        // Left behind, it is a line of SQL in a folder for temporary files.
        let _ = fs::remove_file(script);
    }
    result
}

fn run(
    bench: &Bench,
    db: &pg_backstop_tests::Database,
    sides: &[Capturer],
    scripts: &[std::path::PathBuf],
    table: &mut Table,
) -> Result<()> {
    let mut client = db.connect();
    for (name, options, promise) in COMMITS {
        table.part(&format!(
            "UPDATE of one row by key, {name}: transactions per second beside the bare table's"
        ));
        let mut series: Vec<(Series, Series)> = sides.iter().map(|_| Default::default()).collect();
        for round in 0..bench.arguments.rounds {
            step(format!("UPDATE by key, {name}, round {}", round + 1));
            for capturer in sides {
                capturer.prepare(&mut client)?;
            }
            execute(&mut client, "CHECKPOINT")?;
            let tps = |place: usize| {
                let script = scripts[place].to_string_lossy();
                bench.pgbench(db, &["--file", &script], options)
            };
            for (place, (ratio, own)) in series.iter_mut().enumerate() {
                // Bare, kept, kept, bare: what drifts meanwhile weighs on both alike.
                let (a, b) = (tps(0)?, tps(place)?);
                let (c, d) = (tps(place)?, tps(0)?);
                ratio.push((b + c) / (a + d));
                own.push(f64::midpoint(b, c));
            }
        }
        for (capturer, (ratio, own)) in sides.iter().zip(&series) {
            let promise = promise.filter(|_| *capturer == Capturer::Backstop);
            let remarks = format!("{} tps", short(own.median()));
            table.figure(capturer.name(), ratio, "x", promise, remarks);
        }
    }
    Ok(())
}
