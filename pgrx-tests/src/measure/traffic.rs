//! Ordinary traffic on tables that nobody protects: pgbench on a server that has loaded pg_backstop, in a database where
//! another table is protected so that its hooks have something to look for, and on one that has not.
//!
//! Two servers that run the same differ by a few per cent, for as long as they run. So both are restarted for each round,
//! and the library goes from the one to the other.

use anyhow::Result;
use pg_backstop_tests::Database;
use pg_backstop_tests::shell::step;

use crate::series::{Series, short};
use crate::server::{Bench, execute, load};
use crate::table::{Promise, Table};

const SCRIPTS: [&str; 2] = ["tpcb-like", "select-only"];

/// # Errors
/// When something breaks.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let mut servers = [&bench.with, &bench.without].map(|server| (server, server.database()));
    for (server, db) in &servers {
        execute(
            &mut db.connect(),
            "CREATE EXTENSION IF NOT EXISTS pg_backstop; CREATE TABLE elsewhere (id bigint PRIMARY KEY);
             SELECT backstop.protect('elsewhere')",
        )?;
        server.program(
            "pgbench",
            &["--initialize", "--quiet", "--scale=10", &db.name],
        )?;
    }
    let mut figures = SCRIPTS.map(|_| [Series::default(), Series::default(), Series::default()]);
    for round in 0..bench.arguments.rounds {
        let [(ours, with), (theirs, without)] = &servers;
        load(ours, true)?;
        load(theirs, false)?;
        for (script, [ratio, tps, bare]) in SCRIPTS.iter().zip(&mut figures) {
            step(format!("pgbench {script}, round {}", round + 1));
            let run = |db: &Database| bench.pgbench(db, &["--builtin", script], "");
            // With, without, without, with: what drifts during a round weighs on both alike.
            let (a, b) = (run(with)?, run(without)?);
            let (c, d) = (run(without)?, run(with)?);
            ratio.push((a + d) / (b + c));
            tps.push(f64::midpoint(a, d));
            bare.push(f64::midpoint(b, c));
        }
        servers.reverse();
    }
    load(&bench.with, true)?;
    load(&bench.without, false)?;
    table.part("pgbench on unprotected tables: transactions per second beside a server without pg_backstop");
    for (script, [ratio, tps, bare]) in SCRIPTS.iter().zip(&figures) {
        let (tps, bare) = (short(tps.median()), short(bare.median()));
        let remarks = format!("{tps} tps with, {bare} without");
        let promise = Some(Promise::AtLeast(0.98, "x"));
        table.figure(script, ratio, "x", promise, remarks);
    }
    Ok(())
}
