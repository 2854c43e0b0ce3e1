//! How long it takes to refuse a DELETE of everything: by planning alone where the statement says so, and at the first
//! row past the limit where only running it shows.

use std::time::Instant;

use anyhow::{Result, bail};
use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::shell::step;

use crate::rows;
use crate::series::Series;
use crate::server::{Bench, execute};
use crate::table::{Promise, Table};

const FEW: i64 = 1000;
const STATEMENTS: [(&str, &str); 2] = [
    ("no condition", ""),
    ("true of all rows", "WHERE quantity >= 0"),
];

/// # Errors
/// When something breaks, or a statement is not refused.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    step("refusals");
    let db = bench.with.database();
    let mut client = db.connect();
    let many = bench.arguments.many_rows();
    let base = bench.arguments.rows().min(many);
    rows::make_source(&mut client, base)?;
    for (name, rows) in [("few", FEW), ("many", many)] {
        rows::make(&mut client, name)?;
        execute(
            &mut client,
            &format!(
                "INSERT INTO {name} SELECT s.id + n * {base}, account_id, quantity, amount, active, email, street, note,
                     updated_at, token
                 FROM source AS s, generate_series(0, {rows} / {base}) AS n WHERE s.id + n * {base} <= {rows};
                 SELECT backstop.protect('{name}')"
            ),
        )?;
        execute(&mut client, &format!("VACUUM (ANALYZE) {name}"))?;
    }
    table.part("Refusing a DELETE of a whole table");
    for (what, condition) in STATEMENTS {
        let (mut of_many, mut of_few) = (Series::default(), Series::default());
        let mut ratio = Series::default();
        let mut sqlstate = String::new();
        for _ in 0..bench.arguments.rounds {
            let (few, _) = refused(&mut client, &format!("DELETE FROM few {condition}"))?;
            let (many, state) = refused(&mut client, &format!("DELETE FROM many {condition}"))?;
            of_few.push(few);
            of_many.push(many);
            ratio.push(many / few);
            sqlstate = state;
        }
        let remarks = format!("{sqlstate}; {FEW} rows: {:.2} ms", of_few.median());
        let promise = Some(Promise::AtMost(5.0, " ms"));
        table.figure(
            &format!("{what}, {many} rows"),
            &of_many,
            " ms",
            promise,
            remarks,
        );
        table.figure(&format!("  beside {FEW} rows"), &ratio, "x", None, "");
    }
    Ok(())
}

/// Milliseconds until the refusal arrived, and its SQLSTATE.
fn refused(client: &mut Client, sql: &str) -> Result<(f64, String)> {
    let started = Instant::now();
    let result = client.batch_execute(sql);
    let taken = started.elapsed().as_secs_f64() * 1e3;
    match result.as_ref().map_err(|error| error.code()) {
        Err(Some(state)) => Ok((taken, state.code().to_owned())),
        Err(None) => bail!("the connection broke: {sql}"),
        Ok(()) => bail!("not refused: {sql}"),
    }
}
