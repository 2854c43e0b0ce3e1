//! Ordinary traffic on tables that nobody protects: pgbench on a server with pg_backstop, where another table is
//! protected so that its hooks have something to look for, and on one without it.

use anyhow::Result;
use pg_backstop_tests::shell::step;

use crate::series::{Series, short};
use crate::server::{Bench, execute};
use crate::table::{Promise, Table};

const SCRIPTS: [&str; 2] = ["tpcb-like", "select-only"];

/// # Errors
/// When something breaks.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let (with, without) = (bench.with.database(), bench.without.database());
    execute(
        &mut with.connect(),
        "CREATE TABLE elsewhere (id bigint PRIMARY KEY); SELECT backstop.protect('elsewhere')",
    )?;
    for (cluster, db) in [(&bench.with, &with), (&bench.without, &without)] {
        cluster.program(
            "pgbench",
            &["--initialize", "--quiet", "--scale=10", &db.name],
        )?;
    }
    table.part("pgbench on unprotected tables: transactions per second beside a server without pg_backstop");
    for script in SCRIPTS {
        let mut ratio = Series::default();
        let (mut ours, mut theirs) = (Series::default(), Series::default());
        for round in 0..bench.arguments.rounds {
            step(format!("pgbench {script}, round {}", round + 1));
            let run = |db| bench.pgbench(db, &["--builtin", script], "");
            // With, without, without, with: what drifts during a round weighs on both alike.
            let (a, b) = (run(&with)?, run(&without)?);
            let (c, d) = (run(&without)?, run(&with)?);
            ratio.push((a + d) / (b + c));
            ours.push(f64::midpoint(a, d));
            theirs.push(f64::midpoint(b, c));
        }
        let remarks = format!(
            "{} tps with, {} without",
            short(ours.median()),
            short(theirs.median())
        );
        table.figure(
            script,
            &ratio,
            "x",
            Some(Promise::AtLeast(0.98, "x")),
            remarks,
        );
    }
    Ok(())
}
