//! Finds PostgreSQL and what building against it takes, and installs what is missing.
//!
//! As root on Debian it installs the packages itself; otherwise it says in one sentence what to type.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{self, step, which};
use crate::tree::{self, Tree};
use crate::wheel;

/// Makes sure PostgreSQL `major` with its server headers is there, and the tools to build an extension for it.
/// Returns its `pg_config`.
///
/// # Errors
/// When something is missing that can't be installed: the message says what to type.
pub fn postgres(major: u16) -> Result<PathBuf> {
    let mut missing = build_tools_missing();
    if let Some(pg_config) = ones_own(major)?.or_else(|| installed(major)) {
        packages(&missing)?;
        return Ok(pg_config);
    }
    if wheel::holds(major) {
        packages(&missing)?;
        return wheel::pg_config(major);
    }
    missing.push(format!("postgresql-{major}"));
    missing.push(format!("postgresql-server-dev-{major}"));
    packages(&missing)?;
    installed(major).with_context(|| format!("PostgreSQL {major} is not where Debian puts it"))
}

/// Makes sure Python can make virtual environments.
///
/// # Errors
/// When it can't and the packages can't be installed.
pub fn python() -> Result<()> {
    let ready = Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .output()
        .is_ok_and(|output| output.status.success());
    packages(if ready { &[] } else { &["python3-venv"] })
}

/// Installs Debian packages; nothing to do for an empty list.
///
/// # Errors
/// When not root, or not on Debian: the message says what to type.
pub fn packages<S: AsRef<str>>(names: &[S]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let list = names.join(" ");
    // SAFETY: geteuid has no preconditions and can't fail.
    if unsafe { libc::geteuid() } != 0 {
        bail!(
            "something is missing; type: sudo apt-get update && sudo apt-get install --yes {list}"
        );
    }
    if which("apt-get").is_none() {
        bail!("this system has no apt-get; install what Debian calls: {list}");
    }
    // Tests that run side by side may miss the same package, and apt-get waits for no other one.
    let lock = File::create(std::env::temp_dir().join("pg_backstop-packages.lock"))?;
    lock.lock().context("cannot lock the package manager")?;
    if are_installed(&names) {
        return Ok(());
    }
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    step(format!("installing {list}"));
    shell::output(apt_get().args(["update", "--quiet"]))?;
    shell::output(
        apt_get()
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(names),
    )?;
    Ok(())
}

fn are_installed(names: &[&str]) -> bool {
    let query = ["--show", "--showformat", "${db:Status-Status}\n"];
    let found = Command::new("dpkg-query").args(query).args(names).output();
    found.is_ok_and(|found| {
        let states = String::from_utf8_lossy(&found.stdout);
        found.status.success() && states.lines().all(|state| state == "installed")
    })
}

/// Puts another extension that Debian packages for the tree's version into the tree; false where there is none.
///
/// # Errors
/// When its package can't be installed: the message says what to type.
pub fn extension(tree: &Tree, package: &str, name: &str) -> Result<bool> {
    let library = format!("{name}.so");
    let place = tree.library.join(&library);
    let folder = PathBuf::from(format!("/usr/lib/postgresql/{}/lib", tree.major));
    if place.is_file() || !folder.is_dir() {
        return Ok(place.is_file());
    }
    if !folder.join(&library).is_file() {
        packages(&[format!("postgresql-{}-{package}", tree.major)])?;
    }
    let shared = PathBuf::from(format!("/usr/share/postgresql/{}/extension", tree.major));
    for entry in std::fs::read_dir(shared)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(name) {
            let into = tree.share.join("extension").join(entry.file_name());
            std::fs::copy(entry.path(), into)?;
        }
    }
    std::fs::copy(folder.join(&library), &place)?;
    Ok(true)
}

/// `PG_BACKSTOP_TEST_PG_CONFIG`, if it is of that major version: a PostgreSQL one has built oneself, say with assertions.
fn ones_own(major: u16) -> Result<Option<PathBuf>> {
    let Some(pg_config) = std::env::var_os("PG_BACKSTOP_TEST_PG_CONFIG").map(PathBuf::from) else {
        return Ok(None);
    };
    let version = shell::output(Command::new(&pg_config).arg("--version"))
        .context("PG_BACKSTOP_TEST_PG_CONFIG does not name a pg_config")?;
    Ok((tree::major(&version)? == major).then_some(pg_config))
}

/// The `pg_config` of a packaged PostgreSQL that has server headers.
fn installed(major: u16) -> Option<PathBuf> {
    let pg_config = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin/pg_config"));
    let server = pg_config.with_file_name("postgres");
    let headers = format!("/usr/include/postgresql/{major}/server/postgres.h");
    (pg_config.is_file() && server.is_file() && Path::new(&headers).is_file()).then_some(pg_config)
}

fn build_tools_missing() -> Vec<String> {
    let mut missing = Vec::new();
    if which("cc").is_none() {
        missing.push("gcc");
        missing.push("libc6-dev");
    }
    if which("pkg-config").is_none() {
        missing.push("pkg-config");
    }
    if !has_libclang() {
        missing.push("libclang-dev");
    }
    missing.into_iter().map(String::from).collect()
}

/// bindgen reads PostgreSQL's headers through libclang, and looks for it in these places.
fn has_libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let in_llvm = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            entry.file_name().to_string_lossy().starts_with("llvm-")
                && holds_libclang(&entry.path().join("lib"))
        });
    in_llvm
        || ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
            .iter()
            .any(|folder| holds_libclang(Path::new(folder)))
}

fn holds_libclang(folder: &Path) -> bool {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("libclang.so")
                || (name.starts_with("libclang-") && name.contains(".so"))
        })
}
