//! `cargo regression`: PostgreSQL's own regression and isolation suites, without the extension and with it.
//!
//! The two runs are compared with each other, on the same server's programs. What PostgreSQL's files expect is counted
//! and printed, but decides nothing: the sources at hand may be of another minor version than the server. A third run
//! has every table protected in `observe` mode with the limits off: it prints other things, and may neither crash nor
//! hang. Exits non-zero when the first two differ in anything, or the third breaks something.

mod compare;
mod run;
mod servers;
mod sources;

use std::process::ExitCode;

use anyhow::Result;
use pg_backstop_tests::shell::step;
use pg_backstop_tests::{extension, install};

use run::{Run, Suite};
use servers::Server;

/// The version whose sources Debian has.
const MAJOR: u16 = 15;

const USAGE: &str = "\
usage: cargo regression [--only compare|observe]
  compare  PostgreSQL's suites without and with the extension: they may differ in nothing
  observe  the suites with every table protected in observe mode: they may not crash or hang";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (compare, observe) = match words[..] {
        [] => (true, true),
        ["--only", "compare"] | ["--only=compare"] => (true, false),
        ["--only", "observe"] | ["--only=observe"] => (false, true),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match all(compare, observe) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(defects) => {
            println!("{defects} defects");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("regression: {error:?}");
            ExitCode::FAILURE
        }
    }
}

/// The number of defects found.
fn all(compare: bool, observe: bool) -> Result<usize> {
    let sources = sources::obtain(MAJOR, &install::postgres(MAJOR)?)?;
    let tree = extension::installation(MAJOR)?;
    let mut defects = 0;
    for suite in Suite::BOTH {
        println!(
            "\n== {} suite of PostgreSQL {}",
            suite.name(),
            sources.version
        );
        let run = |server: &Server, label: &str| -> Result<(Run, usize)> {
            step(format!("the {} suite {label}", suite.name()));
            server.prepare(suite)?;
            let run = run::run(suite, &sources, server.cluster())?;
            println!(
                "{label}: {} tests, {} not as PostgreSQL's files expect{}",
                run.results.len(),
                run.unexpected.len(),
                named(&run.unexpected)
            );
            let broken = server.broken();
            for line in &broken {
                println!("  BROKEN {line}");
            }
            Ok((run, broken.len()))
        };
        if compare {
            let without = run(&Server::without(&tree)?, "without the extension")?.0;
            let server = Server::with(&tree)?;
            let (with, broken) = run(&server, "with the extension")?;
            let differing = compare::differences(&without, &with, &server.own_objects(suite)?)?;
            for (test, diff) in &differing {
                println!("\nDIFFERS {test}\n{diff}");
            }
            println!("{} differ with the extension", differing.len());
            defects += broken + differing.len();
        }
        if observe {
            let server = Server::observing(&tree)?;
            let (run, broken) = run(&server, "with every table protected in observe mode")?;
            println!("{}", server.observed(suite)?);
            defects += broken + usize::from(run.results.is_empty());
        }
    }
    Ok(defects)
}

/// Up to a handful of names.
fn named(tests: &[String]) -> String {
    match tests.len() {
        0 => String::new(),
        1..=12 => format!(" ({})", tests.join(", ")),
        _ => format!(" ({}, ...)", tests[..12].join(", ")),
    }
}
