//! Servers whose data folder is not made by initdb alone: copies of a running server, and upgraded ones.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::account::Account;
use crate::cluster::Cluster;
use crate::endpoint::Endpoint;
use crate::options::ClusterOptions;
use crate::process::ServerProcess;
use crate::tree::Tree;
use crate::{scratch, shell};

/// A folder of this process's for the server's account, removed with the process.
///
/// # Errors
/// When it can't be made.
pub fn work_folder(label: &str) -> Result<PathBuf> {
    let folder = scratch::folder()?.join(scratch::unique(label));
    std::fs::create_dir(&folder)?;
    Account::for_servers()?.own(&folder)?;
    Ok(folder)
}

/// Runs one of the installation's programs under the server's account, in `folder`.
///
/// # Errors
/// When it ends in failure: the message carries its output.
pub fn run_as_server(tree: &Tree, name: &str, arguments: &[&str], folder: &Path) -> Result<String> {
    let mut command = tree.program(name);
    command.args(arguments).current_dir(folder);
    shell::output(Account::for_servers()?.run(&mut command))
}

/// Starts a server on a data folder that `fill` makes. The options' settings are added to those it has.
///
/// # Errors
/// When it can't be filled, or the server doesn't come up; the message ends with the tail of its log.
pub fn start_filled(
    tree: &Tree,
    options: &ClusterOptions,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<Cluster> {
    let socket = scratch::folder()?.join(scratch::unique("server"));
    let settings = options.lines(&socket.to_string_lossy());
    let process =
        ServerProcess::adopt(tree, socket.clone(), &settings, &options.environment, fill)?;
    Cluster::launched(tree.clone(), Endpoint { socket }, process)
}
