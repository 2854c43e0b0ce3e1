//! Tells the story: runs a statement, prints what the server said to it, and verifies what is claimed about it.

use std::io::IsTerminal;

use anyhow::{Result, anyhow, bail};
use pg_backstop_tests::Refusal;
use pg_backstop_tests::postgres::{Client, Error, SimpleQueryMessage};

/// Counts the claims, and knows whether its listener sees colours.
pub struct Narrator {
    claims: usize,
    colours: bool,
}

/// The colours of a terminal.
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const GREY: &str = "2";

impl Narrator {
    pub fn new() -> Narrator {
        Narrator {
            claims: 0,
            colours: std::io::stdout().is_terminal(),
        }
    }

    pub fn claims(&self) -> usize {
        self.claims
    }

    /// Opens a part of the story.
    pub fn title(&self, text: &str) {
        println!("\n{}", self.paint(BOLD, text));
    }

    /// Tells what happens next.
    pub fn say(&self, text: &str) {
        println!("\n{text}");
    }

    /// Shows a statement as the person who types it sees it.
    pub fn show(&self, sql: &str) {
        println!("  {}", self.paint(GREY, &format!("=> {sql}")));
    }

    /// A claim; what it says is printed only when it holds.
    ///
    /// # Errors
    /// When it doesn't hold.
    pub fn claim(&mut self, what: &str, holds: bool) -> Result<()> {
        if !holds {
            bail!("this is not so: {what}");
        }
        self.claims += 1;
        println!("  {} {what}", self.paint(GREEN, "✓"));
        Ok(())
    }

    /// Runs a statement that must be refused by the rule `sqlstate`, and prints the refusal.
    ///
    /// # Errors
    /// When it passes, or is refused for another reason.
    pub fn refused(&mut self, client: &mut Client, sql: &str, sqlstate: &str) -> Result<()> {
        self.show(sql);
        let Err(error) = client.batch_execute(sql) else {
            bail!("this is not so: {sqlstate} refuses {sql}\nthe server let it pass");
        };
        let Some(refusal) = Refusal::of(&error) else {
            bail!("{error}")
        };
        println!(
            "  {}  {}: {}",
            self.paint(RED, "ERROR:"),
            refusal.sqlstate,
            refusal.message
        );
        println!("  {} {}", self.paint(RED, "DETAIL:"), refusal.detail);
        println!("  {}   {}", self.paint(RED, "HINT:"), refusal.hint);
        let explained = !refusal.detail.is_empty() && !refusal.hint.is_empty();
        self.claim(
            &format!("refused by {sqlstate}, with what was found and what to do"),
            refusal.sqlstate == sqlstate && explained,
        )
    }

    /// Shows and runs statements that must pass; the number of rows the last one reports.
    ///
    /// # Errors
    /// When one is refused.
    pub fn passes(&mut self, client: &mut Client, sql: &str) -> Result<u64> {
        self.show(sql);
        let messages = client
            .simple_query(sql)
            .map_err(|error| sentence(sql, &error))?;
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
                _ => None,
            })
            .last()
            .unwrap_or(0))
    }

    /// Shows and runs a query, and prints its result as a table.
    ///
    /// # Errors
    /// When it is refused.
    pub fn table(&mut self, client: &mut Client, sql: &str) -> Result<()> {
        self.show(sql);
        let mut lines: Vec<Vec<String>> = Vec::new();
        for message in client
            .simple_query(sql)
            .map_err(|error| sentence(sql, &error))?
        {
            if let SimpleQueryMessage::Row(row) = message {
                if lines.is_empty() {
                    lines.push(
                        row.columns()
                            .iter()
                            .map(|column| column.name().to_string())
                            .collect(),
                    );
                }
                lines.push(
                    (0..row.len())
                        .map(|n| row.get(n).unwrap_or("").to_string())
                        .collect(),
                );
            }
        }
        let width = |n: usize| {
            lines
                .iter()
                .map(|line| line[n].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(width).collect();
        for line in &lines {
            let cells: Vec<String> = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            println!("     {}", cells.join("  ").trim_end());
        }
        Ok(())
    }

    /// Runs a query and prints the lines it returns as they are.
    ///
    /// # Errors
    /// When it is refused.
    pub fn lines(&mut self, client: &mut Client, sql: &str) -> Result<()> {
        self.show(sql);
        for message in client
            .simple_query(sql)
            .map_err(|error| sentence(sql, &error))?
        {
            if let SimpleQueryMessage::Row(row) = message {
                println!("     {}", row.get(0).unwrap_or(""));
            }
        }
        Ok(())
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

/// The single value of a query, as text.
///
/// # Errors
/// When it is refused, or has no row, or its value is null.
pub fn value(client: &mut Client, sql: &str) -> Result<String> {
    for message in client
        .simple_query(sql)
        .map_err(|error| sentence(sql, &error))?
    {
        if let SimpleQueryMessage::Row(row) = message {
            return row
                .get(0)
                .map(String::from)
                .ok_or_else(|| anyhow!("null is the answer to: {sql}"));
        }
    }
    bail!("there is no answer to: {sql}")
}

/// Runs statements that belong to the scenery.
///
/// # Errors
/// When one is refused.
pub fn quietly(client: &mut Client, sql: &str) -> Result<()> {
    client
        .batch_execute(sql)
        .map_err(|error| sentence(sql, &error))
}

fn sentence(sql: &str, error: &Error) -> anyhow::Error {
    match Refusal::of(error) {
        Some(Refusal {
            sqlstate,
            message,
            detail,
            ..
        }) => {
            anyhow!("the server refused {sql}\n{sqlstate}: {message}\n{detail}")
        }
        None => anyhow!("{sql}\nfailed: {error}"),
    }
}
