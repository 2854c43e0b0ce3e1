//! How a throwaway server is to be set up.

use crate::endpoint::PORT;

/// How the extension's library gets into a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preload {
    /// `shared_preload_libraries`: the recommended way.
    Shared,
    /// `session_preload_libraries`: needs no restart.
    Session,
    /// Not at all: only a function or trigger of the extension loads it.
    None,
}

/// The options of one server; `ClusterOptions::default()` is what the shared one has.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    pub(crate) preload: Preload,
    pub(crate) durable: bool,
    pub(crate) create_extension: bool,
    pub(crate) address: String,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        ClusterOptions {
            preload: Preload::Shared,
            durable: false,
            create_extension: true,
            address: String::new(),
            settings: Vec::new(),
            environment: Vec::new(),
        }
    }
}

impl ClusterOptions {
    #[must_use]
    pub fn preload(mut self, preload: Preload) -> Self {
        self.preload = preload;
        self
    }

    /// Keeps `fsync` on: for tests that crash the server.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Leaves the template database without the extension.
    #[must_use]
    pub fn without_extension(mut self) -> Self {
        self.create_extension = false;
        self.preload = Preload::None;
        self
    }

    /// Lets it listen on this address too, on [`PORT`].
    #[must_use]
    pub fn address(mut self, address: &str) -> Self {
        self.address = address.into();
        self
    }

    /// Sets a line of postgresql.conf; the last one of a name counts.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Sets a variable of the server's environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The lines for postgresql.conf.
    pub(crate) fn lines(&self, socket_folder: &str) -> String {
        let onoff = |on: bool| if on { "on" } else { "off" };
        let mut lines: Vec<(String, String)> = [
            ("listen_addresses", self.address.as_str()),
            ("port", &PORT.to_string()),
            ("unix_socket_directories", socket_folder),
            ("fsync", onoff(self.durable)),
            ("full_page_writes", onoff(self.durable)),
            ("max_connections", "200"),
            ("max_prepared_transactions", "10"),
            // It would connect to the template while databases are made from it.
            ("autovacuum", "off"),
            ("max_wal_size", "4GB"),
            ("timezone", "UTC"),
            ("log_line_prefix", "%m [%p] %q%u@%d "),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .into();
        match self.preload {
            Preload::Shared => {
                lines.push(("shared_preload_libraries".into(), "pg_backstop".into()));
            }
            Preload::Session => {
                lines.push(("session_preload_libraries".into(), "pg_backstop".into()));
            }
            Preload::None => {}
        }
        lines.extend(self.settings.iter().cloned());
        lines
            .iter()
            .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
            .collect()
    }
}
