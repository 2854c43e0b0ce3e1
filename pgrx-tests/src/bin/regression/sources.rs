//! PostgreSQL's own tests: the server package has the programs that run them, the source package has the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use pg_backstop_tests::{shell, workspace};

/// The C modules that the tests load functions from.
const MODULES: [&str; 3] = [
    "src/test/regress/regress.c",
    "contrib/spi/refint.c",
    "contrib/spi/autoinc.c",
];

/// What running the tests takes.
pub struct Sources {
    /// The version of the source package, which may be older than the server's.
    pub version: String,
    /// PostgreSQL's source tree.
    pub tree: PathBuf,
    /// Where pg_regress and pg_isolation_regress lie, in folders of their own.
    pub runners: PathBuf,
    /// Holds the compiled modules.
    pub modules: PathBuf,
}

/// Downloads the sources of PostgreSQL `major` once, keeps them in the build folder, and compiles the modules.
///
/// # Errors
/// When they can't be had, or don't compile.
pub fn obtain(major: u16, pg_config: &Path) -> Result<Sources> {
    let ask = |what: &str| shell::output(Command::new(pg_config).arg(what));
    let runners = Path::new(ask("--pgxs")?.trim())
        .ancestors()
        .nth(3)
        .context("pg_config --pgxs names no folder")?
        .join("src/test");
    if !runners.join("regress/pg_regress").is_file() {
        bail!("there is no pg_regress in {}", runners.display());
    }
    let folder = workspace::cache().join(format!("postgresql-{major}-source"));
    // Written last: an interrupted download is begun again.
    let finished = folder.join("finished");
    if !finished.is_file() {
        // It may not be there at all.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let version = download(&format!("postgresql-{major}"), &folder)?;
        unpack(&folder)?;
        fs::write(&finished, version)?;
    }
    let tree = folder.join("tree");
    let modules = folder.join("modules");
    fs::create_dir_all(&modules)?;
    let headers = ask("--includedir-server")?;
    for module in MODULES {
        let source = tree.join(module);
        let stem = source.file_stem().context("a module has a name")?;
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-fPIC", "-shared", "-w", "-I", headers.trim(), "-o"])
            .arg(modules.join(stem).with_extension("so"))
            .arg(&source);
        shell::output(&mut cc)?;
    }
    Ok(Sources {
        version: fs::read_to_string(&finished)?,
        tree,
        runners,
        modules,
    })
}

/// Downloads a source package with apt-get, which checks its signature; returns its version. Whether this machine lists
/// sources makes no difference: its lists of packages are read as lists of sources, in a place of our own. A mirror
/// may have dropped the newest version's files already, so older ones are tried too.
fn download(package: &str, into: &Path) -> Result<String> {
    shell::step(format!("downloading the sources of {package}"));
    let apt = into.join("apt");
    fs::create_dir_all(apt.join("parts"))?;
    fs::create_dir_all(apt.join("lists/partial"))?;
    as_sources(Path::new("/etc/apt/sources.list"), &apt.join("parts"))?;
    for entry in fs::read_dir("/etc/apt/sources.list.d")? {
        as_sources(&entry?.path(), &apt.join("parts"))?;
    }
    let option = |name: &str, value: &Path| format!("-o{name}={}", value.display());
    let options = [
        option("Dir::Etc::sourcelist", &apt.join("none")),
        option("Dir::Etc::sourceparts", &apt.join("parts")),
        option("Dir::State::lists", &apt.join("lists")),
        // The account apt drops its rights to may not enter our build folder.
        "-oAPT::Sandbox::User=root".to_string(),
    ];
    shell::output(
        Command::new("apt-get")
            .args(&options)
            .args(["-q", "update"]),
    )?;
    let listed = shell::output(Command::new("apt-cache").args(&options).args([
        "showsrc",
        "--only-source",
        package,
    ]))?;
    let mut versions: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("Version: "))
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(digits(version)));
    let mut last = None;
    for version in versions {
        let mut get = Command::new("apt-get");
        get.args(&options).args(["-q", "source", "--download-only"]);
        match shell::output(get.arg(format!("{package}={version}")).current_dir(into)) {
            Ok(_) => return Ok(version.to_string()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("no package archive lists sources of {package}")))
}

/// Writes a list of packages as a list of sources, in either of the two formats.
fn as_sources(list: &Path, parts: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(list) else {
        return Ok(());
    };
    let line = |line: &str| {
        if line.starts_with("Types:") {
            "Types: deb-src".to_string()
        } else if let Some(rest) = line.strip_prefix("deb ") {
            format!("deb-src {rest}")
        } else {
            line.to_string()
        }
    };
    let lines: Vec<String> = text.lines().map(line).collect();
    let name = list.file_name().context("a list has a name")?;
    fs::write(parts.join(name), lines.join("\n") + "\n")?;
    Ok(())
}

/// The numbers in a version, which order the versions of one package.
fn digits(version: &str) -> Vec<u64> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Unpacks what PostgreSQL released; Debian's patches change nothing that is run here.
fn unpack(folder: &Path) -> Result<()> {
    let tree = folder.join("tree");
    fs::create_dir_all(&tree)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().contains(".orig.tar.") {
            let mut tar = Command::new("tar");
            tar.args(["--strip-components=1", "-xf"]).arg(&path);
            shell::output(tar.arg("-C").arg(&tree))?;
            return Ok(());
        }
    }
    bail!("the source package holds no sources")
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert!(digits("15.20-0+deb12u1") > digits("15.18-0+deb12u1"));
        assert!(digits("15.10-0+deb12u1") > digits("15.9-0+deb12u1"));
    }
}
