//! Whether PostgreSQL calls what users wrote when it only reads a command.
//!
//! A literal of an array, a composite or a range is made a value while its command is read, and a domain inside it checks
//! that value with its owner's function. What a table is partitioned by, and computed columns, are simplified then, which
//! calls functions of constants. The record's commands were printed with nothing but pg_catalog in the search_path: every
//! other name in them has its schema, so a name without one is PostgreSQL's own.

use super::present::reads_plainly;

/// Whether reading the command that makes something of this `kind` may call what users wrote.
pub(super) fn calls_when_read(kind: &str, sql: &str) -> bool {
    has_users_literal(sql) || kind == "table" && is_simplified(sql)
}

/// Whether there is a literal of a type whose reading may call what users wrote: `'(1)'::shop.mark`.
fn has_users_literal(sql: &str) -> bool {
    literal_types(sql).any(|name| !reads_plainly(name))
}

/// The names of literals' types that are not PostgreSQL's own; of arrays, of what they are made of.
fn literal_types(sql: &str) -> impl Iterator<Item = &str> {
    after(sql, "'::").filter_map(|rest| {
        let schema = identifier(rest);
        let name = rest[schema..].strip_prefix('.')?;
        Some(&rest[..schema + 1 + identifier(name)])
    })
}

/// The length of the name that the text starts with.
fn identifier(text: &str) -> usize {
    let Some(quoted) = text.strip_prefix('"') else {
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
        return text.len() - text.trim_start_matches(part).len();
    };
    // A quote in the name is doubled.
    let mut quotes = quoted.match_indices('"').map(|(at, _)| at).peekable();
    while let Some(at) = quotes.next() {
        if quotes.next_if_eq(&(at + 1)).is_none() {
            return at + 2;
        }
    }
    text.len()
}

/// Whether making the table simplifies what calls functions of users'.
fn is_simplified(sql: &str) -> bool {
    after(sql, " PARTITION BY ").any(qualifies) || computed(sql).any(qualifies)
}

fn after<'a>(sql: &'a str, words: &'a str) -> impl Iterator<Item = &'a str> {
    sql.match_indices(words)
        .map(|(at, words)| &sql[at + words.len()..])
}

/// The expressions of computed columns.
fn computed(sql: &str) -> impl Iterator<Item = &str> {
    after(sql, " GENERATED ALWAYS AS (").map(|rest| {
        let (mut depth, mut quote) = (1, None);
        let end = rest.char_indices().find(|(_, c)| {
            match (quote, c) {
                (Some(open), c) if open == *c => quote = None,
                (None, '\'' | '"') => quote = Some(*c),
                (None, '(') => depth += 1,
                (None, ')') => depth -= 1,
                _ => (),
            }
            depth == 0
        });
        end.map_or(rest, |(at, _)| &rest[..at])
    })
}

/// Whether something in it has its schema, as far as one sees without reading it: a number's point is none.
fn qualifies(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    sql.match_indices('.')
        .any(|(at, _)| !(is_digit(at.checked_sub(1)) && is_digit(Some(at + 1))))
}

#[cfg(test)]
mod tests {
    use super::{is_simplified, literal_types};

    #[test]
    fn literals_of_users_types_are_told_by_their_schemas() {
        for (sql, names) in [
            ("SET DEFAULT '{1}'::shop.dom[]", &["shop.dom"][..]),
            (
                "USING ((v <> '(4)'::\"Shop\".\"a.b\"))",
                &["\"Shop\".\"a.b\""],
            ),
            ("USING ((v <> '(4)'::\"a\"\"b\".c(3)))", &["\"a\"\"b\".c"]),
            (
                "x = ANY ('{\"it''s\"}'::größe.t[]) OR '(1)'::s.m",
                &["größe.t", "s.m"],
            ),
            ("'a'::text, '(1)'::\"unended.", &[]),
            ("SET DEFAULT '{1,2}'::integer[]", &[]),
            ("DEFAULT nextval('shop.users_id_seq'::regclass)", &[]),
            (
                "'1'::\"char\", '2026-01-01 00:00:00+00'::timestamp with time zone",
                &[],
            ),
            ("lower(v) = 'a.b' AND shop.f(v::shop.t)", &[]),
        ] {
            assert_eq!(literal_types(sql).collect::<Vec<_>>(), names, "{sql}");
        }
    }

    #[test]
    fn tables_are_read_by_their_keys_and_computed_columns() {
        for sql in [
            "CREATE TABLE s.t (a integer) PARTITION BY LIST ((s.f(1) + a))",
            "CREATE TABLE s.t (a integer, b integer GENERATED ALWAYS AS ((s.f(1) + a)) STORED)",
            "CREATE TABLE s.t (a integer, b text GENERATED ALWAYS AS ((')' || s.f('x'::text))) STORED)",
            "CREATE TABLE s.t (a integer OPERATOR, b int GENERATED ALWAYS AS ((1 OPERATOR(s.+) 1)) VIRTUAL)",
        ] {
            assert!(is_simplified(sql), "{sql}");
        }
        for sql in [
            "CREATE TABLE s.t (a s.dom DEFAULT s.f(1))",
            "CREATE TABLE s.t (a integer) PARTITION BY LIST (a)",
            "CREATE TABLE s.t (b numeric GENERATED ALWAYS AS ((a * 1.5)) STORED, c s.t)",
            "CREATE TABLE s.t (id integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME s.q START WITH 1))",
        ] {
            assert!(!is_simplified(sql), "{sql}");
        }
    }
}
