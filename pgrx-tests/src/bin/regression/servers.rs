//! The servers the suites run on: without the extension, with it, and with it guarding everything.

use std::collections::HashSet;

use anyhow::Result;
use pg_backstop_tests::postgres::{Client, NoTls};
use pg_backstop_tests::{Cluster, ClusterOptions, Tree};

use crate::run::Suite;

const EVERYTHING: &str = include_str!("everything.sql");

/// What pg_regress sets for a database it makes itself.
const SETTINGS: [&str; 6] = [
    "lc_messages TO 'C'",
    "lc_monetary TO 'C'",
    "lc_numeric TO 'C'",
    "lc_time TO 'C'",
    "bytea_output TO 'hex'",
    "timezone_abbreviations TO 'Default'",
];

pub struct Server {
    cluster: Cluster,
    extension: bool,
    everything: bool,
}

impl Server {
    /// # Errors
    /// When it doesn't start; so for the others.
    pub fn without(tree: &Tree) -> Result<Server> {
        Server::start(tree, options().without_extension(), false, false)
    }

    pub fn with(tree: &Tree) -> Result<Server> {
        Server::start(tree, options(), true, false)
    }

    /// Every table is protected in `observe` mode, the limits are off.
    pub fn observing(tree: &Tree) -> Result<Server> {
        let most = i32::MAX.to_string();
        let options = options()
            .set("backstop.mode", "observe")
            .set("backstop.max_rows", &most)
            .set("backstop.max_rows_per_transaction", &most);
        Server::start(tree, options, true, true)
    }

    fn start(
        tree: &Tree,
        options: ClusterOptions,
        extension: bool,
        everything: bool,
    ) -> Result<Server> {
        Ok(Server {
            cluster: Cluster::start(tree, &options)?,
            extension,
            everything,
        })
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Makes the database that the suite runs in.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn prepare(&self, suite: Suite) -> Result<()> {
        let database = suite.database();
        let mut admin = self.connect("postgres")?;
        admin.batch_execute(&format!(
            "CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
        ))?;
        for setting in SETTINGS {
            admin.batch_execute(&format!("ALTER DATABASE {database} SET {setting}"))?;
        }
        let mut client = self.connect(database)?;
        if self.extension {
            client.batch_execute("CREATE EXTENSION pg_backstop")?;
        }
        if self.everything {
            client.batch_execute(EVERYTHING)?;
        }
        Ok(())
    }

    /// The ids of the extension's objects in the suite's database.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn own_objects(&self, suite: Suite) -> Result<HashSet<String>> {
        let rows = self.connect(suite.database())?.query(
            "SELECT d.objid::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid \
             WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'pg_backstop'",
            &[],
        )?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// What the suite did under observation, in a line.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn observed(&self, suite: Suite) -> Result<String> {
        let row = self.connect(suite.database())?.query_one(
            "SELECT format('%s tables protected as they were made (not %s), %s statements on record with %s rows',
                (SELECT count(*) FROM everything.outcome WHERE outcome = 'protected'),
                (SELECT coalesce(string_agg(format('%s: %s', outcome, n), ', ' ORDER BY outcome), '0') FROM
                    (SELECT outcome, count(*) AS n FROM everything.outcome WHERE outcome <> 'protected' GROUP BY 1) AS o),
                (SELECT count(*) FROM backstop.statement), (SELECT coalesce(sum(rows), 0) FROM backstop.statement))",
            &[],
        )?;
        Ok(row.get(0))
    }

    /// What the log says of crashes, and of errors inside the extension: an internal error raised in a Rust file.
    pub fn broken(&self) -> Vec<String> {
        broken(&self.cluster.log())
    }

    fn connect(&self, database: &str) -> Result<Client> {
        Ok(self.cluster.endpoint.config(database).connect(NoTls)?)
    }
}

fn options() -> ClusterOptions {
    ClusterOptions::default()
        // With it the log says where an error was raised.
        .set("log_error_verbosity", "verbose")
}

fn broken(log: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut internal = None;
    for line in log.lines() {
        if line.contains("terminated by signal") || line.contains("PANIC:") {
            broken.push(line.to_string());
        }
        if line.contains("ERROR:  ") {
            internal = line.contains("ERROR:  XX000").then_some(line);
        }
        if let Some(error) =
            internal.filter(|_| line.contains("LOCATION:  ") && line.contains(".rs:"))
        {
            broken.push(error.to_string());
            internal = None;
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::broken;

    #[test]
    fn a_crash_and_an_internal_error_of_ours_are_found_in_a_log() {
        let log = "\
            [1] ERROR:  XX000: cache lookup failed\n[1] LOCATION:  get_it, lsyscache.c:1\n\
            [1] ERROR:  SF002: no condition\n[1] LOCATION:  report, src/report.rs:2\n\
            [1] ERROR:  XX000: called unwrap on None\n[1] LOCATION:  src/record/encode.rs:3\n\
            [2] LOG:  00000: server process (PID 7) was terminated by signal 11: Segmentation fault";
        let found = broken(log);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("unwrap") && found[1].contains("signal 11"));
    }
}
