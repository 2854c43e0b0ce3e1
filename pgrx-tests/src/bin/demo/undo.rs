//! The worst case, the same in both incidents: a statement is approved, done, read back from the record, and undone.

use std::io::Read;

use anyhow::{Context, Result};
use pg_backstop_tests::postgres::Client;

use crate::narrator::{Narrator, value};

/// What is approved.
pub struct Approved<'a> {
    pub reason: &'a str,
    pub max_rows: u32,
    pub relation: &'a str,
    pub operation: &'a str,
    pub statement: &'a str,
}

/// The tables' contents, byte by byte, in the order of their keys: what COPY prints.
///
/// # Errors
/// When a table can't be read.
pub fn dump(client: &mut Client, tables: &[&str]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for table in tables {
        let sql = format!("COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT");
        bytes.extend_from_slice(format!("{table}\n").as_bytes());
        client
            .copy_out(&sql)
            .with_context(|| sql.clone())?
            .read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Runs the statement as `app` with an approval; the id under which the server recorded it.
///
/// # Errors
/// When it is refused, or the record lacks it.
pub fn approve_and_run(
    narrator: &mut Narrator,
    app: &mut Client,
    admin: &mut Client,
    approved: &Approved,
) -> Result<i64> {
    let Approved {
        reason,
        max_rows,
        relation,
        operation,
        statement,
    } = approved;
    narrator.passes(app, "BEGIN")?;
    narrator.passes(
        app,
        &format!("SELECT backstop.approve_batch('{reason}', {max_rows}, '{{{relation}}}', '{{{operation}}}')"),
    )?;
    let rows = narrator.passes(app, statement)?;
    narrator.passes(app, "COMMIT")?;
    let id = value(admin, "SELECT max(statement_id) FROM backstop.statement")?;
    narrator
        .say("The record knows who did what, under which approval, and what every row was before:");
    narrator.table(
        admin,
        &format!(
            "SELECT statement_id, session_role, operations, rows, approval->>'reason' AS reason \
             FROM backstop.statement WHERE statement_id = {id}"
        ),
    )?;
    narrator.table(
        admin,
        &format!(
            "SELECT relation, operation, cause, count(*) AS rows, min(key::text) AS first_key \
             FROM backstop.preimage WHERE statement_id = {id} GROUP BY 1, 2, 3 ORDER BY min(ordinal)"
        ),
    )?;
    let recorded = value(
        admin,
        &format!(
            "SELECT format('%s|%s|%s', approval->>'reason', query, (SELECT count(*) FROM backstop.preimage p \
             WHERE p.statement_id = s.statement_id AND p.relation = '{relation}' AND cause IS NULL)) \
             FROM backstop.statement s WHERE statement_id = {id}"
        ),
    )?;
    narrator.claim(
        &format!(
            "statement {id} is on record with its text, its reason and all {rows} rows it named"
        ),
        recorded == format!("{reason}|{statement}|{rows}"),
    )?;
    Ok(id.parse()?)
}

/// Restores a recorded statement, dry run first, and compares the tables with what they were before it.
///
/// # Errors
/// When anything differs.
pub fn restore(
    narrator: &mut Narrator,
    admin: &mut Client,
    id: i64,
    tables: &[&str],
    before: &[u8],
) -> Result<()> {
    let damaged = dump(admin, tables)?;
    narrator.claim("the tables are no longer what they were", damaged != before)?;
    let call =
        |dry_run: bool| format!("SELECT * FROM backstop.restore({id}, dry_run => {dry_run})");
    narrator.say("First a dry run, which shows the counts and changes nothing:");
    narrator.table(admin, &call(true))?;
    narrator.claim(
        "after the dry run every byte is where it was",
        dump(admin, tables)? == damaged,
    )?;
    narrator.say("Then for real:");
    narrator.table(admin, &call(false))?;
    narrator.claim(
        &format!(
            "{} equal the dump from before, byte by byte ({} bytes)",
            tables.join(", "),
            before.len()
        ),
        dump(admin, tables)? == before,
    )?;
    let undone = value(
        admin,
        &format!("SELECT count(*) FROM backstop.statement WHERE reverts = {id}"),
    )?;
    narrator.claim("the restore is itself on record", undone == "1")
}

/// Drills everything that is recorded.
///
/// # Errors
/// When a statement could not be restored.
pub fn drill(narrator: &mut Narrator, admin: &mut Client) -> Result<()> {
    narrator.table(admin, "SELECT * FROM backstop.restore_drill()")?;
    let failed = value(
        admin,
        "SELECT count(*) FILTER (WHERE ok IS NOT TRUE) || ' of ' || count(*) FROM backstop.restore_drill()",
    )?;
    narrator.claim(
        &format!("{failed} recorded statements could not be restored"),
        failed.starts_with("0 of ") && failed != "0 of 0",
    )
}
