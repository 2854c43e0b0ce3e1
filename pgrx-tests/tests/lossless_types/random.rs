//! Random tables and rows, destroyed and restored under random settings, in databases of three encodings.
//!
//! `PG_BACKSTOP_TEST_SEED` repeats a run, `PG_BACKSTOP_TEST_ROUNDS` makes it longer.

use std::fmt::Write;

use pg_backstop_tests::{passes, query_text};

use crate::encodings;
use crate::values::{BUILT_IN, Case, OBJECTS, OF_USERS};

/// A small generator of our own: the same numbers for the same seed, for ever (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Text in the characters that the encoding has, and more often than not an awkward one.
    fn text(&mut self, encoding: &str) -> String {
        let length = self.below(12);
        let mut text = String::new();
        for _ in 0..length {
            let last = if encoding == "UTF8" { 0x10_ffff } else { 0xff };
            let code = match self.below(4) {
                0 => *self.one(&[
                    1, 7, 9, 10, 13, 0x1f, 0x22, 0x27, 0x2c, 0x5c, 0x7b, 0x7d, 0x7f, 0xe9,
                ]),
                1 => 0x20 + self.below(0x5f),
                _ => 1 + self.below(last),
            };
            text.extend(char::from_u32(code as u32));
        }
        text
    }

    /// A value of `case`'s type, as SQL.
    fn value(&mut self, case: &Case, encoding: &str) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let n = self.next();
        match (case.0, self.below(8)) {
            ("percent", _) => format!("{}.{:02}", n % 100, self.below(100)),
            (_, 0) => "NULL".into(),
            ("text" | "varchar" | "bpchar", 1..6) => quoted(&self.text(encoding)),
            ("bytea", 1..6) => format!("decode('{n:016x}', 'hex')"),
            ("bigint", 1..6) => format!("({}::numeric)::bigint", n as i64),
            ("double precision", 1..6) if f64::from_bits(n).is_finite() => {
                format!("'{:e}'::float8", f64::from_bits(n))
            }
            ("real", 1..6) if f32::from_bits(n as u32).is_finite() => {
                format!("'{:e}'::real", f32::from_bits(n as u32))
            }
            ("numeric", 1..6) => format!("{n}::numeric * 0.{:01$}", 1, self.below(30) + 1),
            ("timestamp", 1..6) => format!(
                "'2000-01-01'::timestamp + {} * interval '1 microsecond'",
                (n as i64) / 512
            ),
            ("timestamptz", 1..6) => format!(
                "'2000-01-01 00:00:00+00'::timestamptz + {} * interval '1 microsecond'",
                (n as i64) / 512
            ),
            ("date", 1..6) => format!("'2000-01-01'::date + {}", (n % 3_000_000) as i64 - 700_000),
            ("interval", 1..6) => format!(
                "make_interval(months => {}, days => {}, secs => {}.{:06})",
                n as i16,
                (n >> 16) as i32 / 2,
                (n >> 48) as i16,
                self.below(1_000_000)
            ),
            ("uuid", 1..6) => format!("md5('{n}')::uuid"),
            _ => (*self.one(case.1)).to_owned(),
        }
    }
}

const NAMES: &[&str] = &[
    "t", "old", "new", "row", "OLD", "a.b", "q\"uote", "select", "order", "x y", "é", "$1", "'",
    "\\", "{", "ctid_", "\t",
];

const SETTINGS: &[(&str, &[&str])] = &[
    (
        "DateStyle",
        &[
            "ISO, MDY",
            "ISO, YMD",
            "SQL, DMY",
            "SQL, MDY",
            "German",
            "Postgres, DMY",
            "Postgres, MDY",
        ],
    ),
    (
        "TimeZone",
        &[
            "UTC",
            "Asia/Kolkata",
            "America/St_Johns",
            "Pacific/Kiritimati",
            "<+07:30>-07:30",
            "Europe/Prague",
        ],
    ),
    (
        "IntervalStyle",
        &["postgres", "postgres_verbose", "sql_standard", "iso_8601"],
    ),
    ("bytea_output", &["hex", "escape"]),
    ("extra_float_digits", &["-15", "0", "1", "3"]),
    (
        "search_path",
        &[
            "public",
            "\"Hidden Schema\", public",
            "pg_catalog, public",
            "public, pg_catalog",
        ],
    ),
    ("quote_all_identifiers", &["on", "off"]),
    ("array_nulls", &["on", "off"]),
    ("xmloption", &["content", "document"]),
    ("standard_conforming_strings", &["on", "off"]),
    ("backslash_quote", &["on", "off"]),
    ("lc_monetary", &["C", "C.UTF-8", "POSIX"]),
];

fn settings(random: &mut Random) -> String {
    SETTINGS
        .iter()
        .fold(String::new(), |mut all, (name, values)| {
            let value = random.one(values);
            let value = if *name == "search_path" {
                (*value).to_owned()
            } else {
                format!("'{value}'")
            };
            let _ = write!(all, "SET {name} = {value}; ");
            all
        })
}

fn rounds(encoding: &str) {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = variable("PG_BACKSTOP_TEST_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        now.as_nanos() as u64
    });
    let rounds = variable("PG_BACKSTOP_TEST_ROUNDS").unwrap_or(25);
    println!("{encoding}: PG_BACKSTOP_TEST_SEED={seed}, {rounds} tables");
    let mut random = Random(seed);
    let db = encodings::of(encoding);
    let mut admin = db.connect();
    // Names that only UTF-8 has are left to the tests of UTF-8.
    let ascii = |text: &str| text.is_ascii() || encoding == "UTF8";
    let objects = if encoding == "UTF8" {
        OBJECTS.to_owned()
    } else {
        OBJECTS.replace("🙂", "é")
    };
    passes(&mut admin, &objects);
    passes(&mut admin, "GRANT USAGE ON SCHEMA \"Hidden Schema\" TO app");
    let wanted = |case: &&Case| {
        !case.1.is_empty() && ascii(case.0) && !matches!(case.0, "xml" | "pg_ndistinct" | "pg_dependencies" | "pg_mcv_list" | "nested" | "things")
            // Sixteen megabytes in each of many rows prove nothing more.
            && !case.1.iter().any(|value| value.contains("000, 'hex'") || value.contains("4000000"))
            || matches!(case.0, "text" | "bytea")
    };
    let cases: Vec<Case> = BUILT_IN
        .iter()
        .chain(OF_USERS)
        .filter(wanted)
        .map(|(kind, values)| {
            (
                *kind,
                if matches!(*kind, "text" | "bytea") {
                    &["''"][..]
                } else {
                    *values
                },
            )
        })
        .collect();
    let mut rows = 0;
    for n in 0..rounds {
        let what = |step: &str| format!("{encoding}, seed {seed}, table {n}: {step}");
        let name = format!("\"t{n} {}\"", random.one(NAMES).replace('"', "\"\""));
        let columns: Vec<&Case> = (0..1 + random.below(12))
            .map(|_| random.one(&cases))
            .collect();
        let first = random.below(NAMES.len());
        let column = |c: usize| {
            format!(
                "\"{}\"",
                format!(
                    "{}{}",
                    NAMES[(first + c) % NAMES.len()],
                    if c < NAMES.len() { "" } else { "_" }
                )
                .replace('"', "\"\"")
            )
        };
        let declared: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(c, case)| format!("{} {}", column(c), case.0))
            .collect();
        passes(
            &mut admin,
            &format!(
                "RESET ALL; CREATE TABLE public.{name} (id int PRIMARY KEY, {})",
                declared.join(", ")
            ),
        );
        let count = 1 + random.below(40);
        for id in 0..count {
            let values: Vec<String> = columns
                .iter()
                .map(|case| random.value(case, encoding))
                .collect();
            let values: Vec<String> = columns
                .iter()
                .zip(values)
                .map(|(case, value)| format!("({value})::{}", case.0))
                .collect();
            passes(
                &mut admin,
                &format!(
                    "INSERT INTO public.{name} SELECT {id}, {}",
                    values.join(", ")
                ),
            );
        }
        rows += count;
        passes(
            &mut admin,
            &format!("CREATE TABLE twin_{n} AS TABLE public.{name}"),
        );
        let literal = name.replace('\'', "''");
        passes(
            &mut admin,
            &format!("SELECT backstop.protect('public.{literal}')"),
        );
        let mut app = db.connect_as("app");
        let captures_under = settings(&mut random);
        passes(&mut app, &captures_under);
        let destroyed: Vec<String> = (0..count)
            .filter(|_| random.below(4) > 0)
            .chain([0])
            .map(|id| id.to_string())
            .collect();
        let ids = destroyed.join(", ");
        let statement = if random.below(2) == 0 {
            format!("DELETE FROM public.{name} WHERE id IN ({ids})")
        } else {
            // Each row gets the values of another one.
            let sets: Vec<String> = (0..columns.len())
                .map(|c| format!("{0} = o.{0}", column(c)))
                .collect();
            format!(
                "UPDATE public.{name} AS x SET {} FROM public.twin_{n} AS o WHERE x.id IN ({ids}) AND o.id = 0",
                sets.join(", ")
            )
        };
        if std::env::var_os("PG_BACKSTOP_TEST_SEED").is_some() {
            println!("{statement}\nunder {captures_under}\n{declared:?}");
        }
        passes(&mut app, &statement);
        let restores_under = settings(&mut random);
        passes(&mut admin, &restores_under);
        let restore = "SELECT sum(conflicts) FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)";
        let conflicts = query_text(&mut admin, restore);
        assert_eq!(
            conflicts,
            "0",
            "{}",
            what(&format!(
                "{statement}\nunder {captures_under}\nand {restores_under}\n{declared:?}"
            ))
        );
        let differ = format!(
            "SELECT count(*) FROM public.twin_{n} w FULL JOIN public.{name} z USING (id) WHERE NOT coalesce((w.*) OPERATOR(pg_catalog.*=) (z.*), false)"
        );
        assert_eq!(
            query_text(&mut admin, &differ),
            "0",
            "{}",
            what(&format!("{statement}\n{declared:?}"))
        );
        let readable = "SELECT count(old_row) > 0 FROM backstop.preimage WHERE statement_id = (SELECT max(statement_id) - 1 FROM backstop.statement)";
        let _ = query_text(&mut admin, readable);
    }
    println!("{encoding}: {rows} rows");
}

#[test]
fn random_tables_in_utf8() {
    rounds("UTF8");
}

#[test]
fn random_tables_in_latin1() {
    rounds("LATIN1");
}

#[test]
fn random_tables_in_sql_ascii() {
    rounds("SQL_ASCII");
}
