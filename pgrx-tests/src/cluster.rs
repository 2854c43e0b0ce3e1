//! Throwaway servers: made in the scratch folder, and gone with the process that made them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use postgres::{Client, NoTls};

use crate::account::Account;
use crate::database::Database;
use crate::options::ClusterOptions;
use crate::shell::{self, step};
use crate::tree::Tree;
use crate::{scratch, template};

/// How long a server may take to start, or to come back after a crash.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a server listens. Its superuser is `postgres`; nobody is asked for a password.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The folder of its unix socket.
    pub socket: PathBuf,
    /// Its port, on the unix socket and on 127.0.0.1.
    pub port: u16,
}

impl Endpoint {
    /// How to connect to `database` as the superuser; change what you like and call `connect(NoTls)`.
    pub fn config(&self, database: &str) -> postgres::Config {
        let mut config = postgres::Config::new();
        config
            .host_path(&self.socket)
            .port(self.port)
            .user("postgres")
            .dbname(database);
        config.application_name("pg_backstop_tests");
        config
    }
}

/// A server, its own or (see [`crate::cluster`]) the suite's.
pub struct Cluster {
    pub tree: Tree,
    pub endpoint: Endpoint,
    /// Its data folder's parent. `None`: the server belongs to another process.
    folder: Option<PathBuf>,
    process: Mutex<Option<Child>>,
}

impl Cluster {
    /// Makes a server from an installation, starts it, and prepares the template for [`Cluster::database`].
    ///
    /// # Errors
    /// When it doesn't come up; the message ends with the tail of its log.
    pub fn start(tree: &Tree, options: &ClusterOptions) -> Result<Cluster> {
        let folder = scratch::folder()?.join(scratch::unique("server"));
        let account = Account::for_servers()?;
        let data = folder.join("data");
        fs::create_dir(&folder)?;
        fs::create_dir(&data)?;
        account.own(&folder)?;
        account.own(&data)?;
        let mut initdb = tree.program("initdb");
        initdb.args([
            "--no-sync",
            "--no-instructions",
            "--auth=trust",
            "--username=postgres",
        ]);
        initdb
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(&data)
            .current_dir(&folder);
        shell::output(account.run(&mut initdb)).context("could not make a data folder")?;
        let free = TcpListener::bind("127.0.0.1:0")?;
        let port = free.local_addr()?.port();
        drop(free);
        let lines = options.lines(&folder.to_string_lossy(), port);
        fs::write(data.join("postgresql.auto.conf"), lines)?;
        let cluster = Cluster {
            tree: tree.clone(),
            endpoint: Endpoint {
                socket: folder.clone(),
                port,
            },
            folder: Some(folder),
            process: Mutex::new(None),
        };
        cluster.launch()?;
        template::prepare(&cluster, options.create_extension)?;
        Ok(cluster)
    }

    /// A server that another process started and will stop.
    pub(crate) fn attached(tree: Tree, endpoint: Endpoint) -> Cluster {
        Cluster {
            tree,
            endpoint,
            folder: None,
            process: Mutex::new(None),
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
            .env("PGPORT", self.endpoint.port.to_string());
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
        let asked = Instant::now();
        // The postmaster takes a moment to notice; its "ready" of before the crash doesn't count.
        while Path::new("/proc").join(pid.to_string()).exists() && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.wait_until_ready()
    }

    /// Stops the server, quickly but in order, and starts it again.
    ///
    /// # Errors
    /// When the server is another process's, or doesn't come back.
    pub fn restart(&self) -> Result<()> {
        self.stop(libc::SIGINT)?;
        self.launch()
    }

    /// Stops the server as a power cut would, and starts it again: it recovers from its WAL.
    ///
    /// # Errors
    /// When the server is another process's, or doesn't come back.
    pub fn crash_and_restart(&self) -> Result<()> {
        self.stop(libc::SIGQUIT)?;
        self.launch()
    }

    /// What the server has logged so far; empty for a server of another process.
    pub fn log(&self) -> String {
        let log = self.folder.as_ref().map(|folder| folder.join("log"));
        log.and_then(|log| fs::read(log).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn launch(&self) -> Result<()> {
        let folder = self
            .folder
            .as_ref()
            .context("this server belongs to another process")?;
        let data = folder.join("data");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("log"))?;
        let mut postgres = self.tree.program("postgres");
        postgres
            .arg("-D")
            .arg(&data)
            .current_dir(&data)
            .stdin(Stdio::null());
        postgres.stdout(log.try_clone()?).stderr(log);
        // Ctrl-C goes to the whole foreground group; the guard of the scratch folder stops the server then.
        postgres.process_group(0);
        let account = Account::for_servers()?;
        let process = account
            .run(&mut postgres)
            .spawn()
            .context("could not start postgres")?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        self.wait_until_ready()
    }

    fn wait_until_ready(&self) -> Result<()> {
        let asked = Instant::now();
        loop {
            if self.endpoint.config("postgres").connect(NoTls).is_ok() {
                return Ok(());
            }
            let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(status) = process.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!(
                    "the server ended with {status}; the end of its log:\n{}",
                    self.log_tail()
                );
            }
            drop(process);
            if asked.elapsed() > PATIENCE {
                bail!(
                    "the server did not come up in {} s; the end of its log:\n{}",
                    PATIENCE.as_secs(),
                    self.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(&self, signal: i32) -> Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut server = process
            .take()
            .context("this server belongs to another process")?;
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

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // Whatever fails here, the guard of the scratch folder tries again.
            let _ = self.stop(libc::SIGQUIT);
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Sets the address of an already started server in the environment of a command that runs tests.
pub(crate) fn export(cluster: &Cluster, command: &mut Command) {
    let endpoint = &cluster.endpoint;
    command.env("PG_BACKSTOP_TEST_INSTALLATION", cluster.tree.to_env());
    command.env(
        "PG_BACKSTOP_TEST_SERVER",
        format!("{}:{}", endpoint.socket.display(), endpoint.port),
    );
}

/// The address that [`export`] left in our environment.
pub(crate) fn imported() -> Option<(String, Endpoint)> {
    let tree = std::env::var("PG_BACKSTOP_TEST_INSTALLATION").ok()?;
    let server = std::env::var("PG_BACKSTOP_TEST_SERVER").ok()?;
    let (socket, port) = server.rsplit_once(':')?;
    Some((
        tree,
        Endpoint {
            socket: socket.into(),
            port: port.parse().ok()?,
        },
    ))
}
