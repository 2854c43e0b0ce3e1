//! Beside other extensions that hook into statements, in every order: our verdicts are the same, and so are their counts
//! and plans.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Cluster, ClusterOptions, install, passes, query_text, refused, start};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 40) n;
    INSERT INTO orders SELECT n, n FROM generate_series(1, 40) n;
    CREATE SEQUENCE numbers";
const PROTECT: &str =
    "SELECT backstop.protect('users', max_rows => 5), backstop.protect_sequence('numbers')";

/// Statements and the verdict each must get.
const VERDICTS: &[(&str, &str)] = &[
    ("DELETE FROM users WHERE id BETWEEN 1 AND 3", "SF001"),
    ("DELETE FROM users", "SF002"),
    (
        "INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET plan = 'x'",
        "SF003",
    ),
    ("UPDATE users SET id = 100 WHERE id = 1", "SF004"),
    ("DELETE FROM users WHERE id IN (1, 2, 3)", "SF005"),
    ("SELECT setval('numbers', 1000)", "SF007"),
    ("TRUNCATE users CASCADE", "SF008"),
    ("DROP TABLE users CASCADE", "SF008"),
    ("INSERT INTO users VALUES (1, 'x')", "23505"),
    ("UPDATE users SET plan = 'paid' WHERE id = 1", ""),
    (
        "UPDATE users SET plan = 'paid' WHERE id = ANY ('{2, 3}')",
        "",
    ),
    ("DELETE FROM users WHERE id = 4", ""),
    (
        "SELECT count(*) FROM users JOIN orders ON user_id = users.id WHERE users.id > 7",
        "",
    ),
    ("DO 'BEGIN DELETE FROM orders WHERE id = 9; END'", ""),
];

/// What one order of loading did.
#[derive(Debug, PartialEq)]
struct Findings {
    /// What the record has.
    recorded: String,
    /// What pg_stat_statements counted of the statements the client sent.
    counted: String,
    /// The plans auto_explain logged for the client's statements.
    plans: Vec<String>,
    /// The statements that pgaudit logged.
    audited: Vec<String>,
}

/// A server that can load all of them, and says all it sees.
fn server() -> Cluster {
    let options = ClusterOptions::default()
        .set("compute_query_id", "on")
        .set("auto_explain.log_min_duration", "0")
        .set("auto_explain.log_analyze", "on")
        .set("auto_explain.log_timing", "off")
        .set("pgaudit.log", "write, ddl");
    start(&options)
}

/// Runs the statements on the server after it has loaded `libraries` in that order.
fn findings(server: &Cluster, libraries: &[&str]) -> Findings {
    let list: Vec<String> = libraries.iter().map(|name| format!("'{name}'")).collect();
    passes(
        &mut server.admin(),
        &format!(
            "ALTER SYSTEM SET shared_preload_libraries = {}",
            list.join(", ")
        ),
    );
    server.restart().expect("the server comes back");
    let guarded = libraries.contains(&"pg_backstop");
    let db = server.database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    if guarded {
        passes(&mut admin, PROTECT);
    }
    passes(
        &mut admin,
        "GRANT ALL ON users, orders, numbers TO app; ANALYZE users, orders;
         CREATE EXTENSION pg_stat_statements; SELECT pg_stat_statements_reset()",
    );
    let before = server.log().len();
    run(&mut db.connect_as("app"), guarded);
    let log = server.log()[before..].to_string();
    let recorded = query_text(
        &mut admin,
        "SELECT query, operations, relations, rows FROM backstop.statement ORDER BY statement_id",
    );
    let counted = query_text(
        &mut admin,
        "SELECT query, calls, rows FROM pg_stat_statements JOIN pg_roles r ON r.oid = userid
         WHERE rolname = 'app' ORDER BY query COLLATE \"C\"",
    );
    Findings {
        recorded,
        counted,
        plans: plans(&log),
        audited: audited(&log),
    }
}

fn run(app: &mut Client, guarded: bool) {
    for (statement, verdict) in VERDICTS {
        if verdict.is_empty() {
            passes(app, statement);
        } else if guarded {
            assert_eq!(refused(app, statement).sqlstate, *verdict, "{statement}");
        }
    }
}

/// The statements that pass.
fn passing() -> impl Iterator<Item = &'static str> {
    let pass = VERDICTS.iter().filter(|(_, verdict)| verdict.is_empty());
    pass.map(|(statement, _)| *statement)
}

/// The plans of the statements that pass, with the rows the run measured.
fn plans(log: &str) -> Vec<String> {
    let mut plans = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.contains("  plan:") {
            continue;
        }
        let mut plan = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('\t')) {
            plan += line;
            plan.push('\n');
        }
        if passing().any(|statement| plan.contains(&format!("Query Text: {statement}\n"))) {
            plans.push(plan);
        }
    }
    plans
}

/// The statements that pass as pgaudit logged them, without their numbers.
fn audited(log: &str) -> Vec<String> {
    let entries = log.lines().filter_map(|line| line.split_once("AUDIT: "));
    let fields = entries.filter_map(|(_, entry)| entry.splitn(4, ',').nth(3));
    fields
        .filter(|fields| passing().any(|statement| fields.contains(statement)))
        .map(String::from)
        .collect()
}

/// Every order of `libraries`.
fn orders<'a>(libraries: &[&'a str]) -> Vec<Vec<&'a str>> {
    if libraries.len() < 2 {
        return vec![libraries.to_vec()];
    }
    let mut all = Vec::new();
    for (n, first) in libraries.iter().enumerate() {
        let mut rest = libraries.to_vec();
        rest.remove(n);
        for order in orders(&rest) {
            all.push([vec![*first], order].concat());
        }
    }
    all
}

/// The other extensions, pgaudit where it can be had for the version under test.
fn others() -> Vec<&'static str> {
    let installation = pg_backstop_tests::installation();
    let major = installation.major;
    if let Err(error) = install::extension(installation, "pgaudit", "pgaudit") {
        println!("{error:#}");
    }
    let library = &installation.library;
    let mut others = vec!["pg_stat_statements", "auto_explain", "pgaudit"];
    others.retain(|name| {
        let here = library.join(format!("{name}.so")).is_file();
        if !here {
            println!("{name} is left out: there is none for PostgreSQL {major} here");
        }
        here
    });
    others
}

#[test]
fn verdicts_counts_and_plans_are_the_same_in_every_order_of_loading() {
    let others = others();
    if !["pg_stat_statements", "auto_explain"]
        .iter()
        .all(|name| others.contains(name))
    {
        println!("SKIPPED: this PostgreSQL came without its contrib modules");
        return;
    }
    let server = server();
    let alone = findings(&server, &others);
    assert!(
        alone.plans.len() >= 4 && alone.counted.contains("DELETE"),
        "{alone:#?}"
    );
    assert_eq!(
        others.contains(&"pgaudit"),
        !alone.audited.is_empty(),
        "{alone:#?}"
    );
    let recorded = findings(
        &server,
        &["pg_backstop"]
            .into_iter()
            .chain(others.clone())
            .collect::<Vec<_>>(),
    )
    .recorded;
    assert!(recorded.lines().count() >= 3, "{recorded}");
    let all: Vec<&str> = [vec!["pg_backstop"], others].concat();
    for order in orders(&all) {
        let found = findings(&server, &order);
        assert_eq!(found.recorded, recorded, "{order:?}");
        let found = Findings {
            recorded: String::new(),
            ..found
        };
        assert_eq!(found, alone, "{order:?}");
    }
}
