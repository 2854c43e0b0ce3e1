//! Runs the stages' commands and adds up what they report.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What has run so far.
#[derive(Default)]
pub struct Tally {
    stages: Vec<Stage>,
    /// The tests that failed, by name, with the stage they failed in.
    failures: Vec<String>,
}

struct Stage {
    name: String,
    passed: usize,
    failed: usize,
    took: Duration,
}

impl Tally {
    /// Runs a stage and keeps its counts. A stage that breaks off is one failure, and the suite goes on.
    pub fn stage(&mut self, name: &str, run: impl FnOnce(&mut Counts) -> Result<()>) {
        println!("\n== {name}");
        let began = Instant::now();
        let mut counts = Counts::default();
        if let Err(error) = run(&mut counts) {
            println!("{name} broke off: {error:#}");
            counts.failed += 1;
            counts.names.push(format!("broke off: {error:#}"));
        }
        self.failures.extend(
            counts
                .names
                .into_iter()
                .map(|test| format!("{name}: {test}")),
        );
        let took = began.elapsed();
        println!(
            "== {name}: {} passed, {} failed in {:.1} s",
            counts.passed,
            counts.failed,
            took.as_secs_f32()
        );
        self.stages.push(Stage {
            name: name.into(),
            passed: counts.passed,
            failed: counts.failed,
            took,
        });
    }

    /// Says that something isn't run, and why.
    pub fn left_out(&self, name: &str, why: &str) {
        println!("\n== {name} is left out: {why}");
    }

    /// Prints the summary, the closing line last.
    pub fn close(self) -> ExitCode {
        println!();
        for stage in &self.stages {
            let Stage {
                name,
                passed,
                failed,
                took,
            } = stage;
            println!(
                "{name:<40} {passed:>5} passed {failed:>5} failed {:>8.1} s",
                took.as_secs_f32()
            );
        }
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
        let passed: usize = self.stages.iter().map(|stage| stage.passed).sum();
        let failed: usize = self.stages.iter().map(|stage| stage.failed).sum();
        println!("{passed} passed, {failed} failed");
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// The counts of one stage.
#[derive(Default)]
pub struct Counts {
    passed: usize,
    failed: usize,
    names: Vec<String>,
}

impl Counts {
    /// Runs a cargo command that either works or doesn't: one test.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn check(&mut self, command: &mut Command) -> Result<()> {
        let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        let name = format!("cargo {}", words.join(" "));
        let status = command
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("could not start {name}"))?;
        if status.success() {
            self.passed += 1;
        } else {
            self.failed += 1;
            self.names.push(name);
        }
        Ok(())
    }

    /// Runs `cargo test`, shows its output as it comes, and counts its tests.
    ///
    /// # Errors
    /// When it can't be started, or ends in failure without a failed test (a test that doesn't compile).
    pub fn tests(&mut self, command: &mut Command) -> Result<()> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start cargo test")?;
        let before = self.failed;
        let stdout = child.stdout.take().context("cargo test has no output")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            self.read(&line);
        }
        let status = child.wait()?;
        anyhow::ensure!(
            status.success() || self.failed > before,
            "cargo test ended with {status}"
        );
        Ok(())
    }

    /// Counts what a line of cargo test reports.
    fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            for part in counts.split([';', '.']).map(str::trim) {
                match part.split_once(' ') {
                    Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                    Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                    _ => {}
                }
            }
        }
        if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.names.push(name.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn the_lines_of_cargo_test_are_added_up() {
        let mut counts = Counts::default();
        for line in [
            "test keys::a_range_is_refused ... ok",
            "test keys::a_list_passes ... FAILED",
            "test result: FAILED. 7 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.2s",
        ] {
            counts.read(line);
        }
        assert_eq!((counts.passed, counts.failed), (19, 1));
        assert_eq!(counts.names, ["keys::a_list_passes"]);
    }
}
