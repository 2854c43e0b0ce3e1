//! The template that test databases are made from, and the roles every test may use.

use anyhow::{Context, Result};
use postgres::NoTls;

use crate::cluster::Cluster;

/// The database that [`crate::Database`]s are copies of.
pub(crate) const TEMPLATE: &str = "backstop_template";

/// `app` is the ordinary login role; it may make tables in `public`, and use those that tests make there.
const ROLES: &str = "CREATE ROLE app LOGIN;
    CREATE ROLE reviewer LOGIN;
    CREATE ROLE outsider LOGIN";
const GRANTS: &str = "GRANT USAGE, CREATE ON SCHEMA public TO app;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO app;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO app";

pub(crate) fn prepare(cluster: &Cluster, create_extension: bool) -> Result<()> {
    let mut admin = cluster.endpoint.config("postgres").connect(NoTls)?;
    admin.batch_execute(ROLES)?;
    admin.batch_execute(&format!("CREATE DATABASE {TEMPLATE}"))?;
    let mut template = cluster.endpoint.config(TEMPLATE).connect(NoTls)?;
    template.batch_execute(GRANTS)?;
    if create_extension {
        template
            .batch_execute("CREATE EXTENSION pg_backstop")
            .map_err(describe)
            .context("CREATE EXTENSION failed")?;
    }
    template.close()?;
    // Nobody may be connected to it while databases are made from it.
    admin.batch_execute(&format!(
        "ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"
    ))?;
    Ok(())
}

fn describe(error: postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(db) => anyhow::anyhow!(
            "{}: {} {} {} (position {:?})",
            db.code().code(),
            db.message(),
            db.detail().unwrap_or_default(),
            db.where_().unwrap_or_default(),
            db.position()
        ),
        None => error.into(),
    }
}
