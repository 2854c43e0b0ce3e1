//! Python for the clients that aren't written in Rust.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::shell::{self, step};
use crate::{install, workspace};

/// The interpreter of a virtual environment that holds `packages` (pip's requirement words), made at the first call
/// and kept in the build folder.
///
/// # Errors
/// When Python can't make environments, or the packages can't be had.
pub fn python_venv(packages: &[&str]) -> Result<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let name = if packages.is_empty() {
        "bare".to_string()
    } else {
        packages.join("+")
    };
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "+.-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let folder = workspace::cache().join("venv").join(name);
    let python = folder.join("bin/python");
    // Written last: an interrupted installation is begun again.
    let finished = folder.join("finished");
    if finished.is_file() {
        return Ok(python);
    }
    install::python()?;
    step(format!(
        "making a Python environment with {}",
        if packages.is_empty() {
            "pip"
        } else {
            &packages[0]
        }
    ));
    shell::output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )
    .context("could not make a Python environment")?;
    if !packages.is_empty() {
        shell::output(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet"])
                .args(packages),
        )
        .with_context(|| format!("could not install {packages:?} from PyPI"))?;
    }
    std::fs::write(&finished, "")?;
    Ok(python)
}
