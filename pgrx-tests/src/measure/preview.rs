//! A preview of a DELETE, beside the same DELETE captured: a preview does the same work, keeps the rows for the
//! reviewer instead of the record, and rolls back.

use anyhow::Result;
use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::shell::step;

use crate::capturers::Capturer;
use crate::cascade::resident;
use crate::rows;
use crate::series::{Series, megabytes, short};
use crate::server::{Bench, number, timed};
use crate::table::{Promise, Table};

const STORED: &str = "SELECT (pg_total_relation_size('backstop.request_chunk')
    + pg_total_relation_size('backstop.request_step') + pg_total_relation_size('backstop.request_log'))::float8";

/// # Errors
/// When something breaks.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let db = bench.with.database();
    let mut client = db.connect();
    let many = bench.arguments.many_rows();
    rows::make_source(&mut client, many)?;
    Capturer::Backstop.make(&mut client)?;
    let (mut ratio, mut seconds, mut stored) =
        (Series::default(), Series::default(), Series::default());
    let mut grown = Series::default();
    // The first of a server's pays for all files that have to grow.
    delete(&mut client)?;
    for round in 0..bench.arguments.rounds {
        step(format!("preview of {many} rows, round {}", round + 1));
        // Each begins with a fresh table; which of them goes first changes from round to round.
        let mut captured = 0.0;
        if round % 2 == 1 {
            captured = delete(&mut client)?;
        }
        Capturer::Backstop.prepare(&mut client)?;
        let before = number(&mut client, STORED)?;
        let memory = resident(&mut client)?;
        let previewed = timed(
            &mut client,
            "",
            "SELECT count(*) FROM backstop.preview('DELETE FROM guarded')",
        )?;
        grown.push((resident(&mut client)? - memory) / 1e6);
        stored.push(number(&mut client, STORED)? - before);
        if round % 2 == 0 {
            captured = delete(&mut client)?;
        }
        seconds.push(previewed.seconds);
        ratio.push(previewed.seconds / captured);
    }
    table.part(&format!(
        "Previewing a DELETE of {many} rows, beside running it captured"
    ));
    let remarks = format!(
        "{} s, {} stored, memory +{} MB",
        short(seconds.median()),
        megabytes(stored.median()),
        short(grown.median()),
    );
    let promise = Some(Promise::AtMost(1.3, "x"));
    table.figure("backstop.preview", &ratio, "x", promise, remarks);
    Ok(())
}

/// The seconds that the DELETE takes where it is approved and recorded.
fn delete(client: &mut Client) -> Result<f64> {
    Capturer::Backstop.prepare(client)?;
    let taken = timed(client, Capturer::Backstop.before(), "DELETE FROM guarded")?;
    Ok(taken.seconds)
}
