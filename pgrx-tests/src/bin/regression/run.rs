//! One run of one of PostgreSQL's suites against a server.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pg_backstop_tests::account::Account;
use pg_backstop_tests::{Cluster, PORT, scratch};

use crate::sources::Sources;

/// A run takes a minute or two; with every table protected and on a busy machine some more. One that takes this long
/// hangs.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    Regression,
    Isolation,
}

impl Suite {
    pub const BOTH: [Suite; 2] = [Suite::Regression, Suite::Isolation];

    pub fn name(self) -> &'static str {
        match self {
            Suite::Regression => "regression",
            Suite::Isolation => "isolation",
        }
    }

    /// The database the suite makes its tables in.
    pub fn database(self) -> &'static str {
        match self {
            Suite::Regression => "regression",
            Suite::Isolation => "isolation_regression",
        }
    }
}

/// What a run left behind.
pub struct Run {
    /// What each test printed.
    pub results: BTreeMap<String, String>,
    /// The tests that differ from the files PostgreSQL expects.
    pub unexpected: Vec<String>,
}

/// Runs a suite in its database, which must exist.
///
/// # Errors
/// When it can't be started, or doesn't end.
pub fn run(suite: Suite, sources: &Sources, server: &Cluster) -> Result<Run> {
    let (folder, runner, schedule) = match suite {
        Suite::Regression => ("regress", "regress/pg_regress", "parallel_schedule"),
        Suite::Isolation => (
            "isolation",
            "isolation/pg_isolation_regress",
            "isolation_schedule",
        ),
    };
    // The server writes into the output folder too, so the tests run under its account, which may not be able to read
    // our build folder.
    let account = Account::for_servers()?;
    let scratch = scratch::folder()?.join(scratch::unique(suite.name()));
    let (input, modules, output) = (
        scratch.join("input"),
        scratch.join("modules"),
        scratch.join("output"),
    );
    copy(&sources.tree.join("src/test").join(folder), &input)?;
    copy(&sources.modules, &modules)?;
    fs::create_dir_all(&output)?;
    account.own(&output)?;
    // An absolute path replaces the folder of the installation's programs.
    let mut command = server
        .tree
        .program(&sources.runners.join(runner).to_string_lossy());
    command
        .arg(format!("--inputdir={}", input.display()))
        .arg(format!("--outputdir={}", output.display()))
        .arg(format!("--dlpath={}", modules.display()))
        .arg(format!("--bindir={}", server.tree.bin.display()))
        .arg(format!("--schedule={}", input.join(schedule).display()))
        .arg(format!("--host={}", server.endpoint.socket.display()))
        .arg(format!("--port={PORT}"))
        .args([
            "--user=postgres",
            "--use-existing",
            "--max-concurrent-tests=20",
        ])
        .arg(format!("--dbname={}", suite.database()))
        .current_dir(&output);
    wait(account.run(&mut command))?;
    read(&output)
}

/// Waits for a run. Its exit code says only that tests differ from what is expected: that is looked at in detail.
fn wait(command: &mut Command) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("could not start pg_regress")?;
    let began = Instant::now();
    while child.try_wait()?.is_none() {
        if began.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("it hangs: it has not ended in {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn read(output: &Path) -> Result<Run> {
    let mut results = BTreeMap::new();
    for entry in fs::read_dir(output.join("results")).context("no test has run")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "out") {
            let name = path.file_stem().context("a result has a name")?;
            let text = fs::read(&path)?;
            results.insert(
                name.to_string_lossy().into_owned(),
                String::from_utf8_lossy(&text).into_owned(),
            );
        }
    }
    let summary = fs::read_to_string(output.join("regression.out")).unwrap_or_default();
    Ok(Run {
        results,
        unexpected: summary.lines().filter_map(unexpected).collect(),
    })
}

/// The test that a line of pg_regress reports as failed.
fn unexpected(line: &str) -> Option<String> {
    let (test, verdict) = line.trim_start().split_once(" ... ")?;
    verdict.trim_start().starts_with("FAILED").then(|| {
        let test = test.trim_end();
        test.strip_prefix("test ")
            .unwrap_or(test)
            .trim_end()
            .to_string()
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("no folder {}", from.display()))? {
        let path = entry?.path();
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::unexpected;

    #[test]
    fn a_failed_test_is_named_alone_or_in_a_group() {
        let failed = "     copy2                        ... FAILED      774 ms";
        assert_eq!(unexpected(failed).as_deref(), Some("copy2"));
        let alone = "test tablespace                   ... FAILED     2777 ms";
        assert_eq!(unexpected(alone).as_deref(), Some("tablespace"));
        assert_eq!(unexpected("test vacuum ... ok          181 ms"), None);
    }
}
