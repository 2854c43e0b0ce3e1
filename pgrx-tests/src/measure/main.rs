//! `cargo measure`: what pg_backstop costs, beside doing without it and beside the usual ways to keep what a statement
//! destroys.
//!
//! Every figure is a ratio whose two sides ran in turn on the same machine in the same minutes; the middle one of the
//! rounds is printed with the lowest and the highest. What the contract promises is printed beside what was measured.
//! A missed promise is printed, and fails nothing: a busy machine is no defect. The exit code says whether the bench
//! itself worked.

mod arguments;
mod bulk;
mod capturers;
mod cascade;
mod preview;
mod refusal;
mod rows;
mod series;
mod server;
mod single;
mod table;
mod traffic;
mod undo;

use std::process::ExitCode;

use anyhow::Result;

use arguments::Arguments;
use server::Bench;
use table::Table;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("measure: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let bench = Bench::start(arguments)?;
    println!("{}", bench.header()?);
    let mut table = Table::default();
    if arguments.wants("traffic") {
        traffic::measure(&bench, &mut table)?;
    }
    if arguments.wants("single") {
        single::measure(&bench, &mut table)?;
    }
    if arguments.wants("bulk") {
        bulk::measure(&bench, &mut table)?;
    }
    if arguments.wants("refusal") {
        refusal::measure(&bench, &mut table)?;
    }
    if arguments.wants("preview") {
        preview::measure(&bench, &mut table)?;
    }
    if arguments.wants("undo") {
        undo::measure(&bench, &mut table)?;
    }
    if arguments.wants("cascade") {
        cascade::measure(&bench, &mut table)?;
    }
    print!("{table}");
    println!("{}", table.summary());
    Ok(())
}
