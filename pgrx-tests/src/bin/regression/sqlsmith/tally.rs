//! What became of the statements.

use std::collections::BTreeMap;
use std::fmt;

use pg_backstop_tests::postgres::Error;

#[derive(Default)]
pub struct Tally {
    pub sent: u64,
    /// Those of `sent` that write, and those of them that went through.
    pub writes: u64,
    pub written: u64,
    /// Errors by SQLSTATE.
    errors: BTreeMap<String, u64>,
    /// Connections that ended before we ended them.
    lost: u64,
    /// Internal errors raised in a Rust file.
    broken: Vec<String>,
    /// The first error of each file that is odd, but may be right: PostgreSQL's own internal ones.
    odd: BTreeMap<String, String>,
}

impl Tally {
    /// Counts an error of `statement`.
    pub fn error(&mut self, statement: &str, error: &Error) {
        let Some(db) = error.as_db_error() else {
            *self.errors.entry("connection".into()).or_default() += 1;
            return;
        };
        let code = db.code().code();
        *self.errors.entry(code.into()).or_default() += 1;
        // The library is loaded in every session: who is told that it is not is worth a look.
        if !code.starts_with("XX") && code != "SF012" {
            return;
        }
        let file = db.file().unwrap_or_default();
        let text = format!("{code} {} ({file}): {statement}", db.message());
        if file.ends_with(".rs") && code != "SF012" {
            self.broken.push(text);
        } else {
            self.odd.entry(file.into()).or_insert(text);
        }
    }

    pub fn lost(&mut self) {
        self.lost += 1;
    }

    pub fn add(&mut self, other: Tally) {
        self.sent += other.sent;
        self.writes += other.writes;
        self.written += other.written;
        self.lost += other.lost;
        self.broken.extend(other.broken);
        self.odd.extend(other.odd);
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
    }

    /// What must not have happened, and that nothing happened at all.
    pub fn defects(&self) -> Vec<String> {
        let mut defects = self.broken.clone();
        if self.written == 0 {
            defects.push("no statement of sqlsmith has written anything".into());
        }
        defects
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: u64 = self.errors.values().sum();
        write!(
            f,
            "{} statements sent ({} that write, {} of them went through), {failed} errors, {} connections lost\nerrors:",
            self.sent, self.writes, self.written, self.lost
        )?;
        let mut errors: Vec<_> = self.errors.iter().collect();
        errors.sort_by_key(|(code, count)| (!code.starts_with("SF"), std::cmp::Reverse(**count)));
        errors
            .iter()
            .try_for_each(|(code, count)| write!(f, " {code} {count}"))?;
        self.odd
            .values()
            .try_for_each(|error| write!(f, "\nodd: {error}"))
    }
}
