//! Throwaway servers: made in the scratch folder, and gone with the process that made them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use postgres::{Client, NoTls};

use crate::account::Account;
use crate::database::Database;
use crate::endpoint::{Endpoint, PORT};
use crate::options::ClusterOptions;
use crate::process::ServerProcess;
use crate::tree::Tree;
use crate::{scratch, shell, template};

/// How long a server may take to start, or to come back after a crash.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server: this process's own, or one that another process started and will stop (see [`crate::cluster`]).
pub struct Cluster {
    pub tree: Tree,
    pub endpoint: Endpoint,
    process: Option<ServerProcess>,
}

impl Cluster {
    /// Makes a server from an installation, starts it, and prepares the template for [`Cluster::database`].
    ///
    /// # Errors
    /// When it doesn't come up; the message ends with the tail of its log.
    pub fn start(tree: &Tree, options: &ClusterOptions) -> Result<Cluster> {
        let socket = scratch::folder()?.join(scratch::unique("server"));
        let settings = options.lines(&socket.to_string_lossy());
        let process = ServerProcess::make(tree, socket.clone(), &settings, &options.environment)?;
        let endpoint = Endpoint { socket };
        let cluster = Cluster {
            tree: tree.clone(),
            endpoint,
            process: Some(process),
        };
        cluster.launch()?;
        template::prepare(&cluster, options.create_extension)?;
        Ok(cluster)
    }

    /// A server that was made and has to be started.
    pub(crate) fn launched(
        tree: Tree,
        endpoint: Endpoint,
        process: ServerProcess,
    ) -> Result<Cluster> {
        let cluster = Cluster {
            tree,
            endpoint,
            process: Some(process),
        };
        cluster.launch()?;
        Ok(cluster)
    }

    /// Stops the server in order and returns where its data lies; it goes with the value.
    ///
    /// # Errors
    /// When the server is another process's.
    pub fn stop(&self) -> Result<PathBuf> {
        let process = self.own()?;
        process.stop(libc::SIGINT)?;
        Ok(process.data())
    }

    /// A server of another process.
    pub(crate) fn attached(tree: Tree, endpoint: Endpoint) -> Cluster {
        Cluster {
            tree,
            endpoint,
            process: None,
        }
    }

    /// A fresh database with the extension; dropped with the value.
    pub fn database(&self) -> Database {
        Database::create(&self.endpoint)
    }

    /// A superuser's connection to the database `postgres`, which no test changes.
    ///
    /// # Panics
    /// When the server can't be reached.
    pub fn admin(&self) -> Client {
        self.endpoint
            .config("postgres")
            .connect(NoTls)
            .unwrap_or_else(|error| {
                panic!(
                    "could not connect to the test server: {error}\n{}",
                    self.log_tail()
                )
            })
    }

    /// Runs one of the installation's programs (`pg_dump`, `psql`, `pgbench`) against this server and returns its
    /// output.
    ///
    /// # Errors
    /// When it ends in failure.
    pub fn program(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.tree.program(name);
        command
            .env("PGHOST", &self.endpoint.socket)
            .env("PGPORT", PORT.to_string());
        command
            .env("PGUSER", "postgres")
            .args(arguments)
            .current_dir("/");
        shell::output(&mut command)
    }

    /// Sends SIGKILL to a backend of this server and waits until the server has recovered from it.
    ///
    /// # Errors
    /// When the process can't be killed, or the server doesn't come back.
    pub fn kill_backend(&self, pid: i32) -> Result<()> {
        // SAFETY: kill takes any two integers, and only reports errors.
        if unsafe { libc::kill(pid, libc::SIGKILL) } != 0 {
            bail!(
                "could not kill backend {pid}: {}",
                std::io::Error::last_os_error()
            );
        }
        // The postmaster begins the recovery when it reaps the backend. To be ready before that doesn't count.
        let asked = Instant::now();
        while Path::new("/proc").join(pid.to_string()).exists() && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.wait_until_ready()
    }

    /// Gives a backend of this server no more address space than `bytes`; `None` gives it all it asks for.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn limit_memory(&self, pid: i32, bytes: Option<u64>) -> Result<()> {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        // As the server's account: root in a container may not do it to another account's process.
        let mut command = Command::new("prlimit");
        command.args(["--pid", &pid.to_string(), &format!("--as={limit}:")]);
        shell::output(Account::for_servers()?.run(&mut command).current_dir("/"))?;
        Ok(())
    }

    /// Stops the server, quickly but in order, and starts it again.
    ///
    /// # Errors
    /// When the server is another process's, or doesn't come back.
    pub fn restart(&self) -> Result<()> {
        self.own()?.stop(libc::SIGINT)?;
        self.launch()
    }

    /// Stops the server without a checkpoint, as a crash would, and starts it again: it recovers from its WAL.
    ///
    /// # Errors
    /// When the server is another process's, or doesn't come back.
    pub fn crash_and_restart(&self) -> Result<()> {
        self.own()?.stop(libc::SIGQUIT)?;
        self.launch()
    }

    /// Sends SIGKILL to the server itself, waits until its orphans are gone, and starts it again: it recovers from its
    /// WAL.
    ///
    /// # Errors
    /// When the server is another process's, or doesn't come back.
    pub fn kill_postmaster_and_restart(&self) -> Result<()> {
        let own = self.own()?;
        own.stop(libc::SIGKILL)?;
        // Backends notice at their next wait; until then the server refuses to start, and is started again.
        let asked = Instant::now();
        loop {
            own.launch()?;
            match self.wait_until_ready() {
                Err(error) if asked.elapsed() > PATIENCE => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
                ready => return ready,
            }
        }
    }

    /// What the server has logged so far; empty for a server of another process.
    pub fn log(&self) -> String {
        self.process
            .as_ref()
            .map(ServerProcess::log)
            .unwrap_or_default()
    }

    fn own(&self) -> Result<&ServerProcess> {
        self.process
            .as_ref()
            .context("this server belongs to another process")
    }

    fn launch(&self) -> Result<()> {
        self.own()?.launch()?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&self) -> Result<()> {
        let asked = Instant::now();
        while self.endpoint.config("postgres").connect(NoTls).is_err() {
            if let Some(status) = self
                .process
                .as_ref()
                .map(ServerProcess::ended)
                .transpose()?
                .flatten()
            {
                bail!(
                    "the server ended with {status}; the end of its log:\n{}",
                    self.log_tail()
                );
            }
            if asked.elapsed() > PATIENCE {
                bail!(
                    "the server is not ready; the end of its log:\n{}",
                    self.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}
