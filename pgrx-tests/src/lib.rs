//! Throwaway PostgreSQL servers with pg_backstop in them, and the words tests say to them.
//!
//! ```no_run
//! use pg_backstop_tests::{database, passes, refused};
//!
//! let db = database();
//! let mut admin = db.connect();
//! passes(&mut admin, "CREATE TABLE users (id bigint PRIMARY KEY)");
//! passes(&mut admin, "SELECT backstop.protect('users')");
//! let refusal = refused(&mut db.connect_as("app"), "DELETE FROM users");
//! assert_eq!(refusal.sqlstate, "SF002");
//! ```
//!
//! How it works: a test process takes the server that the suite exported in its environment; without one it builds the
//! extension and starts its own, once. Every test makes itself a database from a template that has the extension, so
//! tests run side by side. A test that crashes its server or needs other settings starts a server of its own with
//! [`start`].
//!
//! `PG_BACKSTOP_TEST_PG` chooses the major version (15), `PG_BACKSTOP_TEST_PG_CONFIG` a PostgreSQL of one's own (one with
//! assertions, say), `PG_BACKSTOP_TEST_PROFILE=dev` a faster build.

pub mod account;
mod client;
mod cluster;
mod database;
mod endpoint;
pub mod extension;
pub mod filled;
pub mod install;
pub mod minor;
mod node;
mod options;
mod patience;
mod pooler;
mod process;
mod python;
pub mod scratch;
pub mod shell;
mod template;
mod tree;
mod wheel;
mod words;
pub mod workspace;

use std::sync::OnceLock;

use ::postgres::Client;
use anyhow::{Context, Result};

pub use client::{Refusal, passes, passes_with, query_rows, query_text, refused, refused_with};
pub use cluster::Cluster;
pub use database::{Database, Notices};
pub use endpoint::{Endpoint, PORT, export};
pub use node::node_modules;
pub use options::{ClusterOptions, Preload};
pub use patience::{behind, comes_to, sqlstate_of, until_someone_waits, until_they_wait};
pub use pooler::Pooler;
pub use postgres;
pub use python::python_venv;
pub use tree::Tree;
pub use words::{approved, last_statement, now};

/// A fresh database of the shared server, with the extension in it.
///
/// # Panics
/// When there is no server and none can be started.
pub fn database() -> Database {
    cluster().database()
}

/// A fresh database in which its superuser, who comes with it, has run `sql`.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn database_with(sql: &str) -> (Database, Client) {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, sql);
    (db, admin)
}

/// As `database_with`, and a session of `app`, who owns nothing.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn database_with_app(sql: &str) -> (Database, Client, Client) {
    let (db, admin) = database_with(sql);
    let app = db.connect_as("app");
    (db, admin, app)
}

/// The server this process's tests share: the suite's, or one of this process.
///
/// # Panics
/// When there is none and none can be started.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| shared().unwrap_or_else(|error| panic!("no test server: {error:?}")))
}

/// Starts a server of the caller's own from the same installation as the shared one.
///
/// # Panics
/// When it can't be started.
pub fn start(options: &ClusterOptions) -> Cluster {
    Cluster::start(installation(), options)
        .unwrap_or_else(|error| panic!("no test server: {error:?}"))
}

/// The private installation this process's servers run from: the suite's, or one made now.
///
/// # Panics
/// When it can't be made.
pub fn installation() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    let make = || match endpoint::imported() {
        Some((tree, _)) => Tree::from_env(&tree),
        None => extension::installation(major()?),
    };
    TREE.get_or_init(|| make().unwrap_or_else(|error| panic!("no installation to test: {error:?}")))
}

fn shared() -> Result<Cluster> {
    match endpoint::imported() {
        Some((_, endpoint)) => Ok(Cluster::attached(installation().clone(), endpoint)),
        None => Cluster::start(installation(), &ClusterOptions::default()),
    }
}

/// The PostgreSQL version asked for: `PG_BACKSTOP_TEST_PG`, or 15. Tests ask [`installation`], which may be the suite's.
///
/// # Errors
/// When the variable holds no number.
pub fn major() -> Result<u16> {
    match std::env::var("PG_BACKSTOP_TEST_PG") {
        Ok(major) => major
            .parse()
            .with_context(|| format!("PG_BACKSTOP_TEST_PG is {major:?}, not a version")),
        Err(_) => Ok(15),
    }
}

/// A copy of a database of the shared server by way of pg_dump and pg_restore, dropped with the value.
///
/// # Panics
/// When either of them fails.
#[must_use]
#[track_caller]
pub fn dumped(original: &Database) -> Database {
    let copy = Database {
        endpoint: original.endpoint.clone(),
        name: format!("{}_dump", original.name),
    };
    let name = &copy.name;
    passes(
        &mut cluster().admin(),
        &format!("CREATE DATABASE {name} TEMPLATE template0"),
    );
    let file = std::env::temp_dir().join(format!("{name}.dump"));
    let path = file.to_string_lossy();
    let dump = ["--format=custom", "--file", &path, &original.name];
    cluster().program("pg_dump", &dump).expect("pg_dump");
    let back = ["--exit-on-error", "--dbname", name, &path];
    let restored = cluster().program("pg_restore", &back);
    let _ = std::fs::remove_file(&file);
    restored.expect("pg_restore");
    copy
}

/// The schemas of a database of the shared server that match `pattern`, as pg_dump tells them: its commands, sorted.
/// Neither rows are told, nor OIDs, nor the order of making and of columns.
///
/// # Panics
/// When pg_dump fails.
#[must_use]
#[track_caller]
pub fn schema_dump(db: &Database, pattern: &str) -> Vec<String> {
    let schema = format!("--schema={pattern}");
    let dump = cluster().program("pg_dump", &[&schema, "--schema-only", &db.name]);
    let dump = dump.expect("pg_dump runs");
    let told =
        |line: &&str| !line.is_empty() && !line.starts_with("--") && !line.contains("restrict ");
    let lines = dump.lines().filter(told);
    let mut lines: Vec<String> = lines
        .map(|line| line.trim_end_matches(',').to_owned())
        .collect();
    lines.sort();
    lines
}
