//! Builds the extension and makes a private PostgreSQL installation that has it.
//!
//! The system's PostgreSQL is never touched. PostgreSQL finds its files relative to its own program, so a copy of its
//! folders elsewhere, in the same order, is a working installation, and needs no root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell::{self, step};
use crate::tree::Tree;
use crate::{install, scratch, workspace};

/// Builds the extension for PostgreSQL `major` and returns an installation that holds both, in this process's scratch
/// folder.
///
/// # Errors
/// When something is missing, or the extension doesn't compile.
pub fn installation(major: u16) -> Result<Tree> {
    let pg_config = install::postgres(major)?;
    let library = build(major, &pg_config)?;
    let tree = Tree::copy(
        &pg_config,
        &scratch::folder()?.join(scratch::unique(&format!("pg{major}-"))),
    )?;
    put(&tree, &library)?;
    Ok(tree)
}

/// An installation of PostgreSQL `major` that does not have the extension.
///
/// # Errors
/// When something is missing.
pub fn bare_installation(major: u16) -> Result<Tree> {
    let pg_config = install::postgres(major)?;
    let name = scratch::unique(&format!("bare{major}-"));
    let tree = Tree::copy(&pg_config, &scratch::folder()?.join(name))?;
    // The system's own may have one.
    let _ = fs::remove_file(tree.library.join("pg_backstop.so"));
    let _ = fs::remove_file(tree.share.join("extension/pg_backstop.control"));
    Ok(tree)
}

/// Compiles the extension; the path of its shared library. Each major version has a build folder of its own, because
/// bindings to another one's headers would throw all of it away.
///
/// `PG_BACKSTOP_TEST_PROFILE=dev` builds without optimisation: faster to build, for work on a test.
///
/// # Errors
/// When it doesn't compile: the compiler's messages have been shown.
pub fn build(major: u16, pg_config: &Path) -> Result<PathBuf> {
    let profile = profile();
    step(format!(
        "building pg_backstop for PostgreSQL {major} ({profile})"
    ));
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    shell::shown(&mut compiler(Command::new(program), major, pg_config))
        .context("the extension does not compile")?;
    let folder = if profile == "dev" { "debug" } else { &profile };
    Ok(target(major).join(folder).join("libpg_backstop.so"))
}

/// Compiles the extension beside what else is done, with what that leaves of the machine: `build` finds it compiled then,
/// or does it again and says what was wrong.
pub fn build_ahead(major: u16) {
    let Ok(pg_config) = install::postgres(major) else {
        return;
    };
    let mut nice = Command::new("nice");
    nice.arg(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let _ = compiler(nice, major, &pg_config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

fn profile() -> String {
    std::env::var("PG_BACKSTOP_TEST_PROFILE").unwrap_or_else(|_| "release".into())
}

fn target(major: u16) -> PathBuf {
    workspace::target().join(format!("pg{major}"))
}

fn compiler(mut cargo: Command, major: u16, pg_config: &Path) -> Command {
    cargo
        .current_dir(workspace::root())
        .env("PGRX_PG_CONFIG_PATH", pg_config)
        .env("CARGO_TARGET_DIR", target(major))
        .args([
            "build",
            "--quiet",
            "--lib",
            "--package",
            "pg_backstop",
            "--no-default-features",
        ])
        .args(["--profile", &profile(), "--features", &format!("pg{major}")]);
    cargo
}

/// Puts the control file, the scripts and the library where the server looks for them.
fn put(tree: &Tree, library: &Path) -> Result<()> {
    let root = workspace::root();
    let control = fs::read_to_string(root.join("pg_backstop.control"))?;
    let version = control
        .lines()
        .find_map(|line| line.strip_prefix("default_version"))
        .and_then(|rest| rest.split('\'').nth(1))
        .context("pg_backstop.control names no default_version")?;
    let extension = tree.share.join("extension");
    fs::write(extension.join("pg_backstop.control"), &control)?;
    fs::write(
        extension.join(format!("pg_backstop--{version}.sql")),
        script()?,
    )?;
    for upgrade in sql_files()?.iter().filter(|path| is_upgrade(path)) {
        fs::copy(
            upgrade,
            extension.join(upgrade.file_name().unwrap_or_default()),
        )?;
    }
    fs::copy(library, tree.library.join("pg_backstop.so"))
        .with_context(|| format!("the build left no {}", library.display()))?;
    Ok(())
}

/// The installation script: every part of `sql/` in the order of their names, upgrade scripts left out.
///
/// # Errors
/// When it can't be read.
pub fn script() -> Result<String> {
    let mut script = String::new();
    for part in sql_files()?.iter().filter(|path| !is_upgrade(path)) {
        script.push_str(&fs::read_to_string(part)?);
        script.push('\n');
    }
    if script.is_empty() {
        bail!("sql/ holds no script to create the extension with");
    }
    Ok(script)
}

fn sql_files() -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join("sql");
    let mut files = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_upgrade(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("pg_backstop--"))
}
