//! What two runs of a suite have printed differently.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use pg_backstop_tests::scratch;

use crate::run::Run;

/// These two list what catalogs hold, whoever made it: every SECURITY DEFINER function, every column with a storage
/// of its own. Rows about the extension's own objects are no difference there.
const LISTINGS: [&str; 2] = ["opr_sanity", "type_sanity"];

/// The tests that differ, each with its diff.
///
/// `own` holds the ids of the extension's objects.
///
/// # Errors
/// When diff can't be run.
pub fn differences(
    without: &Run,
    with: &Run,
    own: &HashSet<String>,
) -> Result<Vec<(String, String)>> {
    let mut differing = Vec::new();
    let names: BTreeSet<&String> = without.results.keys().chain(with.results.keys()).collect();
    for name in names {
        let [mut one, mut other] =
            [without, with].map(|run| run.results.get(name).cloned().unwrap_or_default());
        if LISTINGS.contains(&name.as_str()) {
            one = listing(&one, own);
            other = listing(&other, own);
        }
        if one != other {
            differing.push((name.clone(), diff(&one, &other)?));
        }
    }
    Ok(differing)
}

/// A test's output without the rows whose first column is one of `own`, and without what depends on how many rows there
/// are and how wide.
fn listing(output: &str, own: &HashSet<String>) -> String {
    let is_own = |line: &str| {
        line.split_once('|')
            .is_some_and(|(first, _)| own.contains(first.trim()))
    };
    let is_shape = |line: &str| {
        let line = line.trim();
        (line.ends_with(" rows)") || line.ends_with(" row)"))
            || (!line.is_empty() && line.chars().all(|c| c == '-' || c == '+'))
    };
    output
        .lines()
        .filter(|line| !is_own(line) && !is_shape(line))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

/// # Errors
/// When diff can't be run.
pub fn diff(without: &str, with: &str) -> Result<String> {
    let folder = scratch::folder()?.join(scratch::unique("diff"));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("without"), without)?;
    fs::write(folder.join("with"), with)?;
    let output = Command::new("diff")
        .args(["-U3", "without", "with"])
        .current_dir(&folder)
        .output()
        .context("could not start diff")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn run(test: &str, output: &str) -> Run {
        Run {
            results: BTreeMap::from([(test.to_string(), output.to_string())]),
            unexpected: Vec::new(),
        }
    }

    fn differ(test: &str, without: &str, with: &str) -> usize {
        let own = HashSet::from(["16489".to_string()]);
        let found = differences(&run(test, without), &run(test, with), &own);
        found.expect("diff runs").len()
    }

    const NONE: &str = " oid | proname \n-----+---------\n(0 rows)\n";
    const OWN: &str = "  oid  | proname \n-------+---------\n 16489 | protect\n(1 row)\n";
    const OTHER: &str = "  oid  | proname \n-------+---------\n 16490 | somebody\n(1 row)\n";

    #[test]
    fn the_extensions_own_objects_may_be_listed() {
        assert_eq!(differ("opr_sanity", NONE, OWN), 0);
        assert_eq!(differ("opr_sanity", NONE, OTHER), 1);
    }

    #[test]
    fn any_other_test_may_differ_in_nothing() {
        assert_eq!(differ("join", NONE, OWN), 1);
        assert_eq!(differ("join", NONE, NONE), 0);
        assert_eq!(differ("join", "a b\n", "a  b\n"), 1);
    }
}
