//! Running other programs: progress lines before, and all of their output when they fail.

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Says on stderr what begins now. Steps that take no time aren't worth a line.
pub fn step(what: impl AsRef<str>) {
    let mut stderr = std::io::stderr().lock();
    let (on, off) = if stderr.is_terminal() {
        ("\x1b[2m", "\x1b[0m")
    } else {
        ("", "")
    };
    // A closed stderr is no reason to stop.
    let _ = writeln!(stderr, "{on}-- {}{off}", what.as_ref());
}

/// Runs a program to its end and returns what it wrote to stdout.
///
/// # Errors
/// When it can't be started, or ends in failure: the message carries both of its outputs.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start {name}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} ended with {}\n{stdout}{stderr}",
            line(command),
            output.status
        );
    }
    Ok(stdout)
}

/// Runs a program to its end with its output going where ours goes.
///
/// # Errors
/// When it can't be started, or ends in failure.
pub fn shown(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("could not start {name}"))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// The path of a program on `PATH`, if it is there.
pub fn which(program: &str) -> Option<std::path::PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
