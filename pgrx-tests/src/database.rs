//! A database of a test's own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use postgres::error::DbError;
use postgres::{Client, NoTls};

use crate::endpoint::{Endpoint, PORT};
use crate::template::TEMPLATE;

/// A fresh database that has the extension; dropped with the value, whoever is still connected.
#[derive(Debug)]
pub struct Database {
    pub endpoint: Endpoint,
    pub name: String,
}

/// The notices and warnings a connection has been sent.
#[derive(Debug, Clone, Default)]
pub struct Notices(Arc<Mutex<Vec<DbError>>>);

impl Notices {
    /// Takes what has come since the last call.
    pub fn take(&self) -> Vec<DbError> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Database {
    /// # Panics
    /// When the server can't be reached or refuses.
    pub(crate) fn create(endpoint: &Endpoint) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let mut admin = endpoint
            .config("postgres")
            .connect(NoTls)
            .unwrap_or_else(|error| panic!("could not connect to the test server: {error}"));
        admin
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
            .unwrap_or_else(|error| panic!("could not make a test database: {error:?}"));
        Database {
            endpoint: endpoint.clone(),
            name,
        }
    }

    /// How to connect to it as the superuser; see [`Database::connect_with`].
    pub fn config(&self) -> postgres::Config {
        self.endpoint.config(&self.name)
    }

    /// A superuser's connection.
    pub fn connect(&self) -> Client {
        connect(&self.config())
    }

    /// A connection of `role`: `app`, `reviewer` and `outsider` are made with the server.
    pub fn connect_as(&self, role: &str) -> Client {
        self.connect_with(|config| {
            config.user(role);
        })
    }

    /// A connection set up by `change`: `db.connect_with(|config| { config.user("app").options("-c x.y=1"); })`.
    pub fn connect_with(&self, change: impl FnOnce(&mut postgres::Config)) -> Client {
        let mut config = self.config();
        change(&mut config);
        connect(&config)
    }

    /// A connection of `role` whose notices and warnings can be read.
    pub fn connect_listening(&self, role: &str) -> (Client, Notices) {
        let notices = Notices::default();
        let sink = notices.clone();
        let client = self.connect_with(|config| {
            config.user(role).notice_callback(move |notice| {
                sink.0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(notice);
            });
        });
        (client, notices)
    }

    /// The words libpq takes, for other clients: `host=... port=... dbname=... user=...`.
    pub fn conninfo(&self, role: &str) -> String {
        format!(
            "host={} port={PORT} dbname={} user={role}",
            self.endpoint.socket.display(),
            self.name
        )
    }
}

fn connect(config: &postgres::Config) -> Client {
    config
        .connect(NoTls)
        .unwrap_or_else(|error| panic!("could not connect to the test database: {error:?}"))
}

impl Drop for Database {
    fn drop(&mut self) {
        // The database goes with the server anyway; a server that a test has crashed is no second failure.
        if let Ok(mut admin) = self.endpoint.config("postgres").connect(NoTls) {
            let _ = admin.batch_execute(&format!(
                "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                self.name
            ));
        }
    }
}
