//! The ways to keep what a statement destroys, each on a table of its own.

use anyhow::Result;
use pg_backstop_tests::postgres::Client;

use crate::rows;
use crate::server::{Bench, execute, number};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capturer {
    /// Nothing is kept.
    Bare,
    Backstop,
    /// The same, and each row is asked by a function of the user's whether it is expendable.
    Expendable,
    /// A PL/pgSQL row trigger that writes `to_jsonb(OLD)`.
    RowTrigger,
    /// A PL/pgSQL statement trigger that writes `to_jsonb` of its transition table.
    StatementTrigger,
    TableLog,
}

pub const ALL: [Capturer; 5] = [
    Capturer::Bare,
    Capturer::Backstop,
    Capturer::RowTrigger,
    Capturer::StatementTrigger,
    Capturer::TableLog,
];

const LOG_COLUMNS: &str = "(id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT now(), operation text, old jsonb)";

impl Capturer {
    pub fn name(self) -> &'static str {
        match self {
            Capturer::Bare => "nothing kept",
            Capturer::Backstop => "pg_backstop",
            Capturer::Expendable => "pg_backstop, own function asked",
            Capturer::RowTrigger => "row trigger, to_jsonb(OLD)",
            Capturer::StatementTrigger => "statement trigger, to_jsonb",
            Capturer::TableLog => "table_log",
        }
    }

    pub fn table(self) -> &'static str {
        match self {
            Capturer::Bare => "bare",
            Capturer::Backstop => "guarded",
            Capturer::Expendable => "asked",
            Capturer::RowTrigger => "by_row",
            Capturer::StatementTrigger => "by_statement",
            Capturer::TableLog => "by_table_log",
        }
    }

    /// Where it keeps the rows.
    pub fn logs(self) -> &'static [&'static str] {
        match self {
            Capturer::Bare => &[],
            Capturer::Backstop | Capturer::Expendable => {
                &["backstop.statement_log", "backstop.image_chunk"]
            }
            Capturer::RowTrigger => &["by_row_log"],
            Capturer::StatementTrigger => &["by_statement_log"],
            Capturer::TableLog => &["by_table_log_log"],
        }
    }

    /// What a transaction that destroys many rows has to say first.
    pub fn before(self) -> &'static str {
        match self {
            Capturer::Backstop | Capturer::Expendable => {
                "SELECT backstop.approve_batch('bench', 100000000)"
            }
            _ => "",
        }
    }

    pub fn available(self, bench: &Bench) -> bool {
        self != Capturer::TableLog || bench.table_log
    }

    /// Makes the table, empty, and whatever watches it save the protection, which comes with `prepare`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn make(self, client: &mut Client) -> Result<()> {
        let table = self.table();
        rows::make(client, table)?;
        match self {
            Capturer::Bare | Capturer::Backstop => Ok(()),
            Capturer::Expendable => execute(
                client,
                "CREATE FUNCTION is_test(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
                     RETURN $1 LIKE '%@test.example';
                 END $$",
            ),
            Capturer::RowTrigger => execute(
                client,
                &format!(
                    "CREATE TABLE {table}_log {LOG_COLUMNS};
                     CREATE FUNCTION {table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                         INSERT INTO {table}_log (operation, old) VALUES (TG_OP, to_jsonb(OLD)); RETURN NULL;
                     END $$;
                     CREATE TRIGGER keep AFTER UPDATE OR DELETE ON {table}
                         FOR EACH ROW EXECUTE FUNCTION {table}()"
                ),
            ),
            Capturer::StatementTrigger => execute(
                client,
                &format!(
                    "CREATE TABLE {table}_log {LOG_COLUMNS};
                     CREATE FUNCTION {table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                         INSERT INTO {table}_log (operation, old) SELECT TG_OP, to_jsonb(o) FROM old_rows AS o;
                         RETURN NULL;
                     END $$;
                     CREATE TRIGGER keep_updated AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows
                         FOR EACH STATEMENT EXECUTE FUNCTION {table}();
                     CREATE TRIGGER keep_deleted AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows
                         FOR EACH STATEMENT EXECUTE FUNCTION {table}()"
                ),
            ),
            Capturer::TableLog => execute(
                client,
                &format!(
                    "CREATE EXTENSION IF NOT EXISTS table_log;
                     SELECT table_log_init(3, 'public', '{table}', 'public', '{table}_log', 'SINGLE', false,
                         '{{UPDATE, DELETE}}')"
                ),
            ),
        }
    }

    /// Fills the table anew, and empties the log where that is allowed.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn prepare(self, client: &mut Client) -> Result<()> {
        let table = self.table();
        let expendable = match self {
            Capturer::Backstop => "NULL",
            Capturer::Expendable => "'public.is_test(email)'",
            _ => {
                for log in self.logs() {
                    execute(client, &format!("TRUNCATE {log}"))?;
                }
                return rows::fill(client, table);
            }
        };
        execute(
            client,
            &format!(
                "DO $$ BEGIN IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal)
                 THEN PERFORM backstop.unprotect('{table}'); END IF; END $$"
            ),
        )?;
        rows::fill(client, table)?;
        execute(
            client,
            &format!("SELECT backstop.protect('{table}', expendable => {expendable})"),
        )
    }

    /// The bytes its logs take on disk, TOAST and indexes included.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn stored(self, client: &mut Client) -> Result<f64> {
        let mut bytes = 0.0;
        for log in self.logs() {
            bytes += number(
                client,
                &format!("SELECT pg_total_relation_size('{log}')::float8"),
            )?;
        }
        Ok(bytes)
    }
}
