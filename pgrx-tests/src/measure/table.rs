//! The table that is printed.

use std::fmt;

use crate::series::{Series, short};

/// The most, or the least, that the contract allows.
#[derive(Debug, Clone, Copy)]
pub enum Promise {
    AtMost(f64, &'static str),
    AtLeast(f64, &'static str),
}

impl Promise {
    fn met(self, figure: f64) -> bool {
        match self {
            Promise::AtMost(limit, _) => figure <= limit,
            Promise::AtLeast(limit, _) => figure >= limit,
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Promise::AtMost(limit, unit) => write!(f, "<= {limit}{unit}"),
            Promise::AtLeast(limit, unit) => write!(f, ">= {limit}{unit}"),
        }
    }
}

#[derive(Debug, Default)]
struct Line {
    what: String,
    figure: String,
    spread: String,
    promise: String,
    verdict: &'static str,
    remarks: String,
}

#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<Line>,
    met: usize,
    promises: usize,
}

impl Table {
    /// A line that opens a part.
    pub fn part(&mut self, title: &str) {
        self.lines.push(Line {
            what: format!("# {title}"),
            ..Line::default()
        });
    }

    /// A measured figure in `unit` ("" for a ratio), what was promised of it, and what else is worth saying.
    pub fn figure(
        &mut self,
        what: &str,
        series: &Series,
        unit: &'static str,
        promise: Option<Promise>,
        remarks: impl Into<String>,
    ) {
        let figure = series.median();
        let met = promise.map(|promise| promise.met(figure));
        self.promises += usize::from(met.is_some());
        self.met += usize::from(met == Some(true));
        self.lines.push(Line {
            what: what.to_owned(),
            figure: format!("{}{unit}", short(figure)),
            spread: series.to_string(),
            promise: promise
                .map(|promise| promise.to_string())
                .unwrap_or_default(),
            verdict: match met {
                Some(true) => "met",
                Some(false) => "NOT met",
                None => "",
            },
            remarks: remarks.into(),
        });
    }

    /// Something that could not be measured, and why. A promise about it is not met.
    pub fn absent(&mut self, what: &str, why: &str, promise: Option<Promise>) {
        self.promises += usize::from(promise.is_some());
        self.lines.push(Line {
            what: what.to_owned(),
            figure: "-".to_owned(),
            promise: promise
                .map(|promise| promise.to_string())
                .unwrap_or_default(),
            verdict: if promise.is_some() { "NOT met" } else { "" },
            remarks: why.to_owned(),
            ..Line::default()
        });
    }

    pub fn summary(&self) -> String {
        format!("{} of {} promises met", self.met, self.promises)
    }
}

const HEAD: [&str; 5] = ["", "median", "rounds", "promised", ""];

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = |line: &Line| {
            [
                line.what.clone(),
                line.figure.clone(),
                line.spread.clone(),
                line.promise.clone(),
                line.verdict.to_owned(),
            ]
        };
        let mut widths = HEAD.map(str::len);
        for line in self.lines.iter().filter(|line| !line.what.starts_with('#')) {
            for (width, cell) in widths.iter_mut().zip(cells(line)) {
                *width = cell.chars().count().max(*width);
            }
        }
        let print = |f: &mut fmt::Formatter<'_>, cells: [String; 5], remarks: &str| {
            let [what, figure, spread, promise, verdict] = cells;
            let [w0, w1, w2, w3, w4] = widths;
            let line = format!(
                "{what:w0$}  {figure:>w1$}  {spread:>w2$}  {promise:w3$}  {verdict:w4$}  {remarks}"
            );
            writeln!(f, "{}", line.trim_end())
        };
        print(f, HEAD.map(String::from), "")?;
        for line in &self.lines {
            if line.what.starts_with('#') {
                writeln!(f, "{}", line.what)?;
            } else {
                print(f, cells(line), &line.remarks)?;
            }
        }
        Ok(())
    }
}
