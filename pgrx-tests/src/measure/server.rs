//! The servers under test, and how a statement is measured on one.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Cluster, ClusterOptions, Database, PORT, Preload, extension, install, major, shell::step,
};

use crate::arguments::Arguments;

/// What both servers run with, the same on either side of every ratio.
const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "off"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
];

const TABLE_LOG: &str = "postgresql-15-tablelog";

/// A server with pg_backstop and one without, from the same programs.
pub struct Bench<'a> {
    pub arguments: &'a Arguments,
    pub with: Cluster,
    pub without: Cluster,
    /// Debian's `table_log` is installed.
    pub table_log: bool,
}

/// What one statement took.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    pub seconds: f64,
    pub wal: f64,
}

impl<'a> Bench<'a> {
    /// # Errors
    /// When the extension doesn't compile or a server doesn't start.
    pub fn start(arguments: &'a Arguments) -> Result<Bench<'a>> {
        let packaged = Path::new("/usr/share/postgresql/15/extension/table_log.control");
        if arguments.wants("bulk") && major()? == 15 && !packaged.exists() {
            // It is one line of the table; who can't install it reads "not installed" there.
            if let Err(error) = install::packages(&[TABLE_LOG]) {
                step(format!("without table_log: {error:#}"));
            }
        }
        let tree = extension::installation(major()?)?;
        let options = SETTINGS
            .iter()
            .fold(ClusterOptions::default(), |options, (name, value)| {
                options.set(name, value)
            });
        let with = Cluster::start(&tree, &options.clone().preload(Preload::None))?;
        load(&with, true)?;
        Ok(Bench {
            arguments,
            table_log: tree.share.join("extension/table_log.control").exists(),
            with,
            without: Cluster::start(&tree, &options.without_extension())?,
        })
    }

    /// What the figures were measured on.
    pub fn header(&self) -> Result<String> {
        let mut client = self.with.admin();
        let version: String = client.query_one("SHOW server_version", &[])?.try_get(0)?;
        let cores = std::thread::available_parallelism()?;
        let settings: Vec<String> = SETTINGS
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Ok(format!(
            "PostgreSQL {version}, {cores} cores, {} rounds{}; {}\n\
             Rows: {}. WAL is counted from a checkpoint on.\n",
            self.arguments.rounds,
            if self.arguments.quick { " (quick)" } else { "" },
            settings.join(" "),
            crate::rows::DESCRIPTION,
        ))
    }

    /// tps of one run of pgbench with a script, or with one of its own (`-b name`).
    pub fn pgbench(&self, database: &Database, script: &[&str], options: &str) -> Result<f64> {
        let seconds = self.arguments.seconds().to_string();
        let mut words = vec!["--no-vacuum", "--protocol=prepared", "--client=1", "--time"];
        words.push(&seconds);
        words.extend(script);
        words.push(&database.name);
        let mut command = self.with.tree.program("pgbench");
        command
            .env("PGHOST", &database.endpoint.socket)
            .env("PGPORT", PORT.to_string())
            .env("PGUSER", "postgres")
            .env("PGOPTIONS", options)
            .args(words)
            .current_dir("/");
        let said = shell_output(&mut command)?;
        said.lines()
            .find_map(|line| line.strip_prefix("tps = "))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|figure| figure.parse().ok())
            .with_context(|| format!("pgbench printed no tps:\n{said}"))
    }
}

/// Restarts a server with the library loaded, or without it.
///
/// # Errors
/// When it does not come back.
pub fn load(server: &Cluster, loaded: bool) -> Result<()> {
    execute(
        &mut server.admin(),
        if loaded {
            "ALTER SYSTEM SET shared_preload_libraries = 'pg_backstop'"
        } else {
            "ALTER SYSTEM RESET shared_preload_libraries"
        },
    )?;
    server.restart()
}

fn shell_output(command: &mut std::process::Command) -> Result<String> {
    pg_backstop_tests::shell::output(command)
}

/// Runs `sql` in a transaction that `before` opened, commits, and says what it took, the commit included.
///
/// # Errors
/// When the server refuses.
pub fn timed(client: &mut Client, before: &str, sql: &str) -> Result<Taken> {
    execute(client, "CHECKPOINT")?;
    execute(client, &format!("BEGIN; {before}"))?;
    let wal = wal_position(client)?;
    let started = Instant::now();
    execute(client, sql)?;
    execute(client, "COMMIT")?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Taken {
        seconds,
        wal: wal_position(client)? - wal,
    })
}

/// Runs statements; a refusal comes back with the server's words.
///
/// # Errors
/// When the server refuses.
pub fn execute(client: &mut Client, sql: &str) -> Result<()> {
    client
        .batch_execute(sql)
        .with_context(|| format!("failed: {}", sql.chars().take(200).collect::<String>()))
}

fn wal_position(client: &mut Client) -> Result<f64> {
    number(
        client,
        "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8",
    )
}

/// The one float8 of a query.
///
/// # Errors
/// When the server refuses.
pub fn number(client: &mut Client, sql: &str) -> Result<f64> {
    Ok(client
        .query_one(sql, &[])
        .with_context(|| format!("failed: {sql}"))?
        .try_get(0)?)
}
