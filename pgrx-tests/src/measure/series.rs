//! Rounds of measurements, and what is printed of them.

use std::fmt;

/// One figure per round.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<f64>);

impl Series {
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle one (of an even number: the mean of the middle two); not a number when nothing was measured.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let half = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[half],
            _ => f64::midpoint(sorted[half - 1], sorted[half]),
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// The lowest and the highest.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sorted()[..] {
            [] => Ok(()),
            [only] => write!(f, "{}", short(only)),
            [first, .., last] => write!(f, "{}-{}", short(first), short(last)),
        }
    }
}

/// A figure with the digits that matter.
pub fn short(figure: f64) -> String {
    match figure.abs() {
        size if size >= 1e6 => format!("{:.2}M", figure / 1e6),
        size if size >= 10_000.0 => format!("{:.0}k", figure / 1e3),
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 2.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

/// Bytes in megabytes.
pub fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_odd_and_of_an_even_number_of_rounds() {
        let series = |figures: &[f64]| Series(figures.to_vec());
        assert!((series(&[9.0, 1.0, 2.0]).median() - 2.0).abs() < 1e-9);
        assert!((series(&[4.0, 1.0, 2.0, 9.0]).median() - 3.0).abs() < 1e-9);
        assert!(series(&[]).median().is_nan());
        assert_eq!(series(&[2.5, 1.0]).to_string(), "1.000-2.50");
    }
}
