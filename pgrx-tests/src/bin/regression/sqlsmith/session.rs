//! A generator of statements, and a connection that runs them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use pg_backstop_tests::Database;
use pg_backstop_tests::postgres::{Client, Config, Error, NoTls};

use super::tally::Tally;

/// Of the statements that only read, one in this many is run: sqlsmith makes few others.
const READS: u64 = 20;

pub struct Session {
    role: &'static str,
    generator: Child,
    statements: BufReader<ChildStdout>,
    read: u64,
    turns: u64,
}

impl Session {
    /// # Errors
    /// When sqlsmith can't be started.
    pub fn new(program: &Path, db: &Database, role: &'static str, seed: u64) -> Result<Session> {
        let mut generator = Command::new(program)
            .arg(format!("--target={}", db.conninfo(role)))
            .arg(format!("--seed={seed}"))
            .args(["--dry-run", "--exclude-catalog"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("could not start sqlsmith")?;
        let statements = generator.stdout.take().context("sqlsmith has an output")?;
        Ok(Session {
            role,
            generator,
            statements: BufReader::new(statements),
            read: 0,
            turns: 0,
        })
    }

    /// Runs statements until told to stop, on a connection of its own.
    ///
    /// # Errors
    /// When sqlsmith ends, or the server can't be reached.
    pub fn work(&mut self, config: &Config, stop: &AtomicBool) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut client = self.connect(config)?;
        while !stop.load(Ordering::Relaxed) {
            if client.is_closed() {
                tally.lost();
                client = self.connect(config)?;
            }
            self.turn(&mut client, &mut tally)?;
        }
        // A connection that is lost by now loses nothing.
        let _ = client.close();
        Ok(tally)
    }

    fn connect(&self, config: &Config) -> Result<Client> {
        let mut config = config.clone();
        config.user(self.role).application_name("sqlsmith");
        // After a crash, the server takes a while; that it crashed is in its log.
        let mut tries = 0;
        loop {
            match config.connect(NoTls) {
                Ok(client) => return Ok(client),
                Err(error) if tries == 100 => {
                    return Err(error).context("the server is gone");
                }
                Err(_) => tries += 1,
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }

    /// A statement by itself, by either protocol, or two in a transaction with a savepoint between them.
    fn turn(&mut self, client: &mut Client, tally: &mut Tally) -> Result<()> {
        self.turns += 1;
        match self.turns % 6 {
            0 => {
                // What goes wrong with these is the connection's end, which is counted above.
                let _ = client.batch_execute("BEGIN");
                for undone in [false, self.turns.is_multiple_of(4)] {
                    let _ = client.batch_execute("SAVEPOINT s");
                    if !self.one(client, tally, false)? || undone {
                        let _ = client.batch_execute("ROLLBACK TO s");
                    }
                }
                let end = if self.turns.is_multiple_of(9) {
                    "ROLLBACK"
                } else {
                    "COMMIT"
                };
                let _ = client.batch_execute(end);
            }
            turn => {
                self.one(client, tally, turn % 2 == 0)?;
            }
        }
        Ok(())
    }

    /// Whether the next statement went through.
    fn one(&mut self, client: &mut Client, tally: &mut Tally, extended: bool) -> Result<bool> {
        let statement = self.next()?;
        let outcome: Result<(), Error> = if extended {
            client.execute(&statement, &[]).map(drop)
        } else {
            client.batch_execute(&statement)
        };
        tally.sent += 1;
        let writes = writes(&statement);
        tally.writes += u64::from(writes);
        match outcome {
            Ok(()) => {
                tally.written += u64::from(writes);
                Ok(true)
            }
            Err(error) => {
                tally.error(&statement, &error);
                Ok(false)
            }
        }
    }

    fn next(&mut self) -> Result<String> {
        loop {
            let statement =
                read_statement(&mut self.statements)?.context("sqlsmith has ended by itself")?;
            self.read += 1;
            if writes(&statement) || self.read.is_multiple_of(READS) {
                return Ok(statement);
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.generator.kill();
        let _ = self.generator.wait();
    }
}

/// The next statement: sqlsmith writes a semicolon and a newline behind each. `None` at the end.
fn read_statement(from: &mut impl BufRead) -> Result<Option<String>> {
    let mut statement = Vec::new();
    while !statement.ends_with(b";\n") {
        if from.read_until(b'\n', &mut statement)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(String::from_utf8_lossy(&statement).trim().to_string()))
}

fn writes(statement: &str) -> bool {
    let word: String = statement
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    ["insert", "update", "delete", "merge"].contains(&word.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::{read_statement, writes};

    #[test]
    fn statements_are_read_one_by_one() {
        let mut text = &b"select 1\n  as a;\ndelete from t;\nselect"[..];
        let mut next = || read_statement(&mut text).expect("it can be read");
        assert_eq!(next().as_deref(), Some("select 1\n  as a;"));
        assert_eq!(next().as_deref(), Some("delete from t;"));
        assert_eq!(next(), None);
    }

    #[test]
    fn what_writes_is_told_by_its_first_word() {
        assert!(writes("MERGE INTO a") && writes("delete from a"));
        assert!(!writes("select 1") && !writes("WITH delete as (select 1) select 2"));
    }
}
