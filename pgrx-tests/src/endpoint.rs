//! Where a server listens, and how its address reaches the processes that share it.

use std::path::PathBuf;
use std::process::Command;

use crate::cluster::Cluster;

/// The port of every throwaway server. Each listens on a unix socket in a folder of its own and, unless it is asked to
/// (`ClusterOptions::address`), on no network: there no free port stays free until a server has started.
pub const PORT: u16 = 5432;

/// Where a server listens. Its superuser is `postgres`; nobody is asked for a password.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The folder of its unix socket.
    pub socket: PathBuf,
}

impl Endpoint {
    /// How to connect to `database` as the superuser; change what you like and call `connect(NoTls)`.
    pub fn config(&self, database: &str) -> postgres::Config {
        let mut config = postgres::Config::new();
        config
            .host_path(&self.socket)
            .port(PORT)
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
    command.env(INSTALLATION, cluster.tree.to_env());
    command.env(SERVER, &cluster.endpoint.socket);
}

/// The server that [`export`] left in our environment, with the words that describe its installation.
pub(crate) fn imported() -> Option<(String, Endpoint)> {
    let tree = std::env::var(INSTALLATION).ok()?;
    let socket = std::env::var_os(SERVER)?.into();
    Some((tree, Endpoint { socket }))
}
