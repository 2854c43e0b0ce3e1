//! The record is lossless: the JSON of a row has each value as it was, whatever the session's settings.

use pg_backstop_tests::{database, passes, query_text};

/// A column, the value written, and how the record shows it.
const VALUES: &[(&str, &str, &str)] = &[
    ("smallint", "'-32768'", "-32768"),
    ("bigint", "'9223372036854775807'", "9223372036854775807"),
    ("numeric", "'1.50000'", "1.50000"),
    (
        "numeric",
        "'123456789012345678901234567890.000000000000000001'",
        "123456789012345678901234567890.000000000000000001",
    ),
    ("numeric", "'NaN'", "\"NaN\""),
    ("numeric", "'-Infinity'", "\"-Infinity\""),
    ("float8", "'0.30000000000000004'", "0.30000000000000004"),
    ("float8", "'Infinity'", "\"Infinity\""),
    ("float4", "'NaN'", "\"NaN\""),
    ("boolean", "true", "true"),
    ("text", "NULL", "null"),
    ("text", "''", "\"\""),
    ("text", "'null'", "\"null\""),
    (
        "text",
        "E'quote \" back \\\\ tab \\t line \\n bell \\x07'",
        "\"quote \\\" back \\\\ tab \\t line \\n bell \\u0007\"",
    ),
    ("text", "'čeština 🙂'", "\"čeština 🙂\""),
    ("char(5)", "'ab'", "\"ab   \""),
    ("jsonb", "'null'", "\"null\""),
    ("jsonb", "NULL", "null"),
    (
        "jsonb",
        "'{\"a\": [1, null]}'",
        "\"{\\\"a\\\": [1, null]}\"",
    ),
    (
        "json",
        "'{\"b\":1,  \"b\":2}'",
        "\"{\\\"b\\\":1,  \\\"b\\\":2}\"",
    ),
    ("int[]", "'[2:3]={1,2}'", "\"[2:3]={1,2}\""),
    ("int[]", "'{}'", "\"{}\""),
    (
        "text[]",
        "'{NULL,\"NULL\",\"a,b\",\"\"}'",
        "\"{NULL,\\\"NULL\\\",\\\"a,b\\\",\\\"\\\"}\"",
    ),
    ("int[]", "'{{1,2},{3,NULL}}'", "\"{{1,2},{3,NULL}}\""),
    ("bytea", "'\\x00ff5c'", "\"\\\\x00ff5c\""),
    (
        "uuid",
        "'c4ca4238-a0b9-2382-0dcc-509a6f75849b'",
        "\"c4ca4238-a0b9-2382-0dcc-509a6f75849b\"",
    ),
    ("date", "'2026-02-03'", "\"2026-02-03\""),
    ("date", "'infinity'", "\"infinity\""),
    ("date", "'0044-03-15 BC'", "\"0044-03-15 BC\""),
    (
        "timestamp",
        "'2026-02-03 04:05:06.789012'",
        "\"2026-02-03 04:05:06.789012\"",
    ),
    ("timestamptz", "'-infinity'", "\"-infinity\""),
    ("interval", "'-1 year -2 mons +3 days -04:05:06.7'", ""),
    ("timestamptz", "'2026-02-03 04:05:06.789012+00'", ""),
    ("int4range", "'[1,5)'", "\"[1,5)\""),
    ("int4range", "'empty'", "\"empty\""),
    ("tstzrange", "'[2026-01-01 00:00:00.000001+00,)'", ""),
    ("inet", "'10.0.0.1/8'", "\"10.0.0.1/8\""),
    ("money", "'12.34'", ""),
    ("bit varying", "B'101'", "\"101\""),
    ("point", "'(0.1,1e300)'", "\"(0.1,1e+300)\""),
    ("mood", "'so so'", "\"so so\""),
    ("short", "'abc'", "\"abc\""),
    ("pair", "ROW(NULL, 'a \"b\"')", ""),
    ("pair[]", "ARRAY[ROW(1, NULL)::pair, NULL]", ""),
];

const SETTINGS: &[&str] = &[
    "SELECT 1",
    "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'; SET IntervalStyle = 'sql_standard'",
    "SET DateStyle = 'German'; SET TimeZone = 'America/St_Johns'; SET extra_float_digits = -15",
    "SET DateStyle = 'Postgres, MDY'; SET bytea_output = escape; SET IntervalStyle = 'postgres_verbose'",
];

#[test]
fn every_value_reads_back_as_it_was_under_any_settings() {
    let db = database();
    let mut admin = db.connect();
    let columns: Vec<String> = VALUES
        .iter()
        .enumerate()
        .map(|(n, (kind, ..))| format!("c{n} {kind}"))
        .collect();
    passes(
        &mut admin,
        &format!(
            "CREATE TYPE mood AS ENUM ('so so', 'good'); CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
             CREATE TYPE pair AS (n int, t text);
             CREATE TABLE zoo (id bigint PRIMARY KEY, big text, {});
             SELECT backstop.protect('zoo')",
            columns.join(", ")
        ),
    );
    let values: Vec<&str> = VALUES.iter().map(|(_, value, _)| *value).collect();
    for (n, settings) in SETTINGS.iter().enumerate() {
        let insert = format!(
            "INSERT INTO zoo VALUES ({n}, repeat('long ', 100000), {})",
            values.join(", ")
        );
        passes(&mut admin, &insert);
        passes(
            &mut admin,
            &format!("CREATE TABLE twin_{n} AS SELECT * FROM zoo WHERE id = {n}"),
        );
        let mut app = db.connect_as("app");
        passes(&mut app, settings);
        passes(&mut app, &format!("DELETE FROM zoo WHERE id = {n}"));
        // Read once: the long value makes it slow.
        passes(
            &mut admin,
            &format!(
                "CREATE TEMP TABLE image_{n} AS SELECT old_row FROM backstop.preimage WHERE key ->> 'id' = '{n}'"
            ),
        );
        for (c, (kind, value, shown)) in VALUES.iter().enumerate() {
            let image = format!("(SELECT old_row FROM image_{n})");
            let case = format!("{kind} {value} under {settings}");
            if !shown.is_empty() {
                let said = query_text(&mut admin, &format!("SELECT {image} -> 'c{c}'"));
                assert_eq!(&said, shown, "{case}");
            }
            let same = format!(
                "SELECT ({image} ->> 'c{c}')::{kind}::text IS NOT DISTINCT FROM c{c}::text FROM twin_{n}"
            );
            assert_eq!(query_text(&mut admin, &same), "t", "{case}");
        }
        let long = format!("SELECT old_row ->> 'big' = repeat('long ', 100000) FROM image_{n}");
        assert_eq!(query_text(&mut admin, &long), "t");
    }
}

#[test]
fn dropped_added_and_generated_columns_are_recorded_as_they_stand() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE t (gone int, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
         INSERT INTO t (gone, a) VALUES (1, 21); ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ADD COLUMN late text DEFAULT 'filled';
         SELECT backstop.protect('t')",
    );
    passes(&mut db.connect_as("app"), "DELETE FROM t WHERE id = 1");
    let image = "SELECT old_row FROM backstop.preimage";
    assert_eq!(
        query_text(&mut admin, image),
        r#"{"a": 21, "id": 1, "late": "filled", "twice": 42}"#
    );
}
