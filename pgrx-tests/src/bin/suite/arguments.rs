//! The command line.

const USAGE: &str = "\
usage: cargo suite [--pg 15,16,18] [--only TEST]
  --pg    the PostgreSQL versions to run on; without it 15, and 16 and 18 where they can be had
  --only  one file of pgrx-tests/tests, by name; nothing else is run";

/// A version to run on.
#[derive(Debug, PartialEq, Eq)]
pub struct Major {
    pub number: u16,
    /// Whether it is a failure when it can't be had.
    pub required: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// At least one.
    pub majors: Vec<Major>,
    pub only: Option<String>,
}

impl Arguments {
    /// # Errors
    /// What to print when the words make no sense.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let mut majors = vec![(15, true), (16, false), (18, false)];
        let mut only = None;
        let mut words = words;
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag.to_string(), Some(value.to_string())),
                None => (word, words.next()),
            };
            match (flag.as_str(), value) {
                ("--pg", Some(list)) => {
                    let numbers: Result<Vec<u16>, _> = list.split(',').map(str::parse).collect();
                    let numbers = numbers
                        .map_err(|_| format!("--pg {list} is no list of versions\n{USAGE}"))?;
                    majors = numbers.into_iter().map(|number| (number, true)).collect();
                }
                ("--only", Some(test)) => only = Some(test),
                (other, _) => return Err(format!("{other} is not understood\n{USAGE}")),
            }
        }
        let majors = majors
            .into_iter()
            .map(|(number, required)| Major { number, required })
            .collect();
        Ok(Arguments { majors, only })
    }
}
