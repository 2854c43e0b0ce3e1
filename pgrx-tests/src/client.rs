//! What tests say about statements: this one passes, that one is refused, and with these words.

use postgres::error::ErrorPosition;
use postgres::types::ToSql;
use postgres::{Client, SimpleQueryMessage};

/// Every field of an error that a client can read. A field the server didn't send is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    pub sqlstate: String,
    pub message: String,
    pub detail: String,
    pub hint: String,
    pub schema: String,
    pub table: String,
    pub column: String,
    pub datatype: String,
    pub constraint: String,
    pub context: String,
    /// The cursor position in the statement, counted in characters from 1.
    pub position: Option<u32>,
}

impl Refusal {
    /// The fields of an error the server sent; `None` for any other error (a lost connection).
    pub fn of(error: &postgres::Error) -> Option<Refusal> {
        let error = error.as_db_error()?;
        let text = |field: Option<&str>| field.unwrap_or_default().to_string();
        Some(Refusal {
            sqlstate: error.code().code().to_string(),
            message: error.message().to_string(),
            detail: text(error.detail()),
            hint: text(error.hint()),
            schema: text(error.schema()),
            table: text(error.table()),
            column: text(error.column()),
            datatype: text(error.datatype()),
            constraint: text(error.constraint()),
            context: text(error.where_()),
            position: match error.position() {
                Some(ErrorPosition::Original(position)) => Some(*position),
                _ => None,
            },
        })
    }
}

/// Runs `sql` as one simple query and returns the refusal.
///
/// # Panics
/// When it passes, or fails other than by an error of the server.
#[track_caller]
pub fn refused(client: &mut Client, sql: &str) -> Refusal {
    refusal(sql, client.batch_execute(sql))
}

/// As [`refused`], by the extended protocol with bound parameters.
///
/// # Panics
/// When it passes, or fails other than by an error of the server.
#[track_caller]
pub fn refused_with(client: &mut Client, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Refusal {
    refusal(sql, client.execute(sql, parameters))
}

/// Runs `sql` as one simple query.
///
/// # Panics
/// When it is refused: with all the words of the refusal.
#[track_caller]
pub fn passes(client: &mut Client, sql: &str) {
    accepted(sql, client.batch_execute(sql));
}

/// As [`passes`], by the extended protocol with bound parameters. Returns the number of rows the server reports.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn passes_with(client: &mut Client, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> u64 {
    accepted(sql, client.execute(sql, parameters))
}

/// The rows of a query as the text the server sends. Several statements' rows come one after the other.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn query_rows(client: &mut Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = accepted(sql, client.simple_query(sql));
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(
            (0..row.len())
                .map(|n| row.get(n).map(String::from))
                .collect(),
        ),
        _ => None,
    });
    rows.collect()
}

/// The result of a query as `psql -At` prints it: columns apart by `|`, rows by newlines, nulls as `null`.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn query_text(client: &mut Client, sql: &str) -> String {
    let line = |row: Vec<Option<String>>| {
        let cells: Vec<String> = row
            .into_iter()
            .map(|cell| cell.unwrap_or_else(|| "null".into()))
            .collect();
        cells.join("|")
    };
    query_rows(client, sql)
        .into_iter()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

#[track_caller]
fn refusal<T>(sql: &str, result: Result<T, postgres::Error>) -> Refusal {
    match result {
        Ok(_) => panic!("this was not refused: {sql}"),
        Err(error) => Refusal::of(&error).unwrap_or_else(|| {
            panic!("{sql}\nfailed, but not by an error of the server: {error:?}")
        }),
    }
}

#[track_caller]
fn accepted<T>(sql: &str, result: Result<T, postgres::Error>) -> T {
    result.unwrap_or_else(|error| match Refusal::of(&error) {
        Some(refusal) => panic!("this was refused: {sql}\n{refusal:#?}"),
        None => panic!("{sql}\nfailed: {error:?}"),
    })
}
