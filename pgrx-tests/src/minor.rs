//! Other minor releases of Debian's PostgreSQL than the installed one: what they wrote, later versions must take.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::shell::{self, step};
use crate::tree::Tree;
use crate::{extension, workspace};

/// The releases of PostgreSQL `major` that the package lists name besides the installed one, the latest first.
///
/// # Errors
/// When there is no `apt-cache` to ask.
pub fn releases(major: u16) -> Result<Vec<String>> {
    let package = format!("postgresql-{major}");
    let installed = ["--show", "--showformat=${Version}", &package];
    let installed = shell::output(Command::new("dpkg-query").args(installed))?;
    let listed = shell::output(Command::new("apt-cache").args(["madison", &package]))?;
    let mut releases: Vec<String> = Vec::new();
    for line in listed.lines() {
        // postgresql-15 | 15.18-0+deb12u1 | http://deb.debian.org/debian bookworm/main amd64 Packages
        let mut fields = line.split('|').map(str::trim);
        let (Some(_), Some(release), Some(origin)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let known = release == installed || releases.iter().any(|known| known == release);
        if !known && origin.ends_with(" Packages") {
            releases.push(release.to_owned());
        }
    }
    Ok(releases)
}

/// An installation of such a release, with the extension as it was built for the installed one.
///
/// # Errors
/// When the package can't be downloaded or unpacked.
pub fn installation(major: u16, release: &str) -> Result<Tree> {
    let unpacked = unpacked(major, release)?;
    let tree = extension::installation(major)?;
    tree.lay_over(&unpacked.join("usr"))?;
    Ok(tree)
}

/// Where the release's package lies unpacked, kept between runs.
fn unpacked(major: u16, release: &str) -> Result<PathBuf> {
    // Tests of one process run side by side.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let package = format!("postgresql-{major}={release}");
    let folder = workspace::cache().join(&package);
    let files = folder.join("files");
    let server = format!("usr/lib/postgresql/{major}/bin/postgres");
    if files.join(&server).is_file() {
        return Ok(files);
    }
    step(format!("downloading {package}"));
    std::fs::create_dir_all(&files)?;
    let mut download = Command::new("apt-get");
    shell::output(
        download
            .current_dir(&folder)
            .args(["download", "--quiet", &package]),
    )
    .with_context(|| format!("could not download {package}"))?;
    let mut names = std::fs::read_dir(&folder)?.flatten().map(|e| e.path());
    let deb = names.find(|path| path.extension().is_some_and(|end| end == "deb"));
    let deb = deb.with_context(|| format!("{package} left no .deb"))?;
    shell::output(Command::new("dpkg").arg("-x").arg(&deb).arg(&files))?;
    std::fs::remove_file(deb)?;
    if !files.join(&server).is_file() {
        bail!("{package} holds no {server}");
    }
    Ok(files)
}
