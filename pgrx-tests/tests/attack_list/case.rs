//! The attack list's cases: how a room is written, read and run.
//!
//! A room is an SQL file. Each case is a header, `-- refused SF001: what it tries` or `-- passes: what it is`, then
//! for the extended protocol a line `-- with value | value`, then the statement up to the next empty line. Where the
//! contract leaves two answers open, the header names both: `-- refused SF001|SF002: ...`.

use std::error::Error;
use std::io::Read;

use postgres::Client;
use postgres::error::DbError;
use postgres::types::private::BytesMut;
use postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// What the guard owes a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// One of these SQLSTATEs, separated by `|`.
    Refused(&'static str),
    Passes,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub room: &'static str,
    pub name: &'static str,
    pub statement: &'static str,
    /// `None` for the simple protocol.
    pub values: Option<Vec<TextValue>>,
    pub expect: Expect,
}

impl Case {
    /// One statement of the kinds that can be planned, explained and prepared.
    pub fn is_one_planned_statement(&self) -> bool {
        let word = self.statement.split_whitespace().next().unwrap_or_default();
        ["DELETE", "UPDATE", "INSERT", "MERGE", "WITH"].contains(&word)
            && !self.statement.contains("; ")
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} [{}]", self.room, self.name, self.statement)
    }
}

/// Reads a room. A room that can't be read is a mistake in the room, so it stops the test.
pub fn cases(room: &'static str, text: &'static str) -> Vec<Case> {
    text.split("\n\n")
        .filter_map(|block| case(room, block))
        .collect()
}

fn case(room: &'static str, block: &'static str) -> Option<Case> {
    let is_header =
        |line: &&str| line.starts_with("-- refused ") || line.starts_with("-- passes: ");
    let header = block.lines().find(is_header)?;
    let statement = block[block.find(header)? + header.len()..].trim();
    let (expect, name) = match header.strip_prefix("-- passes: ") {
        Some(name) => (Expect::Passes, name),
        None => {
            let (codes, name) = header
                .strip_prefix("-- refused ")?
                .split_once(": ")
                .expect(header);
            (Expect::Refused(codes), name)
        }
    };
    let (values, statement) = match statement.strip_prefix("-- with ") {
        Some(rest) => {
            let (line, statement) = rest.split_once('\n').expect(header);
            (
                Some(
                    line.split('|')
                        .map(|value| TextValue(value.trim()))
                        .collect(),
                ),
                statement,
            )
        }
        None => (None, statement),
    };
    assert!(
        !statement.is_empty() && !statement.contains("\n--"),
        "room {room}: case without a statement: {header}"
    );
    Some(Case {
        room,
        name,
        statement,
        values,
        expect,
    })
}

/// A parameter in text form, for whatever type the server infers. `NULL` is the null value.
#[derive(Clone, Copy, Debug)]
pub struct TextValue(pub &'static str);

impl ToSql for TextValue {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if self.0 == "NULL" {
            return Ok(IsNull::Yes);
        }
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// Runs a statement or several through the simple protocol, COPY through its own messages.
pub fn run(client: &mut Client, statement: &str) -> Result<(), Box<DbError>> {
    if !statement.starts_with("COPY ") {
        return client
            .batch_execute(statement)
            .map_err(|error| server_error(Some(&error)));
    }
    let mut reader = client
        .copy_out(statement)
        .map_err(|error| server_error(Some(&error)))?;
    let copied = reader.read_to_end(&mut Vec::new());
    copied.map(drop).map_err(|error| {
        server_error(
            error
                .get_ref()
                .and_then(|source| source.downcast_ref::<postgres::Error>()),
        )
    })
}

/// Runs a prepared statement and reads all it returns.
pub fn run_prepared(
    client: &mut Client,
    statement: &postgres::Statement,
    values: &[TextValue],
) -> Result<(), Box<DbError>> {
    let values: Vec<&(dyn ToSql + Sync)> = values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect();
    client
        .query(statement, &values)
        .map(drop)
        .map_err(|error| server_error(Some(&error)))
}

fn server_error(error: Option<&postgres::Error>) -> Box<DbError> {
    let server = error.and_then(|error| error.as_db_error());
    Box::new(
        server
            .unwrap_or_else(|| panic!("not an error of the server: {error:?}"))
            .clone(),
    )
}

/// What is wrong with an answer, if anything: a wrong code, or a refusal that does not help the one it refuses.
pub fn complaint(expect: Expect, answer: &Result<(), Box<DbError>>) -> Option<String> {
    let (codes, error) = match (expect, answer) {
        (Expect::Passes, Ok(())) => return None,
        (Expect::Passes, Err(error)) => {
            return Some(format!("was refused: {}: {error}", error.code().code()));
        }
        (Expect::Refused(codes), Ok(())) => return Some(format!("was not refused ({codes})")),
        (Expect::Refused(codes), Err(error)) => (codes, error),
    };
    let code = error.code().code();
    if !codes.split('|').any(|expected| expected == code) {
        return Some(format!("got {code} instead of {codes}: {error}"));
    }
    let missing: Vec<&str> = [
        ("DETAIL", error.detail()),
        ("HINT", error.hint()),
        ("schema", error.schema()),
        ("table", error.table()),
    ]
    .iter()
    .filter(|(_, text)| text.is_none_or(|text| text.trim().is_empty()))
    .map(|(part, _)| *part)
    .collect();
    if !missing.is_empty() {
        return Some(format!("{code} lacks its {}", missing.join(", ")));
    }
    // A message may begin with an SQL keyword and with no other capital.
    let first_word = error.message().split(' ').next().unwrap_or_default();
    let starts_well =
        !first_word.starts_with(char::is_uppercase) || !first_word.contains(char::is_lowercase);
    let in_style = starts_well && !error.message().ends_with('.');
    (!in_style).then(|| format!("{code} is not in PostgreSQL's style: {}", error.message()))
}
