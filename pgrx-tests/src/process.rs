//! The server's process: made, started, stopped, and its log read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::account::Account;
use crate::shell::{self, step};
use crate::tree::Tree;

/// How long an orderly stop may take before the server is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of this process.
pub(crate) struct ServerProcess {
    tree: Tree,
    /// Holds its data folder, its socket and its log.
    folder: PathBuf,
    account: Account,
    environment: Vec<(String, String)>,
    child: Mutex<Option<Child>>,
}

impl ServerProcess {
    /// Makes a data folder in `folder`, which must not exist; `settings` are lines of postgresql.conf, `environment` is
    /// what the server gets besides what it needs.
    ///
    /// # Errors
    /// When initdb fails.
    pub fn make(
        tree: &Tree,
        folder: PathBuf,
        settings: &str,
        environment: &[(String, String)],
    ) -> Result<ServerProcess> {
        let account = Account::for_servers()?;
        let data = folder.join("data");
        for path in [&folder, &data] {
            fs::create_dir(path)?;
            account.own(path)?;
        }
        let mut initdb = tree.program("initdb");
        initdb.args([
            "--no-sync",
            "--no-instructions",
            "--auth=trust",
            "--username=postgres",
        ]);
        initdb
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(&data);
        initdb.current_dir(&folder);
        shell::output(account.run(&mut initdb)).context("could not make a data folder")?;
        fs::write(data.join("postgresql.auto.conf"), settings)?;
        Ok(ServerProcess {
            tree: tree.clone(),
            folder,
            account,
            environment: environment.to_vec(),
            child: Mutex::new(None),
        })
    }

    /// As [`ServerProcess::make`], with a data folder that `fill` fills; the settings are added to what it has.
    ///
    /// # Errors
    /// When `fill` fails.
    pub fn adopt(
        tree: &Tree,
        folder: PathBuf,
        settings: &str,
        environment: &[(String, String)],
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<ServerProcess> {
        let account = Account::for_servers()?;
        let data = folder.join("data");
        for path in [&folder, &data] {
            fs::create_dir(path)?;
            account.own(path)?;
        }
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
        fill(&data)?;
        let file = data.join("postgresql.auto.conf");
        let present = fs::read_to_string(&file)?;
        fs::write(&file, format!("{present}\n{settings}"))?;
        Ok(ServerProcess {
            tree: tree.clone(),
            folder,
            account,
            environment: environment.to_vec(),
            child: Mutex::new(None),
        })
    }

    /// Where its data lies.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts it, and doesn't wait until it is ready.
    ///
    /// # Errors
    /// When there is no program to start.
    pub fn launch(&self) -> Result<()> {
        let data = self.folder.join("data");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))?;
        let mut postgres = self.tree.program("postgres");
        postgres
            .arg("-D")
            .arg(&data)
            .envs(self.environment.iter().cloned())
            .current_dir(&data)
            .stdin(Stdio::null());
        postgres.stdout(log.try_clone()?).stderr(log);
        // Ctrl-C goes to the whole foreground group; the guard of the scratch folder stops the server then.
        postgres.process_group(0);
        let child = self
            .account
            .run(&mut postgres)
            .spawn()
            .context("could not start postgres")?;
        *self.child() = Some(child);
        Ok(())
    }

    /// How it ended, if it has ended by itself.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        Ok(self
            .child()
            .as_mut()
            .map(Child::try_wait)
            .transpose()?
            .flatten())
    }

    /// Sends it a signal and waits until it is gone. Nothing to do when it isn't running.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn stop(&self, signal: i32) -> Result<()> {
        let Some(mut server) = self.child().take() else {
            return Ok(());
        };
        let pid = i32::try_from(server.id())?;
        // SAFETY: the child hasn't been waited for, so the id is still its own.
        unsafe { libc::kill(pid, signal) };
        let asked = Instant::now();
        while server.try_wait()?.is_none() {
            if asked.elapsed() > PATIENCE {
                step("the server does not stop; killing it");
                server.kill()?;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Whatever fails here, the guard of the scratch folder tries again.
        let _ = self.stop(libc::SIGQUIT);
        let _ = fs::remove_dir_all(&self.folder);
    }
}
