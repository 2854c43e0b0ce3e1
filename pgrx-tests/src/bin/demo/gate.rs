//! The gate: a statement is previewed, reviewed and approved by a second person, and only then it runs.

use anyhow::{Result, bail};
use pg_backstop_tests::postgres::Client;

use crate::narrator::{Narrator, value};

/// Previews a statement as `app` and shows the tree; the request's id.
///
/// # Errors
/// When it can't be previewed.
pub fn preview(
    narrator: &mut Narrator,
    app: &mut Client,
    statement: &str,
    reason: &str,
) -> Result<i64> {
    let call =
        format!("SELECT DISTINCT request_id FROM backstop.preview($${statement}$$, '{reason}')");
    narrator.show(&call);
    let id: i64 = value(app, &call)?.parse()?;
    narrator.lines(app, &format!("SELECT * FROM backstop.preview_tree({id})"))?;
    Ok(id)
}

/// What a request says of its steps: a text that an expression over `backstop.request_step` makes.
///
/// # Errors
/// When it can't be read.
pub fn steps(admin: &mut Client, id: i64, expression: &str) -> Result<String> {
    value(
        admin,
        &format!(
            "SELECT string_agg({expression}, ';' ORDER BY step) FROM backstop.request_step WHERE request_id = {id}"
        ),
    )
}

/// Has a request approved by `reviewer`, and runs it as `app`; the id under which the record has it, and the rows.
///
/// # Errors
/// When somebody may approve who must not, or the statement doesn't run.
pub fn approve_and_run(
    narrator: &mut Narrator,
    app: &mut Client,
    reviewer: &mut Client,
    id: i64,
    reason: &str,
) -> Result<(i64, i64)> {
    let call = format!("SELECT backstop.approve({id}, '{reason}')");
    narrator.say("Who asked cannot approve, by any route:");
    narrator.show(&call);
    let Err(error) = app.simple_query(&call) else {
        bail!("this is not so: who asked cannot approve");
    };
    let error = error.as_db_error().map(|error| error.message().to_owned());
    narrator.claim(
        &format!("ERROR: {}", error.clone().unwrap_or_default()),
        error.is_some(),
    )?;
    narrator.say("The reviewer looks at every row, and approves exactly these:");
    narrator.table(
        reviewer,
        &format!(
            "SELECT key, old_row->'created_at' AS created_at, left(old_row->>'cache_a', 20) AS cache_a, new_values \
             FROM backstop.request_rows({id}) LIMIT 3"
        ),
    )?;
    narrator.show(&call);
    let token = value(reviewer, &call)?;
    println!("     {}...", &token[..24]);
    narrator.show("SELECT * FROM backstop.run('<token>')");
    let run = format!("SELECT statement_id || ' ' || rows FROM backstop.run('{token}')");
    let done = value(app, &run)?;
    let Some((statement, rows)) = done.split_once(' ') else {
        bail!("backstop.run() returned {done}");
    };
    let numbers = (statement.parse()?, rows.parse()?);
    narrator.claim(
        &format!("it ran: {rows} rows, statement {statement} of the record"),
        true,
    )?;
    let again = app.simple_query(&run).is_err();
    narrator.claim("the token was good for one run", again)?;
    Ok(numbers)
}
