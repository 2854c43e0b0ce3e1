//! Where a server listens, and how its address reaches the processes that share it.

use std::path::PathBuf;
use std::process::Command;

use crate::cluster::Cluster;

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

const INSTALLATION: &str = "PG_BACKSTOP_TEST_INSTALLATION";
const SERVER: &str = "PG_BACKSTOP_TEST_SERVER";

/// Makes a command that runs tests use an already started server.
pub fn export(cluster: &Cluster, command: &mut Command) {
    let Endpoint { socket, port } = &cluster.endpoint;
    command.env(INSTALLATION, cluster.tree.to_env());
    command.env(SERVER, format!("{}:{port}", socket.display()));
}

/// The server that [`export`] left in our environment, with the words that describe its installation.
pub(crate) fn imported() -> Option<(String, Endpoint)> {
    let tree = std::env::var(INSTALLATION).ok()?;
    let server = std::env::var(SERVER).ok()?;
    let (socket, port) = server.rsplit_once(':')?;
    Some((
        tree,
        Endpoint {
            socket: socket.into(),
            port: port.parse().ok()?,
        },
    ))
}
