//! `cargo suite`: installs what is missing, builds, and runs every test there is.
//!
//! Its last line is `N passed, N failed`, summed over everything that ran; it exits non-zero when something failed.

mod arguments;
mod stages;
mod tally;

use std::process::ExitCode;

use arguments::Arguments;
use tally::Tally;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    let mut tally = Tally::default();
    if arguments.only.is_none() {
        stages::formatting(&mut tally);
        stages::without_server(&mut tally, arguments.majors[0].number);
    }
    for (n, major) in arguments.majors.iter().enumerate() {
        let next = arguments.majors.get(n + 1).map(|next| next.number);
        stages::with_server(&mut tally, major, arguments.only.as_deref(), next);
    }
    tally.close()
}
