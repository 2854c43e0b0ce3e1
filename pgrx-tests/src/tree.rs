//! A private copy of a PostgreSQL installation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{shell, wheel};

/// Folders no test needs.
const LEFT_OUT: [&str; 5] = ["bitcode", "doc", "locale", "man", "pgxs"];

/// An installation: where its programs, its loadable libraries and its shared files lie.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The folder all of it lies in.
    pub prefix: PathBuf,
    pub major: u16,
    pub bin: PathBuf,
    pub library: PathBuf,
    pub share: PathBuf,
    /// Where the programs find libpq, when it isn't the system's.
    pub libpq: Option<PathBuf>,
}

impl Tree {
    /// Copies the installation that `pg_config` describes to `prefix`, keeping its folders' places relative to each
    /// other: that is how the programs find the rest. Its programs are copies too, because PostgreSQL follows
    /// symbolic links before it looks around.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn copy(pg_config: &Path, prefix: &Path) -> Result<Tree> {
        let ask = |what: &str| -> Result<PathBuf> {
            let answer = shell::output(Command::new(pg_config).arg(what))?;
            Ok(PathBuf::from(answer.trim()))
        };
        let (bin, library, share, libdir) = (
            ask("--bindir")?,
            ask("--pkglibdir")?,
            ask("--sharedir")?,
            ask("--libdir")?,
        );
        let version = ask("--version")?;
        let origin = common(&common(&bin, &library), &share);
        let moved =
            |folder: &Path| -> Result<PathBuf> { Ok(prefix.join(folder.strip_prefix(&origin)?)) };
        let tree = Tree {
            major: major(&version.to_string_lossy())?,
            bin: moved(&bin)?,
            library: moved(&library)?,
            share: moved(&share)?,
            libpq: if library.starts_with(&libdir) && library != libdir {
                Some(moved(&libdir)?)
            } else {
                None
            },
            prefix: prefix.to_path_buf(),
        };
        copy_folder(&bin, &tree.bin)?;
        copy_folder(&share, &tree.share)?;
        copy_folder(
            if tree.libpq.is_some() {
                &libdir
            } else {
                &library
            },
            tree.libpq.as_ref().unwrap_or(&tree.library),
        )?;
        if let (Some(libraries), Some(libpq)) = (wheel::libraries(&origin), &tree.libpq) {
            copy_folder(&libraries, libpq)?;
        }
        Ok(tree)
    }

    /// Puts the files of a packaged release over those that were copied from the installed one.
    pub(crate) fn lay_over(&self, origin: &Path) -> Result<()> {
        copy_folder(origin, &self.prefix)
    }

    /// A command that runs one of the installation's programs, with nothing of our environment that could change what
    /// it does.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        for (key, _) in std::env::vars_os() {
            let key = key.to_string_lossy();
            // An error raised through Rust's panic path would carry a backtrace in the client's DETAIL.
            if key.starts_with("PG")
                || key.starts_with("RUST_")
                || key.starts_with("LC_")
                || key == "LANG"
            {
                command.env_remove(&*key);
            }
        }
        command.env("LC_ALL", "C.UTF-8");
        if let Some(libpq) = &self.libpq {
            command.env("LD_LIBRARY_PATH", libpq);
        }
        command
    }

    /// The words that describe it to another process of the same suite.
    pub(crate) fn to_env(&self) -> String {
        let libpq = self.libpq.clone().unwrap_or_default();
        [&self.prefix, &self.bin, &self.library, &self.share, &libpq]
            .map(|path| path.to_string_lossy().into_owned())
            .join("\n")
            + &format!("\n{}", self.major)
    }

    pub(crate) fn from_env(words: &str) -> Result<Tree> {
        let [prefix, bin, library, share, libpq, major] = words.split('\n').collect::<Vec<_>>()[..]
        else {
            bail!(
                "the suite described its installation in other words than these tests know: {words:?}"
            );
        };
        Ok(Tree {
            prefix: prefix.into(),
            major: major.parse()?,
            bin: bin.into(),
            library: library.into(),
            share: share.into(),
            libpq: Some(PathBuf::from(libpq)).filter(|path| !path.as_os_str().is_empty()),
        })
    }
}

pub(crate) fn major(version: &str) -> Result<u16> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .find_map(|digits| digits.parse().ok())
        .with_context(|| format!("no version in {version:?}"))
}

fn common(one: &Path, other: &Path) -> PathBuf {
    one.components()
        .zip(other.components())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a)
        .collect()
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("could not read {}", from.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let Ok(kind) = fs::metadata(&path) else {
            continue;
        }; // a link to nowhere
        if kind.is_dir() {
            copy_folder(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))
                .with_context(|| format!("could not copy {}", path.display()))?;
        }
    }
    Ok(())
}
