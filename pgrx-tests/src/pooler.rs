//! PgBouncer in front of a test server.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use postgres::{Client, NoTls};

use crate::account::Account;
use crate::database::Database;
use crate::endpoint::{Endpoint, PORT};
use crate::{install, scratch, shell};

const PATIENCE: Duration = Duration::from_secs(20);

/// A PgBouncer of a test's own for one database; stopped with the value, or with the thread that started it.
pub struct Pooler {
    endpoint: Endpoint,
    database: String,
    child: Child,
}

impl Pooler {
    /// Starts one that shares `size` connections of each role in `mode` (`transaction`, `session`, `statement`).
    ///
    /// # Errors
    /// When PgBouncer can't be installed or doesn't come up.
    pub fn start(database: &Database, mode: &str, size: u32) -> Result<Pooler> {
        // Debian keeps it in /usr/sbin, which isn't on everybody's PATH.
        let installed = || {
            shell::which("pgbouncer").or_else(|| {
                Some(std::path::PathBuf::from("/usr/sbin/pgbouncer")).filter(|path| path.is_file())
            })
        };
        if installed().is_none() {
            install::packages(&["pgbouncer"])?;
        }
        let program = installed().context("there is no pgbouncer")?;
        let account = Account::for_servers()?;
        let folder = scratch::folder()?.join(scratch::unique("pooler"));
        fs::create_dir(&folder)?;
        account.own(&folder)?;
        let users = folder.join("users");
        fs::write(
            &users,
            "\"app\" \"\"\n\"reviewer\" \"\"\n\"postgres\" \"\"\n",
        )?;
        let server = &database.endpoint;
        let ini = folder.join("pgbouncer.ini");
        // The port is only part of the socket's name.
        fs::write(
            &ini,
            format!(
                "[databases]\n{name} = host={host} port={PORT}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\n\
                 unix_socket_dir = {folder}\nauth_type = trust\nauth_file = {users}\npool_mode = {mode}\n\
                 default_pool_size = {size}\nmax_client_conn = 100\nlogfile = {folder}/log\n",
                name = database.name,
                host = server.socket.display(),
                folder = folder.display(),
                users = users.display(),
            ),
        )?;
        let mut command = Command::new(program);
        command
            .arg("--quiet")
            .arg(&ini)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        account.run(&mut command);
        // SAFETY: prctl is async-signal-safe, and this closure does nothing else.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
        let child = command.spawn().context("could not start pgbouncer")?;
        let mut pooler = Pooler {
            endpoint: Endpoint {
                socket: folder.clone(),
            },
            database: database.name.clone(),
            child,
        };
        let asked = Instant::now();
        while pooler.try_connect("app").is_err() {
            if asked.elapsed() > PATIENCE || pooler.child.try_wait()?.is_some() {
                bail!(
                    "pgbouncer is not ready\n{}",
                    fs::read_to_string(folder.join("log")).unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(pooler)
    }

    /// A client's connection to the pooler.
    ///
    /// # Panics
    /// When it is refused.
    pub fn connect_as(&self, role: &str) -> Client {
        self.try_connect(role)
            .unwrap_or_else(|error| panic!("could not connect to the pooler: {error:?}"))
    }

    fn try_connect(&self, role: &str) -> Result<Client, postgres::Error> {
        self.endpoint
            .config(&self.database)
            .user(role)
            .connect(NoTls)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It keeps nothing that an orderly end would save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
