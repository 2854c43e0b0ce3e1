//! A backend that runs out of memory in the middle of capture or preview gets an error, and the server goes on.

use std::fs;

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{ClusterOptions, Refusal, passes, query_text, start};

/// Rows of different sizes: many small ones, and a few of some megabytes.
const WORLD: &str = "
    CREATE TABLE small (id bigint PRIMARY KEY, state text, body text);
    INSERT INTO small SELECT n, 'old', repeat('x', 300) FROM generate_series(1, 50000) n;
    CREATE TABLE large (id bigint PRIMARY KEY, state text, body text, data bytea);
    ALTER TABLE large ALTER body SET STORAGE EXTERNAL, ALTER data SET STORAGE EXTERNAL;
    INSERT INTO large SELECT n, 'old', repeat('x', n * 1000000), convert_to(repeat('y', n * 1000000), 'UTF8')
        FROM generate_series(1, 12) n;
    SELECT backstop.protect('small', max_rows => 10); SELECT backstop.protect('large', max_rows => 1)";

const APPROVE: &str = r#"SET backstop.approval = '{"reason": "memory", "max_rows": 1000000}'"#;

/// What is done in a backend with little memory. `{token}`, `{request}`: of a DELETE of everything that is there; the other
/// names: the statements that destroyed what is gone.
const STATEMENTS: [&str; 14] = [
    "DELETE FROM small WHERE state = 'old'",
    "DELETE FROM large WHERE state = 'old'",
    "UPDATE large SET state = 'new', body = body || 'z' WHERE state = 'old'",
    "SELECT backstop.preview('DELETE FROM large WHERE state = ''old''', 'memory'),
            backstop.preview('DELETE FROM small WHERE state = ''old''', 'memory')",
    "SELECT backstop.preview_json('DELETE FROM large WHERE state = ''old''', 'memory')",
    "SELECT backstop.run('{token}')",
    "SELECT count(*) FROM backstop.request_rows({request})",
    "SELECT count(*) FROM backstop.preview_tree({request})",
    "SELECT backstop.restore({large}, dry_run => false)",
    "SELECT backstop.restore({small}, dry_run => false)",
    "SELECT backstop.restore({without_key}, dry_run => false)",
    "SELECT backstop.restore({changed}, dry_run => false, on_conflict => 'skip')",
    "SELECT count(*) FROM backstop.restore_conflicts({changed})",
    "SELECT backstop.restore_since('-infinity', dry_run => false, on_conflict => 'overwrite')",
];

/// What is destroyed for good: rows of every size, of a table without a key, and rows that were changed since.
const GONE: [(&str, &str); 4] = [
    ("large", "DELETE FROM gone_large WHERE state = 'old'"),
    ("small", "DELETE FROM gone_small WHERE state = 'old'"),
    (
        "without_key",
        "UPDATE without_key SET state = 'new' WHERE state = 'old'",
    ),
    (
        "changed",
        "UPDATE changed SET state = 'new' WHERE state = 'old'",
    ),
];

const GONE_WORLD: &str = "
    CREATE TABLE gone_small AS TABLE small; ALTER TABLE gone_small ADD PRIMARY KEY (id);
    CREATE TABLE gone_large AS SELECT * FROM large WHERE id < 9; ALTER TABLE gone_large ADD PRIMARY KEY (id);
    CREATE TABLE without_key AS SELECT id, state, left(body, 500000) AS body FROM large UNION ALL TABLE small;
    CREATE TABLE changed AS SELECT id, state, body FROM small UNION ALL SELECT id + 1000000, state, body FROM large WHERE id < 6;
    ALTER TABLE changed ADD PRIMARY KEY (id);
    SELECT backstop.protect('gone_small'), backstop.protect('gone_large'), backstop.protect('changed'),
           backstop.protect('without_key', key_columns => '{id}')";

const STATE: &str =
    "SELECT (SELECT count(*) FROM small), (SELECT count(*) FROM large WHERE state = 'old'),
    (SELECT count(*) FROM gone_small), (SELECT count(*) FROM gone_large), (SELECT count(*) FROM changed WHERE state = 'old'),
    (SELECT count(*) FROM without_key WHERE state = 'old'),
    (SELECT count(*) FROM backstop.statement), (SELECT count(*) FROM backstop.request_log)";

/// Destroys what is gone, has a DELETE of what is there approved, and returns the statements with their numbers filled in.
fn prepared(admin: &mut Client) -> Vec<String> {
    passes(admin, GONE_WORLD);
    passes(admin, APPROVE);
    let mut filled = Vec::new();
    for (name, statement) in GONE {
        passes(admin, statement);
        let id = query_text(admin, "SELECT max(statement_id) FROM backstop.statement");
        filled.push((format!("{{{name}}}"), id));
    }
    passes(
        admin,
        "RESET backstop.approval; SET backstop.mode = off; UPDATE changed SET body = body || '!'; RESET backstop.mode",
    );
    let both = "WITH gone AS (DELETE FROM large WHERE state = ''old'') DELETE FROM small WHERE state = ''old''";
    let request = query_text(
        admin,
        &format!("SELECT DISTINCT request_id FROM backstop.preview('{both}', 'memory')"),
    );
    let token = query_text(
        admin,
        &format!("SELECT backstop.approve({request}, 'memory')"),
    );
    filled.push(("{request}".to_owned(), request));
    filled.push(("{token}".to_owned(), token));
    let fill = |statement: &str| {
        let mut statement = statement.to_owned();
        for (name, value) in &filled {
            statement = statement.replace(name, value);
        }
        statement
    };
    STATEMENTS.iter().map(|statement| fill(statement)).collect()
}

/// The size of a process's address space, in bytes.
fn address_space(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the backend lives");
    let line = status.lines().find(|line| line.starts_with("VmSize:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.expect("a size") * 1024
}

fn pid(client: &mut Client) -> i32 {
    query_text(client, "SELECT pg_backend_pid()")
        .parse()
        .expect("a process id")
}

#[test]
fn a_backend_without_memory_gets_an_error_and_the_server_goes_on() {
    let server = start(&ClusterOptions::default());
    let db = server.database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let statements = prepared(&mut admin);
    let before = query_text(&mut admin, STATE);
    let admins = pid(&mut admin);
    let (mut starved, mut fed) = (0, 0);
    for statement in &statements {
        for megabytes in [1, 4, 12, 32, 96] {
            let mut client = db.connect();
            let backend = pid(&mut client);
            passes(&mut client, APPROVE);
            passes(
                &mut client,
                "SELECT count(*) FROM small; SELECT count(*) FROM large",
            );
            server
                .limit_memory(backend, Some(address_space(backend) + (megabytes << 20)))
                .expect("a limit");
            passes(&mut client, "BEGIN");
            let told = format!("{statement} with {megabytes} MB more");
            match client.batch_execute(statement) {
                Ok(()) => fed += 1,
                Err(error) => {
                    let Some(refusal) = Refusal::of(&error) else {
                        panic!("{told}: {error:?}\n{}", tail(&server.log()));
                    };
                    assert_eq!(refusal.sqlstate, "53200", "{told}: {refusal:?}");
                    starved += 1;
                }
            }
            server.limit_memory(backend, None).expect("no limit");
            // It is the same backend, and it judges as ever.
            passes(&mut client, "ROLLBACK; RESET backstop.approval");
            let refusal = client.batch_execute("DELETE FROM small WHERE id > 1");
            let refusal = refusal.expect_err("this is refused");
            assert_eq!(
                Refusal::of(&refusal).map(|r| r.sqlstate).as_deref(),
                Some("SF001"),
                "{told}"
            );
            assert_eq!(pid(&mut client), backend);
            assert_eq!(query_text(&mut admin, STATE), before, "{told}");
        }
    }
    eprintln!("{starved} ran out of memory, {fed} did not");
    assert!(starved > 4 && fed > 1, "{starved} and {fed}");
    assert_eq!(pid(&mut admin), admins, "the server never restarted");
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
