//! Node.js for the clients that aren't written in Rust.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::{self, step, which};
use crate::workspace;

/// The `node_modules` folder that holds npm's `package` (`pg@8`), made at the first call and kept in the build folder;
/// `None` where there is no Node.js with npm.
///
/// # Errors
/// When the package can't be had.
pub fn node_modules(package: &str) -> Result<Option<PathBuf>> {
    if which("node").is_none() || which("npm").is_none() {
        return Ok(None);
    }
    let folder = workspace::cache()
        .join("node")
        .join(package.replace(['/', '@'], "_"));
    let modules = folder.join("node_modules");
    // Written last: an interrupted installation is begun again.
    let finished = folder.join("finished");
    if finished.is_file() {
        return Ok(Some(modules));
    }
    step(format!("installing {package} from npm"));
    std::fs::create_dir_all(&folder)?;
    shell::output(
        Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .arg(package)
            .current_dir(&folder),
    )
    .with_context(|| format!("could not install {package} from npm"))?;
    std::fs::write(&finished, "")?;
    Ok(Some(modules))
}
