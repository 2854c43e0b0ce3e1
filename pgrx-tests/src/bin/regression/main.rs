//! `cargo regression`: PostgreSQL's own regression and isolation suites, without the extension and with it; and sqlsmith.
//!
//! The two runs are compared with each other, on the same server's programs. What PostgreSQL's files expect is counted
//! and printed, but decides nothing: the sources at hand may be of another minor version than the server. A third run
//! has every table protected in `observe` mode with the limits off: it prints other things, and may neither crash nor
//! hang. Exits non-zero when the first two differ in anything, or the third breaks something.
//!
//! `--only sqlsmith` is a test of its own, and as long as one likes.

mod compare;
mod explain;
mod run;
mod servers;
mod sources;
mod sqlsmith;

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
       cargo regression --only sqlsmith [--minutes N]
  compare   PostgreSQL's suites without and with the extension: they may differ in nothing
  observe   the suites with every table protected in observe mode: they may not crash or hang
  sqlsmith  random statements against protected tables, for 30 minutes: no crash, no lock left, and every row that is
            destroyed can be brought back (not run by default)";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Suites { compare: bool, observe: bool },
    Sqlsmith { minutes: u64 },
}

fn part(words: &[&str]) -> Option<Part> {
    let (compare, observe) = match *words {
        [] => (true, true),
        ["--only", "compare"] | ["--only=compare"] => (true, false),
        ["--only", "observe"] | ["--only=observe"] => (false, true),
        ["--only", "sqlsmith"] | ["--only=sqlsmith"] => {
            return Some(Part::Sqlsmith { minutes: 30 });
        }
        ["--only", "sqlsmith", "--minutes", minutes] => {
            let minutes = minutes.parse().ok().filter(|minutes| *minutes > 0)?;
            return Some(Part::Sqlsmith { minutes });
        }
        _ => return None,
    };
    Some(Part::Suites { compare, observe })
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let defects = match part(&words) {
        Some(Part::Suites { compare, observe }) => all(compare, observe),
        Some(Part::Sqlsmith { minutes }) => {
            extension::installation(MAJOR).and_then(|tree| sqlsmith::run(&tree, minutes))
        }
        None => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match defects {
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
        let without = run(&Server::without(&tree)?, "without the extension")?.0;
        if compare {
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
            println!("{}", explain::explained(&without, &run)?);
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

#[cfg(test)]
mod tests {
    use super::{Part, part};

    #[test]
    fn the_parts_are_asked_for_by_name() {
        let suites = |compare, observe| Some(Part::Suites { compare, observe });
        assert_eq!(part(&[]), suites(true, true));
        assert_eq!(part(&["--only", "observe"]), suites(false, true));
        let minutes = |minutes| Some(Part::Sqlsmith { minutes });
        assert_eq!(part(&["--only", "sqlsmith"]), minutes(30));
        assert_eq!(part(&["--only", "sqlsmith", "--minutes", "2"]), minutes(2));
        assert_eq!(part(&["--only", "sqlsmith", "--minutes", "0"]), None);
        assert_eq!(part(&["--minutes", "2"]), None);
    }
}
