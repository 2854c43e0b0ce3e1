//! The command line, and the sizes it stands for.

const USAGE: &str = "\
usage: cargo measure [--rounds N] [--quick] [--only traffic,single,bulk,refusal,preview,undo,cascade]
  --rounds  how often both sides of a ratio run; the middle one is printed (5)
  --quick   smaller tables and shorter runs, to see that the bench works: its ratios are rough
  --only    some of the parts";

const PARTS: [&str; 7] = [
    "traffic", "single", "bulk", "refusal", "preview", "undo", "cascade",
];

#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    pub rounds: usize,
    pub quick: bool,
    only: Option<Vec<String>>,
}

impl Arguments {
    /// # Errors
    /// What to print when the words make no sense.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let mut arguments = Arguments {
            rounds: 5,
            quick: false,
            only: None,
        };
        let mut words = words;
        while let Some(word) = words.next() {
            if word == "--quick" {
                arguments.quick = true;
                continue;
            }
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag.to_string(), Some(value.to_string())),
                None => (word, words.next()),
            };
            match (flag.as_str(), value) {
                ("--rounds", Some(number)) => {
                    arguments.rounds = number.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
                        format!("--rounds {number} is no number of rounds\n{USAGE}")
                    })?;
                }
                ("--only", Some(list)) => {
                    let parts: Vec<String> = list.split(',').map(String::from).collect();
                    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str()))
                    {
                        return Err(format!("there is no part {unknown}\n{USAGE}"));
                    }
                    arguments.only = Some(parts);
                }
                (other, _) => return Err(format!("{other} is not understood\n{USAGE}")),
            }
        }
        Ok(arguments)
    }

    pub fn wants(&self, part: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.iter().any(|one| one == part))
    }

    /// Rows that one statement destroys.
    pub fn rows(&self) -> i64 {
        if self.quick { 30_000 } else { 300_000 }
    }

    /// Rows of the table whose DELETE is refused.
    pub fn many_rows(&self) -> i64 {
        if self.quick { 100_000 } else { 1_000_000 }
    }

    /// Seconds of one run of pgbench.
    pub fn seconds(&self) -> u32 {
        if self.quick { 1 } else { 2 }
    }
}
