//! What a run prints differently where every table is protected in `observe` mode, by the reason for it.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::compare::diff;
use crate::run::Run;

/// Why a line is there in one run and not in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// What would have been refused is said.
    Warning,
    /// The triggers and what depends on them are listed.
    Trigger,
    /// A table with triggers or rows on record has other plans, places and sizes.
    Plan,
    /// Nothing of the above.
    Other,
}

impl Reason {
    fn of(line: &str) -> Reason {
        let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
        if has(&["backstop_capture", "backstop_guard", "Triggers:", "trigger"]) {
            Reason::Trigger
        } else if has(&[
            "WARNING:",
            "DETAIL:",
            "HINT:",
            "SF0",
            "pg_backstop",
            "backstop.",
        ]) {
            Reason::Warning
        } else if has(&[
            "cost=",
            "Scan",
            "Join",
            "QUERY PLAN",
            "Trigger",
            "----",
            " rows)",
            " row)",
            "->",
        ]) {
            Reason::Plan
        } else {
            Reason::Other
        }
    }
}

/// A sentence, and the first lines of every test that nothing here explains.
///
/// # Errors
/// When diff can't be run.
pub fn explained(without: &Run, observed: &Run) -> Result<String> {
    let mut lines: BTreeMap<Reason, usize> = BTreeMap::new();
    let mut tests: BTreeMap<Reason, usize> = BTreeMap::new();
    let mut unexplained = String::new();
    for (name, with) in &observed.results {
        let one = without.results.get(name).map_or("", String::as_str);
        if one == with {
            continue;
        }
        let diff = diff(one, with)?;
        let changed = |line: &&str| {
            let marked = line.starts_with('+') || line.starts_with('-');
            marked && !line.starts_with("+++") && !line.starts_with("---") && line[1..].trim() != ""
        };
        let mut worst = Reason::Warning;
        let mut others = Vec::new();
        for line in diff.lines().filter(changed) {
            let reason = Reason::of(line);
            *lines.entry(reason).or_default() += 1;
            worst = worst.max(reason);
            if reason == Reason::Other {
                others.push(line);
            }
        }
        *tests.entry(worst).or_default() += 1;
        for line in others.iter().take(3) {
            unexplained += &format!("\n  {name}: {line}");
        }
    }
    let count = |of: &BTreeMap<Reason, usize>, reason| of.get(&reason).copied().unwrap_or(0);
    let part = |reason, what: &str| {
        let (lines, tests) = (count(&lines, reason), count(&tests, reason));
        format!("{lines} lines of {what} ({tests} tests)")
    };
    Ok(format!(
        "what differs: {}, {}, {}, {}{unexplained}",
        part(Reason::Warning, "warnings"),
        part(Reason::Trigger, "triggers that are listed"),
        part(Reason::Plan, "plans and widths"),
        part(Reason::Other, "other things")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(output: &str) -> Run {
        Run {
            results: BTreeMap::from([("a".to_string(), output.to_string())]),
            unexpected: Vec::new(),
        }
    }

    #[test]
    fn a_line_without_a_reason_is_shown() {
        let said = explained(&run("1\n"), &run("1\nWARNING:  SF002\n")).expect("diff runs");
        assert!(said.contains("1 lines of warnings (1 tests)"), "{said}");
        assert!(!said.contains('\n'), "{said}");
        let said = explained(&run("1\n"), &run("2\n")).expect("diff runs");
        assert!(said.ends_with("\n  a: -1\n  a: +2"), "{said}");
    }
}
