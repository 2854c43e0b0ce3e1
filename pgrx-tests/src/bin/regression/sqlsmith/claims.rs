//! What must hold after every round.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pg_backstop_tests::Database;
use pg_backstop_tests::postgres::{Client, Error};

/// How long a disconnected session may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sessions and locks of others. The writer of refusals is no client.
const LEFT: &str = "SELECT concat_ws('; ',
    (SELECT string_agg(concat_ws(' ', a.usename, a.state, a.wait_event, left(a.query, 200)), ', ') FROM pg_stat_activity a
     WHERE a.application_name = 'sqlsmith' AND a.pid <> pg_backend_pid()),
    (SELECT string_agg(concat_ws(' ', l.locktype, l.mode, l.relation::regclass, 'of', l.pid), ', ') FROM pg_locks l
     LEFT JOIN pg_stat_activity a USING (pid)
     WHERE l.pid IS DISTINCT FROM pg_backend_pid() AND a.backend_type IS DISTINCT FROM 'pg_backstop rejection writer'
         AND l.locktype <> 'virtualxid'),
    (SELECT 'prepared: ' || string_agg(gid, ', ') FROM pg_prepared_xacts))";

pub struct Claims {
    admin: Client,
    /// The round's beginning: its time, and the last statement on record.
    at: String,
    last: i64,
    gone: i64,
    pub defects: Vec<String>,
}

/// What one round did.
pub struct Found {
    gone: i64,
    unrecorded: i64,
    different: i64,
    statements: i64,
    recorded: i64,
    /// `None`: rows inserted in the round reference a key that the restore would take away, and it was refused.
    restored: Option<i64>,
}

impl Claims {
    /// # Errors
    /// When the world can't be made.
    pub fn prepare(db: &Database, world: &str) -> Result<Claims> {
        let mut admin = db.connect();
        admin
            .batch_execute(world)
            .context("could not make the world")?;
        Ok(Claims {
            admin,
            at: String::new(),
            last: 0,
            gone: 0,
            defects: Vec::new(),
        })
    }

    /// Remembers how everything is.
    ///
    /// # Errors
    /// When the server refuses; so for the others.
    pub fn begin(&mut self) -> Result<()> {
        self.admin.batch_execute("SELECT before.take()")?;
        let row = self.admin.query_one(
            "SELECT clock_timestamp()::text, coalesce((SELECT max(statement_id) FROM backstop.statement), 0)",
            &[],
        )?;
        (self.at, self.last) = (row.get(0), row.get(1));
        Ok(())
    }

    /// Checks everything, when all sessions have been closed; then everything is as it was when the round began.
    pub fn check(&mut self) -> Result<Found> {
        self.nothing_is_left()?;
        let (gone, unrecorded) = self.gone(true)?;
        let record = self.admin.query_one(
            "SELECT count(*), coalesce(sum(rows), 0)::bigint FROM backstop.statement WHERE statement_id > $1",
            &[&self.last],
        )?;
        let back = self.admin.query_one(
            "SELECT coalesce(sum(restored), 0)::bigint
             FROM backstop.restore_since($1::text::timestamptz, dry_run => false, on_conflict => 'overwrite')",
            &[&self.at],
        );
        let restored = match back {
            Ok(row) => Some(row.get(0)),
            Err(error) if self.is_for_newcomers(&error)? => None,
            Err(error) => {
                let error = error
                    .as_db_error()
                    .map_or_else(|| error.to_string(), |db| format!("{db:?}"));
                self.defects
                    .push(format!("restore_since({}): {error}", self.at));
                Some(0)
            }
        };
        let (different, _) = self.gone(false)?;
        if different > 0 && restored.is_some() {
            let text = format!("{different} rows are not as they were at {}", self.at);
            self.defects.push(text);
        }
        self.gone += gone;
        Ok(Found {
            gone,
            unrecorded,
            different,
            statements: record.get(0),
            recorded: record.get(1),
            restored,
        })
    }

    /// Whether a restore was refused, rightly, since rows inserted in this round reference a key that it would take away.
    fn is_for_newcomers(&mut self, error: &Error) -> Result<bool> {
        let Some(error) = error.as_db_error().filter(|db| db.code().code() == "23503") else {
            return Ok(false);
        };
        let row = self.admin.query_one(
            "SELECT before.newcomers($1, $2)",
            &[&error.message(), &error.detail()],
        )?;
        Ok(row.get(0))
    }

    fn nothing_is_left(&mut self) -> Result<()> {
        let asked = Instant::now();
        loop {
            let left: String = self.admin.query_one(LEFT, &[])?.get(0);
            if left.is_empty() {
                return Ok(());
            }
            if asked.elapsed() > PATIENCE {
                self.defects.push(format!("left behind: {left}"));
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The rows that are not as they were, and how many of them are not on record, which is a defect when they should be.
    fn gone(&mut self, should_be_recorded: bool) -> Result<(i64, i64)> {
        let (mut all, mut lost) = (0, 0);
        for row in self
            .admin
            .query("SELECT * FROM before.gone($1)", &[&self.last])?
        {
            let (name, gone, unrecorded): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            all += gone;
            lost += unrecorded;
            if unrecorded > 0 && should_be_recorded {
                let sample: Option<String> = row.get(3);
                self.defects.push(format!(
                    "{unrecorded} of {gone} rows gone from {name} are not on record, like {}",
                    sample.unwrap_or_default()
                ));
            }
        }
        Ok((all, lost))
    }

    /// The whole run in a line.
    pub fn summary(&mut self) -> Result<String> {
        let row = self.admin.query_one(
            "SELECT format('%s statements on record with %s rows; %s refusals or warnings recorded',
                 (SELECT count(*) FROM backstop.statement WHERE reverts_since IS NULL),
                 (SELECT sum(rows) FROM backstop.statement WHERE reverts_since IS NULL),
                 (SELECT count(*) FROM backstop.rejection))",
            &[],
        )?;
        let record: String = row.get(0);
        Ok(format!(
            "{} rows were gone or different at the end of a round; {record}; {} defects",
            self.gone,
            self.defects.len()
        ))
    }
}

/// Who is doing what, for the report of a session that hangs.
///
/// # Errors
/// When the server can't say.
pub fn activity(db: &Database) -> Result<String> {
    Ok(db.connect().query_one(LEFT, &[])?.get(0))
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} statements destroyed {} rows; {} rows gone or different, {} of them unrecorded; ",
            self.statements, self.recorded, self.gone, self.unrecorded
        )?;
        match self.restored {
            Some(restored) => write!(
                f,
                "{restored} restored, {} not as they were",
                self.different
            ),
            None => write!(
                f,
                "not restored: rows inserted since reference what would go"
            ),
        }
    }
}
