//! `cargo demo`: replays both incidents on a throwaway server of its own.
//!
//! Nothing it prints about a statement is canned: refusals, counts and records are the server's. What it says beyond
//! that it verifies, and at the first claim that isn't so it ends in failure with that sentence.

mod gate;
mod incident_a;
mod incident_b;
mod narrator;
mod undo;

use std::process::ExitCode;

use anyhow::Result;
use pg_backstop_tests::{Cluster, ClusterOptions, extension, major};

use narrator::Narrator;

fn main() -> ExitCode {
    match run() {
        Ok(claims) => {
            println!("\ndemo: {claims} claims verified");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The number of claims that were verified.
fn run() -> Result<usize> {
    let tree = extension::installation(major()?)?;
    let server = Cluster::start(&tree, &ClusterOptions::default())?;
    let mut narrator = Narrator::new();
    incident_a::tell(&mut narrator, &server)?;
    incident_b::tell(&mut narrator, &server)?;
    Ok(narrator.claims())
}
