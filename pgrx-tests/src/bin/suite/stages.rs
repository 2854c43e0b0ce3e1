//! What the suite runs, in its order.

use std::process::Command;
use std::thread;

use pg_backstop_tests::{Cluster, ClusterOptions, export, extension, install, workspace};

use crate::arguments::Major;
use crate::tally::Tally;

/// rustfmt over both crates.
pub fn formatting(tally: &mut Tally) {
    if has("fmt") {
        tally.stage("cargo fmt", |counts| {
            counts.check(cargo().args(["fmt", "--all", "--check"]))
        });
    } else {
        tally.left_out("cargo fmt", "this toolchain has no rustfmt");
    }
}

/// What needs the headers, but no server: clippy with warnings denied, unit and property tests.
pub fn without_server(tally: &mut Tally, major: u16) {
    let pg_config = match install::postgres(major) {
        Ok(pg_config) => pg_config,
        // Every stage with a server says why, and counts it.
        Err(_) => return,
    };
    let feature = format!("pg{major}");
    let with_headers = || {
        let mut cargo = cargo();
        cargo.env("PGRX_PG_CONFIG_PATH", &pg_config);
        cargo.env("CARGO_TARGET_DIR", workspace::target().join(&feature));
        cargo
    };
    let features = ["--no-default-features", "--features", &feature];
    if has("clippy") {
        let mut extension = with_headers();
        extension
            .args([
                "clippy",
                "--quiet",
                "--all-targets",
                "--package",
                "pg_backstop",
            ])
            .args(features);
        let mut harness = cargo();
        harness.args([
            "clippy",
            "--quiet",
            "--all-targets",
            "--package",
            "pg_backstop_tests",
        ]);
        tally.stage("cargo clippy", |counts| {
            counts.check(extension.args(["--", "-D", "warnings"]))?;
            counts.check(harness.args(["--", "-D", "warnings"]))
        });
    } else {
        tally.left_out("cargo clippy", "this toolchain has no clippy");
    }
    tally.stage("unit and property tests", |counts| {
        counts.tests(
            with_headers()
                .args(["test", "--lib", "--package", "pg_backstop"])
                .args(features),
        )?;
        counts.tests(cargo().args([
            "test",
            "--quiet",
            "--lib",
            "--bins",
            "--package",
            "pg_backstop_tests",
        ]))
    });
}

/// The client tests, on a server of that version that all of them share. Tests wait more than they compute, and the last
/// minutes of a build keep one core busy: the `next` version's runs beside them.
pub fn with_server(tally: &mut Tally, major: &Major, only: Option<&str>, next: Option<u16>) {
    let name = format!("client tests on PostgreSQL {}", major.number);
    if let Err(error) = install::postgres(major.number) {
        if major.required {
            tally.stage(&name, |_| Err(error));
        } else {
            tally.left_out(&name, &format!("{error:#}"));
        }
        return;
    }
    tally.stage(&name, |counts| {
        let tree = extension::installation(major.number)?;
        let server = Cluster::start(&tree, &ClusterOptions::default())?;
        let mut tests = cargo();
        tests.args([
            "test",
            "--package",
            "pg_backstop_tests",
            "--no-fail-fast",
            "--test",
            only.unwrap_or("*"),
        ]);
        export(&server, &mut tests);
        thread::scope(|scope| {
            if let Some(next) = next {
                scope.spawn(move || extension::build_ahead(next));
            }
            counts.tests(&mut tests)
        })
    });
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace::root());
    cargo
}

/// Whether the toolchain has that cargo command.
fn has(component: &str) -> bool {
    cargo()
        .args([component, "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}
